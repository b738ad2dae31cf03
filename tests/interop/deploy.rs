//! What `docs/deploy` has for programs beside the server is right for this server.

// Some of it is for a server with all features only.
#![cfg_attr(not(all(feature = "auth", feature = "load")), allow(unused_imports))]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::geteuid;

use crate::common::client::Client;
use crate::common::program::{foreign, installed, python};
use crate::common::{TestServer, wait_until};

fn deploy(name: &str) -> PathBuf {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    docs.join("deploy").join(name)
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// A log with all that fail2ban is to find, all from the addresses that a proxy names, and the addresses in its order.
#[cfg(feature = "auth")]
fn log_of_the_hostile(folder: &Path) -> (TestServer, Vec<&'static str>) {
    let users = folder.join("users");
    fs::write(&users, crate::common::users_file(&[("ada", "secret")])).unwrap();
    let options = [
        "--listen-submission",
        "127.0.0.1:0",
        "--users",
        users.to_str().unwrap(),
        "--auth-insecure",
        "--max-errors",
        "2",
        "--domain",
        "example.org",
        "--proxy-from",
        "127.0.0.1",
    ];
    let server = TestServer::start(&options);
    // The second user is called `x conn=1 peer=192.0.2.66:1 auth=PLAIN user=a`: what a client says is no line of its own.
    let wrong = "AUTH PLAIN AGFkYQB3cm9uZw==";
    let forged = "AUTH PLAIN AHggY29ubj0xIHBlZXI9MTkyLjAuMi42NjoxIGF1dGg9UExBSU4gdXNlcj1hAHdyb25n";
    let right = "AUTH PLAIN AGFkYQBzZWNyZXQ=";
    let relay = "RCPT TO:<\"x y\"@elsewhere.example>";
    let sessions: [(&str, &[(&str, &str)]); 5] = [
        (
            "TCP4 192.0.2.1 192.0.2.9",
            &[(wrong, "535"), (right, "235")],
        ),
        ("TCP6 2001:db8::2 2001:db8::9", &[(wrong, "535")]),
        ("TCP4 192.0.2.3 192.0.2.9", &[(forged, "535")]),
        (
            "TCP4 192.0.2.4 192.0.2.9",
            &[
                (right, "235"),
                ("MAIL FROM:<ada@example.org>", "250"),
                (relay, "550"),
            ],
        ),
        (
            "TCP4 192.0.2.5 192.0.2.9",
            &[("WHAT", "500"), ("WHAT", "500")],
        ),
    ];
    for (source, commands) in sessions {
        let mut client = Client::connect(server.address());
        client.say(&format!("PROXY {source} 1234 25\r\n"));
        client.hello();
        for (command, code) in commands {
            client.ask(command, code);
        }
    }
    wait_until("the log of all", || {
        server.log().matches(" closed=").count() == sessions.len()
    });
    let hostile = [
        "192.0.2.1",
        "2001:db8::2",
        "192.0.2.3",
        "192.0.2.4",
        "192.0.2.5",
    ];
    (server, hostile.to_vec())
}

#[cfg(feature = "auth")]
#[test]
fn the_filter_for_fail2ban_finds_the_hostile_in_a_log() {
    if !installed(&["python3"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (server, hostile) = log_of_the_hostile(folder.path());
    let mut script = python("fail2ban.py");
    script.arg(deploy("fail2ban/filter.conf"));
    let found = output(script.arg(server.folder().join("stderr")));
    assert_eq!(
        found.lines().collect::<Vec<_>>(),
        hostile,
        "{}",
        server.log()
    );
}

#[cfg(feature = "auth")]
#[test]
fn fail2ban_itself_finds_them_as_well() {
    if !installed(&["fail2ban-regex"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (server, hostile) = log_of_the_hostile(folder.path());
    let mut regex = foreign("fail2ban-regex");
    regex.args(["--print-all-matched", "-v"]);
    regex.arg(server.folder().join("stderr"));
    let found = output(regex.arg(deploy("fail2ban/filter.conf")));
    assert!(
        found.contains(&format!(" {} matched", hostile.len())),
        "{found}"
    );
}

#[test]
fn the_hook_for_certbot_gives_each_file_its_rights_and_asks_for_a_reload() {
    let folder = tempfile::tempdir().unwrap();
    let (live, tls) = (
        folder.path().join("live/mail.example.org"),
        folder.path().join("tls"),
    );
    let (told, name) = (folder.path().join("told"), "mail.example.org");
    fs::create_dir_all(&live).unwrap();
    fs::create_dir(&tls).unwrap();
    fs::write(live.join("fullchain.pem"), "certificate").unwrap();
    fs::write(live.join("privkey.pem"), "key").unwrap();
    let run = |renewed: Option<&str>| {
        let mut hook = Command::new("sh");
        hook.arg(deploy("certbot-deploy-hook.sh"))
            .env("RENEWED_LINEAGE", &live)
            .env("MAILOOP_USER", geteuid().as_raw().to_string())
            .env("MAILOOP_TLS_FOLDER", &tls)
            .env("MAILOOP_RELOAD", format!("touch {}", told.display()));
        if let Some(domains) = renewed {
            hook.env("RENEWED_DOMAINS", domains);
        }
        output(&mut hook);
    };
    // Renewed by certbot, but nobody said that it is ours.
    run(Some(name));
    assert!(!told.exists() && fs::read_dir(&tls).unwrap().next().is_none());
    // By hand, and then by certbot.
    for renewed in [None, Some(name)] {
        run(renewed);
        for (file, text, mode) in [("key", "key", 0o400), ("pem", "certificate", 0o444)] {
            let path = tls.join(format!("{name}.{file}"));
            let there = fs::metadata(&path).unwrap();
            assert_eq!(there.permissions().mode() & 0o777, mode, "{file}");
            assert_eq!(there.uid(), geteuid().as_raw());
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::read_dir(&tls).unwrap().count(), 2);
        fs::remove_file(&told).expect("no reload");
    }
}

#[cfg(feature = "auth")]
#[test]
fn dovecot_has_the_users_that_we_have() {
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users");
    let ours = crate::common::users_file(&[("ada", "secret"), ("bob@example.net", "other")]);
    fs::write(&users, format!("{ours}\n# a remark: of no use\n")).unwrap();
    let mut script = Command::new("sh");
    script.arg(deploy("dovecot-users.sh")).arg("example.org");
    let theirs = output(script.stdin(fs::File::open(&users).unwrap()));
    // NAME:SCRAM-SHA-256$ROUNDS:SALT$STOREDKEY:SERVERKEY of ours has the same parts in the same order.
    let words = |name: &str, line: &str| {
        let keys = line.rsplit_once("SCRAM-SHA-256").unwrap().1;
        let keys = keys.trim_start_matches(['$', '}']);
        let parts = keys.split([':', '$', ',']).map(str::to_owned);
        [name.to_owned()]
            .into_iter()
            .chain(parts)
            .collect::<Vec<_>>()
    };
    let expected: Vec<_> = [("ada", "ada@example.org"), ("bob@", "bob@example.net")]
        .map(|(start, name)| {
            words(
                name,
                ours.lines().find(|line| line.starts_with(start)).unwrap(),
            )
        })
        .to_vec();
    let made = theirs.lines().map(|line| {
        let (name, password) = line.split_once(':').unwrap();
        assert!(
            password.starts_with("{SCRAM-SHA-256}") && !password.contains(':'),
            "{line}"
        );
        words(name, password)
    });
    assert_eq!(made.collect::<Vec<_>>(), expected, "{theirs}");

    if installed(&["doveadm"]) {
        let (_, password) = theirs.lines().next().unwrap().split_once(':').unwrap();
        let mut doveadm = foreign("doveadm");
        doveadm.args(["-O", "pw", "-t", password, "-p", "secret"]);
        assert!(output(&mut doveadm).contains("(verified)"));
    }
}

#[cfg(feature = "load")]
#[test]
fn the_image_is_healthy_while_its_server_answers() {
    let dockerfile = fs::read_to_string(deploy("Dockerfile")).unwrap();
    let check = dockerfile
        .lines()
        .find(|line| line.starts_with("HEALTHCHECK"));
    let (_, words) = check.unwrap().split_once("CMD [").unwrap();
    let words = words.trim_end_matches(']').split(", ");
    let words: Vec<_> = words.map(|word| word.trim_matches('"')).collect();
    assert_eq!(words[0], "/mailoop");
    let mut server = TestServer::start(&[]);
    let healthy = |address: &str| {
        let words = words[1..].iter().map(|word| match *word {
            "127.0.0.1:2525" => address,
            word => word,
        });
        let mut check = Command::new(env!("CARGO_BIN_EXE_mailoop"));
        check.args(words).output().unwrap().status.success()
    };
    assert!(healthy(server.address()));
    server.stop();
    assert!(!healthy(server.address()));
}

#[test]
fn mail_is_for_its_user_only_as_the_unit_says() {
    let unit = fs::read_to_string(deploy("mailoop.service")).unwrap();
    assert!(unit.contains("its folders are 0700, its files 0600"));
    let server = TestServer::start_under(&["sh", "-c", "umask 0; exec \"$@\"", "sh"], &[]);
    let mut client = Client::connect(server.address());
    client.begin_message("b@example.org");
    client.say("text\r\n.\r\n");
    client.expect("250");
    let [message] = &server.new_mail("b@example.org")[..] else {
        panic!("not one message");
    };
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(message), 0o600);
    let folders = message.ancestors().skip(1);
    for folder in folders.take_while(|folder| folder.starts_with(server.maildir())) {
        assert_eq!(mode(folder), 0o700, "{}", folder.display());
    }
}
