//! Who the server is after `--user`. What only root can try is skipped for others.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::common::client::Client;
use crate::common::{TestServer, files, skipped};
use nix::unistd::{User, geteuid};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A user who is on every system, and not root.
const SOMEBODY: &str = "nobody";

fn somebody() -> User {
    User::from_name(SOMEBODY).unwrap().unwrap()
}

/// Whether the test may become somebody else; says so if it may not.
fn is_root() -> bool {
    geteuid().is_root() || skipped::note(&[skipped::ROOT])
}

/// A folder that everyone can pass through.
fn open_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    folder
}

/// The program and its arguments, in a place where anybody may run it, as somebody if we are root.
fn as_somebody(folder: &TempDir, args: &[&str]) -> Command {
    let program = folder.path().join("mailoop");
    // By a process of its own: one that another test starts meanwhile must not inherit the file while it is
    // open for writing, for then it could not be run.
    let mut copy = Command::new("cp");
    copy.arg(env!("CARGO_BIN_EXE_mailoop")).arg(&program);
    assert!(copy.status().unwrap().success());
    let mut command = Command::new(program);
    command.arg("serve").args(args).current_dir("/");
    if geteuid().is_root() {
        command.uid(somebody().uid.as_raw());
        command.gid(somebody().gid.as_raw());
    }
    command
}

#[track_caller]
fn fails(command: &mut Command, code: i32, words: &[&str]) {
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
    assert!(output.stdout.is_empty());
}

#[test]
fn it_opens_its_listeners_as_root_and_its_store_as_somebody() {
    if !is_root() {
        return;
    }
    let folder = open_folder();
    let mail = folder.path().join("mail");
    fs::create_dir(&mail).unwrap();
    let user = somebody();
    chown(&mail, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
    // Only root can make a socket file there.
    let unix = format!("unix:{}/socket", folder.path().display());
    let log = folder.path().join("log");
    let control = folder.path().join("control");
    let watched = ["--control", control.to_str().unwrap()];
    let options = [
        "--user",
        SOMEBODY,
        "--maildir",
        mail.to_str().unwrap(),
        "--listen",
        "127.0.0.1:0",
        "--listen",
        &unix,
        "--log-file",
        log.to_str().unwrap(),
    ];
    let watched = if cfg!(feature = "top") {
        &watched[..]
    } else {
        &[]
    };
    let mut server = TestServer::start(&[&options, watched].concat());
    let mut files_made = vec![folder.path().join("socket"), log.clone()];
    if cfg!(feature = "top") {
        let mode = fs::metadata(&control).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
        files_made.push(control);
    }
    for file in files_made {
        let owner = fs::metadata(&file).unwrap();
        assert_eq!(owner.uid(), user.uid.as_raw(), "{}", file.display());
    }
    let mut client = Client::connect(server.address());
    client.begin_message("b@example.org");
    client.say("text\r\n.\r\n");
    client.expect("250");
    let [message] = &files(&mail.join("example.org/b/new"))[..] else {
        panic!("not one message");
    };
    let mut path: PathBuf = message.clone();
    while path != mail {
        let owner = fs::metadata(&path).unwrap();
        assert_eq!(owner.uid(), user.uid.as_raw(), "{}", path.display());
        assert_eq!(owner.gid(), user.gid.as_raw(), "{}", path.display());
        path.pop();
    }

    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().split_whitespace().collect::<Vec<_>>()
    };
    assert_eq!(field("Uid:"), [&*user.uid.to_string(); 4]);
    assert_eq!(field("Gid:"), [&*user.gid.to_string(); 4]);
    assert!(!field("Groups:").contains(&"0"), "{status}");
    for capabilities in ["CapPrm:", "CapEff:", "CapAmb:"] {
        assert_eq!(field(capabilities), ["0000000000000000"]);
    }
    assert_eq!(field("NoNewPrivs:"), ["1"]);
    server.stop();
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("user=nobody uid="), "{log}");
}

#[test]
fn a_store_that_the_user_cannot_have_is_told_with_advice() {
    if !is_root() {
        return;
    }
    let folder = open_folder();
    let mail = folder.path().join("mail");
    let options = ["serve", "--listen", "127.0.0.1:0", "--user", SOMEBODY];
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailoop"));
    command.args(options).arg("--maildir").arg(&mail);
    let advice = format!("install -d -o {SOMEBODY} {}", mail.display());
    fails(&mut command, 73, &[&advice, "--maildir"]);
    assert!(!mail.exists());
}

#[test]
fn who_cannot_be_become_is_told() {
    let options = ["--discard", "--listen", "127.0.0.1:0", "--user"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailoop"));
    command.arg("serve").args(options).arg("no such user");
    fails(&mut command, 78, &["no such user", "there is no"]);

    let folder = open_folder();
    let mut command = as_somebody(&folder, &options);
    command.arg("root");
    fails(&mut command, 78, &["root", "without --user"]);
}

#[test]
fn who_we_are_already_we_may_become() {
    let us = match User::from_uid(geteuid()).unwrap() {
        Some(user) if !user.uid.is_root() => user,
        _ => somebody(),
    };
    let folder = open_folder();
    let options = ["--discard", "--listen", "127.0.0.1:0", "--user", &us.name];
    let mut server = as_somebody(&folder, &options)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let stdout = server.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    assert!(line.starts_with("listening smtp 127.0.0.1:"), "{line}");
    kill_process(Pid::from_child(&server), Signal::TERM).unwrap();
    assert_eq!(server.wait().unwrap().code(), Some(0));
}

#[cfg(feature = "tls")]
#[test]
fn a_key_that_cannot_be_read_again_is_warned_of() {
    if !is_root() {
        return;
    }
    let folder = open_folder();
    let key = folder.path().join("key.pem");
    let certificate = folder.path().join("certificate.pem");
    let pem = crate::common::tls::certificate_and_key("mail.example.org");
    for (path, mode) in [(&key, 0o600), (&certificate, 0o644)] {
        fs::write(path, &pem).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
    let (key, certificate) = (key.to_str().unwrap(), certificate.to_str().unwrap());
    let tls = ["--tls-cert", certificate, "--tls-key", key];
    let options = ["--user", SOMEBODY, "--discard"];
    let server = TestServer::start(&[&options[..], &tls].concat());
    let log = server.log();
    let warning = format!("{SOMEBODY} cannot read {key}, so SIGHUP will not renew it");
    assert!(log.contains(&warning), "{log}");
    assert!(
        !log.contains(&format!("cannot read {certificate}")),
        "{log}"
    );
}

#[test]
fn a_link_in_the_users_folder_leads_root_nowhere() {
    if !is_root() {
        return;
    }
    let folder = open_folder();
    let user = somebody();
    let theirs = folder.path().join("theirs");
    fs::create_dir(&theirs).unwrap();
    let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
    chown(&theirs, Some(uid), Some(gid)).unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "of root's\n").unwrap();
    // In the place of the log, and in the place of its folder.
    symlink(&secret, theirs.join("log")).unwrap();
    symlink(folder.path(), theirs.join("logs")).unwrap();
    for planted in ["log", "logs/secret", "logs/new"] {
        let log = theirs.join(planted);
        let options = ["serve", "--discard", "--listen", "127.0.0.1:0", "--user"];
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailoop"));
        command
            .args(options)
            .arg(SOMEBODY)
            .arg("--log-file")
            .arg(&log);
        let advice = format!("install -o {SOMEBODY} -m 640 /dev/null {}", log.display());
        fails(&mut command, 73, &["Permission denied", &advice]);
        command.arg("--check");
        fails(&mut command, 78, &["Permission denied", &advice]);
    }
    assert_eq!(fs::read_to_string(&secret).unwrap(), "of root's\n");
    assert_eq!(fs::metadata(&secret).unwrap().uid(), 0);
    assert!(!folder.path().join("new").exists());

    // A log of their own is theirs, all of it.
    let log = theirs.join("mailoop.log");
    let options = ["--discard", "--user", SOMEBODY, "--log-file"];
    let mut server = TestServer::start(&[&options[..], &[log.to_str().unwrap()]].concat());
    server.stop();
    assert_eq!(server.log(), "");
    assert_eq!(fs::metadata(&log).unwrap().uid(), uid);
    let log = fs::read_to_string(&log).unwrap();
    assert!(log.contains("user=nobody uid="), "{log}");
    assert!(log.lines().all(|line| line.starts_with("time=")), "{log}");
}
