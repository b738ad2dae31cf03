//! What the options make: their defaults, their least values, what is safe where.

use std::path::Path;
use std::time::Duration;

use mailoop::cli::{self, Request};
use mailoop::config::options::DEFAULT_LISTEN;
use mailoop::config::sources::Sources;
use mailoop::config::{Config, Delivery};
use mailoop::exit::{ExitCode, Failed};
use mailoop::smtp::line::BareNewline;
use mailoop::smtp::policy::Policy;

fn parse(options: &[&str]) -> Result<Config, Failed> {
    let arguments = ["mailoop", "serve"].iter().chain(options);
    match cli::parse(arguments.map(|argument| (*argument).into()))? {
        Request::Serve(flags) => {
            let sources = Sources::new(*flags, []);
            Config::new(&sources.settings()?)
        }
        other => panic!("{options:?}: {other:?}"),
    }
}

fn config(options: &[&str]) -> Config {
    parse(options).unwrap_or_else(|failed| panic!("{options:?}: {}", failed.message))
}

#[track_caller]
fn fails(options: &[&str], code: ExitCode) {
    match parse(options) {
        Err(failed) => assert_eq!(failed.code, code, "{options:?}: {}", failed.message),
        Ok(_) => panic!("{options:?} is taken"),
    }
}

fn listeners(config: &Config) -> Vec<String> {
    let named = config.listen.iter();
    named
        .map(|(service, address)| format!("{service} {address}"))
        .collect()
}

#[test]
fn a_server_without_options_is_what_the_help_says() {
    let config = config(&[]);
    assert!(config.listen.is_empty(), "nobody named one");
    assert_eq!(DEFAULT_LISTEN, "127.0.0.1:2525");
    let Config { policy, limits, .. } = &config;
    // Who drives sessions in a program of their own starts with the same.
    let plain = Policy {
        hostname: policy.hostname.clone(),
        ..Policy::default()
    };
    assert_eq!(format!("{policy:?}"), format!("{plain:?}"));
    assert!(policy.domains.is_empty() && policy.end_text.is_none() && !policy.hostname.is_empty());
    assert_eq!(policy.bare_newline, BareNewline::Normalize);
    assert_eq!(policy.message_bytes_max, 26_214_400);
    assert_eq!((policy.recipients_max, policy.messages_max), (100, 0));
    assert_eq!(policy.errors_max, 20);
    assert_eq!((limits.connections_max, limits.exit_after), (10_000, 0));
    assert_eq!(limits.idle_timeout, Duration::from_secs(300));
    assert_eq!(limits.session_timeout, Duration::from_secs(3600));
    assert_eq!(limits.drain_timeout, Duration::from_secs(30));
    assert_eq!(limits.min_free, 64 << 20);
    assert_eq!(config.log_level, log::LevelFilter::Info);
    assert!(matches!(
        &config.delivery,
        Delivery::Maildir { directory, mailboxes_max: 10_000, group_max: None } if directory == Path::new("./mail")
    ));
    assert_eq!(config.warnings(&[]).len(), 0);
}

#[test]
fn every_option_reaches_its_place() {
    let config = config(&[
        "--listen",
        "[::1]:1",
        "--listen",
        "unix:/tmp/s",
        "--hostname",
        "h.example",
        "--maildir",
        "m",
        "--max-mailboxes",
        "1",
        "--domain",
        "a.example",
        "--domain",
        "b.example",
        "--min-free",
        "1G",
        "--max-message-size",
        "2k",
        "--max-recipients",
        "3",
        "--max-messages-per-session",
        "4",
        "--max-connections",
        "5",
        "--max-errors",
        "6",
        "--idle-timeout",
        "7",
        "--session-timeout",
        "8",
        "--drain-timeout",
        "9",
        "--exit-after",
        "10",
        "--max-commit-group",
        "11",
        "--bare-newline",
        "reject",
        "--log-level",
        "debug",
        "--listen-lmtp",
        "[::1]:24",
        "--listen-lmtp",
        "unix:/tmp/l",
        "--listen-submission",
        "[::1]:587",
    ]);
    let named = [
        "smtp [::1]:1",
        "smtp unix:/tmp/s",
        "submission [::1]:587",
        "lmtp [::1]:24",
        "lmtp unix:/tmp/l",
    ];
    assert_eq!(listeners(&config), named);
    let Config { policy, limits, .. } = &config;
    assert_eq!(policy.hostname, "h.example");
    assert_eq!(policy.domains, ["a.example", "b.example"]);
    assert_eq!(policy.bare_newline, BareNewline::Reject);
    assert_eq!(limits.min_free, 1 << 30);
    assert_eq!((policy.message_bytes_max, policy.recipients_max), (2048, 3));
    assert_eq!((policy.messages_max, policy.errors_max), (4, 6));
    assert_eq!((limits.connections_max, limits.exit_after), (5, 10));
    assert_eq!(limits.idle_timeout, Duration::from_secs(7));
    assert_eq!(limits.session_timeout, Duration::from_secs(8));
    assert_eq!(limits.drain_timeout, Duration::from_secs(9));
    assert_eq!(config.log_level, log::LevelFilter::Debug);
    assert!(matches!(
        &config.delivery,
        Delivery::Maildir { directory, mailboxes_max: 1, group_max: Some(11) } if directory == Path::new("m")
    ));
}

#[test]
fn a_sink_keeps_nothing() {
    assert!(matches!(config(&["--discard"]).delivery, Delivery::Discard));
}

#[test]
fn limits_that_would_let_nobody_in_are_refused() {
    for option in ["--max-connections", "--max-recipients", "--max-errors"] {
        fails(&[option, "0"], ExitCode::Usage);
        config(&[option, "1"]);
    }
}

#[test]
fn what_is_to_be_left_free_may_be_nothing() {
    assert_eq!(config(&["--min-free", "0"]).limits.min_free, 0);
    for wrong in ["", "-1", "x", "1.5M", "99999999999G"] {
        fails(&["--min-free", wrong], ExitCode::Usage);
    }
}

#[test]
fn only_this_machine_is_private() {
    for public in [
        "0.0.0.0:26",
        "10.0.0.1:26",
        "172.16.0.1:26",
        "192.168.0.1:26",
        "169.254.0.1:26",
        "203.0.113.1:26",
        "[::]:26",
        "[::ffff:192.168.0.1]:26",
        "[fe80::1]:26",
        "[fd00::1]:26",
    ] {
        for option in ["--listen", "--listen-submission", "--listen-lmtp"] {
            fails(&[option, public], ExitCode::Configuration);
            let domain = [option, public, "--domain", "a.example"];
            config(&domain);
            let accept = [&domain[..], &["--bare-newline", "accept"]].concat();
            fails(&accept, ExitCode::Configuration);
        }
    }
    for private in ["127.0.0.1:25", "127.1.2.3:25", "[::1]:25", "unix:/tmp/s"] {
        config(&["--listen", private, "--bare-newline", "accept"]);
    }
}

#[test]
fn the_line_that_ends_a_message_is_printable_and_bounded() {
    let longest = "x".repeat(200);
    for text in ["end of email", "x", &longest] {
        let policy = config(&["--end-of-data", text]).policy;
        assert_eq!(policy.bare_newline, BareNewline::Accept);
        assert!(policy.end_text.is_some_and(|end| end.as_str() == text));
    }
    let policy = config(&["--end-of-data", ".", "--bare-newline", "reject"]).policy;
    assert!(policy.end_text.is_none() && policy.bare_newline == BareNewline::Reject);
    config(&["--end-of-data", "bye", "--bare-newline", "accept"]);
    fails(
        &["--end-of-data", "bye", "--bare-newline", "normalize"],
        ExitCode::Usage,
    );
    let too_long = "x".repeat(201);
    for text in ["", ".x", "..", "a\nb", "a\rb", "a\tb", "\u{fc}", &too_long] {
        fails(&["--end-of-data", text], ExitCode::Usage);
    }
}

#[test]
fn fewer_recipients_than_the_standard_asks_for_are_warned_of() {
    for (recipients, warnings) in [("99", 1), ("100", 0), ("101", 0)] {
        let config = config(&["--max-recipients", recipients]);
        assert_eq!(config.warnings(&[]).len(), warnings, "{recipients}");
    }
}

#[test]
fn times_names_and_places_are_bounded() {
    for option in ["--idle-timeout", "--session-timeout", "--drain-timeout"] {
        config(&[option, "31622400"]);
        fails(&[option, "31622401"], ExitCode::Usage);
        fails(&[option, "0"], ExitCode::Usage);
    }
    for option in ["--hostname", "--domain"] {
        config(&[option, "[127.0.0.1]"]);
        for name in ["", " a", "a ", "a b", "a@b", "a\r\nb", "a..b", "-\u{fc}"] {
            fails(&[option, name], ExitCode::Usage);
        }
    }
    fails(&["--listen", "unix:"], ExitCode::Usage);
    // RFC 5321 §4.5.3.1.2, with labels as RFC 1035 §2.3.4 has them.
    let domain = |last: &str| format!("{}{last}", format!("{}.", "d".repeat(63)).repeat(3));
    config(&["--domain", &domain(&"e".repeat(63))]);
    fails(
        &["--domain", &domain(&format!("{}.e", "e".repeat(62)))],
        ExitCode::Usage,
    );
}

#[cfg(feature = "smtputf8")]
#[test]
fn names_beyond_ascii_are_read_as_a_labels() {
    let policy = config(&[
        "--hostname",
        "Bücher.example",
        "--domain",
        "例え.jp",
        "--domain",
        "faß.de",
    ])
    .policy;
    assert_eq!(policy.hostname, "xn--bcher-kva.example");
    assert_eq!(policy.domains, ["xn--r8jz45g.jp", "xn--fa-hia.de"]);
}

#[cfg(not(feature = "smtputf8"))]
#[test]
fn without_smtputf8_a_name_is_to_be_written_as_a_labels() {
    for option in ["--hostname", "--domain"] {
        let failed = parse(&[option, "bücher.example"]).map(|_| ()).unwrap_err();
        assert_eq!(failed.code, ExitCode::Usage);
        assert!(failed.message.contains("xn--"), "{}", failed.message);
    }
}
