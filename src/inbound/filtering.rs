//! Mail filters: what a client has come to is put before the filters of its listener, after the rules, and goes on as they decide.
//!
//! A server without filters pays a comparison for each such step. While a verdict is awaited nothing is read from its client, and
//! nobody else waits.

mod ask;
mod release;

use std::rc::Rc;

use super::connection::{Inbound, InboundTurn, OpeningStage};
use super::filter_state::{Filtered, FilteredTransaction, Filtering};
use super::judged::ClientStep;
use super::log_line::{Id, Recipients};
use super::shared::Shared;
use crate::filters::verdict::FilterVerdict;
use crate::net::driver::ConnectionId;
use crate::net::probe::Seen;
use crate::smtp::event::Phase;
use crate::smtp::log_value::LogValue;
use crate::smtp::reply::{self, GivenReply, Reply};
use crate::smtp::transaction::Transaction;
use crate::store::{Store, Ticket};

impl Inbound {
    /// Whether the client has filters.
    pub(super) fn has_filters(&self) -> bool {
        self.filtering.0.is_some()
    }

    /// The ticket of the verdict that is awaited.
    pub(super) fn awaited_verdict(&self) -> Option<Ticket> {
        let filtered = self.filtering.0.as_ref()?;
        filtered.awaited.as_ref().map(|(ticket, _)| *ticket)
    }

    /// Begins anew with the filters of its listener, for the client that is known now.
    pub(super) fn open_filters(&mut self, id: ConnectionId, shared: &mut Shared) {
        self.close_filters(id, shared);
        let session = shared.filters.open(id, self.session.service());
        self.filtering = Filtering(session.map(|session| {
            Box::new(Filtered {
                session,
                awaited: None,
                mechanism: "",
                parameters: Vec::new(),
                denied: None,
                transaction: FilteredTransaction::default(),
            })
        }));
        self.session.ask_about_unknown(self.has_filters());
        self.prepare(shared);
    }

    /// Takes leave of the filters, at the end of the connection or of what a client said before another one is named.
    pub(super) fn close_filters(&mut self, id: ConnectionId, shared: &mut Shared) {
        let Some(mut filtered) = self.filtering.0.take() else {
            return;
        };
        // Whose texts are dropped, and who takes leave.
        shared.tell(id, Seen::Served);
        filtered.transaction.drop_texts(&mut *shared.store);
        shared.filters.close(filtered.session);
    }

    /// Goes on with a step as the filters have it, at once where there are none.
    pub(super) fn filter(&mut self, mut step: ClientStep, turn: &mut InboundTurn<'_>) {
        let Some(filtered) = &mut self.filtering.0 else {
            return self.pass(step, turn);
        };
        let transaction = &mut filtered.transaction;
        match &step {
            // The filter that refuses the client for now is asked no more; its mail is refused.
            ClientStep::Hello(_) if filtered.denied.is_some() => return self.pass(step, turn),
            ClientStep::End if transaction.is_discarded => return self.discard_message(turn),
            ClientStep::Sender(_) => {
                if let Some(denied) = filtered.denied.clone() {
                    return self.refuse_step(&step, denied, turn);
                }
                debug_assert!(transaction.held.is_none(), "a transaction has ended before");
                *transaction = FilteredTransaction::default();
                transaction.is_told = true;
            }
            ClientStep::Message(_) if !transaction.is_discarded => {
                // The name of the message is among what filters are told.
                let Some(id) = self.open_message(turn) else {
                    return;
                };
                step = ClientStep::Message(Some(id));
            }
            ClientStep::End if transaction.held.is_none() => return self.pass(step, turn),
            _ if transaction.is_discarded => return self.pass(step, turn),
            // They see its end now.
            ClientStep::End => transaction.is_told = false,
            _ => {}
        }
        self.ask_filters(step, turn);
    }

    /// Goes on with what the filters have decided.
    pub(super) fn on_verdict(&mut self, verdict: FilterVerdict, turn: &mut InboundTurn<'_>) {
        let awaited = self.filtering.0.as_mut().and_then(|it| it.awaited.take());
        let Some((_, step)) = awaited else {
            debug_assert!(false, "a verdict that nobody awaits");
            return;
        };
        // Meanwhile the session may have been ended.
        if self.session.phase() == Phase::Closing {
            if let FilterVerdict::Store(message) = verdict {
                message.drop_texts(&mut *turn.shared.store);
            }
            return;
        }
        match verdict {
            FilterVerdict::Pass { sees_message } => {
                if let (ClientStep::Message(_), true) = (&step, sees_message) {
                    self.hold_message(turn);
                }
                self.pass(step, turn);
            }
            FilterVerdict::Refuse(reply) => self.refuse_step(&step, reply, turn),
            FilterVerdict::Discard => {
                if let Some(filtered) = &mut self.filtering.0 {
                    filtered.transaction.is_discarded = true;
                }
                match step {
                    ClientStep::End => self.discard_message(turn),
                    step => self.pass(step, turn),
                }
            }
            FilterVerdict::Store(message) => self.begin_release(*message, turn),
        }
        self.note_progress(turn);
    }

    /// Refuses a step with this reply.
    fn refuse_step(
        &mut self,
        step: &ClientStep,
        reply: Rc<GivenReply>,
        turn: &mut InboundTurn<'_>,
    ) {
        let reply = match step {
            ClientStep::Greeting(_) if !reply.is_temporary() => turned_away(&reply, turn),
            _ => reply,
        };
        if let ClientStep::Greeting(talked_early) = step
            && reply.is_temporary()
        {
            // A client that is refused for now may yet ask what there is; only its mail is refused, as by Postfix.
            if let Some(filtered) = &mut self.filtering.0 {
                filtered.denied = Some(reply);
            }
            return self.greet(*talked_early, turn);
        }
        self.session.set_given(reply);
        match step {
            ClientStep::Greeting(_) => {
                self.stage = OpeningStage::Session;
                self.session.refuse_client(reply::BY_FILTER, turn.output);
            }
            ClientStep::Hello(_) => self.session.refuse_hello(reply::BY_FILTER, turn.output),
            ClientStep::Unknown(_) => self.session.answer_unknown(reply::BY_FILTER, turn.output),
            ClientStep::Sender(_) | ClientStep::Recipient(..) => {
                self.session.refuse(reply::BY_FILTER, turn.output);
            }
            ClientStep::Message(_) => {
                self.abort_message(&mut *turn.shared.store);
                self.session.refuse(reply::BY_FILTER, turn.output);
            }
            ClientStep::End => {
                self.abort_message(&mut *turn.shared.store);
                if let Some(transaction) = self.session.stored(Err(reply::BY_FILTER), turn.output) {
                    self.session.reuse(transaction);
                }
            }
        }
    }

    /// Notes after each step that the transaction which filters were told of is over, unless they have seen its message.
    pub(super) fn note_transaction(&mut self, shared: &mut Shared) {
        let Some(filtered) = &mut self.filtering.0 else {
            return;
        };
        let is_over = filtered.awaited.is_none() && self.session.transaction().is_none();
        if is_over && std::mem::take(&mut filtered.transaction.is_told) {
            filtered.transaction.drop_texts(&mut *shared.store);
            shared.filters.abort(filtered.session);
        }
    }

    /// Answers for a message of which nothing is kept.
    fn discard_message(&mut self, turn: &mut InboundTurn<'_>) {
        self.abort_message(&mut *turn.shared.store);
        if let Some(transaction) = self.session.stored(Ok(()), turn.output) {
            log_discarded(&transaction, turn);
            self.session.reuse(transaction);
        }
    }

    /// Has the text of the message that begins kept on hold, if the store can.
    fn hold_message(&mut self, turn: &mut InboundTurn<'_>) {
        if let Some(filtered) = &mut self.filtering.0
            && let Some(hold) = turn.shared.store.held_texts()
        {
            filtered.transaction.held = Some(hold.begin());
        }
    }

    /// Whether its message is on its way to the store, after the filters have seen it.
    pub(super) fn is_on_its_way(&self) -> bool {
        let filtered = self.filtering.0.as_ref();
        filtered.is_some_and(|filtered| filtered.transaction.release.is_some())
    }

    /// Whether it has times of its own: a verdict is awaited, or its message on its way to the store.
    pub(super) fn waits_for_filters(&self) -> bool {
        let filtered = self.filtering.0.as_ref();
        filtered.is_some_and(|it| it.awaited.is_some() || it.transaction.release.is_some())
    }

    /// Drops what is kept on hold of a message that is given up.
    pub(super) fn drop_held(&mut self, store: &mut dyn Store) {
        if let Some(filtered) = &mut self.filtering.0 {
            filtered.transaction.drop_texts(store);
        }
    }
}

/// Logs a message that was accepted, of which nothing is kept.
fn log_discarded(transaction: &Transaction, turn: &InboundTurn<'_>) {
    let Transaction {
        envelope, id, size, ..
    } = transaction;
    let (conn, id) = (turn.id, Id(id.as_ref()));
    let from = LogValue(&envelope.reverse_path);
    let to = LogValue(Recipients(&envelope.recipients));
    log::info!("conn={conn}{id} from={from} to={to} size={size} discarded");
}

/// Whether a filter refuses with this reply, which has a line of its own in the log.
pub(super) fn is_by_filter(reply: Reply) -> bool {
    reply == reply::BY_FILTER
}

/// The greeting of a client that a filter refuses for good, or whose connection it ends, as Postfix has it.
fn turned_away(reply: &GivenReply, turn: &InboundTurn<'_>) -> Rc<GivenReply> {
    let hostname = &turn.shared.rules.policy.hostname;
    let (code, text) = match reply.closes() {
        true => (reply.code, "Service unavailable - try again later"),
        false => (554, "ESMTP not accepting connections"),
    };
    let lines = format!("{code} {hostname} {text}\r\n");
    Rc::new(GivenReply {
        code,
        lines: lines.into_bytes().into(),
    })
}
