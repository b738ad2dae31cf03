//! Both roles of TLS against each other, in memory, and cut at every octet.
#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::collections::VecDeque;

use rcgen::{CertificateParams, KeyPair};
use rustls::RootCertStore;
use rustls::client::Resumption;

use super::*;
use crate::net::channel::Channel;

/// Octets on their way, one direction after the other: to the server, to the client.
#[derive(Debug, Default)]
struct Network {
    ways: [Way; 2],
    /// The most octets that a read gives, or a write takes.
    piece: usize,
}

#[derive(Debug, Default)]
struct Way {
    octets: VecDeque<u8>,
    /// Octets written so far.
    written: usize,
    /// After how many octets it is cut.
    cut: Option<usize>,
    is_closed: bool,
}

/// One end of the network.
#[derive(Clone, Debug)]
struct End {
    network: Rc<RefCell<Network>>,
    reads: usize,
}

impl Transport for End {
    fn short_read_drains(&self) -> bool {
        self.network.borrow().ways[self.reads].octets.is_empty()
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut network = self.network.borrow_mut();
        let piece = network.piece;
        let way = &mut network.ways[self.reads];
        let count = way.octets.len().min(buffer.len()).min(piece);
        for (place, octet) in buffer.iter_mut().zip(way.octets.drain(..count)) {
            *place = octet;
        }
        match count {
            0 if way.is_closed => Ok(0),
            0 => Err(ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut network = self.network.borrow_mut();
        let count = bytes.len().min(network.piece);
        let way = &mut network.ways[1 - self.reads];
        let left = way.cut.map_or(count, |cut| cut.saturating_sub(way.written));
        way.octets.extend(&bytes[..count.min(left)]);
        way.written += count;
        way.is_closed |= way.cut.is_some_and(|cut| cut <= way.written);
        Ok(count)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.network.borrow_mut().ways[1 - self.reads].is_closed = true;
        Ok(())
    }
}

/// One side of a connection: its channel, and what it has come to.
struct Side {
    channel: Channel<End>,
    facts: Option<TlsFacts>,
    says: &'static [u8],
    heard: Vec<u8>,
    end: Option<Result<(), ErrorKind>>,
}

impl Side {
    fn new(network: &Rc<RefCell<Network>>, reads: usize, tls: &dyn StartTls) -> Self {
        let network = Rc::clone(network);
        let mut channel = Channel::new(End { network, reads });
        channel.begin_tls(tls, BytesMut::new()).unwrap();
        Self {
            channel,
            facts: None,
            says: [&b"A server says that."[..], b"A client says this."][reads],
            heard: Vec::new(),
            end: None,
        }
    }

    /// Does what can be done now, as a driver would after an event; whether anything was done.
    fn turn(&mut self) -> bool {
        if self.end.is_some() {
            return false;
        }
        self.try_turn().unwrap_or_else(|error| {
            self.end = Some(Err(error.kind()));
            true
        })
    }

    fn try_turn(&mut self) -> io::Result<bool> {
        self.channel.note(crate::net::channel::Readiness {
            readable: true,
            writable: true,
            read_on: false,
        });
        let mut progress = self.channel.unsent() > 0;
        self.channel.write(&[])?;
        while self.channel.is_readable() {
            if self.facts.is_none() {
                match self.channel.handshake().outcome? {
                    Handshake::WouldBlock => break,
                    Handshake::Progress => {}
                    Handshake::Done(facts) => {
                        self.facts = Some(facts);
                        self.channel.send(&mut BytesMut::from(self.says))?;
                        self.channel.close_notify()?;
                        self.channel.shutdown_write()?;
                    }
                }
                progress = true;
                continue;
            }
            let mut buffer = [0; 7];
            let read = self.channel.read(&mut buffer)?;
            self.heard.extend_from_slice(&buffer[..read.count()]);
            progress |= read != Read::WouldBlock;
            if read == Read::Eof {
                self.end = Some(Ok(()));
                return Ok(true);
            }
        }
        Ok(progress)
    }
}

/// A server's certificate, and clients that trust it, by version.
struct Identities {
    acceptor: Acceptor,
    connectors: [Connector; 2],
}

impl Identities {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let made = parameters.self_signed(&key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(made.der().clone()).unwrap();
        let (chain, key) = (made.pem(), key.serialize_pem());
        let certificate = Certificate::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
        let connectors = [&rustls::version::TLS12, &rustls::version::TLS13].map(|version| {
            let mut config = ClientConfig::builder_with_provider(ring::default_provider().into())
                .with_protocol_versions(&[version])
                .unwrap()
                .with_root_certificates(roots.clone())
                .with_no_client_auth();
            config.resumption = Resumption::disabled();
            Connector::new(Arc::new(config), "localhost".try_into().unwrap())
        });
        Self {
            acceptor: Acceptor::new(Certificates::new(vec![certificate])).unwrap(),
            connectors,
        }
    }

    /// Runs a connection whose octets go in such pieces, of which one way may be cut, until nothing more happens.
    fn run(
        &self,
        version: usize,
        piece: usize,
        cut: Option<(usize, usize)>,
    ) -> ([Side; 2], [usize; 2]) {
        let mut network = Network {
            piece,
            ..Network::default()
        };
        if let Some((way, octets)) = cut {
            network.ways[way].cut = Some(octets);
            network.ways[way].is_closed = octets == 0;
        }
        let network = Rc::new(RefCell::new(network));
        let server = Side::new(&network, 0, &self.acceptor);
        let client = Side::new(&network, 1, &self.connectors[version]);
        let mut sides = [server, client];
        while sides.iter_mut().fold(false, |any, side| side.turn() | any) {}
        let written = network.borrow().ways.each_ref().map(|way| way.written);
        (sides, written)
    }
}

#[test]
fn both_roles_know_the_same_of_their_session_however_its_octets_come() {
    let identities = Identities::new();
    for version in [0, 1] {
        for piece in [1, 2, 3, 100, 1 << 20] {
            let ([server, client], _) = identities.run(version, piece, None);
            let place = format!("{version} {piece}");
            assert_eq!(server.heard, b"A client says this.", "{place}");
            assert_eq!(client.heard, b"A server says that.", "{place}");
            assert_eq!([server.end, client.end], [Some(Ok(())); 2], "{place}");
            assert_eq!(server.channel.bytes_in(), 19);
            assert_eq!(
                server.channel.unsent() + client.channel.unsent(),
                0,
                "{place}"
            );
            let facts = server.facts.unwrap();
            assert_eq!(facts.version, ["TLSv1.2", "TLSv1.3"][version]);
            assert_eq!(facts.exporter.is_some(), version == 1);
            assert!(facts.end_point.is_some());
            assert_eq!(Some(facts), client.facts, "{place}");
        }
    }
}

/// Cuts one way of a connection after every number of octets, and looks at the side that reads there.
fn cut_everywhere(way: usize, look: impl Fn(&Side, &str)) {
    let identities = Identities::new();
    // A handshake takes milliseconds: of TLS 1.2 every seventh octet has to do.
    for (version, step) in [(0, 7), (1, 1)] {
        for octets in (0..).step_by(step) {
            let (sides, written) = identities.run(version, 1 << 20, Some((way, octets)));
            look(&sides[way], &format!("{version}, cut after {octets}"));
            if octets >= written[way] && sides[way].facts.is_some() {
                break;
            }
        }
    }
}

#[test]
fn a_server_takes_whole_records_and_no_part_of_one_when_it_is_cut_off() {
    cut_everywhere(0, |server, place| match server.facts {
        None => assert_eq!(server.end, Some(Err(ErrorKind::UnexpectedEof)), "{place}"),
        Some(_) => {
            assert_eq!(server.end, Some(Ok(())), "{place}");
            assert!(matches!(server.heard.len(), 0 | 19), "{place}");
        }
    });
}

#[test]
fn a_client_takes_no_end_for_one_that_was_not_announced() {
    cut_everywhere(1, |client, place| {
        let is_announced = client.end == Some(Ok(()));
        assert!(is_announced || client.end == Some(Err(ErrorKind::UnexpectedEof)));
        assert!(!is_announced || client.heard.len() == 19, "{place}");
        assert!(client.facts.is_some() || client.heard.is_empty(), "{place}");
    });
}

#[test]
fn what_is_no_tls_is_an_error_of_which_the_peer_is_told() {
    let identities = Identities::new();
    let network = Rc::new(RefCell::new(Network {
        piece: 1 << 20,
        ..Network::default()
    }));
    network.borrow_mut().ways[0]
        .octets
        .extend(b"EHLO client\r\n");
    let mut server = Side::new(&network, 0, &identities.acceptor);
    while server.turn() {}
    assert_eq!(server.end, Some(Err(ErrorKind::InvalidData)));
    // An alert record (RFC 8446 §5.1).
    assert_eq!(network.borrow().ways[1].octets.front(), Some(&21));
}

#[test]
fn what_came_early_is_read_before_the_socket() {
    let identities = Identities::new();
    let network = Rc::new(RefCell::new(Network {
        piece: 1 << 20,
        ..Network::default()
    }));
    let mut client = Side::new(&network, 1, &identities.connectors[1]);
    client.turn();
    let hello: Vec<u8> = network.borrow_mut().ways[0].octets.drain(..).collect();
    let (early, late) = hello.split_at(hello.len() / 2);
    let end = End {
        network: Rc::clone(&network),
        reads: 0,
    };
    let mut channel = Channel::new(end);
    assert_eq!(channel.read(&mut [0]).unwrap(), Read::WouldBlock);
    channel
        .begin_tls(&identities.acceptor, BytesMut::from(early))
        .unwrap();
    assert!(
        channel.is_readable(),
        "no event tells of what was read before"
    );
    let step = channel.handshake();
    assert!(matches!(step.outcome, Ok(Handshake::Progress)));
    assert_eq!(step.work, HandshakeWork::Symmetric);
    network.borrow_mut().ways[0].octets.extend(late);
    let step = channel.handshake();
    assert!(matches!(step.outcome, Ok(Handshake::Progress)));
    assert_eq!(
        step.work,
        HandshakeWork::Signature,
        "it has answered with its certificate"
    );
    assert!(matches!(
        channel.handshake().outcome,
        Ok(Handshake::WouldBlock)
    ));
}

#[test]
fn certificates_are_told_apart_but_not_those_made_for_one_name() {
    let acceptor = |certificates| Acceptor::new(certificates).unwrap();
    let made = |name| acceptor(Certificates::self_signed(name).unwrap());
    assert_eq!(made("a.example").identity(), made("a.example").identity());
    assert_ne!(made("a.example").identity(), made("b.example").identity());
    let given = || {
        let certificate = Certificate::self_signed("a.example").unwrap();
        acceptor(Certificates::new(vec![certificate]))
    };
    assert_ne!(
        given().identity(),
        given().identity(),
        "each has its own key"
    );
}
