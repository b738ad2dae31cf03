//! A server without a network and without a disk: the real slab of connections and the real sessions, over
//! transports and a store that are held in memory, at a time that stands still until it is told to go on.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use mailoop::cli::{self, Request};
use mailoop::config::Config;
use mailoop::config::sources::Sources;
use mailoop::exit::Failed;
#[cfg(feature = "http")]
use mailoop::http::access::AccessRules;
use mailoop::inbound::{Rejection, Rules};
use mailoop::net::channel::Readiness;
use mailoop::net::peer::PeerAddress;
use mailoop::net::transport::Transport;
use mailoop::server::core::ServerCore;
#[cfg(feature = "http")]
use mailoop::server::http_clients::HttpClients;
use mailoop::smtp::envelope::{Body, Envelope, Peer, QueueId, Recipient};
use mailoop::smtp::event::Limit;
#[cfg(feature = "catch")]
use mailoop::smtp::faults::FaultRules;
use mailoop::smtp::path::Mailbox;
use mailoop::smtp::service::Service;
#[cfg(feature = "catch")]
use mailoop::store::Catch;
#[cfg(feature = "catch")]
use mailoop::store::inbox::{Inbox, InboxLimits};
use mailoop::store::{Admission, Answer, Draft, Failure, Finished, Outcome, Store, Ticket};
use rustls::ClientConnection;

use super::tls;

/// The configuration that these options of `mailoop serve` make.
pub fn config(options: &[&str]) -> Config {
    try_config(options).unwrap_or_else(|error| panic!("{options:?}: {error:?}"))
}

/// The same, or why there is none.
pub fn try_config(options: &[&str]) -> Result<Config, Failed> {
    config_of("serve", options)
}

/// The configuration that these options of a subcommand make.
fn config_of(command: &str, options: &[&str]) -> Result<Config, Failed> {
    let hostname = if options.contains(&"--hostname") {
        &[][..]
    } else {
        &["--hostname", "mail.example.org"]
    };
    let program = ["mailoop", command];
    let arguments = program
        .iter()
        .chain(hostname)
        .chain(options)
        .map(|argument| (*argument).into());
    let Ok(Request::Serve(flags)) = cli::parse(arguments) else {
        panic!("{options:?}");
    };
    let settings = Sources::new(*flags, []).settings();
    settings.and_then(|settings| Config::new(&settings))
}

pub const GREETING: &str = "220 mail.example.org ESMTP mailoop\r\n";
pub const ENVELOPE: &[u8] = b"HELO c\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\n";
pub const ENVELOPE_REPLIES: &str = "250 Hello c, pleased to meet you.\r\n250 Ok\r\n250 Ok\r\n";
/// The most octets of text that arrive at once at a server for tests.
#[cfg(feature = "catch")]
pub const ARRIVING_BYTES_MAX: usize = 100_000;
pub const START_DATA: &str = "354 Enter message, ending with \".\" on a line by itself\r\n";

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A client that has heard the greeting.
pub fn greeted(server: &mut MemoryServer) -> Client {
    let client = server.connect();
    assert_eq!(client.text(), GREETING);
    client
}

/// A client whose transaction has begun, its message not.
pub fn in_transaction(server: &mut MemoryServer) -> Client {
    let client = greeted(server);
    server.send(&client, ENVELOPE);
    assert_eq!(client.text(), ENVELOPE_REPLIES);
    client
}

/// A client whose message is being received.
pub fn in_data(server: &mut MemoryServer) -> Client {
    let client = in_transaction(server);
    server.send(&client, b"DATA\r\n");
    assert_eq!(client.text(), START_DATA);
    client
}

/// Sends a message, and tells where the server says it comes from.
#[track_caller]
pub fn origin(server: &mut MemoryServer, client: &Client) -> Peer {
    server.send(
        client,
        b"HELO c\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n",
    );
    server.send(client, b"text\r\n.\r\n");
    assert!(client.text().contains("250 Ok: queued as"));
    *server.shelf().peers.last().unwrap()
}

/// A client on the network.
pub fn ip(address: &str) -> Peer {
    Peer::Ip(address.parse().unwrap())
}

/// The server.
pub struct MemoryServer {
    core: ServerCore<MemoryTransport>,
    #[cfg(feature = "http")]
    http: HttpClients<MemoryTransport>,
    /// That of the first listener which the options name.
    service: Service,
    shelf: Rc<RefCell<Shelf>>,
    now: Instant,
    /// How many octets of what a client sends in TLS come at once.
    piece: usize,
    /// Whether a short read has drained the transports of those who connect.
    short_reads_drain: bool,
}

impl MemoryServer {
    pub fn start(options: &[&str]) -> Self {
        Self::of(&config(options), |store| store)
    }

    /// A server that `mailoop catch` would run with these options, and an inbox of a hundred messages.
    #[cfg(feature = "catch")]
    pub fn catch(options: &[&str]) -> Self {
        let config = config_of("catch", options).unwrap_or_else(|error| panic!("{error:?}"));
        Self::of(&config, |store| {
            let inbox = Inbox::new(InboxLimits {
                messages_max: 100,
                bytes_max: 1 << 20,
            });
            Box::new(Catch::new(store, inbox, ARRIVING_BYTES_MAX))
        })
    }

    fn of(config: &Config, wrap: fn(Box<dyn Store>) -> Box<dyn Store>) -> Self {
        let named = config.listen.first().map(|(service, _)| *service);
        let shelf = Rc::new(RefCell::new(Shelf::default()));
        let store = Box::new(MemoryStore(Rc::clone(&shelf)));
        let now = Instant::now();
        let rules = Rules {
            proxies: Vec::new(),
            ..config.rules()
        };
        #[cfg_attr(not(feature = "catch"), allow(unused_mut))]
        let mut core = ServerCore::new(rules, wrap(store), now);
        #[cfg(feature = "catch")]
        core.set_faults(FaultRules::new(
            config.faults.clone(),
            config.catch.is_some(),
        ));
        let mut server = Self {
            core,
            #[cfg(feature = "http")]
            http: HttpClients::new(AccessRules::default(), 100, Rc::default(), now),
            service: named.unwrap_or_default(),
            shelf,
            now,
            piece: usize::MAX,
            short_reads_drain: false,
        };
        server.advance(Duration::ZERO);
        server
    }

    /// The inbox of a server for tests.
    #[cfg(feature = "catch")]
    pub fn inbox(&mut self) -> &mut Inbox {
        self.core.inbox().unwrap()
    }

    /// A client of HTTP, which has asked this. It is served after mail, as in the event loop.
    #[cfg(feature = "http")]
    pub fn ask_http(&mut self, target: &str) -> Client {
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let wire = Rc::new(RefCell::new(Wire {
            to_server: request.bytes().collect(),
            ..Wire::new()
        }));
        let transport = MemoryTransport(Rc::clone(&wire));
        self.http.add(transport, PeerAddress::Unix);
        self.settle();
        Client {
            key: usize::MAX,
            wire,
            tls: RefCell::default(),
            opened: RefCell::default(),
        }
    }

    /// A client that is not let in, for there are too many.
    pub fn refuse_one(&mut self) -> Client {
        self.refuse(Rejection::Limit(Limit::Connections))
    }

    /// A client that connects, and is not let in if the server would not do so.
    pub fn connect_or_refuse(&mut self) -> Client {
        match self.core.refusal_for(PeerAddress::Unix) {
            Some(why) => {
                let client = self.refuse(why);
                self.settle();
                client
            }
            None => self.connect(),
        }
    }

    /// The time of the server.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The status of the server, in one line.
    pub fn status(&self) -> String {
        self.core.status(Duration::ZERO).to_string()
    }

    fn refuse(&mut self, why: Rejection) -> Client {
        let wire = Rc::new(RefCell::new(Wire::new()));
        let transport = MemoryTransport(Rc::clone(&wire));
        self.core
            .refuse(transport, self.service, PeerAddress::Unix, why);
        Client {
            key: usize::MAX,
            wire,
            tls: RefCell::default(),
            opened: RefCell::default(),
        }
    }

    /// A client that connects, and has sent `early` before anybody looks.
    pub fn connect_and_say(&mut self, early: &[u8]) -> Client {
        let wire = Wire {
            to_server: early.iter().copied().collect(),
            ..Wire::new()
        };
        self.admit(wire, PeerAddress::Unix)
    }

    /// Trusts these proxies, and believes what they say of their clients.
    pub fn trust(&mut self, proxies: &[&str]) {
        let networks = proxies.iter().map(|network| network.parse().unwrap());
        let proxies = networks.collect();
        let rules = self.core.rules().clone();
        self.core.reload(Rules { proxies, ..rules });
    }

    /// A client, or a proxy, that connects from this address, and has sent `early` before anybody looks.
    pub fn connect_from(&mut self, address: &str, early: &[u8]) -> Client {
        let wire = Wire {
            to_server: early.iter().copied().collect(),
            ..Wire::new()
        };
        self.admit(wire, address.parse::<SocketAddr>().unwrap().into())
    }

    /// A client that connects, and has closed its side before anybody looks.
    pub fn connect_and_close(&mut self) -> Client {
        let wire = Wire {
            closed: true,
            ..Wire::new()
        };
        self.admit(wire, PeerAddress::Unix)
    }

    /// From now on a short read has drained the transport, as it has on Linux.
    pub fn trust_short_reads(&mut self) {
        self.short_reads_drain = true;
    }

    /// A client that connects; the server has accepted it, and nothing more.
    pub fn accept_one(&mut self) -> Client {
        self.add(Wire::new(), PeerAddress::Unix)
    }

    fn admit(&mut self, wire: Wire, peer: PeerAddress) -> Client {
        let client = self.add(wire, peer);
        self.settle();
        client
    }

    fn add(&mut self, mut wire: Wire, peer: PeerAddress) -> Client {
        wire.short_reads_drain = self.short_reads_drain;
        let wire = Rc::new(RefCell::new(wire));
        let key = self.core.next_key();
        self.core
            .add(MemoryTransport(Rc::clone(&wire)), self.service, peer);
        Client {
            key,
            wire,
            tls: RefCell::default(),
            opened: RefCell::default(),
        }
    }

    pub fn connect(&mut self) -> Client {
        self.connect_and_say(b"")
    }

    /// Sends `bytes`, in TLS if that has begun, and lets the server do all that it can.
    pub fn send(&mut self, client: &Client, bytes: &[u8]) {
        let sealed = client.sealed(bytes);
        for piece in sealed.chunks(self.piece) {
            self.send_raw(client, piece);
        }
        if sealed.is_empty() {
            // An event it is all the same.
            self.send_raw(client, b"");
        }
    }

    /// Sends these bytes as they are.
    pub fn send_raw(&mut self, client: &Client, bytes: &[u8]) {
        client.wire.borrow_mut().to_server.extend(bytes);
        self.wake(client, false);
    }

    /// The same, and closes the client's side with it.
    pub fn send_raw_and_close(&mut self, client: &Client, bytes: &[u8]) {
        client.wire.borrow_mut().to_server.extend(bytes);
        self.close(client);
    }

    /// Lets the client begin TLS; from here on what it sends comes in pieces of so many octets.
    pub fn begin_tls(&mut self, client: &Client, piece: usize) {
        self.begin_tls_as(client, tls::client(), piece);
    }

    /// The same with this TLS.
    pub fn begin_tls_as(&mut self, client: &Client, tls: ClientConnection, piece: usize) {
        client.tls.replace(Some(tls));
        self.piece = piece;
        let mut rounds = 0;
        while client.is_handshaking() && !client.is_closed() {
            self.send(client, b"");
            client.unseal();
            rounds += 1;
            assert!(rounds < 10, "the handshake comes to no end");
        }
        self.send(client, b"");
    }

    /// Sends `bytes` and tells the server, which serves nobody before its next tick.
    pub fn queue(&mut self, client: &Client, bytes: &[u8]) {
        client.wire.borrow_mut().to_server.extend(bytes);
        self.core.on_event(
            client.key,
            Readiness {
                readable: true,
                writable: true,
                read_on: false,
            },
        );
    }

    /// Whether the server has left something of what the client sent.
    pub fn has_unread(&self, client: &Client) -> bool {
        !client.wire.borrow().to_server.is_empty()
    }

    /// How much the server has left of what the client sent.
    pub fn unread(&self, client: &Client) -> usize {
        client.wire.borrow().to_server.len()
    }

    /// From now on whatever is written to the client fails, while what it has sent can still be read.
    pub fn break_pipe(&mut self, client: &Client) {
        client.wire.borrow_mut().broken = true;
    }

    /// Resets the connection.
    pub fn reset(&mut self, client: &Client) {
        client.wire.borrow_mut().reset = true;
        self.wake(client, true);
    }

    /// Closes the client's side.
    pub fn close(&mut self, client: &Client) {
        client.wire.borrow_mut().closed = true;
        self.wake(client, true);
    }

    /// Lets the client take so many more octets.
    pub fn make_room(&mut self, client: &Client, octets: usize) {
        client.wire.borrow_mut().room = octets;
        self.wake(client, false);
    }

    pub fn advance(&mut self, time: Duration) {
        self.now += time;
        self.set_time();
        self.settle();
    }

    fn set_time(&mut self) {
        self.core.set_time(self.now, UNIX_EPOCH);
        #[cfg(feature = "http")]
        self.http.set_time(self.now, UNIX_EPOCH);
    }

    /// Goes on with other options.
    pub fn reconfigure(&mut self, options: &[&str]) {
        let Rules { proxies, tls, .. } = self.core.rules().clone();
        let rules = config(options).rules();
        self.core.reload(Rules {
            proxies,
            tls,
            ..rules
        });
        self.settle();
    }

    /// Goes on without any certificate.
    pub fn lose_certificates(&mut self) {
        let rules = self.core.rules().clone();
        self.core.reload(Rules { tls: None, ..rules });
    }

    pub fn drain(&mut self) {
        self.core.ask_to_drain();
        self.settle();
    }

    /// Lets the store finish what it has put off.
    pub fn release_commits(&mut self) {
        self.shelf.borrow_mut().released = true;
        self.settle();
        self.shelf.borrow_mut().released = false;
    }

    /// One tick, and as many more as there is work for without an event.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            self.tick();
            if !self.has_work() {
                return;
            }
        }
        panic!("the server does not come to rest");
    }

    /// How long it will rest if no event comes; `None` for ever.
    pub fn rest(&self) -> Option<Duration> {
        let wake = self.core.next_wake()?;
        Some(wake.saturating_duration_since(self.now))
    }

    /// Whether there is something to be done without an event and at this time.
    pub fn has_work(&self) -> bool {
        let wakes = [
            self.core.next_wake(),
            #[cfg(feature = "http")]
            self.http.next_wake(),
        ];
        wakes.into_iter().flatten().any(|wake| wake <= self.now)
    }

    /// Lets so much time pass and only one tick.
    pub fn tick_after(&mut self, time: Duration) {
        self.now += time;
        self.set_time();
        self.tick();
    }

    pub fn tick(&mut self) {
        self.core.tick(|_, _| {});
        #[cfg(feature = "http")]
        self.http.tick(&mut self.core);
    }

    fn wake(&mut self, client: &Client, read_on: bool) {
        if !client.is_gone() {
            let readiness = Readiness {
                readable: true,
                writable: true,
                read_on,
            };
            self.core.on_event(client.key, readiness);
        }
        self.settle();
    }

    pub fn shelf(&self) -> std::cell::RefMut<'_, Shelf> {
        self.shelf.borrow_mut()
    }

    /// Connections that count.
    pub fn open(&self) -> usize {
        self.core.open()
    }

    /// Whether every connection was removed.
    pub fn is_empty(&self) -> bool {
        self.core.is_empty()
    }
}

/// The client's end of a connection.
pub struct Client {
    key: usize,
    wire: Rc<RefCell<Wire>>,
    tls: RefCell<Option<ClientConnection>>,
    /// What was said in TLS and not asked for yet.
    opened: RefCell<Vec<u8>>,
}

impl Client {
    /// What the server has said since the last call.
    pub fn received(&self) -> Vec<u8> {
        if self.tls.borrow().is_none() {
            return self.received_raw();
        }
        self.unseal();
        std::mem::take(&mut self.opened.borrow_mut())
    }

    /// The same as it came over the wire.
    pub fn received_raw(&self) -> Vec<u8> {
        std::mem::take(&mut self.wire.borrow_mut().from_server)
    }

    /// What is to be sent to say `text`.
    pub fn sealed(&self, text: &[u8]) -> Vec<u8> {
        match &mut *self.tls.borrow_mut() {
            Some(tls) => {
                tls.writer().write_all(text).unwrap();
                let mut sealed = Vec::new();
                while tls.wants_write() {
                    tls.write_tls(&mut sealed).unwrap();
                }
                sealed
            }
            None => text.to_vec(),
        }
    }

    /// Whether its connection has the key that the one of `other` had.
    pub fn is_in_place_of(&self, other: &Client) -> bool {
        self.key == other.key
    }

    /// Gives back the memory that its side of the network has grown to.
    pub fn shrink(&self) {
        let mut wire = self.wire.borrow_mut();
        wire.to_server.shrink_to_fit();
        wire.from_server.shrink_to_fit();
    }

    /// Takes what the server has said in TLS.
    fn unseal(&self) {
        let sealed = self.received_raw();
        if let Some(tls) = &mut *self.tls.borrow_mut() {
            let mut rest = &sealed[..];
            while !rest.is_empty() {
                tls.read_tls(&mut rest).unwrap();
                tls.process_new_packets().unwrap();
                // It ends where there is no more, well or not.
                let _ = tls.reader().read_to_end(&mut self.opened.borrow_mut());
            }
        }
    }

    /// Does something to its TLS; what is to be sent of that.
    pub fn with_tls(&self, act: impl FnOnce(&mut ClientConnection)) -> Vec<u8> {
        if let Some(tls) = &mut *self.tls.borrow_mut() {
            act(tls);
        }
        self.sealed(b"")
    }

    /// Goes on with this TLS.
    pub fn begin_with(&self, tls: ClientConnection) {
        self.tls.replace(Some(tls));
    }

    /// Takes its TLS away from it.
    pub fn take_tls(&self) -> ClientConnection {
        self.tls.take().expect("it has begun TLS")
    }

    fn is_handshaking(&self) -> bool {
        let tls = self.tls.borrow();
        tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    /// Has the client say in TLS that this was all; what is to be sent for that.
    pub fn sealed_farewell(&self) -> Vec<u8> {
        self.with_tls(|tls| tls.send_close_notify())
    }

    /// Whether the server has said in TLS that this was all.
    pub fn has_farewell(&self) -> bool {
        self.unseal();
        let mut tls = self.tls.borrow_mut();
        let state = tls.as_mut().map(|tls| tls.process_new_packets().unwrap());
        state.is_some_and(|state| state.peer_has_closed())
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.received()).expect("replies are ASCII")
    }

    /// How often the server has asked what there is to read.
    pub fn reads(&self) -> usize {
        self.wire.borrow().reads
    }

    /// In how many writes the server has said what it said since the last call.
    pub fn writes(&self) -> usize {
        std::mem::take(&mut self.wire.borrow_mut().writes)
    }

    /// Whether the server has said that it will say no more.
    pub fn is_closed(&self) -> bool {
        self.wire.borrow().shut || self.is_gone()
    }

    /// Whether the server has removed the connection.
    pub fn is_gone(&self) -> bool {
        self.wire.borrow().dropped
    }
}

#[derive(Default)]
struct Wire {
    short_reads_drain: bool,
    to_server: VecDeque<u8>,
    /// How often that was asked for.
    reads: usize,
    /// Whether the client has closed its side.
    closed: bool,
    /// Whether the client has reset the connection.
    reset: bool,
    /// Whether nothing can be written to the client any more.
    broken: bool,
    from_server: Vec<u8>,
    /// In how many writes that came.
    writes: usize,
    /// How much more the client takes.
    room: usize,
    /// Whether the server has shut down its side.
    shut: bool,
    dropped: bool,
}

impl Wire {
    /// Nothing sent yet, and room for everything.
    fn new() -> Self {
        Self {
            room: usize::MAX,
            ..Self::default()
        }
    }
}

/// The server's end of a connection.
pub struct MemoryTransport(Rc<RefCell<Wire>>);

impl Transport for MemoryTransport {
    fn short_read_drains(&self) -> bool {
        self.0.borrow().short_reads_drain
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut wire = self.0.borrow_mut();
        wire.reads += 1;
        if wire.reset {
            return Err(ErrorKind::ConnectionReset.into());
        }
        if wire.to_server.is_empty() {
            return if wire.closed {
                Ok(0)
            } else {
                Err(ErrorKind::WouldBlock.into())
            };
        }
        let count = buffer.len().min(wire.to_server.len());
        for (place, byte) in buffer.iter_mut().zip(wire.to_server.drain(..count)) {
            *place = byte;
        }
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut wire = self.0.borrow_mut();
        if wire.broken || wire.shut {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let count = bytes.len().min(wire.room);
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        wire.room -= count;
        wire.from_server.extend_from_slice(&bytes[..count]);
        wire.writes += 1;
        Ok(count)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.borrow_mut().shut = true;
        Ok(())
    }
}

impl Drop for MemoryTransport {
    fn drop(&mut self) {
        self.0.borrow_mut().dropped = true;
    }
}

/// What is in the store, and how it is to behave.
#[derive(Default)]
pub struct Shelf {
    /// Messages that are stored, in order: their text without the trace header, CRLF and all.
    pub stored: Vec<Vec<u8>>,
    /// Where the messages that were begun came from, in order.
    pub peers: Vec<Peer>,
    /// What the messages that were begun were declared to be, in order.
    pub bodies: Vec<Body>,
    /// How many messages are open or submitted.
    pub unfinished: usize,
    /// Whether commits are put off until they are released.
    pub put_off: bool,
    /// What fails next, once.
    pub fail: Option<Call>,
    /// Mailboxes that nothing can be delivered to.
    pub blocked: Vec<String>,
    /// Whether it takes no more text.
    pub congested: bool,
    /// Since when it takes no mail at all.
    pub lost_since: Option<Instant>,
    /// Whether senders and recipients wait for an answer, which is put off as commits are.
    pub asks: bool,
    questions: Vec<Answer>,
    released: bool,
    drafts: Vec<(Envelope, Vec<u8>)>,
    submitted: Vec<(Ticket, usize)>,
    begun: u64,
}

/// The first ticket of a question.
const QUESTIONS: u64 = 1_000_000;

/// A call of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Admit,
    Check,
    Begin,
    /// The write of the trace header.
    Trace,
    /// A write of message text; the trace header's passes.
    Write,
    Commit,
}

impl Shelf {
    fn admit(&mut self, call: Call) -> Result<Admission, Failure> {
        let result = self.fails(call);
        if !self.asks {
            return result.map(|()| Admission::Granted(0));
        }
        self.begun += 1;
        let ticket = Ticket(QUESTIONS + self.begun);
        let result = result.map(|()| 0);
        self.questions.push(Answer { ticket, result });
        Ok(Admission::Asked(ticket))
    }

    fn fails(&mut self, call: Call) -> Result<(), Failure> {
        if self.fail == Some(call) {
            self.fail = None;
            return Err(Failure::Io("planted".into()));
        }
        Ok(())
    }
}

impl Shelf {
    /// What blocked mailboxes leave of a delivery.
    fn outcome(&self, key: usize) -> Outcome {
        let envelope = &self.drafts[key].0;
        let is_blocked = |mailbox: &Mailbox| self.blocked.contains(&mailbox.to_string());
        let result = |recipient: &Recipient| {
            if recipient.mailboxes.iter().any(is_blocked) {
                Err(Failure::Io("blocked".into()))
            } else {
                Ok(())
            }
        };
        let results: Vec<_> = envelope.recipients.iter().map(result).collect();
        if envelope.service.answers_each_recipient() {
            return Outcome::PerRecipient(results);
        }
        match results.into_iter().collect() {
            Ok(()) => Outcome::Stored,
            Err(failure) => Outcome::Failed(failure),
        }
    }
}

struct MemoryStore(Rc<RefCell<Shelf>>);

impl Store for MemoryStore {
    fn admit(&mut self, _: u64, _: u64) -> Result<Admission, Failure> {
        if self.0.borrow().lost_since.is_some() {
            return Err(Failure::Io("lost".into()));
        }
        self.0.borrow_mut().admit(Call::Admit)
    }

    fn check(&mut self, _: &Recipient, _: &Envelope, _: usize) -> Result<Admission, Failure> {
        self.0.borrow_mut().admit(Call::Check)
    }

    fn answer(&mut self) -> Option<Answer> {
        let mut shelf = self.0.borrow_mut();
        if shelf.put_off && !shelf.released {
            return None;
        }
        shelf.questions.pop()
    }

    fn begin(&mut self, envelope: &Envelope) -> Result<(QueueId, Draft), Failure> {
        let mut shelf = self.0.borrow_mut();
        shelf.fails(Call::Begin)?;
        shelf.unfinished += 1;
        shelf.begun += 1;
        shelf.peers.push(envelope.peer);
        shelf.bodies.push(envelope.body);
        shelf.drafts.push((envelope.clone(), Vec::new()));
        let draft = Draft::new(shelf.drafts.len() - 1);
        Ok((QueueId::new("TEST", shelf.begun), draft))
    }

    fn readdress(
        &mut self,
        draft: &mut Draft,
        envelope: &Envelope,
    ) -> Result<Option<QueueId>, Failure> {
        let mut shelf = self.0.borrow_mut();
        let (before, text) = &mut shelf.drafts[draft.key()];
        assert!(text.is_empty(), "a message with text was readdressed");
        *before = envelope.clone();
        Ok(None)
    }

    fn write(&mut self, draft: &mut Draft, text: &[u8]) -> Result<(), Failure> {
        let mut shelf = self.0.borrow_mut();
        let text_comes = !shelf.drafts[draft.key()].1.is_empty();
        shelf.fails(if text_comes { Call::Write } else { Call::Trace })?;
        let is_binary = shelf.bodies[draft.key()] == Body::BinaryMime;
        assert!(
            !text.is_empty() && (is_binary || !text.starts_with(b"\n")),
            "a CRLF was split"
        );
        shelf.drafts[draft.key()].1.extend_from_slice(text);
        Ok(())
    }

    fn abort(&mut self, _: Draft) {
        self.0.borrow_mut().unfinished -= 1;
    }

    fn submit(&mut self, draft: Draft) -> Ticket {
        let mut shelf = self.0.borrow_mut();
        let ticket = Ticket(draft.key() as u64);
        shelf.submitted.push((ticket, draft.key()));
        ticket
    }

    fn commit(&mut self, finished: &mut Vec<Finished>) {
        let mut shelf = self.0.borrow_mut();
        if shelf.put_off && !shelf.released {
            return;
        }
        for (ticket, key) in std::mem::take(&mut shelf.submitted) {
            shelf.unfinished -= 1;
            let outcome = match shelf.fails(Call::Commit) {
                Ok(()) => shelf.outcome(key),
                Err(failure) => Outcome::Failed(failure),
            };
            if outcome.is_stored() {
                let text = super::without_trace(&shelf.drafts[key].1).to_vec();
                shelf.stored.push(text);
            }
            finished.push(Finished { ticket, outcome });
        }
    }

    fn is_pending(&self) -> bool {
        let shelf = self.0.borrow();
        let has_something = !shelf.submitted.is_empty() || !shelf.questions.is_empty();
        has_something && (shelf.released || !shelf.put_off)
    }

    fn is_congested(&self) -> bool {
        self.0.borrow().congested
    }

    fn lost_since(&self) -> Option<Instant> {
        self.0.borrow().lost_since
    }
}
