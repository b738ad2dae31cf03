//! `mailoop passwd`: what it writes, what it leaves alone, and what it refuses.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::common::client::Client;
use crate::common::program::{foreign, installed, python};
use crate::common::{TestServer, files, skipped, wait_until};
use mailoop::smtp::auth::Users;
use mailoop::smtp::auth::text::to_base64;
use rustix::process::{Signal, geteuid};
use tempfile::TempDir;

/// A folder with a users file in it, there or not.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("users")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }

    /// The names in the file, all of whose lines are good.
    fn names(&self) -> Vec<String> {
        let text = self.text();
        Users::parse(&text).unwrap();
        let lines = text.lines().skip(1);
        lines
            .map(|line| line.split(':').next().unwrap().to_owned())
            .collect()
    }

    fn mode(&self) -> u32 {
        fs::metadata(self.file()).unwrap().mode() & 0o7777
    }
}

fn command(user: &str, file: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailoop"));
    command.args(["passwd", user, "--users"]).arg(file);
    command
}

fn start(command: &mut Command, input: &[u8]) -> Child {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that has refused already does not read it.
    let _ = child.stdin.take().unwrap().write_all(input);
    child
}

fn passwd(user: &str, file: &Path, password: &[u8]) -> Output {
    let child = start(&mut command(user, file), password);
    child.wait_with_output().unwrap()
}

#[track_caller]
fn succeeds(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[track_caller]
fn fails(output: &Output, code: i32, reason: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(
        said.starts_with("mailoop: ") && said.lines().count() == 1,
        "{said}"
    );
    assert!(said.contains(reason), "{reason}: {said}");
}

/// Whether a server with this file lets somebody in.
#[track_caller]
fn log_in(server: &TestServer, user: &str, password: &str, code: &str) {
    let mut client = Client::connect(server.address());
    client.hello();
    let message = to_base64(format!("\0{user}\0{password}").as_bytes());
    client.ask(&format!("AUTH PLAIN {message}"), code);
}

#[test]
fn who_is_written_can_log_in() {
    let folder = Folder::new();
    let file = folder.file();
    succeeds(&passwd("ada", &file, b"pencil\nnothing of this\n"));
    succeeds(&passwd(
        "gra\u{308}fin",
        &file,
        "p\u{e4}ss w\u{f6}rd\r\n".as_bytes(),
    ));
    assert_eq!(folder.names(), ["ada", "gr\u{e4}fin"]);
    assert_eq!(folder.mode(), 0o600);
    let text = folder.text();
    assert!(
        !text.contains("pencil") && text.contains("\nada:SCRAM-SHA-256$15000:"),
        "{text}"
    );

    let path = file.to_str().unwrap();
    let server = TestServer::start(&["--users", path, "--auth-insecure", "--auth-everywhere"]);
    log_in(&server, "ada", "pencil", "235");
    log_in(&server, "gr\u{e4}fin", "p\u{e4}ss w\u{f6}rd", "235");

    // A new password, from a file without a line end; the other user goes.
    succeeds(&passwd("ada", &file, b"crayon"));
    let output = command("gr\u{e4}fin", &file)
        .arg("--delete")
        .output()
        .unwrap();
    succeeds(&output);
    assert_eq!(folder.names(), ["ada"]);
    assert_eq!(
        text.lines().next(),
        folder.text().lines().next(),
        "the secret has changed"
    );
    server.signal(Signal::HUP);
    wait_until("the reload", || {
        server.log().contains("configuration reloaded")
    });
    log_in(&server, "ada", "pencil", "535");
    log_in(&server, "ada", "crayon", "235");
    log_in(&server, "gr\u{e4}fin", "p\u{e4}ss w\u{f6}rd", "535");
}

#[test]
fn other_lines_stay_as_they_are() {
    let folder = Folder::new();
    let file = folder.file();
    succeeds(&passwd("ada", &file, b"pencil"));
    let before = folder.text() + "\n# a comment: bob\n";
    fs::write(&file, &before).unwrap();
    succeeds(&passwd("bob", &file, b"pencil"));
    let after = folder.text();
    let line = after.strip_prefix(&before).unwrap();
    assert!(
        line.starts_with("bob:SCRAM") && line.ends_with("=\n"),
        "{after}"
    );
    // The same password is no longer the same once it is salted.
    let keys: Vec<_> = after
        .lines()
        .filter_map(|line| line.split_once("$15000:"))
        .collect();
    assert_ne!(keys[0].1, keys[1].1);
}

#[test]
fn nothing_is_lost_where_many_write_at_once() {
    let folder = Folder::new();
    let file = folder.file();
    let names: Vec<_> = (10..30).map(|number| format!("user{number}")).collect();
    let children: Vec<_> = names
        .iter()
        .map(|name| start(&mut command(name, &file), b"pencil"))
        .collect();
    for child in children {
        succeeds(&child.wait_with_output().unwrap());
    }
    let mut there = folder.names();
    there.sort();
    assert_eq!(there, names);
    assert_eq!(files(folder.0.path()), [file]);
}

#[test]
fn permissions_and_owner_stay_but_for_what_others_may() {
    let folder = Folder::new();
    let file = folder.file();
    succeeds(&passwd("ada", &file, b"pencil"));
    for (before, after) in [(0o644, 0o640), (0o640, 0o640), (0o400, 0o600)] {
        fs::set_permissions(&file, Permissions::from_mode(before)).unwrap();
        succeeds(&passwd("ada", &file, b"pencil"));
        assert_eq!(folder.mode(), after, "{before:o}");
    }
    if geteuid().is_root() {
        chown(&file, Some(12345), Some(54321)).unwrap();
        succeeds(&passwd("ada", &file, b"pencil"));
        let metadata = fs::metadata(&file).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (12345, 54321));
    }
}

/// As in a container that has mounted this one file: nothing can be renamed over it.
#[test]
fn a_file_that_is_a_mount_point_is_written_over_in_place() {
    if !installed(&["unshare", "mount"]) {
        return;
    }
    let mounted = |script: &str| {
        let mut unshare = foreign("unshare");
        unshare.args(["-m", "sh", "-c", script, "sh"]);
        unshare
    };
    if !mounted("true").output().unwrap().status.success() {
        skipped::note(&[skipped::ROOT]);
        return;
    }
    let folder = Folder::new();
    let file = folder.file();
    for user in ["ada", "bob"] {
        succeeds(&passwd(user, &file, b"pencil"));
    }
    let inode = fs::metadata(&file).unwrap().ino();
    let in_place = |arguments: &[&str]| {
        let script = "mount --bind \"$1\" \"$1\" && file=$1 program=$2 && shift 2 && exec \"$program\" passwd --users \"$file\" \"$@\"";
        let mut command = mounted(script);
        let program = env!("CARGO_BIN_EXE_mailoop");
        command.arg(&file).arg(program).args(arguments);
        start(&mut command, b"pencil").wait_with_output().unwrap()
    };
    succeeds(&in_place(&["carol"]));
    assert_eq!(folder.names(), ["ada", "bob", "carol"]);
    // What is left is shorter: nothing of the old text stays behind it.
    succeeds(&in_place(&["ada", "--delete"]));
    assert_eq!(folder.names(), ["bob", "carol"]);
    assert_eq!(fs::metadata(&file).unwrap().ino(), inode);
    assert_eq!(files(folder.0.path()).len(), 1);
}

#[test]
fn a_link_stays_and_what_it_leads_to_is_replaced() {
    let folder = Folder::new();
    let elsewhere = Folder::new();
    succeeds(&passwd("ada", &elsewhere.file(), b"pencil"));
    symlink(elsewhere.file(), folder.file()).unwrap();
    succeeds(&passwd("bob", &folder.file(), b"pencil"));
    assert!(folder.file().is_symlink());
    assert_eq!(elsewhere.names(), ["ada", "bob"]);
    assert_eq!(files(folder.0.path()).len(), 1);

    fs::remove_file(elsewhere.file()).unwrap();
    fails(&passwd("ada", &folder.file(), b"pencil"), 74, "cannot use");
}

#[test]
fn what_one_that_was_killed_left_is_no_obstacle() {
    let folder = Folder::new();
    fs::write(folder.0.path().join(".users.new"), "half a file").unwrap();
    succeeds(&passwd("ada", &folder.file(), b"pencil"));
    assert_eq!(folder.names(), ["ada"]);
    assert_eq!(files(folder.0.path()), [folder.file()]);
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let folder = Folder::new();
    let file = folder.file();
    for (name, reason) in [
        ("", "1 to 255"),
        ("a b", "white space"),
        ("a:b", "no colon"),
        ("#a", "begin with #"),
        ("a\u{7}", "no such characters"),
        (&"n".repeat(256), "1 to 255"),
    ] {
        fails(&passwd(name, &file, b"pencil"), 64, reason);
    }
    for (password, reason) in [
        (&b""[..], "it is empty"),
        (b"\npencil", "it is empty"),
        (b"\xff", "UTF-8"),
        (b"a\x07", "no password may hold"),
        (&[b'a'; 1025], "too long"),
    ] {
        fails(&passwd("ada", &file, password), 65, reason);
    }
    succeeds(&passwd("a", &file, &[b'a'; 1024]));
    let delete = |name| command(name, &file).arg("--delete").output().unwrap();
    fails(&delete("ada"), 65, "no such user");

    let bad = folder.text() + "nonsense\n";
    fs::write(&file, &bad).unwrap();
    fails(&passwd("ada", &file, b"pencil"), 65, "users:3: write NAME:");
    assert_eq!(folder.text(), bad);
    let folder_itself = folder.0.path();
    fails(&passwd("ada", folder_itself, b"pencil"), 74, "no file");
    let nowhere = folder_itself.join("nowhere/users");
    fails(&passwd("ada", &nowhere, b"pencil"), 74, "cannot use");
    let missing = Command::new(env!("CARGO_BIN_EXE_mailoop"))
        .args(["passwd", "ada"])
        .output()
        .unwrap();
    fails(&missing, 64, "--users");
}

/// What is typed at a terminal, with `|` between two prompts.
fn at_a_terminal(keys: &str, file: &Path) -> Output {
    let mut terminal = python("password.py");
    let program = env!("CARGO_BIN_EXE_mailoop");
    terminal
        .args([keys, program, "passwd", "ada", "--users"])
        .arg(file);
    terminal.stdin(Stdio::null()).output().unwrap()
}

#[test]
fn a_password_is_asked_for_twice_and_not_shown() {
    if !installed(&["python3"]) {
        return;
    }
    let folder = Folder::new();
    let file = folder.file();
    for (keys, code, said) in [
        ("pencil\\r|Pencil\\r", 65, "the two are not the same"),
        ("penc\\x03", 65, "password: "),
        ("pencil\\r|penc\\x04", 65, "password: "),
        ("\\r|\\r", 65, "it is empty"),
    ] {
        let output = at_a_terminal(keys, &file);
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        let failed = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{keys}: {shown}{failed}");
        assert!(shown.contains(said), "{keys}: {shown}");
        assert!(!file.exists(), "{keys}");
    }
    // Keys that erase: the last character, however many octets it has, and the line.
    let output = at_a_terminal("x\\x15penc\\xc3\\xa4\\x7fil\\r|pencil\\r", &file);
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{failed}");
    let path = file.to_str().unwrap();
    let server = TestServer::start(&["--users", path, "--auth-insecure", "--auth-everywhere"]);
    log_in(&server, "ada", "pencil", "235");
}
