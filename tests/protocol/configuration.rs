//! Options: one table, three places to write them, and what a mistake is answered with.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;

use mailoop::cli::{self, Request};
use mailoop::config::Config;
use mailoop::config::file;
use mailoop::config::option::{Kind, Scope, ServeOption};
use mailoop::config::options;
use mailoop::config::settings::Settings;
use mailoop::config::sources::Sources;
use mailoop::exit::{ExitCode, Failed};

/// What these flags, variables and configuration file say, of what a server can be made.
fn settle(flags: &[&str], variables: &[(&str, &str)], text: &str) -> Result<Settings, Failed> {
    let settings = heard(flags, variables, text)?;
    Config::new(&settings)?;
    Ok(settings)
}

/// What these flags, variables and configuration file say, whether a server can be made of it or not.
fn heard(flags: &[&str], variables: &[(&str, &str)], text: &str) -> Result<Settings, Failed> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailoop.toml");
    fs::write(&path, text).unwrap();
    let arguments = ["mailoop", "serve", "--config", path.to_str().unwrap()];
    let arguments = arguments.iter().chain(flags).map(|text| (*text).into());
    let Ok(Request::Serve(flags)) = cli::parse(arguments) else {
        panic!("{flags:?}");
    };
    let variables = variables
        .iter()
        .map(|(name, value)| (name.into(), value.into()));
    Sources::new(*flags, variables).settings()
}

fn texts(settings: &Settings, name: &str) -> Vec<String> {
    let values = settings.values(options::named(name).unwrap()).iter();
    values
        .map(|value| value.text().unwrap().to_owned())
        .collect()
}

#[track_caller]
fn refused(result: Result<Settings, Failed>, code: ExitCode, message: &str) {
    let failed = result.expect_err(message);
    assert_eq!(failed.code, code, "{}", failed.message);
    assert!(
        failed.message.lines().next().unwrap().contains(message),
        "{message:?} was expected, and came {:?}",
        failed.message
    );
}

/// A value for an option that is not its default.
fn sample(option: &ServeOption) -> &'static str {
    match option.name {
        "listen" | "listen-tls" => "[::1]:25",
        "listen-lmtp" => "[::1]:24",
        "hostname" | "domain" => "a.example",
        "end-of-data" => "bye",
        "bare-newline" => "reject",
        "log-level" => "debug",
        "proxy-from" | "xclient-from" => "10.0.0.0/8",
        "route" => "*=smtp://a,smtp://b",
        "retry" => "1,2",
        _ if option.kind == Kind::Flag => "true",
        _ if option.kind == Kind::Number => "7",
        _ => "x",
    }
}

/// The options that stand everywhere.
fn everywhere() -> impl Iterator<Item = &'static ServeOption> {
    options::all().filter(|option| option.scope != Scope::Outside)
}

#[test]
fn every_option_is_heard_from_each_place_and_the_nearest_place_counts() {
    for option in everywhere() {
        let (name, value) = (option.name, sample(option));
        let variable = option.variable();
        let variables = [(variable.as_str(), value)];
        let line = option.toml(&[value]);
        let flag = format!("--{name}");
        let flags = match option.kind {
            Kind::Flag => vec![flag.as_str()],
            _ => vec![flag.as_str(), value],
        };
        for (flags, variables, file, origin) in [
            (&flags[..], &variables[..], &*line, flag.as_str()),
            (&[], &variables, &line, &variable),
            (&[], &[], &line, "mailoop.toml:1"),
        ] {
            let settings = heard(flags, variables, file).unwrap();
            assert_eq!(texts(&settings, name).join(","), value, "{name}");
            let shown = settings.to_string();
            let line = shown.lines().find(|shown| shown.starts_with(&line));
            assert!(line.unwrap().ends_with(origin), "{shown}");
        }
    }
}

#[test]
fn what_is_shown_is_a_configuration_that_says_the_same() {
    let flags = [
        "--discard",
        "--domain",
        "a.example",
        "--domain",
        "b.example",
    ];
    let text = "max-message-size = \"25M\"\nidle-timeout = 0.5\nend-of-data = 'a \"b\" \\c'";
    let shown = settle(&flags, &[], text).unwrap().to_string();
    let again = settle(&[], &[], &shown).unwrap();
    for option in options::all() {
        let first = file::parse("first", &shown).unwrap();
        if first.value(option).is_some() {
            assert_eq!(texts(&first, option.name), texts(&again, option.name));
        }
    }
    assert_eq!(texts(&again, "end-of-data"), ["a \"b\" \\c"]);
    assert_eq!(texts(&again, "bare-newline"), ["accept"]);
    assert!(!shown.contains("maildir ="), "{shown}");
}

#[test]
fn a_list_is_replaced_as_a_whole_and_an_empty_one_takes_it_back() {
    let file = "listen = [\n  \"[::1]:1\",\n  \"unix:/a,b\",\n]\ndomain = [\"a.example\"]";
    let both = settle(&[], &[], file).unwrap();
    assert_eq!(texts(&both, "listen"), ["[::1]:1", "unix:/a,b"]);
    let variables = [
        ("MAILOOP_LISTEN", "127.0.0.1:1, 127.0.0.1:2"),
        ("MAILOOP_DOMAIN", ","),
    ];
    let nearer = settle(&[], &variables, file).unwrap();
    assert_eq!(texts(&nearer, "listen"), ["127.0.0.1:1", "127.0.0.1:2"]);
    assert_eq!(texts(&nearer, "domain"), [""; 0]);
    let nearest = settle(&["--listen", "127.0.0.1:3"], &variables, file).unwrap();
    assert_eq!(texts(&nearest, "listen"), ["127.0.0.1:3"]);
    let nowhere = settle(&[], &[("MAILOOP_LISTEN", ",")], file).unwrap();
    assert_eq!(texts(&nowhere, "listen"), ["127.0.0.1:2525"]);
    let as_not_set = settle(&[], &[("MAILOOP_LISTEN", "")], file).unwrap();
    assert_eq!(texts(&as_not_set, "listen"), texts(&both, "listen"));
}

#[test]
fn there_is_a_default_listener_where_none_of_any_kind_is_named() {
    let only_lmtp = settle(&["--listen-lmtp", "unix:/l"], &[], "").unwrap();
    assert_eq!(texts(&only_lmtp, "listen"), [""; 0]);
    assert!(!only_lmtp.to_string().contains("listen = "));
    let both = settle(&["--listen-lmtp", "unix:/l"], &[], "listen = ['[::1]:1']").unwrap();
    assert_eq!(texts(&both, "listen"), ["[::1]:1"]);
    for file in [
        "listen-lmtp = []",
        "listen = []",
        "listen = []\nlisten-lmtp = []",
    ] {
        let none = settle(&[], &[], file).unwrap();
        assert_eq!(texts(&none, "listen"), ["127.0.0.1:2525"], "{file}");
    }
    let taken_back = settle(
        &[],
        &[("MAILOOP_LISTEN_LMTP", ",")],
        "listen-lmtp = ['unix:/l']",
    );
    assert_eq!(texts(&taken_back.unwrap(), "listen"), ["127.0.0.1:2525"]);
}

#[test]
fn numbers_are_read_however_toml_writes_them() {
    let file = "max-errors = 0x10\nmax-recipients = 1_000\nidle-timeout = 1.5\nmin-rate = \"1k\"";
    let settings = settle(&[], &[], file).unwrap();
    for (name, text) in [
        ("max-errors", "16"),
        ("max-recipients", "1000"),
        ("idle-timeout", "1.5"),
        ("min-rate", "1k"),
    ] {
        assert_eq!(texts(&settings, name), [text]);
    }
}

#[test]
fn a_mistake_in_a_file_is_told_with_its_line_its_key_and_what_would_be_right() {
    for (text, message) in [
        (
            "\nmax-errors = \"x\"",
            ":2: max-errors = \"x\": write a number over 0",
        ),
        (
            "max-errors = 0",
            ":1: max-errors = 0: write a number over 0",
        ),
        (
            "max-errors = -1",
            ":1: max-errors = -1: write a number over 0",
        ),
        (
            "max-errors = true",
            ":1: max-errors = true: write it as max-errors = 20",
        ),
        (
            "max-errors = [1]",
            ":1: max-errors = [1]: write it as max-errors = 20",
        ),
        (
            "# one\n\n[max-errors]\nx = 1",
            ":3: max-errors: write it as max-errors = 20",
        ),
        (
            "hostname = 25",
            ":1: hostname = 25: write it as hostname = \"NAME\"",
        ),
        (
            "hostname = \"a b\"",
            ":1: hostname = \"a b\": write a domain name",
        ),
        ("user = \"\"", ":1: user = \"\": "),
        ("maildir = ''", ":1: maildir = '': write a path"),
        (
            "listen = [\n'[::1]:1',\n'here'\n]",
            ":3: listen = ['here']: write IP:PORT",
        ),
        (
            "listen = '[::1]:1'",
            ":1: listen = '[::1]:1': write it as listen = [\"",
        ),
        ("listen = [25]", ":1: listen = 25: write it as listen = [\""),
        (
            "discard = 'yes'",
            ":1: discard = 'yes': write true or false",
        ),
        (
            "idle-timeout = 2026-01-01",
            ":1: idle-timeout = 2026-01-01: write it as",
        ),
        (
            "log-level = 'loud'",
            ":1: log-level = 'loud': write error, warn, info",
        ),
        (
            "bare-newline = 'x'",
            ":1: bare-newline = 'x': write normalize, reject",
        ),
        (
            "min-rate = 'x'",
            ":1: min-rate = 'x': write a number of bytes a second",
        ),
        ("max-message-size = '25X'", "25M"),
        (
            "\nlisten = ['0.0.0.0:25']",
            ":2: listen = ['0.0.0.0:25']: 0.0.0.0:25 can be reached from other machines",
        ),
        (
            "\nlisten = ['[::1]:0']\nlisten-lmtp = ['unix:/l', '0.0.0.0:24']",
            ":3: listen-lmtp = ['0.0.0.0:24']: 0.0.0.0:24 can be reached from other machines",
        ),
        (
            "listen-lmtp = ['[::1]:25']",
            ":1: listen-lmtp = ['[::1]:25']: port 25 is for SMTP",
        ),
        (
            "hostname = '''\nx\ny'''",
            ":1: hostname: write a domain name",
        ),
        (
            "\n\nmax-error = 1",
            ":3: max-error: there is no such option in a file; did you mean max-errors?",
        ),
        (
            "[aliass]\nx = 'y'",
            ":1: aliass: there is no such option in a file; did you mean aliases?",
        ),
        (
            "tls-certs = ['x']",
            ":1: tls-certs: there is no such option",
        ),
        ("\"a\\nb\" = 1", ":1: a\\nb: there is no such option"),
        (
            "check = true",
            ":1: check: there is no such option in a file; use --check",
        ),
        ("z = 1\na = 1", ":1: z: "),
        (
            "max-errors = 1\nmax-errors = 2",
            ":2: max-errors = 2: duplicate key",
        ),
        (
            "\nhostname = a.example",
            ":2: hostname = a.example: string values must be quoted",
        ),
        ("hostname = \"a\nmax-errors = 1", ":1: hostname = \"a: "),
        (
            "discard = true\nmaildir = 'x'",
            ":1: discard = true: it excludes --maildir",
        ),
        (
            "end-of-data = 'x'\nbare-newline = 'reject'",
            ":2: bare-newline = 'reject': end-of-data",
        ),
        ("listen = ['0.0.0.0:0']", "--domain"),
    ] {
        let place = if message.starts_with(':') {
            "mailoop.toml"
        } else {
            ""
        };
        refused(
            settle(&[], &[], text),
            ExitCode::Configuration,
            &format!("{place}{message}"),
        );
    }
}

#[test]
fn a_mistake_in_the_environment_or_in_a_flag_is_told_by_its_name() {
    for (name, value, message) in [
        (
            "MAILOOP_MAX_ERRORS",
            "x",
            "MAILOOP_MAX_ERRORS=x: write a number over 0",
        ),
        (
            "MAILOOP_DISCARD",
            "perhaps",
            "MAILOOP_DISCARD=perhaps: write true or false",
        ),
        (
            "MAILOOP_HOSTNAME",
            "a\nb",
            "MAILOOP_HOSTNAME=a\\nb: write a domain name",
        ),
    ] {
        refused(
            settle(&[], &[(name, value)], ""),
            ExitCode::Configuration,
            message,
        );
    }
    for (flags, message) in [
        (
            ["--max-errors", "0"],
            "--max-errors 0: write a number over 0",
        ),
        (["--log-file", ""], "--log-file \"\": write a path"),
        (["--user", ""], "--user \"\": "),
    ] {
        refused(
            settle(&flags, &[], "max-errors = 3"),
            ExitCode::Usage,
            message,
        );
    }
    for (name, value) in [
        ("MAILOOPX", "1"),
        ("MAILOOP_MAX_ERRORS", ""),
        ("MAILOOP_HOSTNAME", ""),
        ("MAILOOP_DISCARD", ""),
        ("MAILOOP_MAX_ERROR", ""),
        ("mailoop_max_errors", "x"),
        ("MAILOOP_DISCARD", "0"),
    ] {
        let settings = settle(&[], &[(name, value)], "").unwrap();
        assert_eq!(settings.warnings(), [""; 0], "{name}");
    }
    let odd = OsString::from_vec(b"\xff".to_vec());
    let sources = Sources::new(Settings::default(), [("MAILOOP_HOSTNAME".into(), odd)]);
    let config = Config::new(&sources.settings().unwrap());
    assert!(config.unwrap_err().message.ends_with("write it in UTF-8"));
}

/// What Kubernetes sets for a Service that is called mailoop, and what somebody mistyped.
#[test]
fn variables_that_are_no_options_are_warned_of_and_nothing_more() {
    let variables = [
        ("MAILOOP_PORT", "tcp://10.0.0.1:25"),
        ("MAILOOP_SERVICE_HOST", "10.0.0.1"),
        ("MAILOOP_PORT_25_TCP_ADDR", "10.0.0.1"),
        ("MAILOOP_MAX_ERROR", "1"),
        ("MAILOOP_", "x"),
        ("MAILOOP_DISCARD", "1"),
    ];
    let settings = settle(&[], &variables, "").unwrap();
    assert!(settings.get(&options::DISCARD).unwrap());
    let expected = [
        "MAILOOP_MAX_ERROR is no option; did you mean MAILOOP_MAX_ERRORS?",
        "MAILOOP_, MAILOOP_PORT, MAILOOP_PORT_25_TCP_ADDR, MAILOOP_SERVICE_HOST are no options; \
         mailoop serve --help tells which there are",
    ];
    assert_eq!(settings.warnings(), expected);
    let config = Config::new(&settings).unwrap();
    assert_eq!(config.warnings(&[]), expected);
}

#[test]
fn all_mistakes_are_told_at_once_and_each_one_once() {
    let file = "max-errors = 0\nmax-error = 1\nhostname = 'a b'\nlisten = ['x', '127.0.0.1:1', 'y']\n\
                discard = true\nmaildir = 'x'\n[aliases]\n'a b@' = 'c'\ndomain = ['example.org']\n\
                [mailboxes]\nopen = true\n[senders]\n'' = []";
    let failed = settle(&["--idle-timeout", "x"], &[], file).unwrap_err();
    let told: Vec<_> = failed.message.lines().collect();
    for mistake in [
        ":1: max-errors = 0: ",
        ":2: max-error: ",
        ":3: hostname = 'a b': ",
        ":4: listen = ['x']: ",
        ":4: listen = ['y']: ",
        ":5: discard = true: it excludes",
        ":8: [aliases] 'a b@': ",
        ":9: [aliases] domain: this is no name here: move it above all tables, or write \"domain\"",
        ":11: [mailboxes] open: ",
        ":13: [senders] '': ",
        "--idle-timeout x: ",
    ] {
        let lines = told.iter().filter(|line| line.contains(mistake));
        assert_eq!(lines.count(), 1, "{mistake}: {told:#?}");
    }
    assert_eq!(told.len(), 11, "{told:#?}");
    let places = "domain = ['a.example']\n[aliases]\n'x@b.example' = 'y@c.example'\n'z' = 'z'";
    let failed = settle(&[], &[], places).unwrap_err();
    assert_eq!(failed.message.lines().count(), 2, "{}", failed.message);
}

#[test]
fn an_option_below_the_head_of_a_table_is_refused_and_a_name_in_quotes_is_not() {
    for (table, line) in [
        ("aliases", "hostname = 'mx.example.org'"),
        ("aliases", "max-errors = 3"),
        ("aliases", "senders = 'ann'"),
        ("senders", "domain = ['example.org']"),
        ("mailboxes", "maildir = '/var/mail'"),
    ] {
        let name = line.split(' ').next().unwrap();
        let message = format!(":2: [{table}] {name}: ");
        let text = format!("[{table}]\n{line}");
        refused(settle(&[], &[], &text), ExitCode::Configuration, &message);
        refused(
            settle(&[], &[], &text),
            ExitCode::Configuration,
            "move it above all tables",
        );
    }
    settle(&[], &[], "[aliases]\n'users' = ['ann']\nstaff = 'ann'").unwrap();
}

#[test]
fn of_options_that_exclude_each_other_the_nearest_counts() {
    let maildir = [("MAILOOP_MAILDIR", "x")];
    let kept = settle(&[], &maildir, "discard = true").unwrap();
    assert_eq!(
        (
            kept.get(&options::DISCARD).unwrap(),
            texts(&kept, "maildir")
        ),
        (false, vec!["x".into()])
    );
    let dropped = settle(&["--discard"], &maildir, "").unwrap();
    assert_eq!(
        (
            dropped.get(&options::DISCARD).unwrap(),
            texts(&dropped, "maildir")
        ),
        (true, vec![])
    );

    let end = ["--end-of-data", "bye"];
    let file = "bare-newline = 'normalize'";
    assert_eq!(
        texts(&settle(&end, &[], file).unwrap(), "bare-newline"),
        ["accept"]
    );
    let strict = [("MAILOOP_BARE_NEWLINE", "reject")];
    let message = "MAILOOP_BARE_NEWLINE=reject: end-of-data works with bare-newline accept only";
    refused(
        settle(&[], &strict, "end-of-data = 'bye'"),
        ExitCode::Configuration,
        message,
    );
}

/// The one address is the beginning of the other, and both are in the message or nearly so.
#[cfg(feature = "tls")]
#[test]
fn a_listener_that_cannot_be_served_is_named_with_its_place() {
    let file = "listen = ['127.0.0.1:2', '127.0.0.1:3']\nlisten-tls = ['127.0.0.1:25']";
    let message = "mailoop.toml:2: listen-tls = ['127.0.0.1:25']: 127.0.0.1:25 is for TLS";
    refused(settle(&[], &[], file), ExitCode::Configuration, message);
    let variables = [("MAILOOP_LISTEN_TLS", "127.0.0.1:25")];
    let message = "MAILOOP_LISTEN_TLS=127.0.0.1:25: 127.0.0.1:25 is for TLS";
    refused(
        settle(&[], &variables, file),
        ExitCode::Configuration,
        message,
    );
    let flags = ["--listen-tls", "127.0.0.1:25"];
    let failed = settle(&flags, &[], file).map(|_| ()).unwrap_err();
    assert!(failed.message.starts_with("127.0.0.1:25 is for TLS"));
}
