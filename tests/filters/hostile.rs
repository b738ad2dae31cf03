//! Filters that do all they can to harm the server, its clients or other sessions, and clients that leave while filters think.

use std::collections::BTreeMap;
use std::time::Duration;

use rustix::process::Signal;

use crate::common::client::Client;
use crate::common::filter::{
    ACCEPT, Act, CONTINUE, CUSTOM, FilterScript, PROGRESS, REJECT, REPLACE_BODY, ScriptedFilter,
    packet, texts,
};
use crate::common::pauses::undisturbed;
use crate::common::processes::{is_stopped, signal, unnamed_files};
use crate::common::program::{faketime, installed};
use crate::common::{TestServer, wait_until};
use crate::hear;

const TEMPFAIL: &str = "451 4.7.1 Service unavailable - try again later";
/// What the server may take to itself for a filter or a message, however large.
const GROWTH_KIB_MAX: u64 = 8 * 1024;
/// What leads to the process that keeps large messages, which is started for the first one.
const HOLD_PIPES: usize = 2;

fn server(filter: &ScriptedFilter, options: &[&str]) -> TestServer {
    let base = ["--listen", "127.0.0.1:0", "--milter", &filter.address];
    TestServer::start(&[&base[..], options].concat())
}

/// A client that has said so much of its message that only the end of it has no reply yet.
fn at_the_end(server: &TestServer, text: &str) -> Client<std::net::TcpStream> {
    let mut client = Client::connect(server.address());
    client.hello();
    client.envelope("b@example.org");
    client.say(&format!("{text}\r\n.\r\n"));
    client
}

#[test]
fn a_reply_that_comes_octet_by_octet_is_late_all_the_same() {
    let reply = packet(
        CUSTOM,
        &texts(&[&format!("550 5.7.1 {}", "slow ".repeat(40))]),
    );
    let every = Duration::from_millis(50);
    // The filter has to answer the steps before in time.
    undisturbed(|| {
        let filter = ScriptedFilter::acting(b'M', Act::Drip(reply.clone(), every));
        let server = server(&filter, &["--milter-command-timeout", "1"]);
        let mut client = Client::connect(server.address());
        client.hello();
        client.say("MAIL FROM:<a@client.example>\r\n");
        assert_eq!(hear(&mut client), TEMPFAIL);
        wait_until("the log to tell", || {
            server.log().contains("does not answer in time")
        });
        wait_until("the filter to be left", || filter.connections() == 0);
    });
}

#[test]
fn a_reply_of_a_mebibyte_is_nonsense_and_a_body_is_not() {
    let text = vec![b'x'; 1 << 20];
    for (letter, wanted) in [
        (CUSTOM, TEMPFAIL),
        (REPLACE_BODY, "250 "),
        (REJECT, TEMPFAIL),
    ] {
        let packets = vec![(letter, text.clone()), (CONTINUE, Vec::new())];
        let filter = ScriptedFilter::acting(b'E', Act::Reply(packets));
        let mut server = server(&filter, &[]);
        let before = server.memory_kib("VmHWM");
        let mut client = at_the_end(&server, "Subject: x\r\n\r\ntext");
        let said = hear(&mut client);
        assert!(said.starts_with(wanted), "{said}");
        let after = server.memory_kib("VmHWM");
        assert!(
            after - before <= GROWTH_KIB_MAX,
            "{before} KiB, then {after} KiB"
        );
        client.ask("QUIT", "221");
        server.stop();
        for file in server.new_mail("b@example.org") {
            let mail = std::fs::read(file).unwrap();
            assert!(mail.ends_with(&[&text[..], b"\n"].concat()));
        }
    }
}

/// A filter that has progress for ever is waited for, each time anew, until the server ends.
#[test]
fn progress_without_end_is_waited_for() {
    let every = Duration::from_millis(20);
    // A filter that pauses for the time it has is given up, which is as it should be.
    undisturbed(|| {
        let filter = ScriptedFilter::acting(b'E', Act::Forever(packet(PROGRESS, b""), every));
        let options = ["--milter-content-timeout", "1", "--drain-timeout", "1"];
        let mut server = server(&filter, &options);
        let _client = at_the_end(&server, "text");
        // Twice the time that a filter has to reply.
        wait_until("the filter to go on and on", || {
            assert!(!server.log().contains("failed="), "{}", server.log());
            filter.said() > 100
        });
        server.stop();
        wait_until("the filter to be left", || filter.connections() == 0);
    });
}

/// By a clock that runs: a filter that has nothing but progress for an hour is one that hangs.
#[test]
fn progress_ends_with_the_hour() {
    const LIBRARY: &str = "libfaketime.so.1";
    if !installed(&[LIBRARY]) {
        return;
    }
    // By this clock a pause of seconds is one of an hour.
    undisturbed(progress_ends);
}

fn progress_ends() {
    let every = Duration::from_millis(20);
    let filter = ScriptedFilter::acting(b'M', Act::Forever(packet(PROGRESS, b""), every));
    let library = format!("LD_PRELOAD={}", faketime().unwrap());
    let clock = ["/usr/bin/env", &library, "FAKETIME=+0 x1000"];
    let options = ["--listen", "127.0.0.1:0", "--milter", &filter.address];
    let timeouts = [
        "--milter-connect-timeout",
        "3000",
        "--milter-command-timeout",
        "3000",
        "--idle-timeout",
        "100000",
        "--session-timeout",
        "100000",
    ];
    let options = [&options[..], &timeouts].concat();
    let server = TestServer::start_under(&clock, &options);
    let mut client = Client::connect(server.address());
    client.hello();
    client.say("MAIL FROM:<a@client.example>\r\n");
    assert_eq!(hear(&mut client), TEMPFAIL);
    assert!(filter.said() > 20, "after {}", filter.said());
}

/// A verdict on a step of which the filter is not told yet is none on that step.
#[test]
fn a_verdict_before_its_time_decides_nothing() {
    for verdict in [ACCEPT, REJECT] {
        let early = [packet(CONTINUE, b""), packet(verdict, b"")].concat();
        let filter = ScriptedFilter::acting(b'H', Act::Say(early));
        let server = server(&filter, &[]);
        let mut client = Client::connect(server.address());
        client.hello();
        client.say("MAIL FROM:<a@client.example>\r\n");
        assert_eq!(hear(&mut client), TEMPFAIL);
    }
}

#[test]
fn replies_to_a_pipeline_stay_in_order_wherever_a_filter_hangs_up() {
    for step in [b'M', b'R', b'T', b'L', b'N', b'B', b'E'] {
        let filter = ScriptedFilter::acting(step, Act::Close);
        let server = server(&filter, &[]);
        let mut client = Client::connect(server.address());
        client.hello();
        let commands = [
            "VRFY one",
            "MAIL FROM:<a@client.example>",
            "RCPT TO:<b@example.org>",
            "DATA",
        ];
        client.say(&(commands.join("\r\n") + "\r\n"));
        let replies = commands.map(|_| hear(&mut client));
        let codes: Vec<&str> = replies.iter().map(|reply| &reply[..3]).collect();
        let wanted = match step {
            b'M' => ["252", "451", "503", "503"],
            b'R' => ["252", "250", "451", "503"],
            b'T' => ["252", "250", "250", "451"],
            _ => ["252", "250", "250", "354"],
        };
        assert_eq!(codes, wanted, "{}", char::from(step));
        if codes[3] == "354" {
            client.say("Subject: x\r\n\r\nx\r\n.\r\nVRFY two\r\n");
            assert_eq!(hear(&mut client), TEMPFAIL, "{}", char::from(step));
            client.expect("252");
        }
        client.ask("NOOP", "250");
        wait_until("the filter to be left", || filter.connections() == 0);
    }
}

#[test]
fn others_are_served_while_the_filters_of_a_hundred_hang() {
    const HANGING: usize = 100;
    let filter = ScriptedFilter::start(FilterScript {
        acts: vec![(b'M', Act::Hang)],
        only: Some("hangs@"),
        ..FilterScript::default()
    });
    let server = server(&filter, &[]);
    let mut hanging: Vec<_> = (0..HANGING)
        .map(|_| {
            let mut client = Client::connect(server.address());
            client.hello();
            client.say("MAIL FROM:<hangs@client.example>\r\nNOOP\r\n");
            client
        })
        .collect();
    wait_until("all to hang", || {
        let told = filter.told();
        told.iter().filter(|it| it.starts_with("M<hangs@")).count() == HANGING
    });
    let mut client = Client::connect(server.address());
    client.hello();
    for _ in 0..1000 {
        client.ask("NOOP", "250");
    }
    client.envelope("b@example.org");
    client.ask("text\r\n.", "250");
    // None of them was answered meanwhile.
    assert_eq!(filter.connections(), HANGING + 1);
    for client in &mut hanging {
        client.stream.get_ref().set_nonblocking(true).unwrap();
        let heard = std::io::Read::read(&mut client.stream, &mut [0]);
        assert_eq!(heard.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }
}

#[test]
fn a_filter_that_never_reads_a_large_message_takes_no_memory() {
    undisturbed(a_deaf_filter_takes_no_memory);
}

fn a_deaf_filter_takes_no_memory() {
    let filter = ScriptedFilter::acting(b'T', Act::Deaf);
    let server = server(&filter, &["--milter-content-timeout", "1"]);
    let before = server.memory_kib("VmHWM");
    let text = format!(
        "Subject: large\r\n\r\n{}",
        "all work and no play\r\n".repeat(1_000_000)
    );
    let mut client = at_the_end(&server, &text);
    assert_eq!(hear(&mut client), TEMPFAIL);
    let after = server.memory_kib("VmHWM");
    assert!(
        after - before <= GROWTH_KIB_MAX,
        "{before} KiB, then {after} KiB"
    );
    wait_until("the log to tell", || {
        server.log().contains("does not answer in time")
    });
    no_text_is_left(&server);
}

/// The pipe to the process that keeps it is full then, and nothing more is read from the filter.
#[test]
fn a_new_body_without_end_takes_no_memory_while_nobody_takes_it() {
    let body = packet(REPLACE_BODY, &[b'x'; 65_000]);
    let filter = ScriptedFilter::acting(b'E', Act::Forever(body, Duration::ZERO));
    let server = server(&filter, &[]);
    let client = at_the_end(&server, "Subject: x\r\n\r\ntext");
    wait_until("the body to be on hold", || texts_on_hold(&server) > 0);
    let keeps = |process: &u32| !unnamed_files(*process, &server.maildir()).is_empty();
    let keeper = processes(&server).into_iter().find(keeps).unwrap();
    signal(keeper, Signal::STOP);
    wait_until("it to stop", || is_stopped(keeper));
    let before = server.memory_kib("VmHWM");
    let mut said = 0;
    wait_until("the filter to be read no more", || {
        std::mem::replace(&mut said, filter.said()) == filter.said() && server.is_resting()
    });
    let after = server.memory_kib("VmHWM");
    signal(keeper, Signal::CONT);
    assert!(
        after - before <= GROWTH_KIB_MAX,
        "{before} KiB, then {after} KiB"
    );
    // It goes on from there.
    wait_until("more to be read", || filter.said() > said + 10);
    drop(client);
}

/// The processes of the server.
fn processes(server: &TestServer) -> Vec<u32> {
    // The process that keeps them is a child of a child.
    let mut family = server.family();
    let mut at = 0;
    while let Some(pid) = family.get(at) {
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.unwrap_or_default();
        let children = children.split_whitespace().map(|it| it.parse().unwrap());
        let new: Vec<u32> = children.filter(|it| !family.contains(it)).collect();
        family.extend(new);
        at += 1;
    }
    family
}

/// How many texts the processes of the server have on hold in files.
fn texts_on_hold(server: &TestServer) -> usize {
    let files = processes(server);
    let files = files
        .iter()
        .flat_map(|it| unnamed_files(*it, &server.maildir()));
    files.count()
}

fn no_text_is_left(server: &TestServer) {
    wait_until("the text on hold to be dropped", || {
        texts_on_hold(server) == 0
    });
}

/// A client that closes may still listen: its filter has its time, and then all is dropped.
#[test]
fn nothing_is_left_of_a_client_that_vanishes() {
    for step in [b'C', b'H', b'M', b'R', b'T', b'L', b'B', b'E'] {
        // The filter has to answer the steps before in time.
        undisturbed(|| nothing_is_left_where_a_filter_hangs(step));
    }
}

fn nothing_is_left_where_a_filter_hangs(step: u8) {
    let text = format!("Subject: large\r\n\r\n{}", "text\r\n".repeat(200_000));
    let filter = ScriptedFilter::acting(step, Act::Hang);
    let options = [
        "--milter-command-timeout",
        "1",
        "--milter-content-timeout",
        "1",
    ];
    let server = server(&filter, &options);
    let descriptors = server.descriptors();
    let mut client = Client::connect(server.address());
    let words = [
        "EHLO client.example\r\n",
        "MAIL FROM:<a@client.example>\r\n",
        "RCPT TO:<b@example.org>\r\n",
        "DATA\r\n",
    ];
    let count = [b'C', b'H', b'M', b'R', b'T']
        .iter()
        .position(|it| *it == step);
    for words in &words[..count.unwrap_or(words.len())] {
        hear(&mut client);
        client.say(words);
    }
    if count.is_none() {
        client.expect("354");
        client.say(&format!("{text}.\r\n"));
    }
    let name = char::from(step);
    wait_until("the filter to be told", || {
        filter.told().iter().any(|it| it.starts_with(name))
    });
    assert_eq!(texts_on_hold(&server) > 0, count.is_none(), "{name}");
    drop(client);
    wait_until("the filter to be left", || filter.connections() == 0);
    no_text_is_left(&server);
    wait_until("descriptors to be closed", || {
        server.descriptors() <= descriptors + HOLD_PIPES
    });
    wait_until("the log to tell", || server.log().contains(" closed="));
    assert!(server.new_mail("b@example.org").is_empty());
}

#[test]
fn the_server_ends_in_time_while_filters_hang() {
    for step in [b'C', b'M', b'E'] {
        let filter = ScriptedFilter::acting(step, Act::Hang);
        let mut server = server(&filter, &["--drain-timeout", "1"]);
        let mut client = Client::connect(server.address());
        if step != b'C' {
            client.hello();
            client.say("MAIL FROM:<a@client.example>\r\n");
        }
        if step == b'E' {
            client.expect("250");
            client.ask("RCPT TO:<b@example.org>", "250");
            client.ask("DATA", "354");
            client.say("text\r\n.\r\n");
        }
        let name = char::from(step);
        wait_until("the filter to be told", || {
            filter.told().iter().any(|it| it.starts_with(name))
        });
        server.stop();
        assert!(server.new_mail("b@example.org").is_empty());
    }
}

/// Replies of each letter with data that none has, and letters that are no reply.
#[test]
fn nonsense_of_any_letter_ends_no_session() {
    let mut codes = BTreeMap::<String, usize>::new();
    for letter in 0..=u8::MAX {
        let filter = ScriptedFilter::acting(b'R', Act::Reply(vec![(letter, b"x\0y\0".to_vec())]));
        if letter != 0 && !letter.is_ascii_graphic() && letter % 16 != 0 {
            continue;
        }
        let server = server(&filter, &["--discard"]);
        let mut client = Client::connect(server.address());
        client.hello();
        client.ask("MAIL FROM:<a@client.example>", "250");
        client.say("RCPT TO:<b@example.org>\r\n");
        let said = hear(&mut client);
        *codes.entry(said[..3].to_owned()).or_default() += 1;
        client.ask("NOOP", "250");
        client.ask("QUIT", "221");
    }
    assert_eq!(codes.keys().collect::<Vec<_>>(), ["451"], "{codes:?}");
}
