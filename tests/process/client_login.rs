//! Logins of `mailoop send` against scripted servers on real sockets.

use crate::common::peer::{FRIENDLY, options, sent, serve};
use mailoop::smtp::sasl::SASL;
use mailoop::tools::send::SendOptions;

/// A message from Ada, and the dialogue on show.
fn from_ada(server: &str) -> SendOptions {
    SendOptions {
        login: SASL.and_then(|sasl| (sasl.credentials)("ada", "pencil")),
        verbose: true,
        ..options(server)
    }
}

#[test]
fn the_dialogue_is_shown_without_its_secrets() {
    let (server, heard) = serve(|peer| {
        peer.converse(&["220 Hi", "250-Hello\r\n250 AUTH LOGIN"]);
        peer.converse(&["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "235 Welcome"]);
        peer.converse(&FRIENDLY[2..]);
        peer.say("221 Bye");
    });
    let (code, error, dialogue) = sent(&from_ada(&server));
    assert_eq!((code, error.as_str()), (0, ""));
    let login = "C: AUTH LOGIN\nS: 334 ***\nC: ***\nS: 334 ***\nC: ***\nS: 235 Welcome\nC: MAIL FROM:<a@x>\n";
    assert!(dialogue.contains(login), "{dialogue}");
    let heard = heard.join().unwrap();
    assert_eq!(heard[1..4], ["AUTH LOGIN", "YWRh", "cGVuY2ls"]);

    let (server, heard) = serve(|peer| {
        peer.converse(&["220 Hi", "250-Hello\r\n250 AUTH PLAIN"]);
        peer.converse(&["334 more", "501 Given up"]);
        peer.say("221 Bye");
    });
    let (code, error, dialogue) = sent(&from_ada(&server));
    assert!(
        code == 69 && error.contains("does not log in"),
        "{code} {error}"
    );
    let login = "C: AUTH PLAIN ***\nS: 334 ***\nC: *\nS: 501 Given up\nC: QUIT\n";
    assert!(dialogue.contains(login), "{dialogue}");
    heard.join().unwrap();
}

#[test]
fn a_login_ends_with_what_the_server_said() {
    for (offer, reply, code, words) in [
        (
            "AUTH PLAIN",
            "535 No",
            65,
            "refused the login of ada: 535 No",
        ),
        (
            "AUTH PLAIN",
            "454 Later",
            75,
            "refused the login of ada: 454 Later",
        ),
        ("SIZE", "221 Bye", 69, "offers no login that we know"),
        ("AUTH SCRAM-SHA-256", "235 Welcome", 69, "it may be anybody"),
    ] {
        let (server, heard) = serve(move |peer| {
            peer.converse(&["220 Hi", &format!("250-Hello\r\n250 {offer}"), reply]);
            peer.say("221 Bye");
        });
        let (exit, error, _) = sent(&from_ada(&server));
        assert!(exit == code && error.contains(words), "{exit} {error}");
        let heard = heard.join().unwrap();
        assert!(
            !heard.iter().any(|line| line.starts_with("MAIL")),
            "{heard:?}"
        );
    }
}
