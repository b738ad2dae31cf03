//! The work of what a client asks for, in the units of the engine's [budget](crate::net::budget).

use crate::net::budget::Budget;
use crate::smtp::event::Event;

/// The work of a command and its reply.
const COMMAND_WORK: u32 = 32;
/// The work of one piece of message text, however long, as reading it was charged already. Text of nothing but
/// stuffed dots comes in pieces of two octets.
const TEXT_PIECE_WORK: u32 = 1;
/// The work of a mailbox that a recipient leads to, beside the command that named it.
const MAILBOX_WORK: u32 = 20;
/// Takes off the work of resolving a recipient to so many `mailboxes`.
pub(super) fn charge_mailboxes(work: &mut Budget, mailboxes: usize) {
    let mailboxes = u32::try_from(mailboxes).unwrap_or(u32::MAX);
    work.charge(mailboxes.saturating_mul(MAILBOX_WORK));
}

/// The work behind an event of the session.
pub(super) fn work_of(event: &Event<'_>) -> u32 {
    match event {
        Event::NeedInput => 0,
        Event::Text(_) | Event::Withheld | Event::Discarded => TEXT_PIECE_WORK,
        _ => COMMAND_WORK,
    }
}
