//! What clients do over TLS: how they get into it, and whom they trust.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

pub(crate) use crate::common::dialogue::Way;
use crate::common::program::{installed, run_in_vain, run_with_file};
use crate::common::tls::Authority;
#[cfg(feature = "auth")]
use crate::common::users_file;
use crate::common::{HOSTNAME, TestServer};
use crate::message::{DOTS, MULTIPART, RECIPIENT, assert_same_text, file};

/// A client that looks at who the server is.
pub(crate) struct Client {
    /// What must be installed for it.
    pub(crate) programs: &'static [&'static str],
    /// The command that does an errand. The message is also its input.
    pub(crate) command: fn(&Errand<'_>) -> Command,
    /// The password of its user. Not every client can send one beyond ASCII.
    #[cfg_attr(not(feature = "auth"), allow(dead_code))]
    pub(crate) password: &'static str,
}

/// The user of a client, who owns [`SENDER`](crate::message::SENDER).
pub(crate) const USER: &str = "ada";
pub(crate) const PASSWORD: &str = "Füller & Tinte";

/// What a client is to do: to send a message byte for byte to [`RECIPIENT`].
pub(crate) struct Errand<'a> {
    pub(crate) server: &'a TestServer,
    pub(crate) way: Way,
    /// Whom it trusts, in PEM.
    pub(crate) authority: PathBuf,
    /// The name that the server must have.
    pub(crate) name: &'a str,
    /// The file, whose lines end in LF.
    pub(crate) message: PathBuf,
    /// How it logs in, if it does.
    pub(crate) login: Option<Login>,
}

/// How [`USER`] logs in.
pub(crate) struct Login {
    pub(crate) mechanism: &'static str,
    pub(crate) password: &'static str,
}

/// The tests that each client passes.
macro_rules! sends_over_tls {
    ($client:expr) => {
        #[test]
        fn sends_over_tls_by_starttls() {
            crate::secured::sends(&$client, crate::secured::Way::ByStartTls);
        }

        #[test]
        fn sends_over_tls_from_the_first_octet() {
            crate::secured::sends(&$client, crate::secured::Way::FromTheStart);
        }

        #[test]
        fn distrusts_an_unknown_authority() {
            crate::secured::distrusts(&$client, |errand, site| errand.authority = site.stranger());
        }
    };
}
pub(crate) use sends_over_tls;

/// The test that each client passes that looks at names.
macro_rules! distrusts_another_server {
    ($client:expr) => {
        #[test]
        fn distrusts_another_server() {
            crate::secured::distrusts(&$client, |errand, _| errand.name = "other.example.org");
        }
    };
}
pub(crate) use distrusts_another_server;

/// The tests of logging in, each by a mechanism.
macro_rules! logs_in_by {
    ($client:expr, $($test:ident: $mechanism:literal),+) => {
        $(
            #[cfg(feature = "auth")]
            #[test]
            fn $test() {
                crate::secured::logs_in(&$client, $mechanism);
            }
        )+
    };
}
pub(crate) use logs_in_by;

/// A server, and what is to be known to trust it.
pub(crate) struct Site {
    pub(crate) server: TestServer,
    pub(crate) way: Way,
    folder: TempDir,
}

impl Site {
    /// A server into whose TLS there is this way. It has two certificates: by its address, for those who ask for no
    /// name, and by its name.
    pub(crate) fn start(way: Way) -> Self {
        let listen = match way {
            Way::ByStartTls => "--listen",
            Way::FromTheStart => "--listen-tls",
        };
        Self::start_with(way, &[listen, "127.0.0.1:0"])
    }

    /// The same for submission, in which a user with this password may log in.
    #[cfg(feature = "auth")]
    pub(crate) fn start_for_user(way: Way, password: &str) -> Self {
        let listen = match way {
            Way::ByStartTls => "--listen-submission",
            Way::FromTheStart => "--listen-submissions",
        };
        let users = tempfile::NamedTempFile::new().unwrap();
        fs::write(&users, users_file(&[(USER, password)])).unwrap();
        let path = users.path().to_str().unwrap();
        Self::start_with(way, &[listen, "127.0.0.1:0", "--users", path])
    }

    fn start_with(way: Way, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let authority = Authority::new("An authority");
        write("authority", authority.certificate());
        write("stranger", Authority::new("A stranger").certificate());
        let by_address = write(
            "address",
            authority.certificate_and_key(&["127.0.0.1", "localhost"]),
        );
        let by_name = write("name", authority.certificate_and_key(&[HOSTNAME]));
        let mut options = options.to_vec();
        for pair in [&by_address, &by_name] {
            options.extend(["--tls-cert", pair, "--tls-key", pair]);
        }
        Self {
            server: TestServer::start(&options),
            way,
            folder,
        }
    }

    /// Who vouches for the server, in PEM.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.path().join("authority")
    }

    /// Who does not, in PEM.
    pub(crate) fn stranger(&self) -> PathBuf {
        self.folder.path().join("stranger")
    }

    fn errand(&self, message: &str) -> Errand<'_> {
        Errand {
            server: &self.server,
            way: self.way,
            authority: self.authority(),
            name: HOSTNAME,
            message: file(message),
            login: None,
        }
    }
}

/// What the client sends is, byte for byte, what the mailbox holds, and its trace tells of TLS.
pub(crate) fn sends(client: &Client, way: Way) {
    if !installed(client.programs) {
        return;
    }
    for message in [MULTIPART, DOTS] {
        let mut site = Site::start(way);
        let errand = site.errand(message);
        run_with_file(&mut (client.command)(&errand), &errand.message);
        assert_same_text(
            &site.server.message(RECIPIENT),
            &fs::read(file(message)).unwrap(),
        );
        assert_trace(
            &site.server.new_mail(RECIPIENT)[0],
            "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)",
            "ESMTPS",
        );
        site.server.stop();
        let log = site.server.log();
        assert!(!log.contains(" closed=error "), "{log}");
    }
}

/// By both ways the client logs in and sends, and does not with a wrong password.
#[cfg(feature = "auth")]
pub(crate) fn logs_in(client: &Client, mechanism: &'static str) {
    if !installed(client.programs) {
        return;
    }
    let password = client.password;
    for way in [Way::ByStartTls, Way::FromTheStart] {
        let mut site = Site::start_for_user(way, password);
        let errand = |password| Errand {
            login: Some(Login {
                mechanism,
                password,
            }),
            ..site.errand(MULTIPART)
        };
        let wrong = errand("Pencil");
        run_in_vain(&mut (client.command)(&wrong), &wrong.message);
        assert!(site.server.new_mail(RECIPIENT).is_empty());

        let right = errand(password);
        run_with_file(&mut (client.command)(&right), &right.message);
        assert_same_text(
            &site.server.message(RECIPIENT),
            &fs::read(file(MULTIPART)).unwrap(),
        );
        let tls = "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)";
        assert_trace(&site.server.new_mail(RECIPIENT)[0], tls, "ESMTPSA");
        site.server.stop();
        let log = site.server.log();
        for verdict in ["failed", "ok"] {
            let line = format!(" auth={mechanism} user={USER} {verdict}\n");
            assert!(log.contains(&line), "{line} is not in {log}");
        }
    }
}

/// The stored message tells that it came over such TLS, by such a protocol.
pub(crate) fn assert_trace(stored: &Path, tls: &str, protocol: &str) {
    let stored = fs::read_to_string(stored).unwrap();
    let trace = format!("\n\t(using {tls})\n\tby {HOSTNAME} with {protocol} id ");
    assert!(stored.contains(&trace), "{trace:?} is not in {stored}");
}

/// By neither way the client says anything in TLS once it finds the server not to be whom it is after.
pub(crate) fn distrusts(client: &Client, warn: fn(&mut Errand<'_>, &Site)) {
    if !installed(client.programs) {
        return;
    }
    for way in [Way::ByStartTls, Way::FromTheStart] {
        let mut site = Site::start(way);
        let mut errand = site.errand(DOTS);
        warn(&mut errand, &site);
        let printed = run_in_vain(&mut (client.command)(&errand), &errand.message);
        let printed = printed.to_lowercase();
        // So they all put it, with other words around.
        let reasons = ["certificate", "verify", "altname", "trust"];
        assert!(
            reasons.iter().any(|reason| printed.contains(reason)),
            "{printed}"
        );
        assert!(site.server.new_mail(RECIPIENT).is_empty());
        site.server.stop();
        let log = site.server.log();
        assert!(log.contains(" messages=0 "), "{log}");
    }
}
