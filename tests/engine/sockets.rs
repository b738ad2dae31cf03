//! The echo server over sockets of the system: many at once, under TLS, and dialed by the engine itself.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use mailoop::net::descriptors;
use mailoop::net::dialer::Dialer;
use mailoop::net::endpoint::SocketAddress;
use mailoop::net::engine::Engine;
use mailoop::net::listener::Listener;
use rustls::ClientConnection;

use crate::checked::Checked;
#[cfg(feature = "tls")]
use crate::common::tls;
use crate::echo::{Echo, Shared};
#[cfg(feature = "tls")]
use crate::world::acceptor;

/// Many connections at once.
const CONNECTIONS: usize = 1000;
/// What each sends and hears.
const OCTETS: usize = 40_000;
/// How many ticks may come and go without a client getting any further. Each waits for an event, at most so long.
const IDLE_TICKS_MAX: usize = 400;
const TICK_TIME_MAX: Duration = Duration::from_millis(50);

type EchoEngine = Engine<Checked<Echo>>;

fn engine(shared: Shared) -> (EchoEngine, SocketAddr) {
    let address = SocketAddress::Tcp(([127, 0, 0, 1], 0).into());
    let listener = Listener::bind((), &address, false).unwrap();
    let SocketAddress::Tcp(address) = *listener.address() else {
        panic!("it is not what it was asked for");
    };
    (Engine::new(vec![listener], shared).unwrap(), address)
}

fn tick(engine: &mut EchoEngine, wake: Duration) {
    let welcome = |_: &_, _: &Shared| Some(Checked::new(Echo::plain()));
    let wake = Some(Instant::now() + wake);
    engine.tick(wake, welcome, |_, _| {}).unwrap();
}

/// A client on a socket that does not block.
struct Client {
    stream: TcpStream,
    tls: Option<ClientConnection>,
    number: usize,
    sent: usize,
    received: usize,
    is_closed: bool,
    is_done: bool,
}

impl Client {
    fn connect(address: SocketAddr, number: usize, tls: Option<ClientConnection>) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nonblocking(true).unwrap();
        Self {
            stream,
            tls,
            number,
            sent: 0,
            received: 0,
            is_closed: false,
            is_done: false,
        }
    }

    fn octet(&self, at: usize) -> u8 {
        (at * 31 % 251 + self.number) as u8
    }

    /// Does what can be done without waiting; whether that was anything.
    fn act(&mut self) -> bool {
        let (mut sent, mut buffer) = (false, [0; 16 * 1024]);
        if self.sent < OCTETS {
            let end = OCTETS.min(self.sent + 3000 + self.number * 7);
            let octets: Vec<u8> = (self.sent..end).map(|at| self.octet(at)).collect();
            let count = would_block(self.write(&octets)).unwrap_or(0);
            self.sent += count;
            sent = count > 0;
        } else if !self.is_closed {
            self.is_closed = self.finish();
            sent = self.is_closed;
        }
        let Some(count) = would_block(self.read(&mut buffer)) else {
            return sent;
        };
        for octet in &buffer[..count] {
            assert_eq!(*octet, self.octet(self.received), "in another order");
            self.received += 1;
        }
        if count == 0 {
            assert_eq!(self.received, OCTETS, "it closes before all is said");
            self.is_done = true;
        }
        true
    }

    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.stream.write(octets);
        };
        // Nothing more is sealed while something waits to be sent.
        while tls.wants_write() {
            tls.write_tls(&mut self.stream)?;
        }
        if tls.is_handshaking() {
            return Err(ErrorKind::WouldBlock.into());
        }
        tls.writer().write(octets)
    }

    fn finish(&mut self) -> bool {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            while tls.wants_write() {
                if would_block(tls.write_tls(&mut self.stream)).is_none() {
                    return false;
                }
            }
        }
        self.stream.shutdown(Shutdown::Write).unwrap();
        true
    }

    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.stream.read(buffer);
        };
        if let Err(error) = tls.reader().read(&mut []) {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
        }
        match tls.reader().read(buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            read => return read,
        }
        tls.read_tls(&mut self.stream)?;
        tls.process_new_packets().unwrap();
        tls.reader().read(buffer)
    }
}

/// What came of it, unless it would have to wait.
fn would_block<T>(result: std::io::Result<T>) -> Option<T> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        result => Some(result.unwrap()),
    }
}

/// Ticks until all of these clients are done.
fn serve(engine: &mut EchoEngine, clients: &mut [Client]) {
    let mut idle = 0;
    while clients.iter().any(|client| !client.is_done) {
        let mut moved = false;
        for client in clients.iter_mut().filter(|client| !client.is_done) {
            moved |= client.act();
        }
        let wake = if moved { Duration::ZERO } else { TICK_TIME_MAX };
        tick(engine, wake);
        idle = if moved { 0 } else { idle + 1 };
        assert!(idle < IDLE_TICKS_MAX, "it hangs");
    }
    while !engine.connections().is_empty() {
        tick(engine, TICK_TIME_MAX);
        idle += 1;
        assert!(idle < IDLE_TICKS_MAX, "somebody is never let go");
    }
}

#[test]
fn a_thousand_connections_at_once_hear_what_they_say() {
    descriptors::raise_limit().unwrap();
    let (mut engine, address) = engine(Shared::default());
    let mut clients = Vec::new();
    for number in 0..CONNECTIONS {
        clients.push(Client::connect(address, number, None));
        if number % 100 == 0 {
            tick(&mut engine, Duration::ZERO);
        }
    }
    for _ in 0..IDLE_TICKS_MAX {
        if engine.connections().open() < CONNECTIONS {
            tick(&mut engine, TICK_TIME_MAX);
        }
    }
    assert_eq!(engine.connections().open(), CONNECTIONS);
    serve(&mut engine, &mut clients);
    assert_eq!(engine.connections().shared().failed, 0);
}

#[test]
#[cfg(feature = "tls")]
fn connections_hear_what_they_say_under_tls() {
    let (mut engine, address) = engine(Shared {
        tls: acceptor(),
        ..Shared::default()
    });
    let mut clients: Vec<_> = (0..50)
        .map(|number| Client::connect(address, number, Some(tls::client())))
        .collect();
    serve(&mut engine, &mut clients);
    assert_eq!(engine.connections().shared().failed, 0);
}

/// Engine and peer on one thread: the engine dials, the peer is a plain listener.
#[test]
fn the_engine_dials_and_speaks_to_who_answers() {
    let (mut engine, _) = engine(Shared::default());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut dialer = Dialer::new(vec![SocketAddress::Tcp(address)]);
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut clients = Vec::new();
    for number in 0..10 {
        let socket = dialer.dial().unwrap();
        let driver = Checked::new(Echo::plain());
        engine
            .dial(socket, driver, address.into(), deadline)
            .unwrap();
        let (stream, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        clients.push(Client {
            stream,
            tls: None,
            number,
            sent: 0,
            received: 0,
            is_closed: false,
            is_done: false,
        });
    }
    serve(&mut engine, &mut clients);
    assert_eq!(engine.connections().shared().failed, 0);
}

#[test]
fn a_dial_to_a_port_where_nobody_listens_fails() {
    let (mut engine, _) = engine(Shared::default());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut dialer = Dialer::new(vec![SocketAddress::Tcp(address)]);
    let deadline = Instant::now() + Duration::from_secs(60);
    // Where the refusal is known at once there is nothing to take in.
    if let Ok(socket) = dialer.dial() {
        let driver = Checked::new(Echo::plain());
        engine
            .dial(socket, driver, address.into(), deadline)
            .unwrap();
        serve(&mut engine, &mut []);
        assert_eq!(engine.connections().shared().failed, 1);
    }
}
