//! OpenDKIM: what we tell this filter over a socket is what it signs, and what it adds is what it signed.

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use bytes::BytesMut;
use mailoop::milter::changes::MessageChanges;
use mailoop::milter::client::{FilterClient, StepOutcome};
use mailoop::milter::fields::{MessageField, split_message};
use mailoop::milter::macros::FilterMacros;
use mailoop::milter::reply::FilterReply;
use mailoop::milter::step::{BODY_CHUNK_BYTES_MAX, ClientAddress, FilterStep};
use mailoop::milter::terms::FilterOffer;
use tempfile::TempDir;

use crate::common::client::read_some;
use crate::common::program::{Running, foreign, installed, run};
use crate::common::wait_until;

const MESSAGE: &str = "From: Ada <ada@example.org>\r\nSubject:  two spaces,\r\n\ta tab\r\n  and more\r\nTo:bob@example.org\r\n\
    Subject: \r\n\r\n.a dot\r\n\r\nthe last line\r\n";

/// A running OpenDKIM that signs mail of example.org, in a folder of its own.
struct OpenDkim {
    folder: TempDir,
    _running: Running,
}

impl OpenDkim {
    fn start() -> Option<Self> {
        if !installed(&["opendkim", "openssl"]) {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        run(foreign("openssl").args(["genrsa", "-out", &path("key"), "2048"]));
        let settings = format!(
            "Domain example.org\nSelector test\nKeyFile {}\nMode s\nCanonicalization simple/simple\n\
             RequireSafeKeys no\nBackground no\nSyslog no\nSocket local:{}\n",
            path("key"),
            path("socket")
        );
        fs::write(path("settings"), settings).unwrap();
        let mut opendkim = foreign("opendkim");
        opendkim.args(["-f", "-x", &path("settings")]);
        opendkim.stdin(Stdio::null()).stdout(Stdio::null());
        let running = Running(opendkim.stderr(Stdio::null()).spawn().unwrap());
        wait_until("opendkim", || UnixStream::connect(path("socket")).is_ok());
        Some(Self {
            folder,
            _running: running,
        })
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// What OpenSSL prints for these octets.
    fn openssl(&self, octets: &[u8], args: &[&str]) -> Vec<u8> {
        fs::write(self.path("input"), octets).unwrap();
        let input = fs::File::open(self.path("input")).unwrap();
        let output = foreign("openssl").args(args).stdin(input).output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        output.stdout
    }
}

/// A connection to a filter.
pub(crate) struct Connection {
    socket: UnixStream,
    client: FilterClient,
    pub(crate) macros: FilterMacros,
    out: BytesMut,
}

impl Connection {
    pub(crate) fn open(socket: &Path, offer: FilterOffer) -> Self {
        let socket = UnixStream::connect(socket).unwrap();
        let patience = Some(Duration::from_secs(60));
        socket.set_read_timeout(patience).unwrap();
        let mut out = BytesMut::new();
        let client = FilterClient::new(offer, &mut out);
        let mut macros = FilterMacros::default();
        for (name, value) in [("j", "mx.example.org"), ("i", "QUEUE-ID")] {
            macros.set(name, value.as_bytes());
        }
        let mut connection = Self {
            socket,
            client,
            macros,
            out,
        };
        assert_eq!(connection.read(), [FilterReply::Negotiated]);
        connection
    }

    /// Writes what is to be written, and reads up to a verdict.
    fn read(&mut self) -> Vec<FilterReply> {
        self.socket.write_all(&self.out.split()).unwrap();
        let mut replies = Vec::new();
        let mut octet = [0];
        // Each octet comes by itself.
        while self.client.is_negotiating() || self.client.awaited().is_some() {
            let count = read_some(&mut self.socket, &mut octet).unwrap();
            assert_eq!(count, 1, "it hangs up");
            replies.extend(self.client.read(&mut &octet[..]).unwrap());
        }
        replies
    }

    /// Tells a step; all replies to it.
    pub(crate) fn tell(&mut self, step: FilterStep<'_>) -> Vec<FilterReply> {
        match self.client.tell(step, &self.macros, &mut self.out) {
            StepOutcome::Awaited => self.read(),
            StepOutcome::Told | StepOutcome::Unwanted => Vec::new(),
        }
    }

    /// Tells all of a message; the changes that are asked for.
    fn changes(&mut self, message: &str) -> MessageChanges {
        let (fields, body) = split_message(message.as_bytes());
        let goes_on = |replies: Vec<FilterReply>| {
            let is_verdict =
                |reply: &FilterReply| matches!(reply, FilterReply::Continue | FilterReply::Skip);
            assert!(replies.iter().all(is_verdict), "{replies:?}");
        };
        goes_on(self.tell(FilterStep::Mail(&[b"<ada@example.org>"])));
        goes_on(self.tell(FilterStep::Recipient(&[b"<bob@example.org>"])));
        goes_on(self.tell(FilterStep::Data));
        for field in &fields {
            let (name, value) = (field.name(), field.value());
            goes_on(self.tell(FilterStep::Header { name, value }));
        }
        goes_on(self.tell(FilterStep::EndOfHeader));
        for chunk in body.chunks(BODY_CHUNK_BYTES_MAX) {
            goes_on(self.tell(FilterStep::Body(chunk)));
        }
        let has_leading_space = self.client.terms().has_leading_space();
        let mut changes = MessageChanges::new(has_leading_space);
        let mut verdict = None;
        for reply in self.tell(FilterStep::EndOfMessage) {
            match reply {
                FilterReply::Change(change) => changes.push(change).unwrap(),
                reply => verdict = Some(reply),
            }
        }
        let verdict = verdict.unwrap();
        assert!(matches!(
            verdict,
            FilterReply::Accept | FilterReply::Continue
        ));
        changes
    }
}

/// What a tag of a signature says, without white space.
fn tag(signature: &str, name: &str) -> String {
    let (_, tags) = signature.split_once(':').unwrap();
    let mut tags = tags.split(';').filter_map(|tag| tag.split_once('='));
    let (_, value) = tags.find(|(other, _)| other.trim() == name).unwrap();
    value.split_ascii_whitespace().collect()
}

/// Checks the first field, which signs others and the body, octet for octet.
fn verify(opendkim: &OpenDkim, fields: &[MessageField<'_>], body: &[u8]) {
    let text = |field: &MessageField<'_>| String::from_utf8(field.text().to_vec()).unwrap();
    let signature = text(&fields[0]);
    assert!(
        signature.starts_with("DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d=example.org;"),
        "{signature}"
    );
    let digest = opendkim.openssl(body, &["dgst", "-sha256", "-binary"]);
    let digest = opendkim.openssl(&digest, &["base64", "-A"]);
    assert_eq!(tag(&signature, "bh"), String::from_utf8(digest).unwrap());
    // Of several fields of a name the last one is signed first.
    let mut left: Vec<String> = fields[1..].iter().map(text).collect();
    let mut signed = String::new();
    for name in tag(&signature, "h").split(':') {
        let is_named = |text: &String| {
            let other = text.split(':').next().unwrap();
            other.trim_end().eq_ignore_ascii_case(name)
        };
        if let Some(at) = left.iter().rposition(is_named) {
            signed.push_str(&left.remove(at));
        }
    }
    let (before, rest) = signature.split_once("\tb=").unwrap();
    let rest = rest.split_once(';').map_or("", |(_, rest)| rest);
    signed.push_str(&format!("{before}\tb={rest}"));
    let raw = opendkim.openssl(tag(&signature, "b").as_bytes(), &["base64", "-d", "-A"]);
    fs::write(opendkim.path("signature"), raw).unwrap();
    let (key, signature) = (opendkim.path("key"), opendkim.path("signature"));
    let args = [
        "dgst",
        "-sha256",
        "-prverify",
        &key,
        "-signature",
        &signature,
    ];
    opendkim.openssl(signed.as_bytes(), &args);
}

/// A client of this machine.
pub(crate) const CLIENT: FilterStep<'_> = FilterStep::Connect {
    name: b"localhost",
    address: ClientAddress::Ip(std::net::SocketAddr::new(
        std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        4711,
    )),
};

#[test]
fn signs_what_it_is_told() {
    let Some(opendkim) = OpenDkim::start() else {
        return;
    };
    let mut connection = Connection::open(opendkim.path("socket").as_ref(), FilterOffer::default());
    assert_eq!(connection.client.terms().version(), 6);
    connection.tell(CLIENT);
    connection.tell(FilterStep::Hello(b"client.example.org"));
    let long = format!("{MESSAGE}{}", "a long body\r\n".repeat(20_000));
    for message in [MESSAGE, &long, "From: ada@example.org\r\n\r\n\r\n"] {
        let changes = connection.changes(message);
        let (mut fields, body) = split_message(message.as_bytes());
        changes.apply_header(&mut fields);
        let header: usize = fields.iter().map(|field| field.text().len()).sum();
        assert!(header + body.len() > message.len(), "it is signed");
        verify(&opendkim, &fields, body);
        // One that is given up leaves the next one alone.
        connection.tell(FilterStep::Mail(&[b"<x@example.org>"]));
        connection.tell(FilterStep::Abort);
    }
    assert_eq!(connection.tell(FilterStep::Quit), []);
}

#[test]
fn speaks_older_versions_and_does_what_it_is_offered() {
    let Some(opendkim) = OpenDkim::start() else {
        return;
    };
    for (version, protocol) in [(6, 0), (4, u32::MAX), (3, u32::MAX), (2, u32::MAX)] {
        let offer = FilterOffer {
            version,
            protocol,
            ..FilterOffer::default()
        };
        let mut connection = Connection::open(opendkim.path("socket").as_ref(), offer);
        assert_eq!(connection.client.terms().version(), version);
        connection.tell(CLIENT);
        let changes =
            connection.changes("From: ada@example.org\r\nTo: bob@example.org\r\n\r\ntext\r\n");
        assert!(changes.changes_header(), "version {version}");
        assert_eq!(changes.envelope().next(), None);
    }
}
