//! Command lines, read.

use super::*;
use crate::smtp::reply::{self, Reply};

#[test]
fn verbs_are_read_in_any_case() {
    for line in ["NOOP", "noop", "NoOp anything at all", "NOOP  "] {
        assert_eq!(Command::parse(line.as_bytes()), Ok(Command::Noop), "{line}");
    }
    for line in ["", " NOOP", "NOOPS", "\u{fc}", "VERYLONGVERB"] {
        assert_eq!(
            Command::parse(line.as_bytes()),
            Err(reply::UNKNOWN_COMMAND),
            "{line}"
        );
    }
}

#[test]
fn a_hello_needs_a_printable_name() {
    for name in [
        "a",
        "under_score",
        "[127.0.0.1]",
        "[IPv6:::1]",
        "-odd-.",
        "my pc",
        &"n".repeat(255),
    ] {
        let line = format!("HELO {name}");
        assert_eq!(
            Command::parse(line.as_bytes()),
            Ok(Command::Hello {
                greeting: Greeting::Helo,
                name,
            })
        );
    }
    for line in [
        "HELO",
        "EHLO ",
        "HELO a\tb",
        "HELO \u{e4}",
        "HELO a\x1bb",
        &format!("HELO {}", "n".repeat(256)),
    ] {
        assert_eq!(
            Command::parse(line.as_bytes()),
            Err(reply::BAD_HELLO),
            "{line}"
        );
    }
}

/// The parameters of MAIL.
fn parsed(line: &str) -> Result<MailParameters, Reply> {
    match Command::parse(line.as_bytes()) {
        Ok(Command::Mail(_, parameters)) => Ok(parameters),
        Ok(_) => Ok(MailParameters::default()),
        Err(reply) => Err(reply),
    }
}

#[cfg(feature = "smtputf8")]
#[test]
fn mail_asks_for_smtputf8() {
    let full = MailParameters {
        size: Some(12),
        body: Some(Body::EightBitMime),
        smtputf8: true,
        auth: None,
        dsn: None,
    };
    for line in [
        "MAIL FROM:<a@b> SIZE=12 BODY=8BITMIME SMTPUTF8",
        "mail from: <a@b>  smtputf8  body=8bitmime  size=12",
        "MAIL FROM:<\u{fc}@\u{fc}.b> SMTPUTF8 SIZE=12 BODY=8BITMIME",
    ] {
        assert_eq!(parsed(line), Ok(full.clone()), "{line}");
    }
    for wrong in ["SMTPUTF8=", "SMTPUTF8=1", "SMTPUTF8 SMTPUTF8"] {
        let line = format!("MAIL FROM:<a@b> {wrong}");
        assert_eq!(parsed(&line), Err(reply::BAD_ARGUMENT), "{wrong}");
    }
}

#[test]
fn mail_reads_its_parameters() {
    let both = MailParameters {
        size: Some(12),
        body: Some(Body::EightBitMime),
        ..MailParameters::default()
    };
    for line in [
        "MAIL FROM:<a@b> SIZE=12 BODY=8BITMIME",
        "mail from: <a@b>  body=8bitmime  size=12",
    ] {
        assert_eq!(parsed(line), Ok(both.clone()), "{line}");
    }
    assert_eq!(
        parsed("MAIL FROM:<\u{fc}@b> SIZE=12"),
        Err(reply::ADDRESS_NOT_ASCII)
    );
    let huge = MailParameters {
        size: Some(u64::MAX),
        ..MailParameters::default()
    };
    assert_eq!(parsed("MAIL FROM:<> SIZE=99999999999999999999"), Ok(huge));
    for (auth, submitter) in [("<>", Submitter::Unknown), ("a+40b", Submitter::Named)] {
        let named = MailParameters {
            auth: Some(submitter),
            ..MailParameters::default()
        };
        assert_eq!(parsed(&format!("MAIL FROM:<> AUTH={auth}")), Ok(named));
    }
    let long = format!("MAIL FROM:<{}@b>", "a".repeat(300));
    assert_eq!(parsed(&long), Err(reply::BAD_SENDER));
    for wrong in [
        "SIZE",
        "SIZE=",
        "SIZE=-1",
        "SIZE=1a",
        "SIZE=000000000000000000001",
        "SIZE=1 SIZE=1",
        "=",
        "-X=1",
        "X=\u{e4}",
        "X=1=2",
    ] {
        assert_eq!(
            parsed(&format!("MAIL FROM:<a@b> {wrong}")),
            Err(reply::BAD_ARGUMENT),
            "{wrong}"
        );
    }
    for unknown in ["BODY=9BIT", "NOTIFY=NEVER", "X-ANY=thing"] {
        assert_eq!(
            parsed(&format!("MAIL FROM:<a@b> {unknown}")),
            Err(reply::UNKNOWN_PARAMETER),
            "{unknown}"
        );
    }
    for wrong in [
        "MAIL",
        "MAIL FROM",
        "MAIL TO:<a@b>",
        "MAIL FROM <a@b>",
        "MAIL FROM:",
        "MAIL FROM:<a@b>SIZE=1",
        "DATA x",
        "QUIT now",
    ] {
        assert_eq!(parsed(wrong), Err(reply::BAD_ARGUMENT), "{wrong}");
    }
}

#[test]
fn bdat_reads_any_size_that_can_be_counted() {
    for (line, size, is_last) in [
        ("BDAT 0", 0, false),
        ("BDAT 0 LAST", 0, true),
        ("bdat  00012  last ", 12, true),
        ("BDAT 18446744073709551615", u64::MAX, false),
    ] {
        let chunk = Chunk::new(size, is_last);
        assert_eq!(
            Command::parse(line.as_bytes()),
            Ok(Command::Bdat(chunk)),
            "{line}"
        );
    }
    let uncountable = " x LAST -1 +1 1x 0x1 1.0 18446744073709551616";
    let uncountable = uncountable.split(' ').map(|size| (size, None));
    let misplaced = ["5 FIRST", "5 LAST LAST", "5 6", "5 LASTS"];
    for (wrong, size) in uncountable.chain(misplaced.map(|size| (size, Some(5)))) {
        let line = format!("BDAT {wrong}");
        assert_eq!(
            Command::parse(line.as_bytes()),
            Ok(Command::BadBdat(size)),
            "{line}"
        );
    }
}

#[test]
fn other_protocols_are_known_by_their_verbs() {
    for verb in [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE",
    ] {
        for rest in [" / HTTP/1.1", " * HTTP/1.0", ""] {
            let line = format!("{verb}{rest}");
            assert_eq!(Command::parse(line.as_bytes()), Ok(Command::WrongProtocol));
        }
    }
    for line in [
        "PRI * HTTP/2.0",
        "PROPFIND / HTTP/1.1",
        "PROPPATCH /x HTTP/1.1",
        "x HTTP/1.0",
    ] {
        assert_eq!(
            Command::parse(line.as_bytes()),
            Ok(Command::WrongProtocol),
            "{line}"
        );
    }
    for line in ["PROPFIND /", "x HTTP", "VERYLONGVERB /HTTP/1.1"] {
        assert_eq!(
            Command::parse(line.as_bytes()),
            Err(reply::UNKNOWN_COMMAND),
            "{line}"
        );
    }
}

#[test]
fn rcpt_knows_no_parameter_of_mail() {
    assert_eq!(
        Command::parse(b"RCPT TO:<a@b> SIZE=1"),
        Err(reply::UNKNOWN_PARAMETER)
    );
    assert_eq!(Command::parse(b"RCPT TO:<a@b> ="), Err(reply::BAD_ARGUMENT));
    assert_eq!(
        Command::parse(b"RCPT TO:<postmaster>"),
        Ok(Command::Rcpt(ForwardPath::Postmaster, None))
    );
}

#[test]
fn a_verb_is_known_by_all_of_its_letters_in_any_case() {
    for verb in verbs::VERBS {
        let other_case: String = verb.name.to_ascii_lowercase();
        let name = Command::parse(verb.name.as_bytes());
        assert_ne!(name, Err(reply::UNKNOWN_COMMAND), "{}", verb.name);
        assert_eq!(Command::parse(other_case.as_bytes()), name);
        for wrong in [format!("{}\0", verb.name), format!("\0{}", verb.name)] {
            let parsed = Command::parse(wrong.as_bytes());
            assert_eq!(parsed, Err(reply::UNKNOWN_COMMAND), "{wrong:?}");
        }
        let same = verbs::VERBS.iter().filter(|other| other.name == verb.name);
        assert_eq!(same.count(), 1, "{}", verb.name);
    }
    assert_eq!(Command::parse(b""), Err(reply::UNKNOWN_COMMAND));
}
