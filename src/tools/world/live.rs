//! The world as it is: the clock of the system, a poll, sockets.

use std::cell::{Cell, RefCell};
use std::io;
use std::time::Instant;

use mio::Interest;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;

use super::{Call, Dialed, World};
use crate::net::carrier::Carrier;
use crate::net::channel::Readiness;
use crate::net::dialer::Dialer;
use crate::net::endpoint::SocketAddress;
use crate::net::poller::Poller;
use crate::net::token::Token;

/// The kind of the token of signals.
const SIGNALS: u8 = 2;

/// The world as it is.
pub struct LiveWorld {
    poller: RefCell<Poller>,
    dialer: RefCell<Dialer>,
    /// Signals that ask to end, where the loop ends in good order.
    signals: RefCell<Option<Signals>>,
    is_signalled: Cell<bool>,
}

impl LiveWorld {
    /// A world with a server that has these addresses.
    ///
    /// # Errors
    /// As epoll_create1(2).
    pub fn new(addresses: Vec<SocketAddress>) -> io::Result<Self> {
        Ok(Self {
            poller: RefCell::new(Poller::new()?),
            dialer: RefCell::new(Dialer::new(addresses)),
            signals: RefCell::default(),
            is_signalled: Cell::new(false),
        })
    }

    /// Has signals that ask to end counted from now on, instead of ending the program.
    ///
    /// # Errors
    /// As sigaction(2) and epoll_ctl(2).
    pub fn count_signals(&self) -> io::Result<()> {
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let poller = self.poller.borrow();
        let token = Token::new(SIGNALS, 0).into();
        let registry = poller.registry();
        registry.register(&mut signals, token, Interest::READABLE)?;
        *self.signals.borrow_mut() = Some(signals);
        Ok(())
    }
}

impl World for LiveWorld {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn poll(&self, wake: Option<Instant>) -> io::Result<Instant> {
        let timeout = wake.map(|wake| wake.saturating_duration_since(Instant::now()));
        self.poller.borrow_mut().wait(timeout)?;
        Ok(Instant::now())
    }

    fn events(&self, tell: &mut dyn FnMut(Token, Readiness)) {
        for (token, readiness) in self.poller.borrow().events() {
            if token.kind == SIGNALS {
                self.is_signalled.set(true);
            } else {
                tell(token, readiness);
            }
        }
    }

    fn dial(&self, call: Call) -> io::Result<Dialed> {
        let mut dialer = self.dialer.borrow_mut();
        let mut socket = dialer.dial()?;
        if call.resets_on_close {
            // At worst it closes as others do.
            let _ = socket.reset_on_close();
        }
        let poller = self.poller.borrow();
        socket.register(poller.registry(), call.token.into())?;
        Ok(Dialed {
            transport: Carrier::Socket(socket),
            peer: dialer.peer(),
        })
    }

    fn next_address(&self) -> bool {
        self.dialer.borrow_mut().next_address()
    }

    fn signals(&self) -> u32 {
        if !self.is_signalled.replace(false) {
            return 0;
        }
        let mut signals = self.signals.borrow_mut();
        let pending = signals
            .as_mut()
            .map_or(0, |signals| signals.pending().count());
        u32::try_from(pending).unwrap_or(1)
    }
}
