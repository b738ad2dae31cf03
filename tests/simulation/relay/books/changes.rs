//! Changes as the server tells its spool of them, and once they are durable.

use std::collections::HashSet;

use mailoop::smtp::path::ReversePath;
use mailoop::store::spool::{ChangeKind, MailId};

use super::Books;
use super::fate::{How, Told};
use super::reports::{check_report, told_of};

impl Books {
    /// The server tells its spool of a change.
    pub fn changed(&mut self, mail: MailId, kind: &ChangeKind) {
        let event = self.event();
        let lacks_name = std::mem::take(&mut self.lacks_name);
        let Some(account) = self.mails.get_mut(&mail) else {
            return self.wrong(|| format!("{mail} changes, and there is no such mail"));
        };
        let (how, indices, report) = match kind {
            ChangeKind::Done(indices, report) => (How::Sent, indices, report),
            ChangeKind::Failed(indices, report) => (How::Failed, indices, report),
            ChangeKind::Noticed(report) => {
                if report.is_some() && account.envelope.sender == ReversePath::Null {
                    self.wrong(|| format!("somebody is told of the delay of {mail} from nobody"));
                }
                return;
            }
            ChangeKind::Held(_) | ChangeKind::Released | ChangeKind::Deleted(_) => return,
        };
        let is_unread = account.failed_reads > 0;
        let mut faults = Vec::new();
        for index in indices {
            let Some(fate) = account.fates.get_mut(usize::from(*index)) else {
                faults.push(format!("no recipient {index}"));
                continue;
            };
            if let Some(told) = fate.told.filter(|told| !told.in_flight) {
                faults.push(format!("recipient {index} is {how:?} after {told:?}"));
            }
            fate.told = Some(Told {
                how,
                event,
                in_flight: false,
            });
            if how == How::Sent {
                let is_local = account.envelope.recipients[usize::from(*index)].is_local;
                if !fate.claim(is_local) {
                    faults.push(format!(
                        "recipient {index} is told as sent, and nobody has it"
                    ));
                }
            }
        }
        if let Err(fault) = check_report(
            account,
            how,
            indices,
            report.as_deref(),
            lacks_name,
            is_unread,
        ) {
            faults.push(fault);
        }
        if report.is_none() && lacks_name {
            self.counts.add("unreported", 1);
        }
        for fault in faults {
            self.wrong(|| format!("{mail}: {fault}"));
        }
    }

    /// A change is durable.
    pub fn durable(&mut self, mail: MailId, kind: &ChangeKind) {
        let Some(account) = self.mails.get_mut(&mail) else {
            return;
        };
        let (how, indices, report) = match kind {
            ChangeKind::Done(indices, report) => (How::Sent, &indices[..], report),
            ChangeKind::Failed(indices, report) => (How::Failed, &indices[..], report),
            ChangeKind::Deleted(indices) => (How::Deleted, &indices[..], &None),
            ChangeKind::Noticed(report) => {
                account.notices += u32::from(report.is_some());
                if account.notices > 1 {
                    self.wrong(|| format!("the sender of {mail} is told of the delay twice"));
                }
                return self
                    .counts
                    .add("delay notices", u64::from(report.is_some()));
            }
            ChangeKind::Held(_) | ChangeKind::Released => return,
        };
        let mut twice = None;
        let named = report.as_deref().map_or_else(HashSet::new, told_of);
        for index in indices {
            let Some(fate) = account.fates.get_mut(usize::from(*index)) else {
                continue;
            };
            // What was taken off by the operator at the last moment may be sent all the same.
            if fate.durable.is_none_or(|before| before == How::Deleted) {
                fate.durable = Some(how);
                let recipient = &account.envelope.recipients[usize::from(*index)];
                let is_reported = named.contains(recipient.address.as_str());
                match how {
                    How::Failed => fate.failure_reports += u32::from(is_reported),
                    _ => fate.success_reports += u32::from(is_reported),
                }
            } else if how != How::Deleted {
                twice = Some((*index, fate.durable));
            }
        }
        let count = match how {
            How::Sent => "sent",
            How::Failed => "failed",
            How::Deleted => return,
        };
        self.counts.add(count, indices.len() as u64);
        self.counts.add("reports", u64::from(report.is_some()));
        if let Some((index, before)) = twice {
            self.wrong(|| format!("{mail}: recipient {index} was {before:?}, and is {how:?}"));
        }
    }
}
