use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::time::{Duration, SystemTime};

use super::*;
use crate::config::Config;
use crate::config::settings::Settings;
use crate::config::sources::Sources;
use crate::exit::Failed;
use crate::http::access::AccessRules;
use crate::net::channel::Readiness;
use crate::net::peer::PeerAddress;
use crate::smtp::service::Service;
use crate::store::Discard;

/// The other end of a connection.
#[derive(Clone, Default)]
struct Wire(Rc<RefCell<WireState>>);

#[derive(Default)]
struct WireState {
    /// What the server has yet to read.
    input: Vec<u8>,
    is_closed: bool,
    /// What the server has written.
    output: Vec<u8>,
    /// Whether it takes no more for now.
    is_full: bool,
}

impl Wire {
    fn say(&self, text: &str) {
        self.0.borrow_mut().input.extend_from_slice(text.as_bytes());
    }

    /// What came since the last time.
    fn heard(&self) -> String {
        let heard = mem::take(&mut self.0.borrow_mut().output);
        String::from_utf8_lossy(&heard).into_owned()
    }
}

impl Transport for Wire {
    fn short_read_drains(&self) -> bool {
        false
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.0.borrow_mut();
        if state.input.is_empty() && !state.is_closed {
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = state.input.len().min(buffer.len());
        buffer[..count].copy_from_slice(&state.input[..count]);
        state.input.drain(..count);
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.borrow_mut();
        if state.is_full {
            return Err(ErrorKind::WouldBlock.into());
        }
        state.output.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A server with one client that brings mail.
struct World {
    core: ServerCore<Carrier>,
    clients: HttpClients<Wire>,
    live: LiveLoop,
    poller: Poller,
    now: Instant,
    mail: Wire,
}

const MAIL_KEY: usize = 0;
const EDGE: Readiness = Readiness {
    readable: true,
    writable: true,
    read_on: false,
};

impl World {
    fn new() -> Result<Self, Failed> {
        let now = Instant::now();
        let rules = Config::new(&Sources::new(Settings::default(), []).settings()?)?.rules();
        let mut core = ServerCore::new(rules, Box::new(Discard::new()), now);
        let store = core.measure();
        let mut world = Self {
            clients: HttpClients::new(AccessRules::default(), 10, store, now),
            core,
            live: LiveLoop::new(now),
            poller: Poller::new().map_err(|error| Failed::new(crate::exit::ExitCode::Io, error))?,
            now,
            mail: Wire::default(),
        };
        let carrier = Carrier::Watched(Box::new(world.mail.clone()));
        world.core.add(carrier, Service::Smtp, PeerAddress::Unix);
        world.tick(Duration::ZERO);
        Ok(world)
    }

    /// One tick, so much later.
    fn tick(&mut self, later: Duration) {
        self.now += later;
        self.clients.set_time(self.now, SystemTime::now());
        self.core.tick(|_, _| {});
        self.live.end_tick(&self.core, &self.poller);
        self.clients.tick(&mut self.core);
        self.live.tell(&mut self.clients, &mut self.core);
        self.core.set_time(self.now, SystemTime::now());
    }

    /// A viewer, under this key.
    fn view(&mut self, key: usize) -> Wire {
        let viewer = Wire::default();
        viewer.say("GET /api/loop HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.clients.add(viewer.clone(), PeerAddress::Unix);
        self.clients.on_event(key, EDGE);
        self.tick(Duration::ZERO);
        viewer
    }

    /// A tick in which the client says something.
    fn mail_says(&mut self, line: &str, later: Duration) {
        self.mail.say(line);
        self.core.on_event(MAIL_KEY, EDGE);
        self.tick(later);
    }
}

/// The numbers that stand after this text.
fn numbers(told: &str, name: &str) -> Vec<u64> {
    let after = told.split(name).skip(1);
    let digits = after.map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
    digits.filter_map(|number| number?.parse().ok()).collect()
}

#[test]
fn nobody_is_watched_while_nobody_looks() -> Result<(), Failed> {
    let mut world = World::new()?;
    world.mail_says("HELO me\r\n", Duration::ZERO);
    assert!(world.core.probe().is_none());
    let viewer = world.view(0);
    assert!(world.core.probe().is_some());
    assert!(viewer.heard().contains("event: hello\n"));
    world.mail_says("NOOP\r\n", Duration::ZERO);
    let told = viewer.heard();
    assert!(
        told.contains("[\"read\",1,6]") && told.contains("NOOP"),
        "{told}"
    );
    world.tick(Duration::ZERO);
    assert_eq!(viewer.heard(), "", "nothing happened");
    viewer.0.borrow_mut().is_closed = true;
    world.clients.on_event(0, EDGE);
    world.tick(Duration::ZERO);
    assert!(world.core.probe().is_none());
    assert!(world.core.connections().shared().probe.is_none());
    world.mail_says("NOOP\r\n", Duration::ZERO);
    let heard = world.mail.heard();
    assert_eq!(heard.matches("250 Ok\r\n").count(), 2, "{heard}");
    Ok(())
}

#[test]
fn a_viewer_that_does_not_read_loses_whole_ticks_and_is_told_all_anew() -> Result<(), Failed> {
    const STEP: Duration = Duration::from_millis(10);
    const TICKS: usize = 1200;
    let mut world = World::new()?;
    let (fast, slow) = (world.view(0), world.view(1));
    slow.heard();
    slow.0.borrow_mut().is_full = true;
    for _ in 0..TICKS {
        world.mail_says("NOOP\r\n", STEP);
    }
    assert_eq!(slow.heard(), "");
    assert_eq!(fast.heard().matches("event: tick\n").count(), TICKS);
    slow.0.borrow_mut().is_full = false;
    for _ in 0..200 {
        world.clients.on_event(1, EDGE);
        world.tick(STEP);
    }
    let told = slow.heard();
    let ticks = told.matches("event: tick\n").count();
    let lost = numbers(&told, "{\"ticks\":");
    assert!(told.len() < 300 * 1024, "{}", told.len());
    assert_eq!(lost, [(TICKS - ticks) as u64]);
    let events: Vec<_> = told.split("event: ").skip(1).collect();
    let [.., lost, hello] = &events[..] else {
        assert_eq!(told, "an end");
        return Ok(());
    };
    assert!(lost.starts_with("lost\n") && hello.starts_with("hello\n"));
    let all_are_whole = events.iter().all(|event| event.ends_with("}\n\n"));
    assert!(all_are_whole, "an event is told as a whole or not at all");
    world.mail_says("NOOP\r\n", STEP);
    assert!(slow.heard().starts_with("event: tick\n"));
    Ok(())
}

#[test]
fn of_a_busy_second_all_that_is_not_told_is_counted_for_every_viewer() -> Result<(), Failed> {
    const STEP: Duration = Duration::from_millis(1);
    let mut world = World::new()?;
    let viewers = [world.view(0), world.view(1)];
    for viewer in &viewers {
        viewer.heard();
    }
    for _ in 0..1000 {
        world.mail_says("NOOP\r\n", STEP);
    }
    let wake = world
        .core
        .probe()
        .and_then(|probe| probe.next_wake(world.now));
    assert!(wake.is_some(), "nothing else may happen to tell of it");
    world.tick(2 * STEP);
    for viewer in &viewers {
        let told = viewer.heard();
        let ticks = told.matches("event: tick\n").count() as u64;
        assert_eq!(ticks, 200);
        assert_eq!(numbers(&told, "{\"ticks\":"), [1000 - ticks]);
        let hello = told.rsplit("event: ").next();
        assert!(
            hello.is_some_and(|last| last.starts_with("hello\n")),
            "{told}"
        );
    }
    world.mail_says("QUIT\r\n", STEP);
    for viewer in &viewers {
        let told = viewer.heard();
        assert!(
            told.contains("QUIT") && told.contains("\"Closing\""),
            "{told}"
        );
    }
    Ok(())
}
