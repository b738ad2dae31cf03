//! One connection to a hop over a wire in memory, with the test in the place of the event loop and of the server.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mailoop::net::channel::Readiness;
use mailoop::net::connections::Connections;
use mailoop::net::driver::ConnectionName;
use mailoop::net::transport::Transport;
use mailoop::outbound::connection::Relay;
use mailoop::outbound::delivery::{DeliveryText, HopDelivery, RecipientResult};
use mailoop::outbound::desk::{ConnectionEvent, HopConnection, HopFault, RelayDesk, TextPiece};
use mailoop::outbound::hop::{HopFacts, HopProtocol, HopSecurity, HopSettings, RECIPIENTS_MAX};
use mailoop::outbound::tls_results::TlsPolicy;
use mailoop::smtp::envelope::Body;
use mailoop::smtp::path::ReversePath;
use mailoop::store::spool::{MailId, SpoolEnvelope, SpoolPlace, SpoolRecipient, TextFlags};

/// The name of the connection.
pub const CONNECTION: HopConnection = HopConnection(7);

/// The wire, seen from the server.
#[derive(Debug, Default)]
pub struct Wire {
    inbox: VecDeque<u8>,
    outbox: Vec<u8>,
    is_closed: bool,
    /// Whether the driver's side has let go.
    pub is_dropped: bool,
    /// Octets that the socket has room for; `None` for any number.
    pub room: Option<usize>,
    /// Writes so far.
    pub writes: usize,
}

struct WireEnd(Rc<RefCell<Wire>>);

impl Transport for WireEnd {
    fn short_read_drains(&self) -> bool {
        true
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut wire = self.0.borrow_mut();
        let count = wire.inbox.len().min(buffer.len());
        if count == 0 && !wire.is_closed {
            return Err(ErrorKind::WouldBlock.into());
        }
        for (place, octet) in buffer.iter_mut().zip(wire.inbox.drain(..count)) {
            *place = octet;
        }
        Ok(count)
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let mut wire = self.0.borrow_mut();
        let count = octets.len().min(wire.room.unwrap_or(usize::MAX));
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        wire.room = wire.room.map(|room| room - count);
        wire.outbox.extend_from_slice(&octets[..count]);
        wire.writes += 1;
        Ok(count)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for WireEnd {
    fn drop(&mut self) {
        if let Ok(mut wire) = self.0.try_borrow_mut() {
            wire.is_dropped = true;
        }
    }
}

/// A message as a test wants it.
#[derive(Clone, Debug)]
pub struct Mail {
    pub id: u32,
    pub envelope: SpoolEnvelope,
    pub flags: TextFlags,
    pub text: Vec<u8>,
    /// Whether the text is asked for in pieces.
    pub in_pieces: bool,
}

impl Mail {
    pub fn new(id: u32, to: &[&str]) -> Self {
        let recipient = |address: &&str| SpoolRecipient {
            address: address.parse().unwrap(),
            is_local: false,
            named: None,
            dsn: None,
        };
        Self {
            id,
            envelope: SpoolEnvelope {
                arrived_ms: 0,
                sender: ReversePath::Mailbox("a@x".parse().unwrap()),
                sender_is_ours: true,
                quarantine: None,
                user: None,
                body: Body::SevenBit,
                smtputf8: false,
                dsn: None,
                recipients: to.iter().map(recipient).collect(),
            },
            flags: TextFlags::default(),
            text: b"Subject: hi\r\n\r\nbody\r\n".to_vec(),
            in_pieces: false,
        }
    }

    fn delivery(&self) -> HopDelivery {
        HopDelivery {
            mail: mail_id(self.id),
            place: SpoolPlace {
                segment: 1,
                offset: 0,
                envelope_bytes: 0,
                text_bytes: self.text.len() as u64,
                text_flags: self.flags,
            },
            envelope: Rc::new(self.envelope.clone()),
            recipients: (0..self.envelope.recipients.len() as u16).collect(),
            text: DeliveryText {
                whole: (!self.in_pieces).then(|| self.text.clone().into()),
                bytes: self.text.len() as u64,
                is_eight_bit: self.flags.is_eight_bit(),
                is_plain: !self.flags.has_dot_line() && !self.flags.is_binary(),
            },
        }
    }
}

pub fn mail_id(count: u32) -> MailId {
    MailId { instance: 1, count }
}

/// The settings of a hop in the clear.
pub fn hop() -> HopSettings {
    HopSettings {
        protocol: HopProtocol::Smtp,
        name: "client.example".into(),
        security: HopSecurity::Clear,
        refuses_own_name: true,
        pipelines_next: true,
        recipients_max: RECIPIENTS_MAX,
        policy: TlsPolicy::NotFound,
    }
}

/// What has become of one recipient of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub mail: u32,
    pub recipient: u16,
    pub result: RecipientResult,
}

/// The event loop of one connection.
pub struct World {
    connections: Connections<Relay, WireEnd>,
    pub wire: Rc<RefCell<Wire>>,
    key: usize,
    now: Instant,
    name: Option<ConnectionName>,
    /// The messages that are handed over when the connection wants one.
    pub mails: VecDeque<Mail>,
    texts: HashMap<MailId, Vec<u8>>,
    /// Recipients of messages that were handed over, how many.
    pub handed: HashMap<u32, usize>,
    pub outcomes: Vec<Outcome>,
    pub failure: Option<(HopFault, RecipientResult)>,
    pub facts: Option<HopFacts>,
    pub is_ready: bool,
    pub is_closed: bool,
    /// Whether pieces of text are not to be had.
    pub is_unreadable: bool,
}

impl World {
    /// A connection that was just established.
    pub fn new(hop: HopSettings, mails: impl IntoIterator<Item = Mail>) -> Self {
        let now = Instant::now();
        let wire = Rc::new(RefCell::new(Wire::default()));
        let peer = SocketAddr::from(([192, 0, 2, 7], 25)).into();
        let mut connections = Connections::new(RelayDesk::default(), now);
        let driver = Relay::new(CONNECTION, Rc::new(hop), peer, now);
        let key = connections.next_key();
        let transport = WireEnd(Rc::clone(&wire));
        connections.dial(transport, driver, peer, now + Duration::from_secs(30));
        let mut world = Self {
            connections,
            wire,
            key,
            now,
            name: None,
            mails: mails.into_iter().collect(),
            texts: HashMap::new(),
            handed: HashMap::new(),
            outcomes: Vec::new(),
            failure: None,
            facts: None,
            is_ready: false,
            is_closed: false,
            is_unreadable: false,
        };
        world.event();
        world
    }

    /// The server says something.
    pub fn say(&mut self, octets: &[u8]) {
        self.wire.borrow_mut().inbox.extend(octets);
        self.event();
    }

    /// The server closes the connection.
    pub fn hang_up(&mut self) {
        self.wire.borrow_mut().is_closed = true;
        self.event();
    }

    /// The server says something and closes the connection in the same segment.
    pub fn say_and_hang_up(&mut self, octets: &[u8]) {
        self.wire.borrow_mut().inbox.extend(octets);
        self.hang_up();
    }

    /// Takes what the server has been told.
    pub fn heard(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.wire.borrow_mut().outbox)
    }

    /// The socket has room again.
    pub fn event(&mut self) {
        let readiness = Readiness {
            readable: true,
            writable: true,
            // A socket that the peer has closed is read to its end, whatever a short read says.
            read_on: self.wire.borrow().is_closed,
        };
        self.connections.on_event(self.key, readiness);
        self.run();
    }

    /// Time passes.
    pub fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.connections.set_time(self.now);
        self.run();
    }

    /// The server that the connection is of shuts down: now, or after a while in which it may finish.
    pub fn drain(&mut self, seconds: u64) {
        if self.connections.begin_drain(Duration::from_secs(seconds)) {
            self.connections.drain_all();
            self.run();
        }
    }

    /// The operator takes recipients off.
    pub fn cancel(&mut self, mail: u32, recipients: &[u16]) {
        let desk = self.connections.shared_mut();
        desk.cancel(CONNECTION, mail_id(mail), recipients.to_vec());
        if let Some(name) = self.name {
            self.connections.wake(name);
        }
        self.run();
    }

    fn hand(&mut self) {
        let Some(mail) = self.mails.pop_front() else {
            return;
        };
        self.handed.insert(mail.id, mail.envelope.recipients.len());
        let delivery = mail.delivery();
        self.texts.insert(delivery.mail, mail.text);
        self.connections.shared_mut().hand(CONNECTION, delivery);
        if let Some(name) = self.name {
            self.connections.wake(name);
        }
    }

    /// Ticks until all is at rest.
    fn run(&mut self) {
        for _ in 0..10_000 {
            self.connections.tick(|_| {}, |_, _| {});
            if !self.take_events() && self.connections.next_wake() != Some(self.now) {
                return;
            }
        }
        panic!("it does not come to rest");
    }

    fn take_events(&mut self) -> bool {
        let mut has_any = false;
        while let Some((connection, event)) = self.connections.shared_mut().take_event() {
            assert_eq!(connection, CONNECTION);
            assert!(!self.is_closed, "after the last event: {event:?}");
            has_any = true;
            self.take(event);
        }
        has_any
    }

    fn take(&mut self, event: ConnectionEvent) {
        match event {
            ConnectionEvent::Ready { name, facts } => {
                assert!(self.failure.is_none());
                self.facts = Some(facts);
                self.is_ready = true;
                self.name = Some(name);
                self.hand();
            }
            ConnectionEvent::WantsNext { name } => {
                self.name = Some(name);
                self.hand();
            }
            ConnectionEvent::WantsText {
                ticket,
                mail,
                at,
                bytes_max,
                ..
            } => {
                let text = &self.texts[&mail][at as usize..];
                let piece = if self.is_unreadable {
                    TextPiece::Unreadable("no such segment".into())
                } else {
                    TextPiece::Octets(text[..text.len().min(bytes_max)].into())
                };
                self.connections.complete(ticket, piece);
            }
            ConnectionEvent::Decided(outcome) => {
                for (recipient, result) in outcome.results {
                    let mail = outcome.mail.count;
                    self.outcomes.push(Outcome {
                        mail,
                        recipient,
                        result,
                    });
                }
            }
            ConnectionEvent::Failed { result, fault, .. } => {
                assert!(self.failure.is_none());
                self.failure = Some((fault, result));
            }
            ConnectionEvent::Closed => self.is_closed = true,
        }
    }

    /// Checks that whoever was handed over has one result, once the connection is over.
    pub fn check(&self) {
        assert!(self.is_closed);
        assert!(self.wire.borrow().is_dropped);
        assert!(self.connections.is_empty());
        let all: usize = self.handed.values().sum();
        assert_eq!(self.outcomes.len(), all, "{:#?}", self.outcomes);
        for outcome in &self.outcomes {
            let same = |other: &&Outcome| {
                (other.mail, other.recipient) == (outcome.mail, outcome.recipient)
            };
            assert_eq!(self.outcomes.iter().filter(same).count(), 1, "{outcome:?}");
            assert!(self.handed.contains_key(&outcome.mail));
            assert!(outcome.result.reply.len() <= 512);
        }
    }
}
