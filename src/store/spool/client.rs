//! The spool client: the server's side of the protocol between the server and its spool process, without I/O (sans-IO).
//!
//! It outlives each process. When one is lost, the messages that it had not settled are refused, and changes that it had not
//! confirmed are kept and repeated to the next one. The next one finds all messages again: the loop knows most of them, and
//! learns only where they lie.

use std::borrow::Cow;
use std::io::{self, ErrorKind};
use std::mem;
use std::rc::Rc;

use bytes::BytesMut;

use super::change::{Change, ChangeKind};
use super::envelope::SpoolEnvelope;
use super::handover::{ChangeCode, EncodedChange, EncodedReport, FoundMail, SettledMail};
use super::id::{MailId, SpoolPlace};
use super::ipc::{SpoolReport, SpoolRequest};
use super::kept_changes::KeptChanges;
use super::news::SpoolNews;
use super::store::QueuedMail;
use crate::store::counted::{CountedMap, CountedSet};
use crate::store::process::StoreClient;
use crate::store::process::client::RequestOutput;
use crate::store::process::frame::next_frame;
use crate::store::{Failure, Finished, Outcome, Ticket};

/// The server's side of a spool process, and of those after it.
#[derive(Debug, Default)]
pub(super) struct SpoolClient {
    output: RequestOutput,
    /// The start of a report that is not complete.
    input: BytesMut,
    /// Whether the process has started, or why it could not.
    start: Option<io::Result<()>>,
    /// The error by which the process was lost.
    lost: Option<io::Error>,
    /// The instance of the process; none before it is ready.
    instance: Option<u32>,
    /// The instance of the process, or of the last one.
    last_instance: u32,
    /// The number of messages that were named in this instance.
    count: u32,
    /// Messages that the process has not settled.
    submitted: CountedMap<Ticket, (MailId, Rc<SpoolEnvelope>)>,
    /// Messages that were refused because their process was lost. Should they be found, they are taken off.
    refused: CountedSet<MailId>,
    /// Changes that are not known to be durable.
    changes: KeptChanges,
    /// Reports that are not known to be durable, by their name.
    reports: CountedMap<MailId, Rc<SpoolEnvelope>>,
    /// Those of them whose change is durable. Where it was so before, by a process that was lost, its report is found or is over.
    unfound_reports: Vec<MailId>,
    /// Whether the present process looks for messages, and whether one before it has found all there are.
    is_scanning: bool,
    has_found_all: bool,
    free_bytes: Option<u64>,
    /// Whether the process was asked for `free_bytes`, and has not answered.
    is_free_asked: bool,
    news: SpoolNews,
}

impl StoreClient for SpoolClient {
    fn output(&self) -> &[u8] {
        self.output.octets()
    }

    fn sent(&mut self, octets: usize) {
        self.output.sent(octets);
    }

    fn received(&mut self, octets: &[u8]) -> io::Result<()> {
        self.input.extend_from_slice(octets);
        while let Some(frame) = next_frame(&mut self.input) {
            self.handle(SpoolReport::read(&frame).ok_or(ErrorKind::InvalidData)?);
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

impl SpoolClient {
    fn handle(&mut self, report: SpoolReport) {
        match report {
            SpoolReport::Ready(instance) => {
                self.instance = Some(instance);
                self.last_instance = instance;
                self.count = 0;
                self.is_scanning = true;
                self.repeat_changes();
                self.start = Some(Ok(()));
            }
            SpoolReport::Unable(error) => self.start = Some(Err(error)),
            SpoolReport::Settled(settled) => self.settle(settled),
            SpoolReport::ChangesDurable(count) => self.confirm(count),
            SpoolReport::Reported(mail, place) => self.join_report(mail, place),
            SpoolReport::Moved(mail, place) => self.news.moved.push((mail, place)),
            SpoolReport::Found(found) => self.find(found),
            SpoolReport::ScanEnded => {
                self.is_scanning = false;
                self.has_found_all = true;
                self.refused.clear();
                for report in mem::take(&mut self.unfound_reports) {
                    self.reports.remove(&report);
                }
            }
            SpoolReport::ReadAhead(ticket) => self.news.read_ahead.push(ticket),
            SpoolReport::Free(bytes) => {
                self.free_bytes = Some(bytes);
                self.is_free_asked = false;
            }
            SpoolReport::Log(level, line) => log::log!(level, "{line}"),
        }
    }

    fn settle(&mut self, SettledMail { ticket, result }: SettledMail) {
        let Some((mail, envelope)) = self.submitted.remove(&ticket) else {
            return;
        };
        let outcome = match result {
            Ok(place) => {
                self.queue(mail, place, envelope);
                Outcome::Stored
            }
            Err(failure) => Outcome::Failed(failure),
        };
        self.news.finished.push(Finished { ticket, outcome });
    }

    /// Has a message join the queue of which nobody knew before.
    fn queue(&mut self, mail: MailId, place: SpoolPlace, envelope: Rc<SpoolEnvelope>) {
        self.news.queued.push(QueuedMail {
            mail,
            place,
            is_held: envelope.quarantine.is_some(),
            envelope,
            over: Vec::new(),
            is_found: false,
            held: Vec::new(),
            is_noticed: false,
        });
    }

    /// Drops changes that are durable, so many from the start of the process. Their reports have joined the queue, unless they were
    /// durable before.
    fn confirm(&mut self, count: u64) {
        let mut reports = self.changes.confirm(count);
        reports.retain(|report| self.reports.contains_key(report));
        if self.is_scanning {
            return self.unfound_reports.append(&mut reports);
        }
        for report in reports {
            self.reports.remove(&report);
        }
    }

    /// Has a report join the queue, once.
    fn join_report(&mut self, mail: MailId, place: SpoolPlace) {
        if let Some(envelope) = self.reports.remove(&mail) {
            self.queue(mail, place, envelope);
        }
    }

    /// Takes a message that was there when the process started.
    fn find(&mut self, found: FoundMail) {
        let FoundMail { mail, place, .. } = found;
        if self.reports.contains_key(&mail) {
            return self.join_report(mail, place);
        }
        if self.refused.remove(&mail) {
            // Its sender was told that it was not taken.
            let all = 0..found.recipients;
            return self.keep(EncodedChange {
                mail,
                code: ChangeCode::Deleted,
                recipients: all.collect(),
                report: None,
            });
        }
        if self.has_found_all {
            return self.news.moved.push((mail, place));
        }
        let envelope = match SpoolEnvelope::decode(&found.envelope) {
            Ok(envelope) => Rc::new(envelope),
            Err(error) => {
                return log::error!("id={mail} error=\"{error}\" left in the spool");
            }
        };
        let mut over = found.over;
        over.extend(self.changes.over(mail));
        over.sort_unstable();
        over.dedup();
        if over.len() < envelope.recipients.len() {
            self.news.queued.push(QueuedMail {
                mail,
                place,
                envelope,
                over,
                is_found: true,
                is_held: found.is_held,
                held: found.held,
                is_noticed: found.is_noticed,
            });
        }
    }

    /// Names the next message.
    ///
    /// # Errors
    /// There is no process that could take it.
    pub(super) fn next_mail(&mut self) -> Result<MailId, Failure> {
        self.instance.ok_or_else(gone)?;
        self.next_report()
    }

    /// Names the next report. While there is no process it is one more message of the last one: the change that it comes with is kept for
    /// the next process, and a failure that is never told would be worse.
    ///
    /// # Errors
    /// There is no name left.
    pub(super) fn next_report(&mut self) -> Result<MailId, Failure> {
        self.count = self.count.checked_add(1).ok_or_else(gone)?;
        Ok(MailId {
            instance: self.last_instance,
            count: self.count,
        })
    }

    /// Appends a request to the output.
    pub(super) fn send(&mut self, request: &SpoolRequest<'_>) {
        request.write(self.output.end());
    }

    /// Has the process open a message.
    pub(super) fn open(&mut self, ticket: Ticket, mail: MailId, envelope: &SpoolEnvelope) {
        let recipients = u16::try_from(envelope.recipients.len()).unwrap_or(u16::MAX);
        self.send(&SpoolRequest::Open(
            ticket,
            mail,
            recipients,
            &envelope.encode(),
        ));
        if envelope.quarantine.is_some() {
            self.send(&SpoolRequest::Hold(ticket));
        }
    }

    /// Has the process make a complete message durable.
    pub(super) fn submit(&mut self, ticket: Ticket, mail: MailId, envelope: Rc<SpoolEnvelope>) {
        self.submitted.insert(ticket, (mail, envelope));
        self.send(&SpoolRequest::Submit(ticket));
    }

    /// Has the process make a change durable.
    pub(super) fn change(&mut self, change: Change) {
        let (code, recipients, report) = match change.kind {
            ChangeKind::Done(recipients, report) => (ChangeCode::Done, recipients, report),
            ChangeKind::Failed(recipients, report) => (ChangeCode::Failed, recipients, report),
            ChangeKind::Deleted(recipients) => (ChangeCode::Deleted, recipients, None),
            ChangeKind::Noticed(report) => (ChangeCode::Noticed, Vec::new(), report),
            ChangeKind::Held(recipients) => (ChangeCode::Held, recipients, None),
            ChangeKind::Released => (ChangeCode::Released, Vec::new(), None),
        };
        let report = report.map(|report| {
            let encoded = EncodedReport {
                mail: report.mail,
                recipients: u16::try_from(report.envelope.recipients.len()).unwrap_or(u16::MAX),
                envelope: report.envelope.encode(),
                text: report.text.into(),
            };
            self.reports.insert(report.mail, Rc::new(report.envelope));
            encoded
        });
        self.keep(EncodedChange {
            mail: change.mail,
            code,
            recipients,
            report,
        });
    }

    /// Keeps a change, and tells it to the process if there is one.
    fn keep(&mut self, change: EncodedChange) {
        if self.instance.is_some() {
            self.send(&SpoolRequest::Change(Cow::Borrowed(&change)));
        }
        self.changes.push(change);
    }

    /// Takes why the process was lost, if it was.
    pub(super) fn take_loss(&mut self) -> Option<io::Error> {
        self.lost.take()
    }

    /// Refuses the messages that a lost process had not settled: nobody knows whether they are durable, and their senders
    /// send them again. All else waits for the next process.
    pub(super) fn reset(&mut self) {
        for (ticket, (mail, _)) in mem::take(&mut self.submitted) {
            self.refused.insert(mail);
            self.refuse(ticket);
        }
        self.output = RequestOutput::default();
        self.input = BytesMut::new();
        self.instance = None;
        self.start = None;
        self.lost = None;
        self.is_free_asked = false;
    }

    /// Refuses a message of which no process knows.
    pub(super) fn refuse(&mut self, ticket: Ticket) {
        let outcome = Outcome::Failed(gone());
        self.news.finished.push(Finished { ticket, outcome });
    }

    /// Repeats the changes that are kept, to a process that has just started.
    fn repeat_changes(&mut self) {
        for change in self.changes.repeat() {
            SpoolRequest::Change(Cow::Borrowed(change)).write(self.output.end());
        }
    }

    /// Takes what was reported since the last call.
    pub(super) fn take_news(&mut self) -> SpoolNews {
        mem::take(&mut self.news)
    }

    /// Whether there is anything to be taken at once.
    pub(super) fn is_pending(&self) -> bool {
        self.lost.is_some() || self.start.is_some() || !self.news.is_empty()
    }

    /// Whether the output to the process has reached its bound.
    pub(super) fn is_congested(&self) -> bool {
        self.output.is_congested()
    }

    /// The changes that are not known to be durable.
    pub(super) fn changes(&self) -> &KeptChanges {
        &self.changes
    }

    /// The instance of the process; `None` while there is none that is ready.
    pub(super) fn instance(&self) -> Option<u32> {
        self.instance
    }

    /// A name above all of earlier processes, and below all of the present one, or of the last one.
    pub(super) fn first_mail(&self) -> MailId {
        MailId {
            instance: self.last_instance,
            count: 0,
        }
    }

    /// A name above all that were given so far, and not above those that come.
    pub(super) fn first_mail_to_come(&self) -> MailId {
        MailId {
            instance: self.last_instance,
            count: self.count.saturating_add(1),
        }
    }

    /// Whether there are messages that are still to be found.
    pub(super) fn is_scanning(&self) -> bool {
        self.is_scanning || !self.has_found_all
    }

    /// The number of free octets, as last reported.
    pub(super) fn free_bytes(&self) -> Option<u64> {
        self.free_bytes
    }

    /// Asks for the number of free octets.
    pub(super) fn ask_free(&mut self) {
        self.is_free_asked = true;
        self.send(&SpoolRequest::Free);
    }

    /// Whether that question is not answered yet.
    pub(super) fn is_free_asked(&self) -> bool {
        self.is_free_asked
    }
}

/// The failure of what needs a spool process, while there is none.
pub(super) fn gone() -> Failure {
    Failure::Io("the spool process is gone".into())
}

#[cfg(test)]
mod tests;
