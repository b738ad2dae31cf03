//! Filters that are not there, hang, hang up or speak nonsense.

use crate::common::client::Client;
use crate::common::filter::{
    Act, CONTINUE, CUSTOM, FilterScript, PROGRESS, ScriptedFilter, packet, texts,
};
use crate::common::{TestServer, wait_until};
use crate::hear;

const TEMPFAIL: &str = "451 4.7.1 Service unavailable - try again later";

/// The first reply that is no success, of a server with this filter and these options.
fn refusal(filter: &str, options: &[&str]) -> (Option<String>, TestServer) {
    let mut args = vec!["--listen", "127.0.0.1:0", "--milter", filter];
    args.extend(options);
    let server = TestServer::start(&args);
    let mut client = Client::connect(server.address());
    let mut refusal = None;
    for words in [
        "",
        "HELO client.example\r\n",
        "MAIL FROM:<a@client.example>\r\n",
        "RCPT TO:<b@example.org>\r\n",
        "DATA\r\n",
        "Subject: x\r\n\r\nx\r\n.\r\n",
    ] {
        client.say(words);
        let said = hear(&mut client);
        if !said.starts_with(['2', '3']) {
            refusal = Some(said);
            break;
        }
    }
    (refusal, server)
}

#[test]
fn one_that_is_not_there_is_answered_for_by_default() {
    // Nobody listens on this port of the loopback.
    let nobody = "inet:127.0.0.1:1";
    for (default, wanted) in [
        ("tempfail", Some(TEMPFAIL)),
        ("accept", None),
        ("reject", Some("554 ")),
    ] {
        let (said, server) = refusal(nobody, &["--milter-default", default]);
        match (said, wanted) {
            (Some(said), Some(wanted)) => assert!(said.starts_with(wanted), "{said}"),
            (said, wanted) => assert_eq!(said.as_deref(), wanted),
        }
        let told = format!(" action={default}");
        wait_until("the log to tell", || {
            let log = server.log();
            log.contains(&format!(" milter={nobody} failed=")) && log.contains(&told)
        });
    }
}

#[test]
fn the_reply_to_what_is_refused_by_default_is_that_of_postfix() {
    let filter = ScriptedFilter::acting(b'M', Act::Close);
    let (said, _server) = refusal(&filter.address, &["--milter-default", "reject"]);
    assert_eq!(said.as_deref(), Some("550 5.5.0 Service unavailable"));
}

#[test]
fn one_that_speaks_nonsense_is_answered_for_by_default() {
    for step in [b'C', b'H', b'M', b'R', b'T', b'L', b'N', b'B', b'E'] {
        for act in [
            Act::Close,
            Act::Say(vec![0xFF; 8]),
            Act::Say(packet(b'?', b"")),
            Act::Say(packet(CONTINUE, b"too much")),
            Act::Reply(vec![(CUSTOM, texts(&["250 fine"]))]),
            Act::Say(packet(CONTINUE, b"").repeat(3)),
        ] {
            let filter = ScriptedFilter::acting(step, act.clone());
            let (said, server) = refusal(&filter.address, &[]);
            let name = char::from(step);
            // Replies that come unasked are met by the next step only, and after the last one by none.
            if matches!(&act, Act::Say(octets) if octets.len() == 15) && step == b'E' {
                continue;
            }
            assert_eq!(
                said.as_deref(),
                Some(TEMPFAIL),
                "{name} {act:?} {}",
                server.log()
            );
        }
    }
}

#[test]
fn one_that_hangs_is_waited_for_so_long_and_no_longer() {
    for (step, option) in [
        (b'C', "--milter-command-timeout"),
        (b'R', "--milter-command-timeout"),
        (b'B', "--milter-content-timeout"),
        (b'E', "--milter-content-timeout"),
    ] {
        let filter = ScriptedFilter::acting(step, Act::Hang);
        let (said, server) = refusal(&filter.address, &[option, "1"]);
        assert_eq!(said.as_deref(), Some(TEMPFAIL), "{}", server.log());
        wait_until("the log to tell", || {
            server.log().contains("does not answer in time")
        });
    }
}

#[test]
fn progress_is_no_verdict() {
    let packets = vec![
        (PROGRESS, Vec::new()),
        (PROGRESS, Vec::new()),
        (CONTINUE, Vec::new()),
    ];
    let filter = ScriptedFilter::acting(b'E', Act::Reply(packets));
    let (said, _server) = refusal(&filter.address, &[]);
    assert_eq!(said, None);
}

#[test]
fn a_header_that_is_too_long_to_be_shown_is_refused() {
    let filter = ScriptedFilter::start(FilterScript::default());
    let server = TestServer::start(&["--listen", "127.0.0.1:0", "--milter", &filter.address]);
    let mut client = Client::connect(server.address());
    client.hello();
    client.ask("MAIL FROM:<a@client.example>", "250");
    client.ask("RCPT TO:<b@example.org>", "250");
    client.ask("DATA", "354");
    client.say(&"X-Long: all work and no play\r\n".repeat(20_000));
    client.say("\r\nbody\r\n.\r\n");
    client.expect("552 5.3.4");
    client.ask("QUIT", "221");
}
