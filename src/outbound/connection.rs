//! One connection to a hop, as a driver of the engine: greeting, TLS, login, then any number of deliveries.
//!
//! The session of `smtp::client` decides what is said, a ledger which recipient has which result. Here octets go between them and the
//! engine, a message leaves in parts, the next one begins behind its final dot, and a server that is silent for too long is given up.
//!
//! Invariant: each recipient of each delivery that was handed over is told of once, whatever becomes of the connection.

mod faults;
mod ledger;
mod mail;
mod observed;
mod opening;
mod replies;
mod text;
mod timeouts;
mod writing;

pub(in crate::outbound) use faults::address_advice;

use std::rc::Rc;
use std::time::Instant;

use super::delivery::DeliveryOutcome;
use super::desk::{ConnectionEvent, HopConnection, RelayDesk, TextPiece, TextTicket};
use super::hop::{HopFacts, HopSettings, TlsMoment};
use crate::net::budget::TurnBudget;
use crate::net::driver::{
    Close, ConnectionFailure, ConnectionId, Drain, Driver, Step, Summary, Turn,
};
use crate::net::lifecycle::Lifecycle;
use crate::net::link::TlsFacts;
use crate::net::peer::PeerAddress;
use crate::net::probe::Seen;
use crate::smtp::client::{Awaited, ClientSession};
use crate::smtp::security::ChannelBindings;
use crate::store::spool::MailId;
use ledger::Ledger;
use text::TextWriter;
use timeouts::{HANDSHAKE_TIMEOUT, USE_TIME_MAX, timeout};

/// One connection to a hop.
#[derive(Debug)]
pub struct Relay {
    connection: HopConnection,
    hop: Rc<HopSettings>,
    facts: HopFacts,
    /// The instant from which on it took messages.
    since: Instant,
    stage: RelayStage,
    session: ClientSession,
    ledger: Ledger,
    /// The text that is being written.
    text: Option<TextWriter>,
    /// The piece of text that is awaited.
    ticket: Option<TextTicket>,
    /// Whether it has said that it has nothing to do.
    is_resting: bool,
    /// Whether it is to quit once it has nothing to do.
    is_quitting: bool,
    /// Since when no whole reply came and no command or block of text was written. Parts of a reply are no progress, or a server
    /// could make it trickle for ever.
    silent_since: Instant,
    /// The most recipients of a transaction.
    recipients_max: usize,
    /// Transactions so far.
    begun: u64,
    /// Recipients that were taken off while a delivery has them.
    cancelled: Vec<(MailId, Vec<u16>)>,
}

/// The stages in the life of a connection to a hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RelayStage {
    /// The session does not take messages yet.
    Opening,
    /// In the handshake of TLS.
    Handshaking,
    /// Deliveries may come.
    Open,
    /// Over: everybody was told.
    Over,
}

type RelayTurn<'a> = Turn<'a, RelayDesk>;

impl Relay {
    /// A connection that begins once its dial has succeeded.
    #[must_use]
    pub fn new(
        connection: HopConnection,
        hop: Rc<HopSettings>,
        peer: PeerAddress,
        now: Instant,
    ) -> Self {
        let session = opening::session(&hop, peer);
        Self {
            connection,
            facts: HopFacts {
                peer,
                tls: None,
                offers_dsn: false,
            },
            since: now,
            stage: RelayStage::Opening,
            session,
            ledger: Ledger::default(),
            text: None,
            ticket: None,
            is_resting: false,
            is_quitting: false,
            silent_since: now,
            recipients_max: hop.recipients_max,
            begun: 0,
            cancelled: Vec::new(),
            hop,
        }
    }

    fn tell(&self, event: ConnectionEvent, turn: &mut RelayTurn<'_>) {
        turn.shared.tell(self.connection, event);
    }

    /// Tells of deliveries that are decided.
    fn tell_decided(&mut self, shared: &mut RelayDesk) {
        while let Some((mail, results)) = self.ledger.take_decided() {
            let facts = self.facts;
            let outcome = DeliveryOutcome {
                mail,
                results,
                facts,
            };
            shared.tell(self.connection, ConnectionEvent::Decided(outcome));
        }
        let ledger = &self.ledger;
        self.cancelled.retain(|(mail, _)| ledger.has(*mail));
    }

    fn start_tls(&mut self) -> Step<Self> {
        let Some(tls) = self.hop.security.tls() else {
            debug_assert!(false, "TLS begins where it is wanted");
            return Step::Continue;
        };
        self.stage = RelayStage::Handshaking;
        Step::StartTls(Rc::clone(&tls.connector), HANDSHAKE_TIMEOUT)
    }

    /// Takes what it was handed, and takes off what the operator wants. A break of the connection if that takes one.
    fn take_handed(&mut self, turn: &mut RelayTurn<'_>) -> Option<Step<Self>> {
        match turn.shared.take_orders(self.connection) {
            Some(orders) => {
                self.is_resting &= orders.handed.is_empty();
                let handed = orders.handed.into_iter();
                handed.for_each(|delivery| self.ledger.add(delivery));
                self.is_quitting |= orders.quits;
                self.cancelled.extend(orders.cancelled);
            }
            None if self.cancelled.is_empty() => return None,
            None => {}
        }
        self.cancel(turn)
    }

    /// Takes recipients off. In a transaction that takes the end of the connection: there is no other way not to send it.
    fn cancel(&mut self, turn: &mut RelayTurn<'_>) -> Option<Step<Self>> {
        let mut is_hit = false;
        for (mail, recipients) in &self.cancelled {
            is_hit |= self.ledger.cancel(*mail, recipients);
        }
        if is_hit {
            let account = "another recipient of the transaction was taken off by the operator";
            return Some(self.abandon(account, turn));
        }
        self.tell_decided(turn.shared);
        None
    }

    /// Begins what can be begun: a transaction if none is under way, or one behind the final dot. With nothing to do it says that it
    /// is ready, or quits where it was used for long.
    fn begin(&mut self, turn: &mut RelayTurn<'_>) -> Option<Step<Self>> {
        if self.stage != RelayStage::Open {
            return None;
        }
        if self.is_worn_out(turn) {
            self.ledger.give_back(&faults::unasked());
            self.tell_decided(turn.shared);
        }
        let under_way = self.ledger.transactions();
        while self.takes_transaction(under_way)
            && let Some((delivery, recipients)) = self.ledger.pending(self.recipients_max)
        {
            let outgoing = Rc::new(mail::outgoing(delivery, &recipients));
            if let Some(obstacle) = self.session.obstacle(&outgoing) {
                self.ledger.decide_pending(&faults::obstructed(obstacle));
                self.tell_decided(turn.shared);
                continue;
            }
            self.ledger.begin(recipients.len(), self.begun == 0);
            self.begun += 1;
            if under_way > 0 {
                self.session.begin_next(outgoing, turn.output);
            } else if self.session.begin(outgoing, turn.output).is_err() {
                debug_assert!(false, "what is too large was seen");
            }
            self.want_next(turn);
            return None;
        }
        match under_way {
            0 => self.rest(turn),
            _ => None,
        }
    }

    /// Whether a transaction may be begun while so many are under way.
    fn takes_transaction(&self, under_way: usize) -> bool {
        match under_way {
            0 => self.session.awaited() == Awaited::Nothing,
            1 => self.hop.pipelines_next && self.session.takes_next(),
            _ => false,
        }
    }

    /// Asks for the next delivery as soon as one has begun: it is to be there when that is sent, to follow its final dot in one write.
    fn want_next(&mut self, turn: &mut RelayTurn<'_>) {
        let may_follow = self.hop.pipelines_next && self.session.is_pipelining();
        let has_enough = self.ledger.has_pending() || self.is_quitting || self.is_worn_out(turn);
        if may_follow && !has_enough {
            let name = turn.name();
            self.tell(ConnectionEvent::WantsNext { name }, turn);
        }
    }

    /// Whether it begins nothing more.
    fn is_worn_out(&self, turn: &RelayTurn<'_>) -> bool {
        let messages_max = self.session.messages_max().unwrap_or(u64::MAX);
        let used = turn.now.saturating_duration_since(self.since);
        turn.drain != Drain::No || used >= USE_TIME_MAX || self.begun >= messages_max
    }

    /// Has nothing to do: says so, or quits.
    fn rest(&mut self, turn: &mut RelayTurn<'_>) -> Option<Step<Self>> {
        debug_assert!(self.ledger.is_empty(), "nobody is forgotten");
        if self.is_quitting || self.is_worn_out(turn) {
            return Some(self.quit(turn));
        }
        if !self.is_resting {
            self.is_resting = true;
            self.silent_since = turn.now;
            self.facts.offers_dsn = self.session.offers_dsn();
            let (name, facts) = (turn.name(), self.facts);
            self.tell(ConnectionEvent::Ready { name, facts }, turn);
        }
        None
    }

    /// Says good-bye, and does not wait for an answer.
    fn quit(&mut self, turn: &mut RelayTurn<'_>) -> Step<Self> {
        self.stage = RelayStage::Over;
        turn.output.extend_from_slice(b"QUIT\r\n");
        Step::Close(Close::now(()))
    }
}

impl Driver for Relay {
    type Shared = RelayDesk;
    type Ticket = TextTicket;
    type Completion = TextPiece;
    type Reason = ();

    const READS_AFTER_FAILED_WRITE: bool = true;

    fn opened(&mut self, turn: &mut RelayTurn<'_>) -> Step<Self> {
        self.silent_since = turn.now;
        match self.hop.security.tls() {
            Some(tls) if tls.moment == TlsMoment::FirstOctet => self.start_tls(),
            _ => Step::Continue,
        }
    }

    fn input(&mut self, input: &mut &[u8], turn: &mut RelayTurn<'_>) -> Step<Self> {
        let is_to_end = match turn.drain {
            Drain::No => false,
            // There is no message yet that could be finished.
            Drain::Until(_) => self.stage == RelayStage::Opening,
            Drain::TimeIsUp => true,
        };
        if is_to_end {
            return self.abandon("the server is shutting down", turn);
        }
        let before = turn.output.len();
        let step = self
            .take_handed(turn)
            .or_else(|| self.begin(turn))
            .or_else(|| self.converse(input, turn));
        if turn.output.len() > before {
            self.silent_since = turn.now;
        }
        self.tell_state(turn);
        step.unwrap_or_else(|| self.go_on())
    }

    fn eof(&mut self, turn: &mut RelayTurn<'_>) -> Step<Self> {
        self.lose("the server closed the connection", turn)
    }

    fn secured(&mut self, facts: &TlsFacts, turn: &mut RelayTurn<'_>) -> Step<Self> {
        self.stage = RelayStage::Opening;
        self.silent_since = turn.now;
        self.facts.tls = Some(facts.version);
        let bindings = ChannelBindings {
            exporter: facts.exporter,
            end_point: facts.end_point.clone(),
        };
        self.session.secured(bindings, turn.output);
        self.tell_state(turn);
        Step::Continue
    }

    fn completed(&mut self, piece: TextPiece, turn: &mut RelayTurn<'_>) -> Step<Self> {
        self.ticket = None;
        self.take_piece(piece, turn)
    }

    fn unwritten(&self) -> &[u8] {
        self.text.as_ref().map_or(&[], TextWriter::unwritten)
    }

    fn wrote(&mut self, count: usize, turn: &mut RelayTurn<'_>) -> Step<Self> {
        if let Some(text) = &mut self.text {
            text.wrote(count);
            if text.unwritten().is_empty() {
                self.silent_since = turn.now;
            }
        }
        self.write_on(turn).unwrap_or_else(|| self.go_on())
    }

    fn deadline(&self, _: &RelayDesk) -> Option<Instant> {
        // While a piece of text is awaited the server is not to blame.
        let is_waiting = self.stage != RelayStage::Over && self.ticket.is_none();
        is_waiting.then(|| self.silent_since + timeout(self.session.awaited()))
    }

    fn expired(&mut self, turn: &mut RelayTurn<'_>) -> Option<Step<Self>> {
        Some(if self.is_resting {
            self.quit(turn)
        } else {
            self.lose("timed out", turn)
        })
    }

    fn drained(&mut self, turn: &mut RelayTurn<'_>) -> Option<()> {
        // A relay has one reason to end, of which nobody has to be told: `Some` of it ends the connection.
        (turn.drain != Drain::No).then_some(())
    }

    fn failed(&mut self, failure: ConnectionFailure, turn: &mut RelayTurn<'_>) {
        self.fail(&failure, turn);
    }

    fn entered(&mut self, id: ConnectionId, _: Lifecycle, now: Lifecycle, shared: &mut RelayDesk) {
        shared.observe(id, Seen::Entered(now));
    }

    fn begins_turn(&self, id: ConnectionId, budget: TurnBudget, shared: &RelayDesk) -> TurnBudget {
        match &shared.probe {
            Some(probe) => probe.began_turn(id, budget),
            None => budget,
        }
    }

    fn said(&self, id: ConnectionId, octets: &[u8], shared: &RelayDesk) {
        self.tell_said(id, octets, shared);
    }

    fn closed(&mut self, (): &(), summary: &Summary, shared: &mut RelayDesk) {
        if let Some(orders) = shared.take_orders(self.connection) {
            orders
                .handed
                .into_iter()
                .for_each(|delivery| self.ledger.add(delivery));
        }
        self.ledger.lose(&faults::unasked(), false);
        self.tell_decided(shared);
        shared.tell(self.connection, ConnectionEvent::Closed);
        let (bytes_in, bytes_out) = (summary.bytes_in, summary.bytes_out);
        shared.observe(summary.id, Seen::Closed("closed", bytes_in, bytes_out));
    }
}
