//! The exchanges with filters, between the connections that carry their octets and the sessions that ask and are told.

use std::collections::VecDeque;
use std::mem;
use std::time::Instant;

use bytes::BytesMut;
use slab::Slab;

use super::requests::FilterSessionId;
use crate::milter::client::{FilterClient, StepOutcome};
use crate::milter::macros::FilterMacros;
use crate::milter::reply::FilterReply;
use crate::milter::step::FilterStep;
use crate::milter::terms::FilterOffer;
use crate::net::driver::ConnectionName;

/// The most replies of a filter that wait to be taken; then nothing is read from it.
const REPLIES_MAX: usize = 64;
/// The most octets of a new body among these.
const REPLY_BYTES_MAX: usize = 128 * 1024;
/// With so many octets unsent a filter is told nothing more.
const OUTPUT_BYTES_MAX: usize = 64 * 1024;

/// The name of an exchange. Keys are used again, numbers never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterExchangeId {
    key: usize,
    number: u64,
}

/// What all connections to filters share: the exchanges that they carry.
#[derive(Debug, Default)]
pub struct FilterDesk {
    exchanges: Slab<FilterExchange>,
    number: u64,
    /// Sessions whose filters have replied, failed, or have room for more.
    news: Vec<FilterSessionId>,
    /// Connections that have something to write.
    woken: Vec<ConnectionName>,
    /// Whether replies were taken of a filter from which nothing was read for want of room.
    has_room_again: bool,
}

/// All that is said on one connection to a filter.
#[derive(Debug)]
struct FilterExchange {
    number: u64,
    session: FilterSessionId,
    client: FilterClient,
    output: BytesMut,
    replies: VecDeque<FilterReply>,
    /// Octets of a new body among them.
    reply_bytes: usize,
    connection: Option<ConnectionName>,
    /// Until when the filter has to do what is awaited of it.
    deadline: Option<Instant>,
    /// Why it is over.
    fault: Option<Box<str>>,
    /// Whether the session has gone: the connection ends once all is written.
    is_left: bool,
    /// Whether the session waits for its output to be written.
    is_full: bool,
}

impl FilterDesk {
    /// Begins an exchange for a session, whose connection is made after this.
    pub fn begin(&mut self, session: FilterSessionId) -> FilterExchangeId {
        self.number += 1;
        let mut output = BytesMut::new();
        let exchange = FilterExchange {
            number: self.number,
            session,
            client: FilterClient::new(FilterOffer::default(), &mut output),
            output,
            replies: VecDeque::new(),
            reply_bytes: 0,
            connection: None,
            deadline: None,
            fault: None,
            is_left: false,
            is_full: false,
        };
        let key = self.exchanges.insert(exchange);
        FilterExchangeId {
            key,
            number: self.number,
        }
    }

    fn get(&mut self, id: FilterExchangeId) -> Option<&mut FilterExchange> {
        let exchange = self.exchanges.get_mut(id.key)?;
        (exchange.number == id.number).then_some(exchange)
    }

    /// Tells a filter a step; what it replies has to come by `deadline`. `None` if the exchange is over.
    pub fn tell(
        &mut self,
        id: FilterExchangeId,
        step: FilterStep<'_>,
        macros: &FilterMacros,
        deadline: Instant,
    ) -> Option<StepOutcome> {
        let exchange = self.get(id)?;
        let outcome = exchange.client.tell(step, macros, &mut exchange.output);
        exchange.deadline = (outcome == StepOutcome::Awaited).then_some(deadline);
        if let Some(connection) = exchange.connection
            && !exchange.output.is_empty()
        {
            self.woken.push(connection);
        }
        Some(outcome)
    }

    /// Tells a filter that the transaction is over. What it has said of it counts for nothing.
    pub fn abort(&mut self, id: FilterExchangeId, now: Instant) {
        self.tell(id, FilterStep::Abort, &FilterMacros::default(), now);
        self.forget_replies(id);
    }

    fn forget_replies(&mut self, id: FilterExchangeId) {
        if let Some(exchange) = self.get(id) {
            let was_full = exchange.has_many_replies();
            exchange.replies.clear();
            exchange.reply_bytes = 0;
            self.has_room_again |= was_full;
        }
    }

    /// Why an exchange is over, once all of its replies were taken.
    pub fn fault(&mut self, id: FilterExchangeId) -> Option<Box<str>> {
        match self.get(id) {
            Some(exchange) if !exchange.replies.is_empty() => None,
            Some(exchange) => exchange.fault.clone(),
            None => Some("the exchange is over".into()),
        }
    }

    /// The client's part of the protocol, as long as the exchange is there.
    pub fn client(&mut self, id: FilterExchangeId) -> Option<&FilterClient> {
        self.get(id).map(|exchange| &exchange.client)
    }

    /// Whether more may be told. If not, the session hears of it once there is room, which has to be by `deadline`.
    pub fn has_room(&mut self, id: FilterExchangeId, deadline: Instant) -> bool {
        let Some(exchange) = self.get(id) else {
            return true;
        };
        exchange.is_full = exchange.output.len() >= OUTPUT_BYTES_MAX;
        if exchange.is_full {
            exchange.deadline.get_or_insert(deadline);
        }
        !exchange.is_full
    }

    /// Gives a filter until then to do what is awaited of it.
    pub fn set_deadline(&mut self, id: FilterExchangeId, deadline: Instant) {
        if let Some(exchange) = self.get(id) {
            exchange.deadline = Some(deadline);
        }
    }

    /// The next reply, or why there will be none.
    ///
    /// # Errors
    /// Why the exchange is over, in words for the log.
    pub fn reply(&mut self, id: FilterExchangeId) -> Result<Option<FilterReply>, Box<str>> {
        let Some(exchange) = self.get(id) else {
            return Err("the exchange is over".into());
        };
        let was_full = exchange.has_many_replies();
        if let Some(reply) = exchange.replies.pop_front() {
            exchange.reply_bytes -= body_bytes(&reply);
            if exchange.client.awaited().is_none() {
                exchange.deadline = None;
            }
            self.has_room_again |= was_full;
            return Ok(Some(reply));
        }
        match &exchange.fault {
            Some(fault) => Err(fault.clone()),
            None => Ok(None),
        }
    }

    /// Whether the next reply is a piece of a new body, which needs room where that is put aside.
    pub fn replies_with_body(&mut self, id: FilterExchangeId) -> bool {
        let exchange = self.get(id);
        let next = exchange.and_then(|exchange| exchange.replies.front());
        next.is_some_and(|reply| body_bytes(reply) > 0)
    }

    /// Takes leave of a filter: nothing more is told, and its connection ends.
    pub fn leave(&mut self, id: FilterExchangeId) {
        let Some(exchange) = self.get(id) else {
            return;
        };
        let macros = FilterMacros::default();
        exchange
            .client
            .tell(FilterStep::Quit, &macros, &mut exchange.output);
        exchange.is_left = true;
        exchange.deadline = None;
        let (connection, has_failed) = (exchange.connection, exchange.fault.is_some());
        self.forget_replies(id);
        match connection {
            Some(connection) => self.woken.push(connection),
            // A connection that is being made ends with its first step.
            None if has_failed => self.remove(id),
            None => {}
        }
    }

    /// Removes an exchange that no connection carries any more.
    pub fn remove(&mut self, id: FilterExchangeId) {
        if self.get(id).is_some() {
            self.exchanges.remove(id.key);
        }
    }

    /// Sessions whose filters have news, since the last call.
    pub fn take_news(&mut self) -> Vec<FilterSessionId> {
        mem::take(&mut self.news)
    }

    /// Connections that have something to write, since the last call.
    pub fn take_woken(&mut self) -> Vec<ConnectionName> {
        mem::take(&mut self.woken)
    }

    /// Whether there is room again for what filters say, since the last call.
    pub fn take_room(&mut self) -> bool {
        mem::take(&mut self.has_room_again)
    }

    // What follows is called by the connections.

    /// The connection is there.
    pub(super) fn connected(&mut self, id: FilterExchangeId, connection: ConnectionName) {
        if let Some(exchange) = self.get(id) {
            exchange.connection = Some(connection);
        }
    }

    /// Takes what a filter has said off the front of `input`, as far as there is room for its replies.
    ///
    /// # Errors
    /// The octets are nothing that a filter says, or not now.
    pub(super) fn take(&mut self, id: FilterExchangeId, input: &mut &[u8]) -> Result<(), Box<str>> {
        let Some(exchange) = self.get(id) else {
            return Err("the exchange is over".into());
        };
        let mut has_news = false;
        let taken = loop {
            if input.is_empty() || exchange.has_many_replies() {
                break Ok(());
            }
            match exchange.client.read(input) {
                Ok(Some(reply)) => {
                    has_news = true;
                    exchange.reply_bytes += body_bytes(&reply);
                    exchange.replies.push_back(reply);
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error.to_string().into()),
            }
        };
        let session = exchange.session;
        if has_news {
            self.note(session);
        }
        taken
    }

    /// Whether nothing is read from a filter before its replies were taken.
    pub(super) fn is_full(&self, id: FilterExchangeId) -> bool {
        let exchange = self.exchanges.get(id.key);
        exchange.is_some_and(|it| it.number == id.number && it.has_many_replies())
    }

    /// Exchanges what is to be said for an empty buffer, whose memory is used again.
    pub(super) fn take_output(&mut self, id: FilterExchangeId, written: &mut BytesMut) {
        written.clear();
        let Some(exchange) = self.get(id) else {
            return;
        };
        mem::swap(&mut exchange.output, written);
        if mem::take(&mut exchange.is_full) {
            exchange.deadline = None;
            let session = exchange.session;
            self.note(session);
        }
    }

    /// Whether its session has gone.
    pub(super) fn is_left(&self, id: FilterExchangeId) -> bool {
        let exchange = self.exchanges.get(id.key);
        exchange.is_none_or(|it| it.number != id.number || it.is_left)
    }

    /// Until when the filter has to do what is awaited of it.
    pub(super) fn deadline(&self, id: FilterExchangeId) -> Option<Instant> {
        let exchange = self.exchanges.get(id.key)?;
        exchange.deadline.filter(|_| exchange.number == id.number)
    }

    /// The connection is over, for this reason.
    pub(super) fn over(&mut self, id: FilterExchangeId, fault: &str) {
        let Some(exchange) = self.get(id) else {
            return;
        };
        if exchange.is_left {
            self.remove(id);
            return;
        }
        exchange.connection = None;
        exchange.deadline = None;
        exchange.fault.get_or_insert_with(|| fault.into());
        let session = exchange.session;
        self.note(session);
    }

    fn note(&mut self, session: FilterSessionId) {
        if self.news.last() != Some(&session) {
            self.news.push(session);
        }
    }
}

impl FilterExchange {
    /// Whether so many replies wait to be taken that nothing more is read.
    fn has_many_replies(&self) -> bool {
        self.replies.len() >= REPLIES_MAX || self.reply_bytes >= REPLY_BYTES_MAX
    }
}

/// Octets of a new body in a reply.
fn body_bytes(reply: &FilterReply) -> usize {
    match reply {
        FilterReply::ReplaceBody(piece) => piece.len(),
        _ => 0,
    }
}
