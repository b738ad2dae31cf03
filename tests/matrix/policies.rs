//! What the policies of domains ask of a server, MTA-STS and DANE, by the TLS that they take.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::time::Duration;

use mailoop::net::tls::client_config;
use mailoop::net::trust::{TlsAssociation, Trust};
use rustls::{ClientConnection, StreamOwned};

use crate::common::program::installed;
use crate::peers::{PROGRAMS, Peer, Peers};
use crate::table::{Fate, Level, TABLE};

/// A line of a reply; none if the server is gone or does not speak as it should.
fn reply(stream: &mut impl Read) -> Option<String> {
    let mut stream = BufReader::with_capacity(1, stream);
    loop {
        let mut line = String::new();
        stream
            .read_line(&mut line)
            .ok()
            .filter(|count| *count > 0)?;
        if line.as_bytes().get(3) == Some(&b' ') {
            return Some(line);
        }
    }
}

/// Whether a session with a peer comes about in TLS.
fn meets(peers: &Peers, peer: Peer, trust: &Trust) -> bool {
    let mut stream = TcpStream::connect((peer.address(), peers.port())).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    for (command, code) in [
        ("", "220"),
        ("EHLO us.example\r\n", "250"),
        ("STARTTLS\r\n", "220"),
    ] {
        stream.write_all(command.as_bytes()).unwrap();
        if !reply(&mut stream).is_some_and(|reply| reply.starts_with(code)) {
            return false;
        }
    }
    let name = peer.host().try_into().unwrap();
    let session = ClientConnection::new(client_config(trust).unwrap(), name).unwrap();
    let mut stream = StreamOwned::new(session, stream);
    // Who wants a certificate of its client says so after the handshake.
    stream.write_all(b"EHLO us.example\r\n").is_ok() && reply(&mut stream).is_some()
}

#[test]
fn a_policy_takes_the_tls_of_those_servers_that_the_table_has() {
    if !installed(&PROGRAMS) {
        return;
    }
    let peers = Peers::start();
    let mut wrong = Vec::new();
    for (peer, name, fates) in TABLE {
        if matches!(peer, Peer::Hangs | Peer::Refuses | Peer::NoStartTls) {
            // Nothing of theirs is TLS.
            continue;
        }
        let own = TlsAssociation {
            usage: 3,
            selector: 1,
            matching: 1,
            data: peers.key_digest(peer).into(),
        };
        let other = TlsAssociation {
            data: peers.key_digest(Peer::Good).into(),
            ..own.clone()
        };
        let of = |record| Trust::Associations {
            records: Rc::new([record]),
            names: Rc::new([]),
        };
        let [.., sts, dane] = fates.map(|fate| fate == Fate::Tls);
        let cases = [
            (Level::MtaSts, Trust::Authorities(peers.authority()), sts),
            (Level::Dane, of(own), dane),
            (Level::Dane, of(other), peer == Peer::Good),
        ];
        for (level, trust, expected) in cases {
            if meets(&peers, peer, &trust) != expected {
                wrong.push(format!("{level:?} {name}: {expected} was expected"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
