use super::*;

fn given(data: &str) -> Option<String> {
    let reply = CustomReply::parse(data.as_bytes())?;
    let mut out = BytesMut::new();
    reply.write(&mut out);
    let text = String::from_utf8(out.to_vec()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let again: Vec<&[u8]> = reply.lines().collect();
    assert!(again.iter().zip(&lines).all(|(a, b)| *a == b.as_bytes()));
    assert_eq!(again.len(), lines.len());
    assert!(text.starts_with(&reply.code().to_string()), "{text}");
    Some(text)
}

#[test]
fn a_refusal_is_given_as_it_is() {
    for reply in [
        "554 5.7.1 Spam",
        "554 Spam",
        "451 4.7.1 Try again later\0",
        "421 4.7.0 x",
        "550 5.7.1",
        "550-5.7.1 one\r\n550 5.7.1 two\0",
        "554-one\r\n554-\r\n554 ",
        "554-one\r\n554-5.7.1 two\r\n554 three",
        "550 \tUTF-8: \u{e9}",
        // None of these is an enhanced status code.
        "554 4.7 rules matched",
        "554 4.7.1.2 is no code",
        "554 4.7.1, as it seems",
        "554 4..1 x",
        "554 44.1.1 x",
        "554 192.0.2.1 is listed",
        "550 451 was said before",
    ] {
        let text = format!("{}\r\n", reply.trim_end_matches('\0'));
        assert_eq!(given(reply), Some(text), "{reply}");
    }
    assert_eq!(
        given("550 100%% sure"),
        Some("550 100% sure\r\n".to_owned())
    );
    assert_eq!(given("550 %%%%"), Some("550 %%\r\n".to_owned()));
    assert_eq!(given("550 50% sure%"), Some("550 50% sure%\r\n".to_owned()));
}

#[test]
fn what_is_no_refusal_is_nonsense() {
    for reply in [
        "",
        "\0",
        "5",
        "550",
        "550 ",
        "550   ",
        "550x",
        "550-",
        "550- x",
        "5501 x",
        "250 Ok",
        "354 Go on",
        "150 x",
        "650 x",
        "5a0 x",
        "abc x",
        " 550 x",
        "554 4.7.1 x",
        "451 5.7.1 x",
        "554 2.0.0 Ok",
        "554 4.7.1",
        "550-one\r\n551 two",
        "550-5.7.1 one\r\n550 4.7.1 two",
        "550-one\r\n550-two",
        "550 one\r\n550 two",
        "550 one\r\n",
        "550-one\r\ntwo",
        "550-\r\n550 ",
        "550 a\rb",
        "550 a\nb",
        "550-a\n550 b",
        "550 a\0b",
        "550 a\0\0",
        "550 a\x1bb",
        "550 a\x7f",
    ] {
        assert_eq!(given(reply), None, "{}", reply.escape_default());
    }
}

#[test]
fn a_reply_has_only_so_many_lines_of_so_many_octets() {
    let longest = format!("550 {}", "x".repeat(994));
    assert_eq!(longest.len(), REPLY_LINE_BYTES_MAX);
    assert!(given(&longest).is_some());
    assert_eq!(given(&format!("{longest}x")), None);
    assert!(given(&format!("{longest}%%").replacen('x', "", 1)).is_some());
    let first = longest.replacen(' ', "-", 1);
    assert!(given(&format!("{first}\r\n{longest}")).is_some());
    assert_eq!(given(&format!("{first}x\r\n{longest}")), None);
    let lines = |count: usize| format!("{}550 end", "550-x\r\n".repeat(count - 1));
    assert!(given(&lines(REPLY_LINES_MAX)).is_some());
    assert_eq!(given(&lines(REPLY_LINES_MAX + 1)), None);
}
