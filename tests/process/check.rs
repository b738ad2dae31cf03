//! `mailoop serve --check`, and the example of a configuration.

// Some of it is for a server with all features only.
#![cfg_attr(
    not(all(feature = "tls", feature = "auth")),
    allow(dead_code, unused_imports)
)]

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use crate::common::skipped;
use crate::common::tls::certificate_and_key;
use mailoop::config::option::Scope;
#[cfg(all(feature = "stream", feature = "http", feature = "top"))]
use mailoop::config::option::ServerCommand;
use mailoop::config::options;
use rustix::process::geteuid;

/// `mailoop serve --check`, where whoever runs the tests could keep mail.
fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailoop"));
    command.args(["serve", "--check"]).env_clear();
    command.current_dir(env::temp_dir());
    command
}

/// The same with more options.
fn check(options: &[&str]) -> Output {
    command().args(options).output().unwrap()
}

#[test]
fn check_says_what_would_run_and_runs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mail = folder.path().join("mail");
    let path = folder.path().join("mailoop.toml");
    let config = path.to_str().unwrap();
    fs::write(
        &path,
        format!("max-errors = 7\nmax-recipients = 9\nmaildir = {mail:?}"),
    )
    .unwrap();
    let output = check(&["--config", config, "--hostname", "a.example"]);
    let said = String::from_utf8(output.stdout).unwrap();
    let warned = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{warned}");
    for line in [
        "listen = [\"127.0.0.1:2525\"]  # default".to_owned(),
        "hostname = \"a.example\"  # --hostname".to_owned(),
        format!("max-errors = 7  # {config}:1"),
    ] {
        assert!(said.lines().any(|said| said == line), "{line}: {said}");
    }
    assert!(warned.contains("warning: --max-recipients 9"), "{warned}");
    assert!(!mail.exists());

    let output = command().env("MAILOOP_DISCARD", "1").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains("\ndiscard = true  # MAILOOP_DISCARD\n"),
        "{said}"
    );
    assert_eq!(check(&["--user", "no such user"]).status.code(), Some(78));

    let output = check(&["--end-of-data", "bye"]);
    let said = String::from_utf8(output.stdout).unwrap();
    for line in [
        "bare-newline = \"accept\"  # implied by end-of-data",
        "min-rate = 0  # implied by bare-newline",
    ] {
        assert!(said.lines().any(|said| said == line), "{line}: {said}");
    }

    fs::write(&path, "max-errors = 'x'").unwrap();
    for (options, code, message) in [
        (
            ["--config", config],
            78,
            format!("mailoop: {config}:1: max-errors = 'x': "),
        ),
        (
            ["--config", "/nowhere"],
            78,
            "mailoop: /nowhere: cannot read".to_owned(),
        ),
        (
            ["--listen", "0.0.0.0:25"],
            78,
            "mailoop: 0.0.0.0:25 can be".to_owned(),
        ),
        (
            ["--max-errors", "x"],
            64,
            "mailoop: --max-errors x: ".to_owned(),
        ),
    ] {
        let output = check(&options);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(
            said.starts_with(&message) && said.lines().count() == 1,
            "{said}"
        );
        assert!(output.stdout.is_empty());
    }
    let unnamed = command().env("MAILOOP_CONFIG", config).output().unwrap();
    assert_eq!(unnamed.status.code(), Some(78));
}

#[test]
fn check_finds_what_the_start_would_fail_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("file"), "").unwrap();
    let socket = format!("unix:{}", path("nowhere/socket"));
    let (below_file, log) = (path("file/mail"), path("nowhere/log"));
    let options = [
        "--maildir",
        &below_file,
        "--log-file",
        &log,
        "--listen",
        &socket,
    ];
    let output = check(&options);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{said}");
    for message in [
        "mailoop: cannot keep mail in ",
        "mailoop: cannot log to ",
        "mailoop: cannot listen on unix:",
    ] {
        assert!(said.contains(message), "{message}: {said}");
    }
    assert_eq!(said.lines().count(), 3, "{said}");
    assert!(output.stdout.is_empty());

    let (mail, log) = (path("a/b/mail"), path("log"));
    let socket = format!("unix:{}", path("socket"));
    let output = check(&["--maildir", &mail, "--log-file", &log, "--listen", &socket]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let made: Vec<_> = crate::common::files(folder.path());
    assert_eq!(made, [folder.path().join("file")]);

    // Where root may write all, and no file can be made.
    let output = check(&["--maildir", "/proc/mail"]);
    assert_eq!(output.status.code(), Some(78), "{output:?}");
}

/// As root the check becomes the user, as the start does; nobody else could tell.
#[test]
fn check_finds_that_the_user_cannot_keep_mail() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let mail = folder.path().join("mail").to_str().unwrap().to_owned();
    let options = ["--user", "nobody", "--maildir", &mail];
    if !geteuid().is_root() {
        skipped::note(&[skipped::ROOT]);
        return;
    }
    let output = check(&options);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{said}");
    let advice = format!("install -d -o nobody {mail}");
    assert!(said.contains(&advice), "{said}");
    fs::create_dir(&mail).unwrap();
    fs::set_permissions(&mail, PermissionsExt::from_mode(0o777)).unwrap();
    assert_eq!(check(&options).status.code(), Some(0));
}

#[cfg(all(feature = "tls", feature = "auth"))]
#[test]
fn the_example_has_every_option_with_its_default() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/deploy/mailoop.toml");
    let output = check(&["--config", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let example = fs::read_to_string(path).unwrap();
    // Behind the options stand the tables.
    let (example, _) = example.split_once("# What follows ").unwrap();
    let lines: Vec<_> = example.lines().collect();
    let assigned = lines.iter().filter(|line| line.contains(" = ")).count();
    let options = options::all().filter(|option| option.scope != Scope::Outside);
    assert_eq!(assigned, options.clone().count(), "more than the table has");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one.toml");
    let open = folder.path().to_str().unwrap();
    let pem = folder.path().join("certificate.pem");
    let pem = pem.to_str().unwrap();
    fs::write(pem, certificate_and_key("mail.example.org")).unwrap();
    let users = folder.path().join("users");
    let users = users.to_str().unwrap();
    fs::write(users, crate::common::users_file(&[("ada", "pencil")])).unwrap();
    let token = folder.path().join("token");
    let token = token.to_str().unwrap();
    fs::write(token, "s3cret\n").unwrap();
    for option in options {
        let start = format!("#{} = ", option.name);
        let at = lines.iter().position(|line| line.starts_with(&start));
        let at = at.unwrap_or_else(|| panic!("no {start}"));
        let (comment, line) = (lines[at - 1], &lines[at][1..]);
        assert!(
            comment.starts_with("# ") && comment.ends_with('.'),
            "{start}"
        );
        let restart = comment.ends_with("(restart).");
        assert_eq!(restart, option.scope == Scope::Restart, "{start}");
        if let Some(default) = option.default {
            assert_eq!(line, option.toml(&[default]));
        }
        // Who is to be become has to be there, and so have files.
        let line = &line
            .replace("user = \"mailoop\"", "user = \"nobody\"")
            .replace("/etc/mailoop/fullchain.pem", pem)
            .replace("/etc/mailoop/privkey.pem", pem)
            .replace("/etc/mailoop/users", users)
            .replace("/etc/mailoop/http-token", token)
            .replace("/run/mailoop", open)
            .replace("/var/lib/mailoop", open)
            .replace("/var/log", open);
        fs::write(&path, line).unwrap();
        let company: &[&str] = match option.name {
            "user" => &["--discard"],
            "listen-tls" => &["--tls-self-signed"],
            "listen-submission" => &["--domain", "example.org"],
            "listen-submissions" => &["--tls-self-signed", "--domain", "example.org"],
            "tls-cert" => &["--tls-key", pem],
            "tls-key" => &["--tls-cert", pem],
            _ => &[],
        };
        let output = check(&[&["--config", path.to_str().unwrap()], company].concat());
        let said = String::from_utf8(output.stdout).unwrap();
        let heard = said
            .lines()
            .any(|said| said.starts_with(&format!("{line}  # /")));
        assert!(heard, "{line}: {said}");
    }
}

#[cfg(all(feature = "stream", feature = "http", feature = "top"))]
#[test]
fn the_example_for_deliver_has_every_option_of_it() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/deploy/mailoop-deliver.toml");
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_mailoop"))
        .env_clear()
        .current_dir(&folder)
        .args(["deliver", "--check", "--config"])
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let example = fs::read_to_string(path).unwrap();
    let lines: Vec<_> = example.lines().collect();
    let options = options::of(ServerCommand::Deliver);
    let options = options.filter(|option| option.scope != Scope::Outside);
    let assigned = lines.iter().filter(|line| line.contains(" = ")).count();
    assert_eq!(assigned, options.clone().count(), "more than the table has");
    for option in options {
        let start = format!("{} = ", option.name);
        let at = lines
            .iter()
            .position(|line| line.trim_start_matches('#').starts_with(&start));
        let at = at.unwrap_or_else(|| panic!("no {start}"));
        let restart = lines[at - 1].ends_with("(restart).");
        assert_eq!(restart, option.scope == Scope::Restart, "{start}");
        if let Some(default) = option.default {
            assert_eq!(lines[at][1..], option.toml(&[default]));
        }
    }
}

#[test]
fn the_tables_of_the_example_are_as_they_may_be() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/deploy/mailoop.toml");
    let example = fs::read_to_string(path).unwrap();
    let (_, tables) = example.split_once("# What follows ").unwrap();
    let commented = tables.lines().filter_map(|line| line.strip_prefix('#'));
    let mut table = "";
    let lines = commented
        .filter(|line| !line.starts_with(' '))
        .filter(|line| {
            if line.starts_with('[') {
                table = line;
            }
            cfg!(feature = "relay") || table != "[routes]"
        });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tables.toml");
    fs::write(&path, lines.collect::<Vec<_>>().join("\n")).unwrap();
    let output = check(&[
        "--config",
        path.to_str().unwrap(),
        "--domain",
        "example.org",
    ]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{:?}", output.stderr);
    for line in [
        "catch-all = \"ann@example.org\"  # ",
        "[aliases]",
        "\"sales\" = [\"ann@example.org\", \"bob\"]  # ",
        "\"first.last\" = [\"ann\"]  # ",
        "[mailboxes]",
        "closed = true  # ",
        "names = [\"ann\", \"bob@example.org\"]  # ",
        "[senders]",
        "\"ann\" = [\"ann@example.org\", \"@lists.example.org\"]  # ",
        "\"robot\" = []  # ",
    ] {
        let shown = said.lines().any(|shown| shown.starts_with(line));
        assert!(shown, "{line}: {said}");
    }
}
