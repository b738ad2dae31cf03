//! Mail servers whose TLS is broken in different ways, each at an address of its own and all at one port.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;

use crate::certificates::Authority;
use crate::common::program::{Running, foreign, run};
use crate::common::wait_until;

/// What has to be installed for the peers.
pub(crate) const PROGRAMS: [&str; 2] = ["openssl", "python3"];

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Good,
    NoStartTls,
    Refuses,
    Closes,
    Hangs,
    Garbage,
    OldVersions,
    RsaKeyExchange,
    Sha1,
    ShortKey,
    Version1,
    Expired,
    WrongName,
    SelfSigned,
    ClientCertificate,
}

impl Peer {
    pub(crate) const ALL: [Self; 15] = [
        Self::Good,
        Self::NoStartTls,
        Self::Refuses,
        Self::Closes,
        Self::Hangs,
        Self::Garbage,
        Self::OldVersions,
        Self::RsaKeyExchange,
        Self::Sha1,
        Self::ShortKey,
        Self::Version1,
        Self::Expired,
        Self::WrongName,
        Self::SelfSigned,
        Self::ClientCertificate,
    ];

    /// Its name for `peers.py`, and in domains.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::NoStartTls => "no-starttls",
            Self::Refuses => "refuses",
            Self::Closes => "closes",
            Self::Hangs => "hangs",
            Self::Garbage => "garbage",
            Self::OldVersions => "tls-1.0",
            Self::RsaKeyExchange => "rsa-key-exchange",
            Self::Sha1 => "sha-1",
            Self::ShortKey => "short-key",
            Self::Version1 => "version-1",
            Self::Expired => "expired",
            Self::WrongName => "wrong-name",
            Self::SelfSigned => "self-signed",
            Self::ClientCertificate => "client-certificate",
        }
    }

    /// The host that it is, as an MX record could name it.
    pub(crate) fn host(self) -> String {
        format!("{}.matrix.example", self.kind())
    }

    /// Its address.
    pub(crate) fn address(self) -> Ipv4Addr {
        Ipv4Addr::new(127, 0, 9, 1 + self as u8)
    }
}

/// What a peer has told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) kind: String,
    /// `mail`, `taken` or `failed`.
    pub(crate) what: String,
    /// `clear`, the version of TLS, or why a handshake has failed.
    pub(crate) channel: String,
    /// The sender of `mail`, the recipient of `taken`.
    pub(crate) address: String,
}

/// All peers, which end with their test.
pub(crate) struct Peers {
    folder: TempDir,
    _process: Running,
    port: u16,
}

impl Peers {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let authority = Authority::new(path);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/matrix/peers.py");
        let mut python = foreign("python3");
        python.args(["-B", "-E", "-s"]).arg(script).arg(path);
        for peer in Peer::ALL {
            authority.certify(peer, path);
            python.arg(format!("{}={}", peer.kind(), peer.address()));
        }
        python
            .stdin(Stdio::piped())
            .stdout(File::create(path.join("events")).unwrap());
        let process = Running(python.spawn().unwrap());
        let mut peers = Self {
            folder,
            _process: process,
            port: 0,
        };
        wait_until("the peers to listen", || {
            let told = peers.told();
            let port = told
                .lines()
                .next()
                .and_then(|line| line.strip_prefix("listening "));
            port.is_some_and(|port| {
                peers.port = port.parse().unwrap();
                true
            })
        });
        peers
    }

    fn told(&self) -> String {
        let told = fs::read_to_string(self.folder.path().join("events")).unwrap();
        // The last line may not be whole yet.
        told[..told.rfind('\n').map_or(0, |end| end + 1)].to_owned()
    }

    /// The port of all.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The certificate of who vouches for them.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// The SHA-256 of a peer's public key: the data of its TLSA record `3 1 1`.
    pub(crate) fn key_digest(&self, peer: Peer) -> Vec<u8> {
        let path = self.folder.path().join(format!("{}.pem", peer.kind()));
        let script = "openssl pkey -in \"$0\" -pubout -outform DER | openssl dgst -sha256 -hex -r";
        let digest = run(foreign("sh").args(["-c", script]).arg(path));
        let hex = |at: usize| u8::from_str_radix(&digest[at..at + 2], 16).unwrap();
        (0..64).step_by(2).map(hex).collect()
    }

    /// All that has happened so far.
    pub(crate) fn events(&self) -> Vec<Event> {
        let told = self.told();
        let lines = told.lines().skip(1);
        let events = lines.map(|line| {
            let mut words = line.split(' ').map(str::to_owned);
            let mut word = || words.next().unwrap_or_default();
            Event {
                kind: word(),
                what: word(),
                channel: word(),
                address: word(),
            }
        });
        events.collect()
    }
}
