//! The server's end of the control socket: its clients live in the same event loop, beside those that bring mail.

use core::fmt::Write;
use std::io;
use std::time::Instant;

use bytes::BytesMut;

use super::core::ServerCore;
use super::loop_stats::{LoopStats, TickSample};
#[cfg(feature = "relay")]
use super::queue_answers;
use crate::control::report::{ConnectionReport, LoopReport};
use crate::control::{AnswerPart, Control, ControlRequest, ControlShared, NextPart};
use crate::inbound::Inbound;
use crate::net::channel::Readiness;
use crate::net::connections::{ConnectionView, Connections};
use crate::net::listener::Listener;
use crate::net::listeners::{Listeners, Newcomer};
use crate::net::peer::PeerAddress;
use crate::net::poller::Poller;
use crate::net::socket::Socket;
use crate::net::token::Token;
use crate::net::transport::Transport;

/// The most clients of the control socket at a time.
const CLIENTS_MAX: usize = 8;
/// The most keys of connections that one part of an answer goes through: so many lines fit below the high-water mark of the
/// output.
const PART_KEYS_MAX: usize = 128;

/// The control socket, its clients, and what is counted while there are any.
pub(super) struct ControlSocket {
    listeners: Listeners<()>,
    clients: Connections<Control, Socket>,
    /// The kind of tokens of clients.
    kind: u8,
    stats: Option<LoopStats>,
    started: Instant,
    /// Whether there is a client, or may be: without, a tick of the loop pays for no more than to look here.
    is_awake: bool,
}

impl ControlSocket {
    /// Lets clients in. The kinds of tokens are those of the listener and of the clients.
    pub(super) fn open(
        listeners: Vec<Listener<()>>,
        poller: &Poller,
        [listener_kind, kind]: [u8; 2],
        started: Instant,
    ) -> io::Result<Self> {
        Ok(Self {
            listeners: Listeners::open(listeners, poller, listener_kind)?,
            clients: Connections::new(ControlShared::default(), started),
            kind,
            stats: None,
            started,
            is_awake: true,
        })
    }

    /// Notes an event of the listener or of a client.
    pub(super) fn on_event(&mut self, token: Token, readiness: Readiness) {
        self.is_awake = true;
        if token.kind == self.kind {
            self.clients.on_event(token.key, readiness);
        } else {
            self.listeners.on_event(token.key);
        }
    }

    /// The instant at which something is to be done without an event.
    pub(super) fn next_wake(&self, now: Instant) -> Option<Instant> {
        if !self.is_awake {
            return None;
        }
        if self.clients.shared().has_requests() {
            return Some(now);
        }
        let wakes = [self.clients.next_wake(), self.listeners.next_wake(now)];
        wakes.into_iter().flatten().min()
    }

    /// One tick: notes what that of the mail server came to, serves clients, answers them from what `core` is now, and
    /// lets others in. Without a client nothing is counted.
    pub(super) fn tick<T: Transport>(&mut self, core: &mut ServerCore<T>, poller: &Poller) {
        if !self.is_awake {
            return;
        }
        let now = core.connections().now();
        if self.clients.is_empty() {
            self.stats = None;
        } else {
            let stats = self.stats.get_or_insert_with(|| LoopStats::new(now, core));
            stats.note(&TickSample::of(core, poller, Instant::now()));
            let report = LoopReport {
                uptime_ms: saturated(now.saturating_duration_since(self.started).as_millis()),
                connections: core.open(),
                runnable: core.connections().runnable(),
                waiting: core.connections().awaiting(),
                messages: core.messages_stored(),
                ..stats.report()
            };
            self.serve(&report, core);
        }
        self.accept(poller, now);
        self.is_awake = !self.clients.is_empty() || self.listeners.next_wake(now).is_some();
    }

    /// Serves clients: commands, then answers, each part of one in a tick of its own.
    fn serve<T: Transport>(&mut self, report: &LoopReport, core: &mut ServerCore<T>) {
        self.clients.set_time(core.connections().now());
        let commit = |clients: &mut Connections<Control, Socket>| {
            for (ticket, request) in clients.shared_mut().take_requests() {
                clients.complete(ticket, answer(request, report, core));
            }
        };
        self.clients.tick(commit, |_, _| {});
    }

    /// Whether no client waits to hear of a change.
    pub(super) fn is_done(&mut self) -> bool {
        let mut is_done = true;
        self.clients
            .update_drivers(|_, client| is_done &= !client.is_changing());
        is_done
    }

    fn accept(&mut self, poller: &Poller, now: Instant) {
        let Self {
            listeners,
            clients,
            kind,
            ..
        } = self;
        listeners.accept(now, |newcomer| {
            let Newcomer {
                mut socket, peer, ..
            } = newcomer;
            if newcomer.is_surplus || clients.open() >= CLIENTS_MAX {
                return clients.refuse(socket, Control::refused(), peer);
            }
            clients.set_time(now);
            let token = Token::new(*kind, clients.next_key());
            match socket.register(poller.registry(), token.into()) {
                Ok(()) => clients.add(socket, Control::new(), peer, true),
                Err(error) => log::warn!("warning=\"cannot poll a control client: {error}\""),
            }
        });
    }
}

/// Answers a question, or the first part of it.
#[cfg_attr(
    not(feature = "relay"),
    allow(
        clippy::needless_pass_by_value,
        reason = "questions about a queue are taken apart"
    )
)]
fn answer<T: Transport>(
    request: ControlRequest,
    report: &LoopReport,
    core: &mut ServerCore<T>,
) -> AnswerPart {
    match request {
        ControlRequest::Loop => loop_part(report, NextPart::End),
        ControlRequest::Snapshot => {
            loop_part(report, NextPart::Ask(ControlRequest::Connections(0)))
        }
        ControlRequest::Connections(first) => connections_part(core.connections(), first),
        #[cfg(feature = "relay")]
        ControlRequest::Queue(request) => match core.queue_access() {
            Some(mut queue) => queue_answers::answer(request, &mut queue),
            None => AnswerPart {
                text: BytesMut::new(),
                next: NextPart::Error("this server has no queue".to_owned()),
            },
        },
    }
}

fn loop_part(report: &LoopReport, next: NextPart) -> AnswerPart {
    let mut text = BytesMut::new();
    write_line(&mut text, report);
    AnswerPart { text, next }
}

/// The lines of the connections with the next keys. One that comes or goes between two parts may be missing.
fn connections_part<T: Transport>(
    connections: &Connections<Inbound, T>,
    first: usize,
) -> AnswerPart {
    let mut text = BytesMut::new();
    let end = first.saturating_add(PART_KEYS_MAX);
    for view in connections.views(first..end) {
        write_line(&mut text, &connection_report(&view));
    }
    let goes_on = end < connections.keys_end();
    let next = if goes_on {
        NextPart::Ask(ControlRequest::Connections(end))
    } else {
        NextPart::End
    };
    AnswerPart { text, next }
}

fn connection_report(
    view: &ConnectionView<'_, Inbound>,
) -> ConnectionReport<PeerAddress, &'static str> {
    ConnectionReport {
        id: view.id.0,
        peer: view.peer,
        phase: view.phase_name(),
        age_ms: saturated(view.age.as_millis()),
        wakes: view.turns,
        read: view.bytes_in,
        written: view.bytes_out,
        unsent: view.unsent,
        waits: view.wait.name(view.unsent),
    }
}

fn write_line(text: &mut BytesMut, line: &impl core::fmt::Display) {
    // Memory takes all that is written.
    let _ = writeln!(text, "{line}");
}

fn saturated(count: u128) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
