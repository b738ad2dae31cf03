//! All listening sockets of a program: connections are accepted in batches, also where descriptors have run out.

use std::io;
use std::mem;
use std::time::{Duration, Instant};

use super::descriptors::Reserve;
use super::listener::{Accepted, BACKLOG, Listener};
use super::peer::PeerAddress;
use super::poller::Poller;
use super::socket::Socket;
use super::token::Token;

/// The most connections that one listener accepts in one tick.
const ACCEPTS_MAX: usize = 64;
/// Pause in accepting after an error that only time can mend.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A connection that was accepted.
pub struct Newcomer<S> {
    /// Its socket, which is not registered.
    pub socket: Socket,
    /// The peer.
    pub peer: PeerAddress,
    /// The tag of its listener.
    pub tag: S,
    /// Whether it was accepted with the descriptor in reserve. It is to be refused at once, so that the reserve is there for
    /// the next one.
    pub is_surplus: bool,
}

/// Listeners with their readiness, and the descriptor in reserve.
pub struct Listeners<S> {
    listeners: Vec<Listener<S>>,
    reserve: Reserve,
    /// Nobody is accepted before this.
    accept_after: Option<Instant>,
}

impl<S: Copy> Listeners<S> {
    /// Lets clients in to these listeners, whose tokens are of this `kind`.
    ///
    /// # Errors
    /// Another program began to listen on one of their addresses in the meantime.
    pub fn open(mut listeners: Vec<Listener<S>>, poller: &Poller, kind: u8) -> io::Result<Self> {
        for (index, listener) in listeners.iter_mut().enumerate() {
            listener.register(poller.registry(), Token::new(kind, index).into())?;
        }
        Ok(Self {
            listeners,
            reserve: Reserve::new(),
            accept_after: None,
        })
    }

    /// The listeners, of which none is left after [`close`](Self::close).
    pub fn all(&self) -> &[Listener<S>] {
        &self.listeners
    }

    /// Notes that clients may be waiting at one listener.
    pub fn on_event(&mut self, index: usize) {
        if let Some(listener) = self.listeners.get_mut(index) {
            listener.accept_ready = true;
        }
    }

    /// The instant at which somebody is to be accepted without another event: `now` where a batch was not enough.
    pub fn next_wake(&self, now: Instant) -> Option<Instant> {
        let may_accept = self.listeners.iter().any(|listener| listener.accept_ready);
        may_accept.then(|| self.accept_after.unwrap_or(now))
    }

    /// Accepts clients, in one batch from each listener.
    pub fn accept(&mut self, now: Instant, mut welcome: impl FnMut(Newcomer<S>)) {
        if self.accept_after.is_some_and(|after| now < after) {
            return;
        }
        if self.accept_after.take().is_some() {
            // What failed then may have been to get the reserve back.
            self.reserve.restore();
        }
        for listener in &mut self.listeners {
            for _ in 0..ACCEPTS_MAX {
                if !listener.accept_ready {
                    break;
                }
                match listener.accept(&mut self.reserve) {
                    Accepted::Failed(error) => {
                        log::warn!("warning=\"cannot accept: {error}\"");
                        self.accept_after = Some(now + ACCEPT_PAUSE);
                        self.reserve.restore();
                        break;
                    }
                    accepted => hand_over(accepted, listener, &mut self.reserve, &mut welcome),
                }
            }
        }
    }

    /// Stops listening. Clients that wait to be accepted are handed over once more, but not those of inherited listeners: whoever
    /// passed them to this process keeps them open.
    pub fn close(&mut self, mut refuse: impl FnMut(Newcomer<S>)) {
        let listeners = mem::take(&mut self.listeners).into_iter();
        for mut listener in listeners.filter(|listener| !listener.is_inherited()) {
            for _ in 0..BACKLOG {
                match listener.accept(&mut self.reserve) {
                    Accepted::Nobody | Accepted::Failed(_) => break,
                    accepted => {
                        hand_over(accepted, &listener, &mut self.reserve, &mut refuse);
                        self.reserve.restore();
                    }
                }
            }
        }
    }
}

/// Hands over what was accepted, if anything was, and takes the reserve back that it may have needed.
fn hand_over<S: Copy>(
    accepted: Accepted,
    listener: &Listener<S>,
    reserve: &mut Reserve,
    to: &mut impl FnMut(Newcomer<S>),
) {
    let (socket, peer, is_surplus) = match accepted {
        Accepted::Connection(socket, peer) => (socket, peer, false),
        Accepted::Surplus(socket, peer) => (socket, peer, true),
        Accepted::Aborted | Accepted::Nobody | Accepted::Failed(_) => return,
    };
    to(Newcomer {
        socket,
        peer: peer.into(),
        tag: listener.tag(),
        is_surplus,
    });
    if is_surplus {
        reserve.restore();
    }
}
