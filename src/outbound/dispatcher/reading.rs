//! Mail is read from the spool for whatever needs it, at once or once the spool process has fetched it from the disk.

use std::mem;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::awaited::{AwaitedRead, ParkedRead, ReadFor, WantedPiece};
use super::{DispatchTurn, Dispatcher};
use crate::net::transport::Transport;
use crate::outbound::desk::TextPiece;
use crate::store::spool::{ReadResult, SpoolMail, SpoolPlace};

/// The time for the spool to tell where a mail lies that was moved. The word of it is under way when the old place is used again.
pub(super) const MOVED_TIMEOUT: Duration = Duration::from_secs(5);

impl<T: Transport> Dispatcher<T> {
    /// Reads a mail and goes on with it.
    pub(super) fn read(&mut self, purpose: ReadFor, turn: &mut DispatchTurn<'_, T>) {
        self.read_until(purpose, turn.clock.now + MOVED_TIMEOUT, turn);
    }

    fn read_until(&mut self, purpose: ReadFor, until: Instant, turn: &mut DispatchTurn<'_, T>) {
        let mail = purpose.mail();
        let Some(place) = self.queue.place(mail) else {
            return self.cannot_read(purpose, "it is not in the queue any more", turn);
        };
        match turn.spool.read(mail, place) {
            ReadResult::Now(read) => self.go_on_with(purpose, &read, place, turn),
            ReadResult::Later(ticket) => {
                self.reading.insert(ticket, AwaitedRead::Mail(purpose));
            }
            result if self.passes(&result, until, turn) => {
                self.park(AwaitedRead::Mail(purpose), until, turn);
            }
            ReadResult::Gone => self.cannot_read(purpose, "it is not where it was", turn),
            ReadResult::Failed(failure) => self.cannot_read(purpose, &failure.to_string(), turn),
        }
    }

    /// Goes on with all that the spool process has fetched, and with what could not be read before.
    pub(super) fn take_ready_reads(&mut self, turn: &mut DispatchTurn<'_, T>) {
        let until = turn.clock.now + MOVED_TIMEOUT;
        for ticket in turn.spool.take_ready() {
            if let Some(read) = self.reading.remove(&ticket) {
                self.read_again(read, until, turn);
            }
        }
        if self.is_spool_ready {
            for ParkedRead { read, until } in mem::take(&mut self.parked) {
                self.read_again(read, until, turn);
            }
        }
    }

    fn read_again(&mut self, read: AwaitedRead, until: Instant, turn: &mut DispatchTurn<'_, T>) {
        match read {
            AwaitedRead::Mail(purpose) => self.read_until(purpose, until, turn),
            AwaitedRead::Piece(wanted) => self.read_piece_until(wanted, until, turn),
            AwaitedRead::Report(report) => self.write_report(*report, until, turn),
            AwaitedRead::Route(mail) => self.read_route(mail, until, turn),
        }
    }

    /// Whether a failure is one that passes: there is no spool process, or it is about to tell where the mail lies now.
    pub(super) fn passes<R>(
        &self,
        result: &ReadResult<R>,
        until: Instant,
        turn: &DispatchTurn<'_, T>,
    ) -> bool {
        match result {
            ReadResult::Now(_) | ReadResult::Later(_) => false,
            ReadResult::Gone => turn.clock.now < until,
            ReadResult::Failed(_) => !turn.spool.is_ready(),
        }
    }

    /// Keeps a read until it may succeed.
    pub(super) fn park(&mut self, read: AwaitedRead, until: Instant, turn: &DispatchTurn<'_, T>) {
        // A process that takes the place of another has the whole time to tell.
        let until = match turn.spool.is_ready() {
            true => until,
            false => turn.clock.now + MOVED_TIMEOUT,
        };
        self.parked.push(ParkedRead { read, until });
    }

    /// Reads a piece of text for a connection.
    pub(super) fn read_piece(&mut self, wanted: WantedPiece, turn: &mut DispatchTurn<'_, T>) {
        self.read_piece_until(wanted, turn.clock.now + MOVED_TIMEOUT, turn);
    }

    fn read_piece_until(
        &mut self,
        wanted: WantedPiece,
        until: Instant,
        turn: &mut DispatchTurn<'_, T>,
    ) {
        let WantedPiece {
            ticket,
            mail,
            place,
            at,
            bytes_max,
        } = wanted;
        // It may have been moved since it was handed over.
        let place = self.queue.place(mail).unwrap_or(place);
        let mut octets = Vec::new();
        let read = turn
            .spool
            .read_piece(mail, place, at, bytes_max, &mut octets);
        let piece = match read {
            ReadResult::Now(_) if !octets.is_empty() => TextPiece::Octets(octets.into()),
            ReadResult::Later(later) => {
                self.reading.insert(later, AwaitedRead::Piece(wanted));
                return;
            }
            result if self.passes(&result, until, turn) => {
                return self.park(AwaitedRead::Piece(wanted), until, turn);
            }
            ReadResult::Now(_) => TextPiece::Unreadable("it ends too early".into()),
            ReadResult::Gone => TextPiece::Unreadable("it is not where it was".into()),
            ReadResult::Failed(failure) => TextPiece::Unreadable(failure.to_string().into()),
        };
        turn.connections.complete(ticket, piece);
    }

    fn go_on_with(
        &mut self,
        purpose: ReadFor,
        read: &Rc<SpoolMail>,
        place: SpoolPlace,
        turn: &mut DispatchTurn<'_, T>,
    ) {
        match purpose {
            ReadFor::Sending(id, started) => self.hand(id, started, read, turn),
            ReadFor::Unreached(id, started, failure) => {
                self.settle_unreached(id, started, &failure, read, turn);
            }
            ReadFor::Expiry(mail, recipients) => self.expire(mail, &recipients, read, place, turn),
            ReadFor::Delay(mail, recipients) => {
                self.tell_of_delay(mail, &recipients, read, place, turn);
            }
        }
    }

    /// A mail cannot be read: it stays queued, and is tried again as if it had been deferred.
    fn cannot_read(&mut self, purpose: ReadFor, why: &str, turn: &mut DispatchTurn<'_, T>) {
        let mail = purpose.mail();
        log::error!(
            "id={mail} error=\"the spool cannot be read: {}\"",
            why.escape_debug()
        );
        match purpose {
            ReadFor::Sending(id, started) => {
                self.settle_unread(&started, why, turn);
                // To go on with the next one would be to go through all mail of the site in one tick.
                self.let_go(id, turn);
            }
            ReadFor::Unreached(id, started, _) => {
                self.settle_unread(&started, why, turn);
                self.end_opening(id, turn.clock.ms);
            }
            ReadFor::Expiry(mail, recipients) => self.put_off_unread(mail, &recipients, turn),
            ReadFor::Delay(mail, _) => self.put_off_unread(mail, &[], turn),
        }
    }
}
