//! The store client: the server's side of the protocol between the server and its store process, without I/O (sans-IO).

use std::collections::HashSet;
use std::io::{self, ErrorKind};

use bytes::BytesMut;

use super::ipc::{StoreReport, StoreRequest};
use crate::store::process::StoreClient;
use crate::store::process::client::RequestOutput;
use crate::store::process::frame::next_frame;
use crate::store::{Finished, Ticket};

/// The server's side of the store process of a Maildir.
#[derive(Debug, Default)]
pub(super) struct MaildirClient {
    output: RequestOutput,
    /// The start of a report that is not complete.
    input: BytesMut,
    /// Messages that the process has not settled.
    submitted: HashSet<Ticket>,
    /// The number of messages that are open in the process.
    open: usize,
    /// Messages that were settled since they were last taken.
    settled: Vec<Finished>,
    /// Reports of other things since they were last taken.
    news: Vec<News>,
    /// Whether the process has started, or why it could not.
    start: Option<io::Result<()>>,
    /// The error by which the process was lost.
    lost: Option<io::Error>,
    instance: String,
    mailbox_room: usize,
}

/// A report of something else than a settled message.
#[derive(Clone, Copy, Debug)]
pub(super) enum News {
    /// The answer to a question.
    Answer(Ticket, u64),
    /// The number of free bytes.
    Free(u64),
    /// The number of mailboxes that were made for a message.
    Made(Ticket, usize),
}

impl StoreClient for MaildirClient {
    fn output(&self) -> &[u8] {
        self.output.octets()
    }

    fn sent(&mut self, octets: usize) {
        self.output.sent(octets);
    }

    fn received(&mut self, octets: &[u8]) -> io::Result<()> {
        self.input.extend_from_slice(octets);
        while let Some(frame) = next_frame(&mut self.input) {
            self.handle(StoreReport::read(&frame).ok_or(ErrorKind::InvalidData)?);
        }
        Ok(())
    }

    fn disconnected(&mut self, why: io::Error) {
        self.lost = Some(why);
    }

    fn take_start(&mut self) -> Option<io::Result<()>> {
        self.start.take()
    }
}

impl MaildirClient {
    fn handle(&mut self, report: StoreReport) {
        match report {
            StoreReport::Settled(message) => {
                self.submitted.remove(&message.ticket);
                self.settled.push(message);
            }
            StoreReport::MailboxRoom(room) => self.mailbox_room = room,
            StoreReport::Made(ticket, made) => self.news.push(News::Made(ticket, made)),
            StoreReport::Answer(ticket, number) => self.news.push(News::Answer(ticket, number)),
            StoreReport::Free(bytes) => self.news.push(News::Free(bytes)),
            StoreReport::Log(level, text) => log::log!(level, "{text}"),
            StoreReport::Ready(instance, room) => {
                self.instance = instance;
                self.mailbox_room = room;
                self.start = Some(Ok(()));
            }
            StoreReport::Unable(error) => self.start = Some(Err(error)),
        }
    }

    /// Appends a request to the output.
    pub(super) fn send(&mut self, request: &StoreRequest<'_>) {
        match request {
            StoreRequest::Open(..) => self.open += 1,
            StoreRequest::Abort(_) => self.open = self.open.saturating_sub(1),
            StoreRequest::Submit(ticket) => {
                self.open = self.open.saturating_sub(1);
                self.submitted.insert(*ticket);
            }
            StoreRequest::Text(..) | StoreRequest::Free(_) | StoreRequest::Missing(..) => {}
        }
        request.write(self.output.end());
    }

    /// Takes why the process was lost, if it was.
    pub(super) fn take_loss(&mut self) -> Option<io::Error> {
        self.lost.take()
    }

    /// Moves the messages that were settled since the last call to `finished`.
    pub(super) fn take_settled(&mut self, finished: &mut Vec<Finished>) {
        finished.append(&mut self.settled);
    }

    /// Takes what was reported beside messages that are settled, since the last call.
    pub(super) fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    /// The messages that the process has not settled.
    pub(super) fn unsettled(&self) -> Vec<Ticket> {
        self.submitted.iter().copied().collect()
    }

    /// The start of the queue ids of the process's instance.
    pub(super) fn instance(&self) -> &str {
        &self.instance
    }

    /// The number of mailboxes that may still be made.
    pub(super) fn mailbox_room(&self) -> usize {
        self.mailbox_room
    }

    /// Whether a commit has something to do at once.
    pub(super) fn is_pending(&self) -> bool {
        self.lost.is_some() || !self.settled.is_empty()
    }

    /// Whether the process has messages to work on, and so may not answer at once.
    pub(super) fn is_busy(&self) -> bool {
        self.open > 0 || !self.submitted.is_empty()
    }

    /// Whether the output has reached its bound.
    pub(super) fn is_congested(&self) -> bool {
        self.output.is_congested()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::store::Outcome;

    fn reports(reports: &[StoreReport]) -> BytesMut {
        let mut octets = BytesMut::new();
        reports.iter().for_each(|report| report.write(&mut octets));
        octets
    }

    #[test]
    fn reports_are_understood_however_the_pipe_splits_them() {
        let settled = |number| {
            StoreReport::Settled(Finished {
                ticket: Ticket(number),
                outcome: Outcome::Stored,
            })
        };
        let octets = reports(&[
            StoreReport::Ready("00000001".into(), 7),
            settled(1),
            StoreReport::Made(Ticket(1), 2),
            settled(2),
        ]);
        for piece in 1..=octets.len() {
            let mut client = MaildirClient::default();
            client.send(&StoreRequest::Submit(Ticket(1)));
            client.send(&StoreRequest::Submit(Ticket(3)));
            for octets in octets.chunks(piece) {
                client.received(octets).unwrap();
            }
            assert!(matches!(client.take_start(), Some(Ok(()))));
            assert_eq!((client.instance(), client.mailbox_room()), ("00000001", 7));
            let mut finished = Vec::new();
            client.take_settled(&mut finished);
            let tickets: Vec<_> = finished.iter().map(|message| message.ticket.0).collect();
            assert_eq!(tickets, [1, 2]);
            assert_eq!(client.unsettled(), [Ticket(3)]);
            assert!(matches!(client.take_news()[..], [News::Made(Ticket(1), 2)]));
            assert!(!client.is_pending() && client.is_busy());
        }
    }

    #[test]
    fn what_is_no_report_is_an_error_and_a_loss_is_told_once() {
        let mut client = MaildirClient::default();
        let error = client.received(b"\0\0\0\x09?12345678").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        client.disconnected(error);
        assert!(client.is_pending());
        assert!(client.take_loss().is_some());
        assert!(client.take_loss().is_none() && !client.is_pending());
    }
}
