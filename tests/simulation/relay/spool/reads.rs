//! Reads of mail, and deliveries to mailboxes.

use std::rc::Rc;

use mailoop::store::spool::{
    MailId, ReadResult, SpoolEnvelope, SpoolMail, SpoolPlace, TEXT_AT_ONCE_BYTES_MAX,
};
use mailoop::store::{Failure, Ticket};

use super::{Kept, News, Spool, lost};

impl Spool {
    pub(super) fn deliver_some(&mut self, all: bool) -> bool {
        let deliveries = std::mem::take(&mut self.deliveries);
        let before = deliveries.len();
        for (ticket, mail, index) in deliveries {
            if !self.is_time(all) {
                self.deliveries.push((ticket, mail, index));
                continue;
            }
            let fails = self.rng.one_in(self.weather.undelivered);
            // Nobody knows of a failed delivery whether it came through all the same.
            if !fails || self.rng.one_in(3) {
                self.boxes.insert((mail, index));
            }
            let failures = [Failure::BadName, Failure::TooManyMailboxes, lost()];
            let failure = failures[self.rng.below(failures.len())].clone();
            let result = if fails { Err(failure) } else { Ok(()) };
            self.tell(News::Delivered(ticket, mail, index, result));
        }
        self.deliveries.len() < before
    }

    pub fn deliver(&mut self, mail: MailId, index: u16) -> Ticket {
        self.journal.count_call();
        self.books.borrow_mut().delivers(mail, index);
        if self
            .deliveries
            .iter()
            .any(|it| (it.1, it.2) == (mail, index))
        {
            self.journal
                .violation(|| format!("{mail} is delivered to {index} twice at a time"));
        }
        let ticket = self.next_ticket();
        self.deliveries.push((ticket, mail, index));
        ticket
    }

    /// The mail that is read there, unless that has to wait or fails.
    fn look(
        &mut self,
        mail: MailId,
        place: SpoolPlace,
    ) -> ReadResult<(Rc<SpoolEnvelope>, Rc<[u8]>)> {
        self.journal.count_call();
        let here = |kept: &&Kept| kept.place == place || self.old_places.contains(&(mail, place));
        let found = self.disk.get(&mail).filter(here);
        let found = found.map(|kept| (Rc::clone(&kept.envelope), Rc::clone(&kept.text)));
        let mut books = self.books.borrow_mut();
        let Some(found) = found else {
            books.counts.add("gone", 1);
            books.read(mail, false);
            return ReadResult::Gone;
        };
        let waits = self.rng.one_in(self.weather.later) && !self.fetched.remove(&mail);
        if self.rng.one_in(self.weather.failed) || waits && !self.is_ready {
            books.counts.add("failed reads", 1);
            books.read(mail, false);
            return ReadResult::Failed(lost());
        }
        books.read(mail, true);
        if waits {
            books.counts.add("later reads", 1);
            drop(books);
            self.fetched.insert(mail);
            let ticket = self.next_ticket();
            self.waiting.push(ticket);
            return ReadResult::Later(ticket);
        }
        ReadResult::Now(found)
    }

    pub fn read(&mut self, mail: MailId, place: SpoolPlace) -> ReadResult<Rc<SpoolMail>> {
        let known = self.told_places.get(&mail);
        if known.is_some_and(|known| *known != place) {
            self.journal
                .violation(|| format!("{mail} is read where it is known not to be"));
        }
        map(self.look(mail, place), |(envelope, text)| {
            let is_short = text.len() as u64 <= TEXT_AT_ONCE_BYTES_MAX;
            let text = is_short.then_some(text);
            Rc::new(SpoolMail { envelope, text })
        })
    }

    pub fn read_envelope(
        &mut self,
        mail: MailId,
        place: SpoolPlace,
    ) -> ReadResult<Rc<SpoolEnvelope>> {
        map(self.look(mail, place), |(envelope, _)| envelope)
    }

    pub fn read_piece(
        &mut self,
        (mail, place): (MailId, SpoolPlace),
        at: u64,
        max: usize,
        into: &mut Vec<u8>,
    ) -> ReadResult<usize> {
        let read = self.look(mail, place);
        self.books.borrow_mut().counts.add("pieces", 1);
        map(read, |(_, text)| {
            let rest = &text[(at as usize).min(text.len())..];
            let piece = &rest[..rest.len().min(max)];
            into.extend_from_slice(piece);
            piece.len()
        })
    }
}

fn map<T, U>(read: ReadResult<T>, act: impl FnOnce(T) -> U) -> ReadResult<U> {
    match read {
        ReadResult::Now(read) => ReadResult::Now(act(read)),
        ReadResult::Later(ticket) => ReadResult::Later(ticket),
        ReadResult::Gone => ReadResult::Gone,
        ReadResult::Failed(failure) => ReadResult::Failed(failure),
    }
}
