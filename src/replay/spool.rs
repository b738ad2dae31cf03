//! The spool of a replay: what it is asked is compared, and what it answers comes from the record.

use std::rc::Rc;

use super::store::{ReplayStore, over};
use crate::observe::crc::crc32;
use crate::observe::frame::{RelayFrame, ReportCode};
use crate::observe::outcome::ReadCode;
use crate::observe::relay::{change_parts, index_octets, indices, place, place_code};
use crate::store::spool::{
    Change, MailId, QueuedMail, ReadResult, SpoolEnvelope, SpoolMail, SpoolPlace, SpoolStore,
};
use crate::store::{Failure, Ticket};

/// The result of a read that came to nothing.
fn unread<T>(code: ReadCode<'_>) -> ReadResult<T> {
    match code {
        ReadCode::Later(ticket) => ReadResult::Later(Ticket(ticket)),
        ReadCode::Now | ReadCode::Gone => ReadResult::Gone,
        ReadCode::Failed(failure) => ReadResult::Failed(failure.into()),
    }
}

fn queued(frame: &RelayFrame<'_>) -> Option<QueuedMail> {
    match *frame {
        RelayFrame::Joined {
            mail,
            place: code,
            envelope,
            over,
            is_found,
            is_held,
            held,
            is_noticed,
        } => Some(QueuedMail {
            mail: MailId::from_queue_id(mail)?,
            place: place(code),
            envelope: Rc::new(SpoolEnvelope::decode(envelope).ok()?),
            over: indices(over)?,
            is_found,
            is_held,
            held: indices(held)?,
            is_noticed,
        }),
        _ => None,
    }
}

/// Whether the recorded report is this one. Of its text nothing is compared where text is not kept.
fn is_same_report(recorded: Option<ReportCode<'_>>, made: Option<ReportCode<'_>>) -> bool {
    match (recorded, made) {
        (Some(recorded), Some(made)) => {
            let is_same_text = recorded.text.is_none() || recorded.text == made.text;
            (recorded.mail, recorded.envelope) == (made.mail, made.envelope) && is_same_text
        }
        (recorded, made) => recorded.is_none() && made.is_none(),
    }
}

impl ReplayStore {
    /// Reads a mail, or its envelope only.
    fn read_as<R>(
        &self,
        mail: MailId,
        from: SpoolPlace,
        read: impl FnOnce(Rc<SpoolEnvelope>, Option<&[u8]>) -> R,
    ) -> ReadResult<R> {
        let id = mail.queue_id();
        let own = (id.as_str(), place_code(from));
        let made = RelayFrame::Read {
            mail: own.0,
            place: own.1,
            result: ReadCode::Now,
            envelope: b"",
            text: None,
        };
        let result = self
            .script
            .borrow_mut()
            .call_relay(made, |recorded| match *recorded {
                RelayFrame::Read {
                    mail,
                    place,
                    result,
                    envelope,
                    text,
                } if (mail, place) == own => Some(match result {
                    ReadCode::Now => {
                        let envelope = Rc::new(SpoolEnvelope::decode(envelope).ok()?);
                        ReadResult::Now(read(envelope, text))
                    }
                    other => unread(other),
                }),
                _ => None,
            });
        result.unwrap_or(ReadResult::Gone)
    }
}

impl SpoolStore for ReplayStore {
    fn take_queued(&mut self) -> Vec<QueuedMail> {
        self.script.borrow_mut().take_relay(queued)
    }

    fn set_queued(&mut self, _: usize) {}

    fn is_ready(&self) -> bool {
        self.script.borrow_mut().spool_state().is_ready
    }

    fn is_full(&self) -> bool {
        self.script.borrow_mut().spool_state().is_full
    }

    fn is_scanning(&self) -> bool {
        self.script.borrow_mut().spool_state().is_scanning
    }

    fn alive_until_ms(&self) -> Option<u64> {
        self.script.borrow_mut().spool_state().alive_until_ms
    }

    fn read(&mut self, mail: MailId, from: SpoolPlace) -> ReadResult<Rc<SpoolMail>> {
        self.read_as(mail, from, |envelope, text| {
            let text = text.map(Rc::from);
            Rc::new(SpoolMail { envelope, text })
        })
    }

    fn read_envelope(&mut self, mail: MailId, from: SpoolPlace) -> ReadResult<Rc<SpoolEnvelope>> {
        self.read_as(mail, from, |envelope, _| envelope)
    }

    fn read_piece(
        &mut self,
        mail: MailId,
        _: SpoolPlace,
        at: u64,
        max: usize,
        into: &mut Vec<u8>,
    ) -> ReadResult<usize> {
        let id = mail.queue_id();
        let own = (id.as_str(), at, max);
        let made = RelayFrame::Piece {
            mail: own.0,
            from: at,
            bytes_max: max,
            result: ReadCode::Now,
            octets: b"",
        };
        let read = self
            .script
            .borrow_mut()
            .call_relay(made, |recorded| match *recorded {
                RelayFrame::Piece {
                    mail,
                    from,
                    bytes_max,
                    result,
                    octets,
                } if (mail, from, bytes_max) == own && octets.len() <= max => Some(match result {
                    ReadCode::Now => {
                        into.extend_from_slice(octets);
                        ReadResult::Now(octets.len())
                    }
                    other => unread(other),
                }),
                _ => None,
            });
        read.unwrap_or(ReadResult::Gone)
    }

    fn take_ready(&mut self) -> Vec<Ticket> {
        let mut script = self.script.borrow_mut();
        script.take_relay(|frame| match *frame {
            RelayFrame::ReadReady { ticket } => Some(Ticket(ticket)),
            _ => None,
        })
    }

    fn change(&mut self, change: Change) {
        let (id, (own_kind, recipients, report)) =
            (change.mail.queue_id(), change_parts(&change.kind));
        let own_recipients = index_octets(recipients);
        let parts = report.map(|report| (report.mail.queue_id(), report.envelope.encode(), report));
        let own_report = parts.as_ref().map(|(mail, envelope, report)| ReportCode {
            mail: mail.as_str(),
            envelope,
            text: Some((report.text.len() as u64, crc32(&report.text))),
        });
        let made = RelayFrame::Changed {
            mail: id.as_str(),
            kind: own_kind,
            recipients: &own_recipients,
            report: own_report,
        };
        self.script
            .borrow_mut()
            .call_relay(made, |recorded| match *recorded {
                RelayFrame::Changed {
                    mail,
                    kind,
                    recipients,
                    report,
                } => {
                    let is_same = (mail, kind, recipients)
                        == (id.as_str(), own_kind, &own_recipients)
                        && is_same_report(report, own_report);
                    is_same.then_some(())
                }
                _ => None,
            });
    }

    fn take_moved(&mut self) -> Vec<(MailId, SpoolPlace)> {
        let mut script = self.script.borrow_mut();
        script.take_relay(|frame| match *frame {
            RelayFrame::Moved { mail, place: code } => {
                Some((MailId::from_queue_id(mail)?, place(code)))
            }
            _ => None,
        })
    }

    fn new_mail_id(&mut self) -> Result<MailId, Failure> {
        let made = RelayFrame::Named { result: Ok("") };
        let named = self
            .script
            .borrow_mut()
            .call_relay(made, |recorded| match *recorded {
                RelayFrame::Named { result: Ok(mail) } => MailId::from_queue_id(mail).map(Ok),
                RelayFrame::Named {
                    result: Err(failure),
                } => Some(Err(failure.into())),
                _ => None,
            });
        named.unwrap_or_else(|| Err(over()))
    }

    fn deliver(&mut self, mail: MailId, _: SpoolPlace, to: u16) -> Ticket {
        let id = mail.queue_id();
        let made = RelayFrame::LocalAsked {
            mail: id.as_str(),
            recipient: to,
            ticket: 0,
        };
        let ticket = self
            .script
            .borrow_mut()
            .call_relay(made, |recorded| match *recorded {
                RelayFrame::LocalAsked {
                    mail,
                    recipient,
                    ticket,
                } if (mail, recipient) == (id.as_str(), to) => Some(ticket),
                _ => None,
            });
        Ticket(ticket.unwrap_or(u64::MAX))
    }

    fn take_delivered(&mut self) -> Vec<(Ticket, Result<(), Failure>)> {
        let mut script = self.script.borrow_mut();
        script.take_relay(|frame| match *frame {
            RelayFrame::LocalDone { ticket, result } => {
                Some((Ticket(ticket), result.map_err(Failure::from)))
            }
            _ => None,
        })
    }
}
