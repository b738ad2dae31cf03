//! Messages as they come: good ones, broken ones, and nonsense.

use super::*;

/// The text with the line ends of mail.
fn crlf(text: &str) -> String {
    text.replace('\n', "\r\n")
}

/// Ids, media types and names of parts.
fn listed<'a>(parts: impl Iterator<Item = &'a MimePart<'a>>) -> Vec<String> {
    parts
        .map(|part| format!("{} {} {}", part.id, part.media_type, part.file_name))
        .collect()
}

const LETTER: &str = "\
Subject: a letter
Content-Type: multipart/mixed; boundary=\"a b\"

preamble
--a b
Content-Type: multipart/related;
 boundary=rel

--rel
Content-Type: multipart/alternative; boundary=alt

--alt
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

caf=C3=A9=
 au lait
--alt
Content-Type: text/html; charset=iso-8859-1
Content-Transfer-Encoding: base64

PGI+Y2Fm6TwvYj4gPGltZyBzcmM9ImNpZDppMUB4Ij4=
--alt--
--rel
Content-Type: image/png; name=logo.png
Content-ID: <i1@x>
Content-Disposition: inline
Content-Transfer-Encoding: base64

iVBORw==
--rel--
--a b
Content-Type: application/pdf
Content-Disposition: attachment; filename*=utf-8''r%C3%A9sum%C3%A9.pdf

%PDF
--a b
Content-Type: message/rfc822

Subject: within

text of it
--a b--
epilogue
";

#[test]
fn a_letter_has_its_text_its_images_and_its_files() {
    let text = crlf(LETTER);
    let message = MimeMessage::read(text.as_bytes());
    assert_eq!(message.text(1000), "caf\u{e9} au lait");
    assert_eq!(
        message.html(1000),
        "<b>caf\u{e9}</b> <img src=\"cid:i1@x\">"
    );
    assert_eq!(listed(message.inline()), ["1.2 image/png logo.png"]);
    assert_eq!(
        listed(message.attachments()),
        [
            "2 application/pdf r\u{e9}sum\u{e9}.pdf",
            "3 message/rfc822 "
        ]
    );
    let content = |id| message.part(id).map(|part| part.content().into_owned());
    assert_eq!(content("1.2").as_deref(), Some(&b"\x89PNG"[..]));
    assert_eq!(content("2").as_deref(), Some(&b"%PDF"[..]));
    assert_eq!(
        content("3").as_deref(),
        Some(&b"Subject: within\r\n\r\ntext of it"[..])
    );
    assert_eq!(
        content("1.1.1").as_deref(),
        Some("caf\u{e9} au lait".as_bytes())
    );
    assert_eq!(content("4"), None);
    assert_eq!(listed(message.images()), ["1.2 image/png logo.png"]);
}

#[test]
fn a_letter_without_its_end_is_read_as_far_as_it_goes() {
    let whole = crlf(LETTER);
    for end in 0..whole.len() {
        let message = MimeMessage::read(&whole.as_bytes()[..end]);
        assert!(message.attachments().count() <= 2);
        assert!(message.text(1000).len() < 100, "{}", message.text(1000));
    }
    let cut = &whole[..whole.find("%PDF").unwrap() + 2];
    let message = MimeMessage::read(cut.as_bytes());
    let pdf = message.part("2").unwrap();
    assert_eq!(&*pdf.content(), b"%P");
}

#[test]
fn a_message_of_one_part_is_text_or_a_file() {
    for (text, body, files) in [
        ("hello\n", "hello\r\n", &[][..]),
        ("Subject: x\n\nhello\n", "hello\r\n", &[]),
        ("Subject: x\n", "", &[]),
        ("", "", &[]),
        ("\n\nhello", "\r\nhello", &[]),
        ("Content-Type: text/html\n\n<p>a</p><p>b</p>", "a\nb", &[]),
        (
            "Content-Type: multipart/mixed\n\n--x\n\nhello",
            "--x\r\n\r\nhello",
            &[],
        ),
        ("Content-Type: nonsense\n\nx", "", &["0 nonsense "]),
        (
            "Content-Type: application/zip; name=\"a.zip\"\nContent-Transfer-Encoding: base64\n\neA==",
            "",
            &["0 application/zip a.zip"],
        ),
        (
            "Content-Disposition: attachment; filename=a.txt\n\nx",
            "",
            &["0 text/plain a.txt"],
        ),
    ] {
        let text = crlf(text);
        let message = MimeMessage::read(text.as_bytes());
        assert_eq!(message.text(1000), body, "{text}");
        assert_eq!(listed(message.attachments()), files, "{text}");
        assert_eq!(message.inline().count(), 0, "{text}");
    }
}

#[test]
fn several_texts_are_one_unless_they_are_alternatives() {
    for (kind, expected) in [("mixed", "a\n--\nb"), ("alternative", "a")] {
        let text =
            format!("Content-Type: multipart/{kind}; boundary=x\n\n--x\n\na\n--x\n\nb\n--x--\n");
        let text = crlf(&text);
        assert_eq!(MimeMessage::read(text.as_bytes()).text(1000), expected);
    }
}

#[test]
fn delimiters_are_whole_lines() {
    let text = "Content-Type: multipart/mixed; boundary=x\n\n--xy\n--x \t\n\na --x\n--x--y\n --x\n--x--\n--x\n\nnone";
    let text = crlf(text);
    let message = MimeMessage::read(text.as_bytes());
    assert_eq!(message.text(1000), "a --x\r\n--x--y\r\n --x");
}

#[test]
fn what_ends_an_outer_multipart_ends_the_inner_ones() {
    let text = "Content-Type: multipart/mixed; boundary=out\n\n--out\nContent-Type: multipart/mixed; boundary=in\n\n--in\n\na\n--out\n\nb\n--out--\n";
    let text = crlf(text);
    let message = MimeMessage::read(text.as_bytes());
    assert_eq!(message.text(1000), "a\n--\nb");
    assert!(message.part("2").is_some());
}

#[test]
fn depth_and_number_of_parts_are_bounded() {
    let mut nested = String::from("Content-Type: multipart/mixed; boundary=b0\n\n");
    for depth in 0..50 {
        nested.push_str(&format!(
            "--b{depth}\nContent-Type: multipart/mixed; boundary=b{}\n\n",
            depth + 1
        ));
    }
    let nested = crlf(&nested);
    let message = MimeMessage::read(nested.as_bytes());
    let deepest = message.parts.iter().map(|part| part.id.split('.').count());
    assert_eq!(deepest.max(), Some(DEPTH_MAX));

    let many = format!(
        "Content-Type: multipart/mixed; boundary=x\n\n{}",
        "--x\n\na\n".repeat(PARTS_MAX + 10)
    );
    let message = MimeMessage::read(many.as_bytes());
    assert_eq!(message.parts.len(), PARTS_MAX);
}

/// Texts that a reader may take long for: each repeats what begins something and never ends it.
#[test]
fn nonsense_is_read_to_its_end() {
    const LENGTH: usize = 1 << 20;
    let head = "Content-Type: multipart/mixed; boundary=x\r\nSubject: ";
    for (start, repeated) in [
        ("", "\0"),
        ("", ":"),
        ("", "a: b\r\n"),
        ("", "a: b\r\n "),
        (head, "=?"),
        (head, "=?utf-8?q?"),
        (head, "=?utf-8?q?a?= "),
        ("Content-Type: a", ";b*0*=%"),
        ("Content-Type: a; b=\"", "\\"),
        ("To: ", "a,"),
        ("To: ", "("),
        ("To: \"", "\\\""),
        (
            "Content-Type: multipart/mixed; boundary=x\r\n\r\n",
            "\r\n--x",
        ),
        (
            "Content-Type: multipart/mixed; boundary=x\r\n\r\n",
            "\r\n--x\r\n",
        ),
        ("Content-Type: multipart/mixed; boundary=x\r\n\r\n", "\n--"),
        (
            "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n",
            "a: b\r\n",
        ),
        ("Content-Type: text/html\r\n\r\n", "<"),
        ("Content-Type: text/html\r\n\r\n", "<a href='"),
        ("Content-Type: text/html\r\n\r\n", "<!--"),
        ("Content-Type: text/html\r\n\r\n", "<style></style"),
        ("Content-Type: text/html\r\n\r\n", "&#"),
        ("Content-Transfer-Encoding: base64\r\n\r\n", "="),
        (
            "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
            "=\r\n",
        ),
    ] {
        let text = start.to_owned() + &repeated.repeat(LENGTH / repeated.len());
        let message = MimeMessage::read(text.as_bytes());
        assert!(message.parts.len() <= PARTS_MAX);
        let (fields, _) = HeaderSection::split(text.as_bytes());
        let shown = [
            message.text(LENGTH),
            message.html(LENGTH),
            fields.decoded("subject"),
        ];
        assert!(
            shown.iter().all(|text| text.len() <= 3 * LENGTH),
            "{start}{repeated}"
        );
        assert!(read_addresses(fields.get("to")).len() <= 1_000);
        for part in message.attachments().chain(message.inline()) {
            assert!(part.content().len() <= LENGTH);
        }
    }
}

proptest::proptest! {
    /// No text is too broken to be read.
    #[test]
    fn any_text_is_read(pieces in proptest::collection::vec(0..PIECES.len(), 0..60), octets in proptest::collection::vec(proptest::num::u8::ANY, 0..40)) {
        let mut text = Vec::new();
        for (position, piece) in pieces.iter().enumerate() {
            text.extend_from_slice(PIECES[*piece].as_bytes());
            if position % 7 == 6 {
                text.extend_from_slice(&octets);
            }
        }
        let message = MimeMessage::read(&text);
        let _ = (message.text(100), message.html(100), text_of_html(&message.html(1000), 10));
        let (fields, _) = HeaderSection::split(&text);
        for field in fields.iter() {
            let _ = (field.text(), field.decoded(), read_addresses(Some(field)), date::read(&field.decoded()));
        }
        for part in &message.parts {
            let _ = (part.content(), part.content_type(), parts_of(part));
        }
    }
}

/// Pieces of messages, good ones and bad ones.
const PIECES: [&str; 40] = [
    "\r\n",
    "\n",
    " ",
    "\t",
    ":",
    ";",
    "=",
    "\"",
    "\\",
    "(",
    "<",
    ">",
    ",",
    "--x",
    "--x--",
    "--",
    "'",
    "Content-Type: ",
    "Content-Disposition: ",
    "Content-Transfer-Encoding: ",
    "Content-ID: ",
    "To: ",
    "Date: ",
    "multipart/mixed; boundary=x",
    "text/html; charset=utf-16",
    "attachment; filename*0*=utf-8''%e9",
    "base64",
    "quoted-printable",
    "=?utf-8?q?=C3?=",
    "=?iso-8859-2?B?/w==?=",
    "=\r\n",
    "=E9",
    "\u{e9}",
    "<p a=\"",
    "&#xe9;",
    "</script>",
    "<script>",
    "28 Nov 2026 15:09:45 +0100",
    "a@x",
    "--x\r\nA: b\r\n\r\n",
];
