//! The steps of a session, and what filters decide on them.

use crate::common::TestServer;
use crate::common::client::Client;
use crate::common::filter::{
    ACCEPT, Act, CUSTOM, DISCARD, FilterScript, REJECT, ScriptedFilter, TEMPFAIL, texts,
};
use crate::hear;

fn server(filter: &ScriptedFilter) -> TestServer {
    TestServer::start(&["--listen", "127.0.0.1:0", "--milter", &filter.address])
}

fn reply(letter: u8) -> Act {
    Act::Reply(vec![(letter, Vec::new())])
}

fn custom(text: &str) -> Act {
    Act::Reply(vec![(CUSTOM, texts(&[text]))])
}

/// Sends a message step by step, up to a step that has another reply than this; returns that.
fn send(server: &TestServer) -> String {
    let mut client = Client::connect(server.address());
    let steps = [
        ("", "220"),
        ("EHLO client.example\r\n", "250"),
        ("MAIL FROM:<a@client.example> SIZE=20\r\n", "250"),
        ("RCPT TO:<b@example.org>\r\n", "250"),
        ("DATA\r\n", "354"),
        (
            "Subject: hello\r\nX-Long: one\r\n\ttwo\r\n\r\nfirst\r\n..second\r\n.\r\n",
            "250",
        ),
    ];
    let mut said = String::new();
    for (words, code) in steps {
        client.say(words);
        said = hear(&mut client);
        if !said.starts_with(code) {
            break;
        }
    }
    said
}

#[test]
fn a_filter_is_told_each_step_and_the_message() {
    let filter = ScriptedFilter::start(FilterScript::default());
    let server = server(&filter);
    let said = send(&server);
    assert!(said.starts_with("250 2.0.0 Ok: queued as"), "{said}");
    let told = filter.told();
    let steps: Vec<&str> = told
        .iter()
        .filter(|it| !it.starts_with(['O', 'D', 'Q']))
        .map(String::as_str)
        .collect();
    assert!(steps[0].starts_with("Cunknown|4"), "{told:?}");
    assert!(steps[0].ends_with("127.0.0.1|"), "{told:?}");
    assert_eq!(
        steps[1..],
        [
            "Hclient.example|",
            "M<a@client.example>|SIZE=20|",
            "R<b@example.org>|",
            "T",
            "LSubject|hello|",
            "LX-Long|one\n\ttwo|",
            "N",
            "Bfirst\r\n.second\r\n",
            "E",
        ]
    );
    let macros: Vec<&String> = told.iter().filter(|it| it.starts_with('D')).collect();
    let id = said.trim_end().rsplit(' ').next().unwrap();
    assert!(macros[0].starts_with("DCj|mx.example.org|"), "{macros:?}");
    assert!(
        macros.iter().any(|it| **it == format!("DTi|{id}|")),
        "{macros:?}"
    );
}

#[test]
fn a_refusal_is_told_at_its_step() {
    for (step, act, wanted) in [
        (
            b'C',
            reply(REJECT),
            "554 mx.example.org ESMTP not accepting connections",
        ),
        (
            b'C',
            reply(TEMPFAIL),
            "451 4.7.1 Service unavailable - try again later",
        ),
        (b'H', custom("550 5.7.1 not you"), "550 5.7.1 not you"),
        (b'M', reply(REJECT), "550 5.7.1 Command rejected"),
        (
            b'R',
            reply(TEMPFAIL),
            "451 4.7.1 Service unavailable - try again later",
        ),
        (b'R', custom("450 greylisted"), "450 greylisted"),
        (b'T', reply(REJECT), "550 5.7.1 Command rejected"),
        (b'L', reply(REJECT), "550 5.7.1 Command rejected"),
        (b'N', reply(REJECT), "550 5.7.1 Command rejected"),
        (b'B', reply(REJECT), "550 5.7.1 Command rejected"),
        (
            b'E',
            custom("554-5.7.1 Spam\r\n554 5.7.1 of the worst"),
            "554-5.7.1 Spam\r\n554 5.7.1 of the worst",
        ),
    ] {
        let filter = ScriptedFilter::acting(step, act);
        let mut server = server(&filter);
        let said = send(&server);
        assert!(said.starts_with(wanted), "{}: {said}", char::from(step));
        server.stop();
        assert!(
            server.new_mail("b@example.org").is_empty(),
            "{}",
            char::from(step)
        );
        assert!(
            server.log().contains(" milter=inet:127.0.0.1:"),
            "{}",
            server.log()
        );
    }
}

#[test]
fn what_a_filter_accepts_it_is_told_no_more_of() {
    for (step, last) in [
        (b'C', "C"),
        (b'H', "H"),
        (b'M', "M"),
        (b'R', "R"),
        (b'T', "T"),
    ] {
        let filter = ScriptedFilter::acting(step, reply(ACCEPT));
        let mut server = server(&filter);
        let said = send(&server);
        assert!(said.starts_with("250"), "{said}");
        server.stop();
        let told = filter.told();
        let told = told
            .iter()
            .rfind(|it| !it.starts_with(['D', 'A', 'Q']))
            .unwrap();
        assert!(told.starts_with(last), "{told}");
        assert_eq!(server.new_mail("b@example.org").len(), 1);
    }
}

#[test]
fn what_is_discarded_is_accepted_and_nowhere() {
    for step in [b'M', b'R', b'T', b'L', b'B', b'E'] {
        let filter = ScriptedFilter::acting(step, reply(DISCARD));
        let mut server = server(&filter);
        let said = send(&server);
        assert!(said.starts_with("250"), "{}: {said}", char::from(step));
        server.stop();
        assert!(server.new_mail("b@example.org").is_empty());
        assert!(server.log().contains(" action=discard"), "{}", server.log());
    }
}

#[test]
fn an_unknown_command_is_told_whole_and_may_be_answered_by_a_filter() {
    for (act, wanted) in [
        (reply(b'c'), "500 5.5.1 Error: command not recognized"),
        (reply(DISCARD), "500 5.5.1 Error: command not recognized"),
        (custom("550 5.7.1 none of that"), "550 5.7.1 none of that"),
    ] {
        let filter = ScriptedFilter::acting(b'U', act);
        let server = server(&filter);
        let mut client = Client::connect(server.address());
        client.hello();
        client.say("WIZARD of oz\r\nNOOP\r\n");
        assert_eq!(hear(&mut client), wanted);
        client.expect("250 2.0.0");
        let told = filter.told();
        assert!(told.contains(&"UWIZARD of oz|".to_owned()), "{told:?}");
    }
}

#[test]
fn replies_stay_in_the_order_of_a_pipeline() {
    let filter = ScriptedFilter::acting(b'R', custom("450 4.2.1 later"));
    let server = server(&filter);
    let mut client = Client::connect(server.address());
    client.hello();
    client
        .say("MAIL FROM:<a@client.example>\r\nRCPT TO:<b@example.org>\r\nNOOP\r\nRSET\r\nNOOP\r\n");
    for wanted in [
        "250 2.1.0",
        "450 4.2.1 later",
        "250 2.0.0",
        "250 2.0.0",
        "250 2.0.0",
    ] {
        let said = hear(&mut client);
        assert!(said.starts_with(wanted), "{wanted}: {said}");
    }
    client.say("QUIT\r\n");
    client.expect("221");
}

#[test]
fn a_refused_chunk_is_logged_with_the_reply_of_the_filter_only() {
    let filter = ScriptedFilter::acting(b'T', reply(REJECT));
    let mut server = server(&filter);
    let mut client = Client::connect(server.address());
    client.hello();
    client.say("MAIL FROM:<a@client.example>\r\nRCPT TO:<b@example.org>\r\nBDAT 3 LAST\r\nx\r\n");
    for wanted in ["250 2.1.0", "250 2.1.5", "550 5.7.1 Command rejected"] {
        let said = hear(&mut client);
        assert!(said.starts_with(wanted), "{wanted}: {said}");
    }
    server.stop();
    let log = server.log();
    assert!(log.contains(" action=reject reply=\"550 5.7.1"), "{log}");
    assert!(!log.contains(" rejected=451"), "{log}");
}
