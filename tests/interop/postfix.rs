//! Postfix: an instance of its own, in a folder of its own, that relays what it is given to the server.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use rustix::process::geteuid;
use tempfile::TempDir;

use crate::common::program::{foreign, installed, run, run_with_file};
use crate::common::{TestServer, skipped, wait_until};
use crate::message::{DOTS, END_OF_EMAIL, MULTIPART, SENDER, UTF8, assert_same_text, file};

/// The services that relaying takes. `-v`: what it says by SMTP is then in its log.
const MASTER: &str = "\
pickup  unix  n - n 60    1 pickup
cleanup unix  n - n -     0 cleanup
qmgr    unix  n - n 300   1 qmgr
rewrite unix  - - n -     - trivial-rewrite
bounce  unix  - - n -     0 bounce
defer   unix  - - n -     0 bounce
trace   unix  - - n -     0 bounce
flush   unix  n - n 1000? 0 flush
showq   unix  n - n -     - showq
error   unix  - - n -     - error
retry   unix  - - n -     - error
lmtp    unix  - - n -     - lmtp
smtp    unix  - - n -     - smtp -v
tlsmgr  unix  - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
";

/// A running instance, which ends with its test.
pub(crate) struct Postfix(TempDir);

impl Postfix {
    /// Starts one that relays all mail by this transport. Only root can, so there is none for others.
    pub(crate) fn start(transport: &str) -> Option<Self> {
        Self::start_with(transport, "")
    }

    /// The same with more lines of `main.cf`.
    pub(crate) fn start_with(transport: &str, settings: &str) -> Option<Self> {
        if !geteuid().is_root() {
            skipped::note(&[skipped::ROOT]);
            return None;
        }
        let postfix = Self(open_folder());
        let folder = postfix.0.path();
        for name in ["conf", "queue", "data"] {
            fs::create_dir(folder.join(name)).unwrap();
        }
        run(foreign("chown").arg("postfix").arg(folder.join("data")));
        let settings = format!(
            "compatibility_level = 3.6\n\
             queue_directory = {0}/queue\n\
             data_directory = {0}/data\n\
             maillog_file = {0}/log\n\
             maillog_file_prefixes = {0}\n\
             myhostname = relay.example.com\n\
             mydestination =\n\
             inet_interfaces = loopback-only\n\
             alias_maps =\n\
             default_transport = {transport}\n\
             {settings}",
            folder.display()
        );
        fs::write(folder.join("conf/main.cf"), settings).unwrap();
        fs::write(folder.join("conf/master.cf"), MASTER).unwrap();
        run(postfix.command("postfix").arg("start"));
        Some(postfix)
    }

    fn command(&self, name: &str) -> Command {
        let mut command = foreign(name);
        let option = if name == "sendmail" { "-C" } else { "-c" };
        command.arg(option).arg(self.0.path().join("conf"));
        command
    }

    /// Gives it a message to relay.
    pub(crate) fn submit(&self, message: &Path, recipients: &[&str]) {
        let mut sendmail = self.command("sendmail");
        sendmail.args(["-i", "-f", SENDER]).args(recipients);
        run_with_file(&mut sendmail, message);
    }

    /// What it said by SMTP, as `> LINE`, and heard, as `< LINE`, in the order in which it did.
    fn dialogue(&self) -> Vec<String> {
        // `DATE HOST postfix/smtp[PID]: > HOST[ADDRESS]:PORT: LINE`
        let lines = self.log();
        let lines = lines.lines().filter_map(|line| line.split_once("]: "));
        let lines = lines.filter_map(|(_, line)| {
            let (mark, rest) = line.split_at_checked(2)?;
            let (_, text) = rest.split_once(": ")?;
            ["> ", "< "]
                .contains(&mark)
                .then(|| format!("{mark}{text}"))
        });
        lines.collect()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.0.path().join("log")).unwrap_or_default()
    }

    /// Waits until its log has a line with all of `words`.
    #[track_caller]
    pub(crate) fn await_log(&self, words: &[&str]) {
        wait_until(&format!("Postfix to log {words:?}"), || {
            let has_all = |line: &str| words.iter().all(|word| line.contains(word));
            self.log().lines().any(has_all)
        });
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let _ = self.command("postfix").arg("stop").output();
    }
}

/// A folder that others may look into, as the user of Postfix is one.
pub(crate) fn open_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    folder
}

/// What is stored, less the trace of Postfix itself.
fn without_relay(message: &[u8]) -> &[u8] {
    let mut rest = message;
    let mut is_first = true;
    while is_first || rest.starts_with(b"\t") {
        is_first = false;
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap();
        rest = &rest[end + 1..];
    }
    rest
}

#[test]
fn delivers_by_lmtp_to_those_who_can_be_delivered_to() {
    if !installed(&["postfix", "sendmail", "postqueue"]) {
        return;
    }
    let folder = open_folder();
    let socket = folder.path().join("lmtp");
    let address = format!("unix:{}", socket.display());
    let mut server = TestServer::start(&["--listen-lmtp", &address]);
    fs::set_permissions(&socket, PermissionsExt::from_mode(0o666)).unwrap();
    let [good, bad] = ["good@example.org", "bad@example.org"];
    let blocked = server.mailbox(bad);
    fs::create_dir_all(blocked.parent().unwrap()).unwrap();
    fs::write(&blocked, "no folder").unwrap();
    let Some(postfix) = Postfix::start(&format!("lmtp:{address}")) else {
        return;
    };

    postfix.submit(&file(MULTIPART), &[bad, good]);
    postfix.await_log(&[
        &format!("to=<{good}>"),
        "status=sent (250 2.0.0 Ok: queued as",
    ]);
    postfix.await_log(&[&format!("to=<{bad}>"), "status=deferred", "451 4.3.0"]);
    let log = server.log();
    let both = log
        .lines()
        .find(|line| line.contains("stored=1 rejected=451"));
    assert!(
        both.is_some_and(|line| line.contains(good) && line.contains(bad)),
        "{log}"
    );

    // The one whose mailbox is there again gets it, the other has it already.
    fs::remove_file(&blocked).unwrap();
    run(postfix.command("postqueue").arg("-f"));
    postfix.await_log(&[
        &format!("to=<{bad}>"),
        "status=sent (250 2.0.0 Ok: queued as",
    ]);
    for recipient in [good, bad] {
        let stored = server.message(recipient);
        assert_same_text(without_relay(&stored), &fs::read(file(MULTIPART)).unwrap());
    }
    drop(postfix);
    server.stop();
}

#[test]
fn relays_every_message_by_smtp() {
    if !installed(&["postfix", "sendmail"]) {
        return;
    }
    let mut server = TestServer::start(&[]);
    let transport = format!("smtp:[127.0.0.1]:{}", server.port());
    let Some(postfix) = Postfix::start(&transport) else {
        return;
    };
    for (number, message) in [MULTIPART, UTF8, DOTS, END_OF_EMAIL]
        .into_iter()
        .enumerate()
    {
        let recipient = format!("bob.{number}@example.org");
        postfix.submit(&file(message), &[&recipient]);
        postfix.await_log(&[
            &format!("to=<{recipient}>"),
            "status=sent (250 2.0.0 Ok: queued as",
        ]);
        let stored = server.message(&recipient);
        assert_same_text(without_relay(&stored), &fs::read(file(message)).unwrap());
        uses_what_is_offered(&postfix.dialogue(), &recipient, message == UTF8);
    }
    drop(postfix);
    server.stop();
}

/// Postfix uses SIZE, 8BITMIME, and PIPELINING: it says MAIL, RCPT and DATA before it hears of the first. It knows BDAT
/// only as a server, and tells of its own client by XFORWARD only, never by XCLIENT.
fn uses_what_is_offered(dialogue: &[String], recipient: &str, is_8_bit: bool) {
    let rcpt = format!("> RCPT TO:<{recipient}>");
    let rcpt = dialogue.iter().position(|line| line.starts_with(&rcpt));
    let mail = rcpt.expect("no RCPT") - 1;
    let line = &dialogue[mail];
    let start = format!("> MAIL FROM:<{SENDER}> SIZE=");
    assert!(line.starts_with(&start), "{line}");
    assert_eq!(line.ends_with(" BODY=8BITMIME"), is_8_bit, "{line}");
    let marks = dialogue[mail..mail + 6].iter().map(|line| &line[..6]);
    let group = ["> MAIL", "> RCPT", "> DATA", "< 250 ", "< 250 ", "< 354 "];
    assert!(marks.eq(group), "{dialogue:#?}");
}

#[cfg(feature = "tls")]
mod over_tls {
    use std::fs;

    use super::{Postfix, without_relay};
    use crate::common::HOSTNAME;
    use crate::common::program::installed;
    use crate::message::{MULTIPART, RECIPIENT, assert_same_text, file};
    #[cfg(feature = "auth")]
    use crate::secured::USER;
    use crate::secured::{Site, Way, assert_trace};

    /// A Postfix that relays to the server if it has this name, and to no other.
    fn start(site: &Site, name: &str) -> Option<Postfix> {
        start_with(site, name, "")
    }

    /// The same with more lines of `main.cf`.
    fn start_with(site: &Site, name: &str, settings: &str) -> Option<Postfix> {
        let wrapped = match site.way {
            Way::ByStartTls => "no",
            Way::FromTheStart => "yes",
        };
        let settings = format!(
            "smtp_tls_security_level = secure\n\
             smtp_tls_wrappermode = {wrapped}\n\
             smtp_tls_CAfile = {}\n\
             smtp_tls_servername = {name}\n\
             smtp_tls_secure_cert_match = {name}\n\
             smtp_tls_loglevel = 1\n\
             {settings}",
            site.authority().display()
        );
        let transport = format!("smtp:[127.0.0.1]:{}", site.server.port());
        Postfix::start_with(&transport, &settings)
    }

    fn relays(way: Way) {
        if !installed(&["postfix", "sendmail"]) {
            return;
        }
        let site = Site::start(way);
        if let Some(postfix) = start(&site, HOSTNAME) {
            delivers(&postfix, site, "ESMTPS");
        }
    }

    /// Relays a message, which comes by this protocol.
    fn delivers(postfix: &Postfix, mut site: Site, protocol: &str) {
        postfix.submit(&file(MULTIPART), &[RECIPIENT]);
        postfix.await_log(&[&format!("to=<{RECIPIENT}>"), "status=sent (250 2.0.0 Ok: "]);
        let tls = "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)";
        postfix.await_log(&["Verified TLS connection established to 127.0.0.1", tls]);
        let stored = site.server.message(RECIPIENT);
        assert_same_text(without_relay(&stored), &fs::read(file(MULTIPART)).unwrap());
        assert_trace(&site.server.new_mail(RECIPIENT)[0], tls, protocol);
        site.server.stop();
    }

    #[test]
    fn relays_by_starttls() {
        relays(Way::ByStartTls);
    }

    #[test]
    fn relays_in_tls_from_the_first_octet() {
        relays(Way::FromTheStart);
    }

    /// By the SASL library of Cyrus.
    #[cfg(feature = "auth")]
    fn logs_in(mechanism: &str) {
        if !installed(&["postfix", "sendmail", "libscram.so"]) {
            return;
        }
        let site = Site::start_for_user(Way::ByStartTls, "pencil");
        let settings = format!(
            "smtp_sasl_auth_enable = yes\n\
             smtp_sasl_password_maps = static:{USER}:pencil\n\
             smtp_sasl_tls_security_options = noanonymous\n\
             smtp_sasl_mechanism_filter = {mechanism}\n"
        );
        if let Some(postfix) = start_with(&site, HOSTNAME, &settings) {
            delivers(&postfix, site, "ESMTPSA");
        }
    }

    #[cfg(feature = "auth")]
    #[test]
    fn logs_in_by_scram() {
        logs_in("SCRAM-SHA-256");
    }

    #[cfg(feature = "auth")]
    #[test]
    fn logs_in_by_plain() {
        logs_in("PLAIN");
    }

    #[test]
    fn relays_nothing_to_another_server() {
        if !installed(&["postfix", "sendmail"]) {
            return;
        }
        let site = Site::start(Way::ByStartTls);
        let Some(postfix) = start(&site, "other.example.org") else {
            return;
        };
        postfix.submit(&file(MULTIPART), &[RECIPIENT]);
        postfix.await_log(&["status=deferred (Server certificate not verified)"]);
        assert!(site.server.new_mail(RECIPIENT).is_empty());
    }
}
