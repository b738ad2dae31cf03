//! The store of a replay: what it is asked is compared, and what it answers comes from the record.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::probe::CurrentConnection;
use super::script::{Script, SharedScript};
use crate::observe::crc::crc32;
use crate::observe::frame::{Frame, QueuedAs, RelayFrame};
use crate::observe::outcome::{AdmissionCode, FailureCode};
use crate::smtp::envelope::{Envelope, QueueId, Recipient};
#[cfg(feature = "milter")]
use crate::store::hold::HeldTexts;
#[cfg(feature = "relay")]
use crate::store::spool::SpoolStore;
use crate::store::{Admission, Answer, Draft, Failure, Finished, Outcome, Store, Ticket};

/// The octets of each text on hold, by its number.
pub(super) type ReplayedTexts = Rc<RefCell<HashMap<usize, u64>>>;

/// The store of a replay.
pub(super) struct ReplayStore {
    pub(super) script: SharedScript,
    pub(super) current: CurrentConnection,
    /// Drafts of messages that go to a spool.
    pub(super) spooled: HashSet<usize>,
    #[cfg(feature = "milter")]
    pub(super) texts: ReplayedTexts,
    /// The octets that were read last of a text on hold.
    #[cfg(feature = "milter")]
    pub(super) read: Vec<u8>,
}

/// The failure of a store that nothing is compared with any more.
pub(super) fn over() -> Failure {
    Failure::Io("the record is over".into())
}

fn admission(result: AdmissionCode<'_>) -> Result<Admission, Failure> {
    match result {
        Ok(Ok(to_make)) => Ok(Admission::Granted(to_make)),
        Ok(Err(ticket)) => Ok(Admission::Asked(Ticket(ticket))),
        Err(failure) => Err(failure.into()),
    }
}

impl ReplayStore {
    /// Notes whether the record says next that a message goes to a spool.
    fn note_spooled(&mut self, draft: &Draft) {
        let own = self.current.get();
        let is_spooled = self.script.borrow_mut().take_if(|frame| match *frame {
            Frame::Relay {
                frame: RelayFrame::Spooled { connection },
            } if connection == own => Some(()),
            _ => None,
        });
        if is_spooled.is_some() {
            self.spooled.insert(draft.key());
        }
    }
}

impl Store for ReplayStore {
    fn admit(&mut self, declared_bytes: u64, _: u64) -> Result<Admission, Failure> {
        let made = Frame::Admit {
            connection: self.current.get(),
            declared: declared_bytes,
            result: Ok(Ok(0)),
        };
        let mut script = self.script.borrow_mut();
        let result = script.call(&made, |recorded| match *recorded {
            Frame::Admit {
                declared, result, ..
            } if declared == declared_bytes => Some(admission(result)),
            _ => None,
        });
        result.unwrap_or_else(|| Err(over()))
    }

    fn check(
        &mut self,
        recipient: &Recipient,
        _: &Envelope,
        mailboxes_to_make: usize,
    ) -> Result<Admission, Failure> {
        let address = recipient.address.as_str();
        let made = Frame::Check {
            connection: self.current.get(),
            recipient: address,
            to_make: mailboxes_to_make,
            result: Ok(Ok(0)),
        };
        let mut script = self.script.borrow_mut();
        let result = script.call(&made, |recorded| match *recorded {
            Frame::Check {
                recipient,
                to_make,
                result,
                ..
            } if recipient == address && to_make == mailboxes_to_make => Some(admission(result)),
            _ => None,
        });
        result.unwrap_or_else(|| Err(over()))
    }

    fn answer(&mut self) -> Option<Answer> {
        let mut script = self.script.borrow_mut();
        script.take_if(|frame| match *frame {
            Frame::Answered { ticket, result } => Some(Answer {
                ticket: Ticket(ticket),
                result: result.map_err(Failure::from),
            }),
            _ => None,
        })
    }

    fn begin(&mut self, envelope: &Envelope) -> Result<(QueueId, Draft), Failure> {
        let reverse_path = envelope.reverse_path.to_string();
        let made = Frame::Begin {
            connection: self.current.get(),
            from: &reverse_path,
            recipients: envelope.recipients.len(),
            result: Ok(QueuedAs { id: "", draft: 0 }),
        };
        let mut script = self.script.borrow_mut();
        let result = script.call(&made, |recorded| match *recorded {
            Frame::Begin {
                from,
                recipients,
                result,
                ..
            } if from == reverse_path && recipients == envelope.recipients.len() => match result {
                Ok(QueuedAs { id, draft }) => {
                    QueueId::from_text(id).map(|id| Ok((id, Draft::new(draft))))
                }
                Err(failure) => Some(Err(failure.into())),
            },
            _ => None,
        });
        drop(script);
        let (id, draft) = result.unwrap_or_else(|| Err(over()))?;
        self.note_spooled(&draft);
        Ok((id, draft))
    }

    fn readdress(
        &mut self,
        draft: &mut Draft,
        envelope: &Envelope,
    ) -> Result<Option<QueueId>, Failure> {
        let reverse_path = envelope.reverse_path.to_string();
        let key = draft.key();
        let made = Frame::Readdress {
            connection: self.current.get(),
            draft: key,
            from: &reverse_path,
            recipients: envelope.recipients.len(),
            result: Ok(None),
        };
        let mut script = self.script.borrow_mut();
        let result = script.call(&made, |recorded| match *recorded {
            Frame::Readdress {
                draft,
                from,
                recipients,
                result,
                ..
            } if draft == key
                && from == reverse_path
                && recipients == envelope.recipients.len() =>
            {
                Some(match result {
                    Ok(id) => Ok(id.and_then(QueueId::from_text)),
                    Err(failure) => Err(failure.into()),
                })
            }
            _ => None,
        });
        drop(script);
        self.note_spooled(draft);
        result.unwrap_or_else(|| Err(over()))
    }

    fn is_final_delivery(&self, draft: &Draft) -> bool {
        !self.spooled.contains(&draft.key())
    }

    #[cfg(feature = "milter")]
    fn held_texts(&mut self) -> Option<&mut dyn HeldTexts> {
        Some(self)
    }

    #[cfg(feature = "relay")]
    fn spool(&mut self) -> Option<&mut dyn SpoolStore> {
        Some(self)
    }

    fn write(&mut self, draft: &mut Draft, text: &[u8]) -> Result<(), Failure> {
        let key = draft.key();
        let made = Frame::Text {
            connection: self.current.get(),
            draft: key,
            octets: text.len(),
            crc: None,
            result: Ok(()),
        };
        let mut script = self.script.borrow_mut();
        let result = script.call(&made, |recorded| match *recorded {
            Frame::Text {
                draft,
                octets,
                crc,
                result,
                ..
            } if draft == key
                && octets == text.len()
                && crc.is_none_or(|crc| crc == crc32(text)) =>
            {
                Some(result.map_err(Failure::from))
            }
            _ => None,
        });
        result.unwrap_or(Ok(()))
    }

    fn abort(&mut self, draft: Draft) {
        self.spooled.remove(&draft.key());
        self.script.borrow_mut().check(&Frame::Abort {
            connection: self.current.get(),
            draft: draft.key(),
        });
    }

    fn submit(&mut self, draft: Draft) -> Ticket {
        let key = draft.key();
        self.spooled.remove(&key);
        let made = Frame::Submit {
            connection: self.current.get(),
            draft: key,
            ticket: 0,
        };
        let mut script = self.script.borrow_mut();
        let ticket = script.call(&made, |recorded| match *recorded {
            Frame::Submit { draft, ticket, .. } if draft == key => Some(ticket),
            _ => None,
        });
        Ticket(ticket.unwrap_or(u64::MAX))
    }

    fn commit(&mut self, finished: &mut Vec<Finished>) {
        let mut script = self.script.borrow_mut();
        let before = finished.len();
        while let Some(message) = settled(&mut script) {
            finished.push(message);
        }
        if finished.len() > before {
            script.check(&Frame::Committed {});
        }
    }

    fn is_pending(&self) -> bool {
        false
    }

    fn is_congested(&self) -> bool {
        self.script.borrow_mut().is_congested()
    }
}

/// The next message that the store settled in this commit.
fn settled(script: &mut Script) -> Option<Finished> {
    let (ticket, each) = script.take_if(|frame| match *frame {
        Frame::Settled { ticket, each } => Some((Ticket(ticket), each)),
        _ => None,
    })?;
    let outcome = match each {
        None => Outcome::Stored,
        Some(0) => match delivered(script) {
            Some(Err(failure)) => Outcome::Failed(failure),
            _ => Outcome::Failed(over()),
        },
        Some(recipients) => {
            let results = (0..recipients).map_while(|_| delivered(script));
            Outcome::PerRecipient(results.collect())
        }
    };
    Some(Finished { ticket, outcome })
}

fn delivered(script: &mut Script) -> Option<Result<(), Failure>> {
    script.take_if(|frame| match *frame {
        Frame::Delivered { result } => {
            Some(result.map_err(|failure: FailureCode<'_>| failure.into()))
        }
        _ => None,
    })
}
