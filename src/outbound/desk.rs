//! What connections to hops say to the event loop, and what it hands them.

use std::collections::VecDeque;
use std::rc::Rc;

use smallvec::SmallVec;

use super::delivery::{DeliveryOutcome, HopDelivery, RecipientResult};
use super::hop::HopFacts;
use crate::net::driver::{ConnectionId, ConnectionName};
use crate::net::failure::TlsFailure;
use crate::net::probe::{Probe, Seen};
use crate::store::counted::CountedMap;
use crate::store::spool::{MailId, SpoolPlace};

/// The name by which the event loop knows a connection from its dial on; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HopConnection(pub u64);

/// The name of a piece of text that a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TextTicket(pub u64);

/// A piece of the text of a message, from the place that was asked for on.
#[derive(Clone, Debug)]
pub enum TextPiece {
    /// At least one octet of it.
    Octets(Rc<[u8]>),
    /// It cannot be read, for this reason: the connection is given up before the final dot, and the recipients are deferred.
    Unreadable(Rc<str>),
}

/// An event of one connection. The last one is `Closed`, of a connection that the drain ended or that was used up at once the only one.
/// `Failed` may follow `Ready` as long as no transaction was begun.
#[derive(Clone, Debug)]
pub enum ConnectionEvent {
    /// It was greeted, is in TLS and logged in where that has to be, and has nothing to do: [hand](RelayDesk::hand) it a delivery and
    /// [wake](crate::net::connections::Connections::wake) it. It closes by itself when it hears nothing for 5 s.
    Ready {
        /// The name to wake it by.
        name: ConnectionName,
        /// The hop.
        facts: HopFacts,
    },
    /// It sends a delivery, and could have the next one already.
    WantsNext {
        /// The name to wake it by.
        name: ConnectionName,
    },
    /// It waits for a piece of text: [complete](crate::net::connections::Connections::complete) the ticket by a [`TextPiece`].
    WantsText {
        /// The ticket to complete.
        ticket: TextTicket,
        /// The message.
        mail: MailId,
        /// The place of the text in the spool.
        place: SpoolPlace,
        /// The first octet that is wanted.
        at: u64,
        /// The most octets that are wanted.
        bytes_max: usize,
    },
    /// A delivery is decided.
    Decided(DeliveryOutcome),
    /// There is no session with this host, or it ended before its first transaction, for which no message is to blame.
    Failed {
        /// What happened, of the class `NextHost`.
        result: RecipientResult,
        /// The hop.
        facts: HopFacts,
        /// How the host failed.
        fault: HopFault,
    },
    /// The connection is closed. Every job that it was handed is decided.
    Closed,
}

/// Ways in which a host fails before it takes a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HopFault {
    /// There is no connection.
    Connect,
    /// The greeting, or the reply to EHLO or LHLO, is a refusal, or none came; or the server was gone before the first transaction.
    Greeting,
    /// TLS is not to be had, or its certificate is not for this host; in the clear it might take the message.
    Tls(TlsFailure),
    /// The login failed.
    Login,
    /// The server has our own name: a mail loop.
    OwnName,
}

/// All that the connections to hops share.
#[derive(Default)]
pub struct RelayDesk {
    /// The observer of connections, if there is one.
    pub(super) probe: Option<Rc<dyn Probe>>,
    events: VecDeque<(HopConnection, ConnectionEvent)>,
    orders: CountedMap<HopConnection, HopOrders>,
    last_ticket: u64,
}

/// What a connection is to do, and has not heard of yet.
#[derive(Debug, Default)]
pub(super) struct HopOrders {
    /// Deliveries that it was handed.
    pub(super) handed: SmallVec<[HopDelivery; 1]>,
    /// Recipients that are taken off.
    pub(super) cancelled: Vec<(MailId, Vec<u16>)>,
    /// Whether it is to end as soon as it has nothing to do.
    pub(super) quits: bool,
}

impl RelayDesk {
    /// A desk whose connections this observer watches, if there is one.
    #[must_use]
    pub fn watched(probe: Option<Rc<dyn Probe>>) -> Self {
        Self {
            probe,
            ..Self::default()
        }
    }

    /// Tells the observer of a step, if there is one.
    pub(super) fn observe(&self, connection: ConnectionId, step: Seen<'_>) {
        if let Some(probe) = &self.probe {
            probe.saw(connection, step);
        }
    }

    /// Takes the next event.
    pub fn take_event(&mut self) -> Option<(HopConnection, ConnectionEvent)> {
        self.events.pop_front()
    }

    /// Whether there is an event to be taken.
    #[must_use]
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Hands a connection a delivery, after each `Ready` and each `WantsNext` one at most. It is to be woken then.
    pub fn hand(&mut self, connection: HopConnection, delivery: HopDelivery) {
        self.orders_of(connection).handed.push(delivery);
    }

    /// Takes these recipients off what a connection has, as far as the final dot was not sent. It is to be woken then.
    pub fn cancel(&mut self, connection: HopConnection, mail: MailId, recipients: Vec<u16>) {
        let cancelled = &mut self.orders_of(connection).cancelled;
        cancelled.push((mail, recipients));
    }

    /// Ends a connection as soon as it has nothing to do. It is to be woken then.
    pub fn quit(&mut self, connection: HopConnection) {
        self.orders_of(connection).quits = true;
    }

    fn orders_of(&mut self, connection: HopConnection) -> &mut HopOrders {
        self.orders.entry(connection).or_default()
    }

    pub(super) fn tell(&mut self, connection: HopConnection, event: ConnectionEvent) {
        self.events.push_back((connection, event));
    }

    /// Takes what a connection is to do. Mostly nothing is there for any.
    pub(super) fn take_orders(&mut self, connection: HopConnection) -> Option<HopOrders> {
        if self.orders.is_empty() {
            return None;
        }
        self.orders.remove(&connection)
    }

    /// Forgets what a connection that is over was to do.
    pub(super) fn forget(&mut self, connection: HopConnection) {
        self.orders.remove(&connection);
    }

    pub(super) fn next_ticket(&mut self) -> TextTicket {
        self.last_ticket += 1;
        TextTicket(self.last_ticket)
    }
}
