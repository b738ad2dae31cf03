//! A message that the filters have let pass goes from its hold to the store: as it came, or as they have changed it.

use std::mem;

use crate::filters::settings::tempfail;
use crate::filters::verdict::{ChangedText, EnvelopeChange, FilteredMessage};
use crate::inbound::connection::{Inbound, InboundTurn, Message};
use crate::inbound::filter_state::Release;
use crate::inbound::judged::ClientStep;
use crate::inbound::log_line::{Id, Recipients};
use crate::inbound::shared::Shared;
use crate::net::driver::Wait;
use crate::smtp::envelope::Envelope;
use crate::smtp::log_value::LogValue;
use crate::smtp::path::{Mailbox, ReversePath};
use crate::smtp::trace;
use crate::store::hold::{HELD_READ_BYTES_MAX, HeldRead, HoldAnswer};
use crate::store::{Failure, Ticket};

/// The work of one piece of a message, in the units of the engine's budget: a turn moves a few.
const PIECE_WORK: u32 = 512;

impl Inbound {
    /// Begins to store a message as the filters want it.
    pub(super) fn begin_release(&mut self, message: FilteredMessage, turn: &mut InboundTurn<'_>) {
        let FilteredMessage {
            text,
            changed,
            envelope,
            quarantine,
        } = message;
        let at = match &changed {
            Some(ChangedText {
                body: None,
                header_bytes,
                ..
            }) => *header_bytes,
            _ => 0,
        };
        let Some(filtered) = &mut self.filtering.0 else {
            debug_assert!(false, "there are filters");
            return;
        };
        filtered.transaction.release = Some(Box::new(Release {
            text,
            changed,
            at,
            awaited: None,
            piece: None,
        }));
        if quarantine.is_some() && !has_spool(turn.shared) {
            // There is no place to hold it in.
            return self.refuse_step(&ClientStep::End, tempfail(), turn);
        }
        let envelope = self.changed_envelope(&envelope.0, quarantine, turn);
        if let Some(envelope) = &envelope
            && envelope.recipients.is_empty()
        {
            // Postfix too takes a message whose recipients were all deleted, and delivers it to nobody.
            return self.discard_message(turn);
        }
        if let Err(failure) = self.begin_text(envelope.as_ref(), turn) {
            return self.fail_release(&failure, turn);
        }
        self.release(turn);
    }

    /// The envelope with the changes of the filters that our checks let pass, if there are any or it is to be held.
    fn changed_envelope(
        &mut self,
        changes: &[EnvelopeChange],
        quarantine: Option<Box<str>>,
        turn: &mut InboundTurn<'_>,
    ) -> Option<Envelope> {
        if changes.is_empty() && quarantine.is_none() {
            return None;
        }
        let before = self.session.envelope()?;
        let mut envelope = before.clone();
        envelope.quarantine = quarantine;
        let id = self.session.queue_id();
        let named = format!("conn={}{}", turn.id, Id(id.as_ref()));
        for change in changes {
            let is_made = match change {
                EnvelopeChange::Sender(address) => match reverse_path(address) {
                    Some(path) => {
                        envelope.reverse_path = path;
                        true
                    }
                    None => false,
                },
                EnvelopeChange::AddRecipient(address) => {
                    self.add_recipient(address, &mut envelope, turn)
                }
                EnvelopeChange::DeleteRecipient(address) => {
                    delete_recipient(address, &mut envelope)
                }
            };
            if !is_made {
                log::warn!("{named} milter_change_ignored={}", LogValue(change));
            }
        }
        if !changes.is_empty() {
            let from = LogValue(&envelope.reverse_path);
            let to = LogValue(Recipients(&envelope.recipients));
            log::info!("{named} milter_change=envelope from={from} to={to}");
        }
        let places = before.recipients.iter().map(|recipient| {
            let mut places = envelope.recipients.iter();
            places.position(|other| other.address == recipient.address)
        });
        let places = places.collect();
        if let Some(filtered) = &mut self.filtering.0 {
            filtered.transaction.places = Some(places);
        }
        Some(envelope)
    }

    fn add_recipient(
        &self,
        address: &str,
        envelope: &mut Envelope,
        turn: &mut InboundTurn<'_>,
    ) -> bool {
        let Ok(mailbox) = without_brackets(address).parse() else {
            return false;
        };
        let mut known = envelope.recipients.iter();
        if known.any(|recipient| recipient.address == mailbox) {
            return true;
        }
        let Some(recipient) = self.session.recipient_of_filter(mailbox) else {
            return false;
        };
        let transaction = self.session.transaction();
        let to_make = transaction.map_or(0, |transaction| transaction.mailboxes_to_make);
        let is_taken = turn
            .shared
            .store
            .check(&recipient, envelope, to_make)
            .is_ok();
        if is_taken {
            envelope.recipients.push(recipient);
        }
        is_taken
    }

    /// Begins the text in the store, for this envelope if it is another one: the trace header, and a header that was changed.
    fn begin_text(
        &mut self,
        envelope: Option<&Envelope>,
        turn: &mut InboundTurn<'_>,
    ) -> Result<(), Failure> {
        let shared = &mut *turn.shared;
        let (Message::Open(draft), Some(id)) = (&mut self.message, self.session.queue_id()) else {
            debug_assert!(false, "a message is open that was received");
            return Err(Failure::Io("the message is not open".into()));
        };
        let mut id = id;
        if let Some(envelope) = envelope
            && let Some(other) = shared.store.readdress(draft, envelope)?
        {
            log::info!(
                "conn={} id={id} milter_change=envelope new_id={other}",
                turn.id
            );
            self.session.set_queue_id(other);
            id = other;
        }
        if let Some(reason) = envelope.and_then(|envelope| envelope.quarantine.as_deref()) {
            log::info!("conn={} id={id} held={}", turn.id, LogValue(reason));
        }
        let date = shared.date.get();
        shared.trace.clear();
        if shared.store.is_final_delivery(draft) {
            let path = envelope.or(self.session.envelope());
            let path = path.map(|envelope| &envelope.reverse_path);
            trace::write_return_path(&mut shared.trace, path.unwrap_or(&ReversePath::Null));
        }
        self.session.write_received(id, date, &mut shared.trace);
        shared.store.write(draft, &shared.trace)?;
        let filtered = self.filtering.0.as_mut();
        let release = filtered.and_then(|filtered| filtered.transaction.release.as_mut());
        if let Some(changed) = release.and_then(|release| release.changed.as_mut()) {
            let header = mem::take(&mut changed.header);
            // A message may have been nothing but fields, all of which were deleted.
            if !header.is_empty() {
                shared.store.write(draft, &header)?;
            }
        }
        Ok(())
    }

    /// Goes on to store a message on its way, if there is one. Returns what it waits for.
    pub(in crate::inbound) fn release(
        &mut self,
        turn: &mut InboundTurn<'_>,
    ) -> Option<Wait<Ticket>> {
        loop {
            let filtered = self.filtering.0.as_mut()?;
            let release = filtered.transaction.release.as_mut()?;
            if let Some(ticket) = release.awaited {
                return Some(Wait::Completion(ticket));
            }
            if turn.shared.store.is_congested() {
                return Some(Wait::Room);
            }
            if turn.work.is_spent() {
                return Some(Wait::Turn);
            }
            let moved = move_piece(release, &mut self.message, turn);
            match moved {
                Ok(true) => {}
                Ok(false) => {
                    self.drop_held(&mut *turn.shared.store);
                    self.submit_message(turn);
                    return None;
                }
                Err(failure) => {
                    self.fail_release(&failure, turn);
                    return None;
                }
            }
        }
    }

    /// Takes what was read of a message on its way.
    pub(in crate::inbound) fn on_held(&mut self, answer: HoldAnswer) {
        let Some(filtered) = &mut self.filtering.0 else {
            return;
        };
        if let Some(release) = &mut filtered.transaction.release
            && release.awaited == Some(answer.ticket.of_store())
        {
            release.awaited = None;
            release.piece = Some(answer.result.map(|octets| octets.to_vec().into()));
        }
    }

    fn fail_release(&mut self, failure: &Failure, turn: &mut InboundTurn<'_>) {
        let reply = self.refusal(failure, turn);
        self.abort_message(&mut *turn.shared.store);
        if let Some(transaction) = self.session.stored(Err(reply), turn.output) {
            self.log_message(&transaction, &[Err(reply)], turn);
            self.session.reuse(transaction);
        }
    }

    /// What became of each recipient that the client named, where filters have changed them: one that they have taken away is none
    /// that failed.
    pub(in crate::inbound) fn with_filtered(
        &self,
        results: Vec<Result<(), Failure>>,
    ) -> Vec<Result<(), Failure>> {
        let filtered = self.filtering.0.as_ref();
        let Some(places) = filtered.and_then(|it| it.transaction.places.as_ref()) else {
            return results;
        };
        let result = |place: &Option<usize>| match place {
            Some(place) => results.get(*place).cloned().unwrap_or(Ok(())),
            None => Ok(()),
        };
        places.iter().map(result).collect()
    }
}

/// Moves the next piece of a message to the store. False at its end.
fn move_piece(
    release: &mut Release,
    message: &mut Message,
    turn: &mut InboundTurn<'_>,
) -> Result<bool, Failure> {
    let shared = &mut *turn.shared;
    let Message::Open(draft) = message else {
        return Err(Failure::Io("the message is not open".into()));
    };
    let buffer = &mut shared.trace;
    buffer.clear();
    let left = {
        let Some(hold) = shared.store.held_texts() else {
            return Err(Failure::Io("the text of the message is lost".into()));
        };
        let left = hold.len(release.source()).saturating_sub(release.at);
        match release.piece.take() {
            Some(piece) => buffer.extend_from_slice(&piece?),
            None => match hold.read(release.source(), release.at, HELD_READ_BYTES_MAX)? {
                HeldRead::Text(text) => buffer.extend_from_slice(text),
                HeldRead::Asked(ticket) => {
                    release.awaited = Some(ticket.of_store());
                    return Ok(true);
                }
            },
        }
        left
    };
    // No line end is split.
    if (buffer.len() as u64) < left && buffer.len() > 1 && buffer.ends_with(b"\r") {
        buffer.truncate(buffer.len() - 1);
    }
    if buffer.is_empty() {
        return Ok(false);
    }
    release.at += buffer.len() as u64;
    turn.work.charge(PIECE_WORK);
    shared.store.write(draft, buffer)?;
    Ok(true)
}

fn delete_recipient(address: &str, envelope: &mut Envelope) -> bool {
    let Ok(mailbox) = without_brackets(address).parse::<Mailbox>() else {
        return false;
    };
    envelope
        .recipients
        .retain(|recipient| recipient.address != mailbox);
    true
}

fn reverse_path(address: &str) -> Option<ReversePath> {
    match without_brackets(address) {
        "" => Some(ReversePath::Null),
        address => address.parse().ok().map(ReversePath::Mailbox),
    }
}

/// An address without its brackets, which a filter may write or leave off.
fn without_brackets(address: &str) -> &str {
    let address = address.trim();
    let inner = address
        .strip_prefix('<')
        .and_then(|it| it.strip_suffix('>'));
    inner.unwrap_or(address)
}

/// Whether there is a spool, in which messages can be held. Routes bring one along; a replay knows of those alone.
fn has_spool(shared: &mut Shared) -> bool {
    #[cfg(feature = "relay")]
    return shared.rules.policy.routes.is_some() && shared.store.spool().is_some();
    #[cfg(not(feature = "relay"))]
    {
        let _ = shared;
        false
    }
}
