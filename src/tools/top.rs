//! `mailoop top`: what the control socket of a server tells, drawn live in a terminal, or printed once.

mod client;
mod column;
mod snapshot;
mod sort;
mod table;

use std::io;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use rustix::stdio::stdin;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;

use crate::exit::{ExitCode, Failed, show};
use crate::net::dialer::Dialer;
use crate::net::endpoint::Endpoint;
use crate::net::engine::Engine;
use crate::net::token::Token;
use crate::terminal::full_screen::FullScreen;
use client::{Board, TopClient};
pub use sort::KEYS;
use sort::RowOrder;
use table::Picture;

/// The kinds of tokens beside those of the engine.
const KEYBOARD: u8 = 2;
const SIGNALS: u8 = 3;

/// Time between two pictures.
const REFRESH_INTERVAL: Duration = Duration::from_millis(250);
/// Time over which is counted what is printed once.
const PRINT_INTERVAL: Duration = Duration::from_secs(1);
/// Time for the server to be connected to.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// A server that has said nothing for so long stands still.
const SILENCE: Duration = Duration::from_secs(2);

const CONTROL_C: u8 = 0x03;

/// Runs the command.
///
/// # Errors
/// The server cannot be watched, or it has ended; the terminal is gone.
pub fn run(server: &Endpoint) -> Result<(), Failed> {
    if FullScreen::is_there() {
        Watch::begin(server)?.run()
    } else {
        print_once(server)
    }
}

/// Prints what the server does within a second.
fn print_once(server: &Endpoint) -> Result<(), Failed> {
    let mut engine = connect(server, PRINT_INTERVAL)?;
    // The second snapshot is the first with a whole second to tell of.
    while engine.connections().shared().received() < 2 {
        tick(&mut engine, server, None, |_| {})?;
    }
    let snapshot = engine.connections().shared_mut().snapshot_mut();
    let order = RowOrder::default();
    order.sort(&mut snapshot.rows);
    show(&Picture::plain(&server.to_string(), snapshot, order).text())
}

/// Begins to watch a server, at this interval.
fn connect(server: &Endpoint, interval: Duration) -> Result<Engine<TopClient>, Failed> {
    let unreachable = |error: io::Error| {
        unavailable(format!(
            "cannot connect to {server}: {error}; does a server run with --control there?"
        ))
    };
    let addresses = server.resolve().map_err(unreachable)?;
    let mut engine: Engine<TopClient> =
        Engine::new(Vec::new(), Board::default()).map_err(unreachable)?;
    let mut dialer = Dialer::new(addresses);
    let socket = dialer.dial().map_err(unreachable)?;
    let now = Instant::now();
    let client = TopClient::new(interval, now);
    let dialed = engine.dial(socket, client, dialer.peer(), now + DIAL_TIMEOUT);
    dialed.map_err(unreachable)?;
    Ok(engine)
}

/// One turn of the loop, which tells `foreign` of the kinds of sources that are not the engine's.
fn tick(
    engine: &mut Engine<TopClient>,
    server: &Endpoint,
    wake: Option<Instant>,
    mut foreign: impl FnMut(Token),
) -> Result<(), Failed> {
    let ticked = engine.tick(wake, |_, _| None, |token, _| foreign(token));
    ticked.map_err(|error| Failed::new(ExitCode::Io, format_args!("poll failed: {error}")))?;
    match engine.connections().shared_mut().take_fault() {
        Some(fault) => Err(unavailable(format!("{server}: {fault}"))),
        None => Ok(()),
    }
}

fn unavailable(message: String) -> Failed {
    Failed::new(ExitCode::Unavailable, message)
}

/// A server that is watched in a terminal.
struct Watch<'a> {
    server: &'a Endpoint,
    engine: Engine<TopClient>,
    signals: Signals,
    screen: FullScreen,
    order: RowOrder,
    /// Snapshots that were received when the last one was sorted.
    sorted: u64,
    received_at: Instant,
}

impl<'a> Watch<'a> {
    /// Takes the terminal over, once there is something to draw.
    fn begin(server: &'a Endpoint) -> Result<Self, Failed> {
        let mut engine = connect(server, REFRESH_INTERVAL)?;
        while engine.connections().shared().received() == 0 {
            tick(&mut engine, server, None, |_| {})?;
        }
        let signals = register(&engine).map_err(|error| terminal_failed(&error))?;
        Ok(Self {
            server,
            engine,
            signals,
            screen: FullScreen::open().map_err(|error| terminal_failed(&error))?,
            order: RowOrder::default(),
            sorted: 0,
            received_at: Instant::now(),
        })
    }

    /// Draws until somebody has had enough. The terminal is as before when this returns.
    fn run(mut self) -> Result<(), Failed> {
        let mut draw_at = Instant::now();
        loop {
            let now = Instant::now();
            if self.has_news(now) || draw_at <= now {
                self.draw(now).map_err(|error| terminal_failed(&error))?;
                draw_at = now + REFRESH_INTERVAL;
            }
            let mut signalled = false;
            let mut is_pressed = false;
            tick(
                &mut self.engine,
                self.server,
                Some(draw_at),
                |token| match token.kind {
                    SIGNALS => signalled = true,
                    _ => is_pressed = true,
                },
            )?;
            if signalled && self.signals.pending().next().is_some() {
                return Ok(());
            }
            if is_pressed {
                if self
                    .follow_keys()
                    .map_err(|error| terminal_failed(&error))?
                {
                    return Ok(());
                }
                draw_at = Instant::now();
            }
        }
    }

    /// Whether a snapshot has come that is not drawn.
    fn has_news(&mut self, now: Instant) -> bool {
        let received = self.engine.connections().shared().received();
        let is_new = received != self.sorted;
        if is_new {
            self.sorted = received;
            self.received_at = now;
            self.sort();
        }
        is_new
    }

    fn sort(&mut self) {
        let board = self.engine.connections().shared_mut();
        self.order.sort(&mut board.snapshot_mut().rows);
    }

    fn draw(&mut self, now: Instant) -> io::Result<()> {
        let silent_for = now.saturating_duration_since(self.received_at);
        let snapshot = self.engine.connections().shared_mut().snapshot_mut();
        let title = if silent_for < SILENCE {
            self.server.to_string()
        } else {
            format!("{}   NO ANSWER for {} s", self.server, silent_for.as_secs())
        };
        let picture = Picture::fitting(&title, snapshot, self.order, self.screen.size());
        self.screen.draw(&picture.lines, picture.head)
    }

    /// Does what keys say that were pressed; whether one of them ends it.
    fn follow_keys(&mut self) -> io::Result<bool> {
        while let Some(key) = self.screen.key()? {
            if matches!(key, b'q' | b'Q' | CONTROL_C) {
                return Ok(true);
            }
            if self.order.choose(key) {
                self.sort();
            }
        }
        Ok(false)
    }
}

/// Has the poll tell of keys, and of signals that would end the program before the terminal is as it was.
fn register(engine: &Engine<TopClient>) -> io::Result<Signals> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    engine.register(&mut signals, Token::new(SIGNALS, 0))?;
    let keyboard = stdin().as_raw_fd();
    engine.register(&mut SourceFd(&keyboard), Token::new(KEYBOARD, 0))?;
    Ok(signals)
}

fn terminal_failed(error: &io::Error) -> Failed {
    Failed::new(ExitCode::Io, format_args!("the terminal: {error}"))
}
