//! The client's state machine in dialogues, in memory.

use std::rc::Rc;

use crate::common::script::{Client, text};
use bytes::BytesMut;
use mailoop::smtp::client::{
    ChannelSecurity, ClientEvent, ClientFault, ClientSession, Pace, ProtocolError, Subject,
    TooLarge,
};
use mailoop::smtp::security::ChannelBindings;

const ACCEPTED: [ClientEvent; 4] = [
    ClientEvent::Ready,
    ClientEvent::SendMessage,
    ClientEvent::Accepted,
    ClientEvent::Closed,
];

#[test]
fn a_textbook_session() {
    let (events, refusals) = Client::new("HELO", &["b@y"]).plays(
        "S: 220 mail.example.org ESMTP mailoop
         C: HELO client.example
         S: 250 Hello client.example, pleased to meet you.
         C: MAIL FROM:<a@x>
         S: 250 Ok
         C: RCPT TO:<b@y>
         S: 250 Ok
         C: DATA
         S: 354 Enter message, ending with \".\" on a line by itself
         C: Subject: hi
         C:
         C: body
         C: .
         S: 250 Ok: queued as 4F1C2A9B0001
         C: QUIT
         S: 221 Bye",
    );
    assert_eq!(events, ACCEPTED);
    assert_eq!(refusals, []);
}

#[test]
fn an_extended_session_declares_size_and_kind() {
    let mut client = Client::new("EHLO", &["b@y"]);
    client.mail.eight_bit = true;
    for (offers, parameters) in [
        ("S: 250-SIZE 21\nS: 250 8BITMIME", " SIZE=21 BODY=8BITMIME"),
        ("S: 250-size\nS: 250 8bitmime", " SIZE=21 BODY=8BITMIME"),
        ("S: 250-HELP\nS: 250 SIZE 0", " SIZE=21"),
        ("S: 250-8BITMIME\nS: 250 XSIZE", " BODY=8BITMIME"),
        // The first line is a greeting, whatever it says.
        ("S: 250 SIZE", ""),
    ] {
        let first = if offers.contains('\n') {
            "S: 250-SIZE 1 8BITMIME"
        } else {
            ""
        };
        let (events, _) = client.plays(&format!(
            "S: 220-two lines
             S: 220 of greeting
             C: EHLO client.example
             {first}
             {offers}
             C: MAIL FROM:<a@x>{parameters}
             S: 250 2.1.0 Ok
             C: RCPT TO:<b@y>
             S: 250 2.1.5 Ok
             C: DATA
             S: 354 Go
             C: Subject: hi
             C:
             C: body
             C: .
             S: 250 2.0.0 Ok
             C: QUIT
             S: 221 2.0.0 Bye"
        ));
        assert_eq!(events, ACCEPTED, "{offers}");
    }
}

#[test]
fn ehlo_falls_back_to_helo() {
    let (events, refusals) = Client::new("EHLO", &["b@y"]).plays(
        "S: 220 old
         C: EHLO client.example
         S: 500 What?
         C: HELO client.example
         S: 250 Hello
         C: MAIL FROM:<a@x>
         S: 550 No
         C: QUIT
         S: 221 Bye",
    );
    assert_eq!(
        events,
        [
            ClientEvent::Ready,
            ClientEvent::Refused,
            ClientEvent::Closed
        ]
    );
    assert_eq!(refusals, [(Subject::Sender, 550)]);
}

#[test]
fn one_refused_recipient_does_not_hold_up_the_other() {
    for (first, second, refused) in [("550 No", "250 Ok", 0), ("251 Ok", "450 Later", 1)] {
        let (events, refusals) = Client::new("HELO", &["b@y", "c@z"]).plays(&format!(
            "S: 220 Hi
             C: HELO client.example
             S: 250 Hello
             C: MAIL FROM:<a@x>
             S: 250 Ok
             C: RCPT TO:<b@y>
             S: {first}
             C: RCPT TO:<c@z>
             S: {second}
             C: DATA
             S: 354 Go
             C: Subject: hi
             C:
             C: body
             C: .
             S: 250 Ok
             C: QUIT
             S: 221 Bye"
        ));
        assert_eq!(events, ACCEPTED);
        assert!(matches!(refusals[..], [(Subject::Recipient(place), _)] if place == refused));
    }
}

#[test]
fn without_a_recipient_there_is_no_message() {
    let (events, refusals) = Client::new("HELO", &["b@y", "c@z"]).plays(
        "S: 220 Hi
         C: HELO client.example
         S: 250 Hello
         C: MAIL FROM:<a@x>
         S: 250 Ok
         C: RCPT TO:<b@y>
         S: 550 No
         C: RCPT TO:<c@z>
         S: 452 Too many
         C: QUIT
         S: 221 Bye",
    );
    assert_eq!(
        events,
        [
            ClientEvent::Ready,
            ClientEvent::Refused,
            ClientEvent::Closed
        ]
    );
    assert_eq!(
        refusals,
        [(Subject::Recipient(0), 550), (Subject::Recipient(1), 452)]
    );
}

/// A session for `b@y` up to and with the reply that `answer` gives in place of the `step`th.
fn refused_at(step: usize, answer: &str) -> String {
    const STEPS: [(&str, &str); 6] = [
        ("", "220 Hi"),
        ("C: HELO client.example", "250 Hello"),
        ("C: MAIL FROM:<a@x>", "250 Ok"),
        ("C: RCPT TO:<b@y>", "250 Ok"),
        ("C: DATA", "354 Go"),
        ("C: Subject: hi\nC:\nC: body\nC: .", "250 Ok"),
    ];
    let mut script = String::new();
    for (place, (said, reply)) in STEPS.iter().enumerate().take(step + 1) {
        let reply = if place == step { answer } else { reply };
        script += &format!("{said}\nS: {reply}\n");
    }
    script
}

#[test]
fn a_refusal_at_any_step_ends_in_quit() {
    let subjects = [
        Subject::Session,
        Subject::Session,
        Subject::Sender,
        Subject::Recipient(0),
        Subject::Message,
        Subject::Message,
    ];
    for (step, subject) in subjects.into_iter().enumerate() {
        for code in [450, 554] {
            let mut client = Client::new("HELO", &["b@y"]);
            // A session that was refused never got ready, so it has no message to begin.
            client.messages = usize::from(step >= 2);
            let script = refused_at(step, &format!("{code} No")) + "C: QUIT\nS: 221 Bye";
            let (events, refusals) = client.plays(&script);
            let refused = match subject {
                Subject::Session => ClientEvent::Unacceptable(ClientFault::Refused),
                _ => ClientEvent::Refused,
            };
            assert_eq!(
                events[events.len() - 2..],
                [refused, ClientEvent::Closed],
                "{script}"
            );
            assert!(!events.contains(&ClientEvent::Accepted));
            assert_eq!(refusals, [(subject, code)], "{script}");
        }
    }
}

#[test]
fn after_421_the_client_says_nothing_more() {
    for step in 0..6 {
        let client = Client::new("HELO", &["b@y"]);
        let (events, refusals) = client.plays(&refused_at(step, "421 4.3.2 Going down"));
        assert_eq!(events.last(), Some(&ClientEvent::Closed));
        assert_eq!(refusals, [(Subject::Session, 421)]);
    }
}

#[test]
fn a_refusal_amid_the_message_closes() {
    let client = Client::new("HELO", &["b@y"]);
    for (reply, expected) in [
        ("552 Too much\r\n", Ok(ClientEvent::Closed)),
        ("421 Enough\r\n", Ok(ClientEvent::Closed)),
        ("250 Already\r\n", Err(())),
    ] {
        let mut session = ClientSession::new(client.hello.clone(), Pace::Lockstep);
        let mut out = BytesMut::new();
        for line in ["220 Hi", "250 Hello", "250 Ok", "250 Ok", "354 Go"] {
            let line = format!("{line}\r\n");
            let event = session.next(&mut line.as_bytes(), &mut out);
            if event == Ok(ClientEvent::Ready) {
                session
                    .begin(Rc::new(client.mail.clone()), &mut out)
                    .unwrap();
            }
        }
        let mut input = reply.as_bytes();
        assert_eq!(session.next(&mut input, &mut out).map_err(|_| ()), expected);
        assert_eq!(session.next(&mut input, &mut out), Ok(ClientEvent::Closed));
        assert_eq!(session.refusals().len(), usize::from(expected.is_ok()));
    }
}

#[test]
fn a_message_over_the_size_limit_is_not_begun() {
    let client = Client::new("EHLO", &["b@y"]);
    for (limit, begun) in [(20, Err(TooLarge { limit: 20 })), (21, Ok(())), (0, Ok(()))] {
        let mut session = ClientSession::new(client.hello.clone(), Pace::Lockstep);
        let mut out = BytesMut::new();
        let replies = format!("220 Hi\r\n250-Hello\r\n250 SIZE {limit}\r\n");
        let mut input = replies.as_bytes();
        assert_eq!(session.next(&mut input, &mut out), Ok(ClientEvent::Replied));
        assert_eq!(session.next(&mut input, &mut out), Ok(ClientEvent::Ready));
        out.clear();
        assert_eq!(
            session.begin(Rc::new(client.mail.clone()), &mut out),
            begun,
            "{limit}"
        );
        assert_eq!(out.is_empty(), begun.is_err(), "{limit}");
        if begun.is_err() {
            session.quit(&mut out);
            assert_eq!(text(&out), "QUIT\r\n");
        }
    }
}

#[test]
fn without_a_hello_it_is_ready_when_greeted() {
    let mut client = Client::new("HELO", &["b@y"]);
    client.hello = None;
    client.messages = 0;
    let (events, _) = client.plays("S: 220 Hi\nC: QUIT\nS: 221 Bye");
    assert_eq!(events, [ClientEvent::Ready, ClientEvent::Closed]);
}

#[test]
fn an_open_transaction_is_reset_before_the_next() {
    let mut client = Client::new("HELO", &["b@y"]);
    client.messages = 3;
    let (events, refusals) = client.plays(
        "S: 220 Hi
         C: HELO client.example
         S: 250 Hello
         C: MAIL FROM:<a@x>
         S: 450 Later
         C: MAIL FROM:<a@x>
         S: 250 Ok
         C: RCPT TO:<b@y>
         S: 450 Later
         C: RSET
         S: 250 Ok
         C: MAIL FROM:<a@x>
         S: 250 Ok
         C: RCPT TO:<b@y>
         S: 250 Ok
         C: DATA
         S: 354 Go
         C: Subject: hi
         C:
         C: body
         C: .
         S: 250 Ok
         C: QUIT
         S: 221 Bye",
    );
    let expected = [
        ClientEvent::Ready,
        ClientEvent::Refused,
        ClientEvent::Refused,
        ClientEvent::SendMessage,
        ClientEvent::Accepted,
        ClientEvent::Closed,
    ];
    assert_eq!(events, expected);
    assert_eq!(refusals, []);
}

#[test]
fn a_pipeline_goes_out_at_once() {
    let (events, refusals) = Client::new("EHLO", &["b@y", "c@z"]).pipelined(3).plays(
        "S: 220 Hi
         C: EHLO client.example
         S: 250-Hello
         S: 250 PIPELINING
         C: MAIL FROM:<a@x>
         C: RCPT TO:<b@y>
         C: RCPT TO:<c@z>
         C: DATA
         S: 250 Ok
         S: 550 No
         S: 250 Ok
         S: 354 Go
         C: Subject: hi
         C:
         C: body
         C: .
         S: 250 Ok
         C: MAIL FROM:<a@x>
         C: RCPT TO:<b@y>
         C: RCPT TO:<c@z>
         C: DATA
         S: 250 Ok
         S: 550 No
         S: 550 No
         S: 354 Go, for nobody
         C: .
         S: 554 No valid recipients
         C: MAIL FROM:<a@x>
         C: RCPT TO:<b@y>
         C: RCPT TO:<c@z>
         C: DATA
         S: 450 Later
         S: 503 No
         S: 503 No
         S: 503 No
         C: QUIT
         S: 221 Bye",
    );
    let expected = [
        ClientEvent::Ready,
        ClientEvent::SendMessage,
        ClientEvent::Accepted,
        ClientEvent::Refused,
        ClientEvent::Refused,
        ClientEvent::Closed,
    ];
    assert_eq!(events, expected);
    assert_eq!(refusals[0], (Subject::Sender, 450));
}

#[test]
fn a_pipeline_resets_and_goes_on() {
    let (events, _) = Client::new("EHLO", &["b@y"]).pipelined(2).plays(
        "S: 220 Hi
         C: EHLO client.example
         S: 250-Hello
         S: 250 PIPELINING
         C: MAIL FROM:<a@x>
         C: RCPT TO:<b@y>
         C: DATA
         S: 250 Ok
         S: 550 No
         S: 554 No valid recipients
         C: RSET
         C: MAIL FROM:<a@x>
         C: RCPT TO:<b@y>
         C: DATA
         S: 250 Ok
         S: 250 Ok
         S: 250 Ok
         S: 354 Go
         C: Subject: hi
         C:
         C: body
         C: .
         S: 250 Ok
         C: QUIT
         S: 221 Bye",
    );
    let expected = [
        ClientEvent::Ready,
        ClientEvent::Refused,
        ClientEvent::SendMessage,
        ClientEvent::Accepted,
        ClientEvent::Closed,
    ];
    assert_eq!(events, expected);
}

#[test]
fn after_starttls_everything_begins_anew() {
    let mut client = Client::new("EHLO", &["b@y"]);
    client.security = ChannelSecurity::StartTls;
    // What was offered in the clear may come from anybody: neither SIZE nor a second STARTTLS is made use of.
    let (events, refusals) = client.plays(
        "S: 220 Hi
         C: EHLO client.example
         S: 250-Hello
         S: 250-SIZE 1
         S: 250 starttls
         C: STARTTLS
         S: 220 Go
         C: EHLO client.example
         S: 250-Hello
         S: 250 STARTTLS
         C: MAIL FROM:<a@x>
         S: 250 Ok
         C: RCPT TO:<b@y>
         S: 250 Ok
         C: DATA
         S: 354 Go
         C: Subject: hi
         C:
         C: body
         C: .
         S: 250 Ok
         C: QUIT
         S: 221 Bye",
    );
    let mut expected = vec![ClientEvent::StartTls];
    expected.extend(ACCEPTED);
    assert_eq!(events, expected);
    assert_eq!(refusals, []);
}

#[test]
fn without_starttls_nothing_is_sent() {
    let mut client = Client::new("EHLO", &["b@y"]);
    client.security = ChannelSecurity::StartTls;
    let stripped = ClientEvent::Unacceptable(ClientFault::NoStartTls);
    for hello in [
        "S: 250 Hello",
        "S: 250-Hello\nS: 250 XSTARTTLS",
        "S: 250 STARTTLS",
        "S: 502 What?\nC: HELO client.example\nS: 250-Hello\nS: 250 STARTTLS",
    ] {
        let script = format!("S: 220 Hi\nC: EHLO client.example\n{hello}\nC: QUIT\nS: 221 Bye");
        let (events, _) = client.plays(&script);
        assert_eq!(events, [stripped, ClientEvent::Closed], "{hello}");
    }
    client.hello = None;
    let (events, _) = client.plays("S: 220 Hi\nC: QUIT\nS: 221 Bye");
    assert_eq!(events, [stripped, ClientEvent::Closed]);
}

#[test]
fn a_refused_starttls_is_the_end() {
    let mut client = Client::new("EHLO", &["b@y"]);
    client.security = ChannelSecurity::StartTls;
    for code in [454, 501] {
        let (events, refusals) = client.plays(&format!(
            "S: 220 Hi
             C: EHLO client.example
             S: 250-Hello
             S: 250 STARTTLS
             C: STARTTLS
             S: {code} No
             C: QUIT
             S: 221 Bye"
        ));
        let refused = ClientEvent::Unacceptable(ClientFault::Refused);
        assert_eq!(events, [refused, ClientEvent::Closed]);
        assert_eq!(refusals, [(Subject::StartTls, code)]);
    }
}

#[test]
fn what_follows_in_the_clear_is_not_taken_for_tls() {
    let mut client = Client::new("EHLO", &["b@y"]);
    client.security = ChannelSecurity::StartTls;
    let hello = "220 Hi\r\n250-Hello\r\n250 STARTTLS\r\n";
    for behind in ["", "2", "\r\n", "250-Hello\r\n250 AUTH PLAIN\r\n"] {
        let (mut session, mut out) = (client.session(), BytesMut::new());
        let replies = format!("{hello}220 Go\r\n{behind}");
        let mut input = replies.as_bytes();
        for _ in 0..2 {
            assert_eq!(session.next(&mut input, &mut out), Ok(ClientEvent::Replied));
        }
        let begun = session.next(&mut input, &mut out);
        if behind.is_empty() {
            assert_eq!(begun, Ok(ClientEvent::StartTls));
        } else {
            assert_eq!(begun, Err(ProtocolError::BehindStartTls), "{behind:?}");
            assert_eq!(session.next(&mut input, &mut out), Ok(ClientEvent::Closed));
        }
        assert!(out.ends_with(b"STARTTLS\r\n"), "nothing was said after it");
    }
}

#[test]
fn no_bytes_make_it_panic() {
    // A small generator of bytes that look a little like SMTP; the seed is fixed, so a failure replays.
    let mut seed = 1_u64;
    let client = Client::new("EHLO", &["b@y", "c@z"]);
    for round in 0..20_000 {
        let security = [ChannelSecurity::Clear, ChannelSecurity::StartTls][round % 2].clone();
        let mut session =
            ClientSession::new(client.hello.clone(), Pace::Pipelined).with_security(security);
        let mut out = BytesMut::new();
        for _ in 0..40 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let pieces: [&[u8]; 13] = [
                b"2",
                b"5",
                b"0",
                b"250 x\r\n",
                b"354 \r\n",
                b"250-SIZE 5\r\n",
                b"550 a\r\n",
                b"\n",
                b"220 \r\n",
                b"250-PIPELINING\r\n",
                b"250-STARTTLS\r\n",
                b"\xff",
                b"421 \r\n",
            ];
            let mut input = pieces[usize::try_from(seed >> 60).unwrap() % pieces.len()];
            match session.next(&mut input, &mut out) {
                Ok(ClientEvent::Ready | ClientEvent::Accepted | ClientEvent::Refused) => {
                    if session
                        .begin(Rc::new(client.mail.clone()), &mut out)
                        .is_err()
                    {
                        session.quit(&mut out);
                    }
                }
                Ok(ClientEvent::SendMessage) => session.message_sent(),
                Ok(ClientEvent::StartTls) => session.secured(ChannelBindings::default(), &mut out),
                Ok(ClientEvent::Unacceptable(_)) => session.quit(&mut out),
                Ok(ClientEvent::NeedInput | ClientEvent::Replied) => {}
                Ok(ClientEvent::Closed) | Err(_) => break,
            }
        }
    }
}
