//! `mailoop send` against scripted servers on real sockets.

use std::io::{BufReader, Write};
use std::os::unix::net::UnixListener;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::pauses::undisturbed;
use crate::common::peer::{FRIENDLY, Peer, options, sent, serve};
use crate::common::ports::deserted_address;
use mailoop::tools::send::{SendError, SendOptions, send};

#[test]
fn the_classroom_dialogue_is_shown_word_for_word() {
    let (server, heard) = serve(|peer| {
        peer.converse(&[
            "220 cu.edu ESMTP",
            "250 Hello example.com, pleased to meet you.",
        ]);
        peer.converse(&["250 Ok", "250 Ok"]);
        peer.say("354 Enter message, ending with \"end of email\" on a line by itself");
        peer.hear_message("end of email");
        peer.converse(&["250 Ok: queued as 17"]);
        peer.say("221 Bye");
    });
    let mut options = options(&server);
    options.helo = Some("example.com".to_owned());
    options.end_of_data = Some("end of email".to_owned());
    options.verbose = true;
    options.message =
        b"Subject: This is the subject of the email\n\nThis is the body of the email".to_vec();
    let (code, error, dialogue) = sent(&options);
    assert_eq!((code, error.as_str()), (0, ""));
    let expected = "\
S: 220 cu.edu ESMTP
C: HELO example.com
S: 250 Hello example.com, pleased to meet you.
C: MAIL FROM:<a@x>
S: 250 Ok
C: RCPT TO:<b@y>
S: 250 Ok
C: DATA
S: 354 Enter message, ending with \"end of email\" on a line by itself
C: Subject: This is the subject of the email
C:
C: This is the body of the email
C: end of email
S: 250 Ok: queued as 17
C: QUIT
S: 221 Bye
";
    assert_eq!(dialogue, expected);
    assert_eq!(heard.join().unwrap().last().unwrap(), "QUIT");
}

#[test]
fn what_is_missing_is_added_and_dots_are_stuffed() {
    let (server, heard) = serve(|peer| {
        peer.converse(&["220 Hi", "250-Hello\r\n250 SIZE 1000000"]);
        peer.converse(&FRIENDLY[2..]);
        peer.say("221 Bye");
    });
    let accepted = format!("{server} accepted the message: 250 Ok\n");
    assert_eq!(sent(&options(&server)), (0, String::new(), accepted));
    let heard = heard.join().unwrap();
    assert!(heard[0].starts_with("EHLO "), "{heard:?}");
    assert!(heard[1].starts_with("MAIL FROM:<a@x> SIZE="), "{heard:?}");
    let message = &heard[4..];
    assert_eq!(message[0], "Subject: hi");
    assert!(
        message[1].starts_with("Date: ") && message[1].ends_with(" +0000"),
        "{heard:?}"
    );
    assert!(
        message[2].starts_with("Message-ID: <") && message[2].ends_with('>'),
        "{heard:?}"
    );
    assert_eq!(
        message[3..],
        ["From: a@x", "To: b@y", "", "..body", ".", "QUIT"]
    );
    let size: usize = message[..7].iter().map(|line| line.len() + 2).sum();
    assert_eq!(heard[1], format!("MAIL FROM:<a@x> SIZE={}", size - 1));
}

#[test]
fn a_missing_goodbye_is_no_failure() {
    let (server, heard) = serve(|peer| peer.converse(&FRIENDLY));
    assert_eq!(sent(&options(&server)).0, 0);
    heard.join().unwrap();

    // All else that the server says has to come in time.
    undisturbed(|| {
        let (server, heard) = serve(|peer| {
            peer.converse(&FRIENDLY);
            // Until the client gives up.
            while peer.hear() {}
        });
        let mut options = options(&server);
        options.timeout = Duration::from_millis(300);
        assert_eq!(sent(&options).0, 0);
        heard.join().unwrap();
    });
}

#[test]
fn refusals_tell_now_from_never() {
    let silence = "";
    // 421 and nonsense close the connection at once; everybody else is told good-bye.
    for (replies, code, words, last) in [
        (&["554 No"][..], 65, "the session: 554 No", "QUIT"),
        (&["450 No"], 75, "the session: 450 No", "QUIT"),
        (&["421 Full"], 75, "the session: 421 Full", silence),
        (
            &["220 Hi", "250 Hello", "550 No"],
            65,
            "the sender <a@x>: 550 No",
            "QUIT",
        ),
        (
            &["220 Hi", "250 Hello", "450 No"],
            75,
            "the sender <a@x>: 450 No",
            "QUIT",
        ),
        (
            &["220 Hi", "250 Hello", "250 Ok", "550 No"],
            65,
            "<b@y>: 550 No",
            "QUIT",
        ),
        (
            &[
                "220 Hi",
                "250 Hello",
                "250 Ok",
                "250 Ok",
                "354 Go",
                "452 Full",
            ],
            75,
            "message: 452 Full",
            "QUIT",
        ),
        (
            &["220 Hi", "250-Hello\r\n250 SIZE 9"],
            65,
            "takes 9 at most",
            "QUIT",
        ),
        (
            &["HTTP/1.1 400 Bad Request"],
            69,
            "\"HTTP/1.1 400 Bad Request\" is no SMTP reply",
            silence,
        ),
    ] {
        let (server, heard) = serve(move |peer| peer.converse(replies));
        let (exit, error, _) = sent(&options(&server));
        assert!(exit == code && error.contains(words), "{exit} {error}");
        assert!(!error.contains('\n') && error.contains(&server), "{error}");
        assert_eq!(heard.join().unwrap().pop().unwrap(), last, "{error}");
    }
}

#[test]
fn a_recipient_that_is_left_out_is_reported() {
    let (server, heard) = serve(|peer| {
        peer.converse(&[
            "220 Hi",
            "250 Hello",
            "250 Ok",
            "550 No such user",
            "250 Ok",
        ]);
        peer.converse(&FRIENDLY[4..]);
        peer.say("221 Bye");
    });
    let mut options = options(&server);
    options.to.push("c@z".parse().unwrap());
    let (code, error, _) = sent(&options);
    assert_eq!(code, 65);
    assert!(
        error.contains("<b@y>: 550 No such user; the other recipients"),
        "{error}"
    );
    assert!(heard.join().unwrap().contains(&"..body".to_owned()));
}

#[test]
fn a_refusal_amid_a_large_message_is_heard() {
    for (reply, code) in [("552 Too much", 65), ("421 Going down", 75)] {
        let (server, heard) = serve(move |peer| {
            peer.converse(&FRIENDLY[..4]);
            peer.say("354 Go");
            for _ in 0..100 {
                peer.hear();
            }
            // Closes with most of the message unread, so that the client's writes fail.
            peer.say(reply);
        });
        let mut options = options(&server);
        options.message = b"0123456789abcdef\n".repeat(1_000_000);
        let (exit, error, _) = sent(&options);
        assert!(exit == code && error.contains(reply), "{exit} {error}");
        heard.join().unwrap();
    }
}

#[test]
fn a_large_message_reaches_a_slow_server_whole() {
    let (server, heard) = serve(|peer| {
        peer.converse(&FRIENDLY[..4]);
        peer.say("354 Go");
        thread::sleep(Duration::from_millis(200));
        peer.hear_message(".");
        peer.converse(&["250 Ok"]);
        peer.say("221 Bye");
    });
    let mut options = options(&server);
    options.message = b"0123456789abcdef\n".repeat(500_000);
    assert_eq!(sent(&options).0, 0);
    let heard = heard.join().unwrap();
    assert_eq!(
        heard
            .iter()
            .filter(|line| *line == "0123456789abcdef")
            .count(),
        500_000
    );
}

#[test]
fn a_dialogue_that_breaks_off_may_be_tried_again() {
    for heard_before in 0..5 {
        let (server, heard) = serve(move |peer| peer.converse(&FRIENDLY[..heard_before]));
        let (code, error, _) = sent(&options(&server));
        assert_eq!(code, 75, "{error}");
        heard.join().unwrap();
    }
    let (server, heard) = serve(|peer| {
        peer.hear();
    });
    let mut options = options(&server);
    options.timeout = Duration::from_millis(200);
    let start = Instant::now();
    let (code, error, _) = sent(&options);
    assert!(
        code == 75 && error.contains("no progress for 0.2 s"),
        "{error}"
    );
    assert!(start.elapsed() >= options.timeout && start.elapsed() < Duration::from_secs(60));
    heard.join().unwrap();
}

#[test]
fn a_reply_that_trickles_is_not_waited_for_any_longer() {
    // The greeting, and a reply of many lines.
    for heard_before in 0..2 {
        let (server, heard) = serve(move |peer| {
            peer.converse(&FRIENDLY[..heard_before]);
            for line in 0..1000 {
                let lines = format!("250-line {line}\r\n");
                for octet in lines.as_bytes().chunks(1) {
                    if peer.stream.get_mut().write_all(octet).is_err() {
                        return;
                    }
                    thread::sleep(Duration::from_millis(20));
                }
            }
        });
        let mut options = options(&server);
        options.timeout = Duration::from_millis(200);
        let (code, error, _) = sent(&options);
        assert!(
            code == 75 && error.contains("no progress for 0.2 s"),
            "{code} {error}"
        );
        heard.join().unwrap();
    }
}

#[test]
fn what_a_server_says_turns_no_text_around() {
    let (server, heard) = serve(|peer| {
        peer.converse(&[
            "220 caf\u{e9} \u{202e}live\u{2066}\u{200b}\u{feff} \u{1b}[2J",
            "250 Hello",
            "554 go \u{202e}away",
        ]);
    });
    let mut options = options(&server);
    options.verbose = true;
    let (code, error, dialogue) = sent(&options);
    assert!(
        code == 65 && error.contains("554 go \\u{202e}away"),
        "{error}"
    );
    let shown = "S: 220 caf\u{e9} \\u{202e}live\\u{2066}\\u{200b}\\u{feff} \\u{1b}[2J\n";
    assert!(dialogue.starts_with(shown), "{dialogue}");
    assert!(dialogue.contains("S: 554 go \\u{202e}away\n"), "{dialogue}");
    heard.join().unwrap();
}

#[test]
fn an_unreachable_server_is_unavailable() {
    let folder = tempfile::tempdir().unwrap();
    let closed = deserted_address();
    let no_socket = format!("unix:{}/none", folder.path().display());
    for server in [&closed, &no_socket, "name.invalid:25"] {
        let (code, error, _) = sent(&options(server));
        assert!(
            code == 69 && error.contains("cannot connect"),
            "{server}: {code} {error}"
        );
    }
}

#[test]
fn a_reply_larger_than_one_read_is_read_whole() {
    let (server, heard) = serve(|peer| {
        let line = format!("250-{}\r\n", "x".repeat(900));
        peer.converse(&["220 Hi", &(line.repeat(50) + "250 SIZE 9"), "221 Bye"]);
    });
    let (code, error, _) = sent(&options(&server));
    assert!(code == 65 && error.contains("takes 9 at most"), "{error}");
    heard.join().unwrap();
}

#[test]
fn a_unix_socket_will_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("smtp");
    let listener = UnixListener::bind(&path).unwrap();
    let server = thread::spawn(move || {
        let stream = BufReader::new(listener.accept().unwrap().0);
        let heard = Vec::new();
        let mut peer = Peer { stream, heard };
        peer.converse(&FRIENDLY);
        peer.say("221 Bye");
        peer.heard
    });
    assert_eq!(sent(&options(&format!("unix:{}", path.display()))).0, 0);
    assert!(server.join().unwrap().contains(&"..body".to_owned()));
}

#[test]
fn bad_input_is_refused_before_connecting() {
    let good = options("127.0.0.1:1");
    let classroom = |text: &str, message: &str| SendOptions {
        end_of_data: Some(text.to_owned()),
        message: message.into(),
        ..good.clone()
    };
    let helo = |name: &str| SendOptions {
        helo: Some(name.to_owned()),
        ..good.clone()
    };
    for bad in [
        classroom("END", "a\nEND\nb"),
        classroom("", ""),
        classroom("a\nb", ""),
        helo(""),
        helo("a b"),
        helo("a\r\nMAIL FROM:<>"),
        SendOptions {
            to: Vec::new(),
            ..good.clone()
        },
    ] {
        let result = send(&bad, &mut Vec::new());
        assert!(
            matches!(result, Err(SendError::Refused(_))),
            "{bad:?}: {result:?}"
        );
    }
}
