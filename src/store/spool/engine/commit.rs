//! Group commit: what is complete when the last sync has returned is appended and synced together.

use std::collections::HashSet;
use std::io;

use super::SpoolEngine;
use crate::store::spool::disk::SpoolDisk;
use crate::store::spool::drafts::SpoolDraft;
use crate::store::spool::group::{SpoolGroup, change_bytes, mail_bytes, report_bytes};
use crate::store::spool::handover::{ChangeCode, EncodedChange, SettledMail};
use crate::store::spool::id::{MailId, SpoolPlace};
use crate::store::spool::index::IndexEntry;
use crate::store::spool::pool::SegmentNeed;
use crate::store::spool::segment::SegmentUse;
use crate::store::{Failure, Ticket};

/// What is committed together: a group for each log, and what is in them.
#[derive(Debug)]
struct Batch<F> {
    hot: Option<SpoolGroup>,
    cold: Option<SpoolGroup>,
    changes: Vec<BatchedChange>,
    /// Reports in these changes.
    reports: HashSet<MailId>,
    mails: Vec<(SpoolDraft<F>, SpoolPlace, u64)>,
}

/// A change of a batch.
#[derive(Debug)]
struct BatchedChange {
    change: EncodedChange,
    /// The log that it is in; none where it changes nothing.
    used: Option<SegmentUse>,
    report: Option<SpoolPlace>,
}

/// The way of a change.
#[derive(Clone, Copy, Debug)]
enum ChangeWay {
    /// Into this log.
    To(SegmentUse),
    /// Nowhere: it changes nothing.
    Nowhere,
    /// Nowhere yet: its message may still be found.
    Wait,
}

impl<D: SpoolDisk> SpoolEngine<D> {
    /// Commits one group, and says whether anything came of it.
    pub(super) fn commit_group(&mut self) -> bool {
        let failed = self.drafts.sync_files(&mut self.disk);
        let mut is_done = !failed.is_empty();
        for (ticket, failure) in failed {
            self.refuse(ticket, failure);
        }
        let mut batch = Batch {
            hot: None,
            cold: None,
            changes: Vec::new(),
            reports: HashSet::new(),
            mails: Vec::new(),
        };
        // Until what was refused is named, a restart could find it: a copy in the cold log, from before changes in the hot one.
        if self.name_closed() {
            self.gather_changes(&mut batch);
        }
        if let Err(failure) = self.gather_mails(&mut batch) {
            while let Some(mut draft) = self.drafts.take_first() {
                is_done = true;
                draft.discard(&mut self.disk);
                self.refuse(draft.ticket, failure.clone());
            }
        }
        self.commit(batch) || is_done
    }

    fn refuse(&mut self, ticket: Ticket, failure: Failure) {
        let result = Err(failure);
        self.settled.push(SettledMail { ticket, result });
    }

    /// Has durable heads name the segments that a failed sync has closed, and says whether they do.
    pub(super) fn name_closed(&mut self) -> bool {
        let (hot, cold) = (&mut self.logs.hot, &mut self.logs.cold);
        let named = hot
            .name_closed(&mut self.disk, &mut self.pool)
            .and_then(|()| cold.name_closed(&mut self.disk, &mut self.pool));
        self.tell_of_trouble(named.err());
        self.logs.are_sound()
    }

    /// Has the log say once that nothing can be written.
    fn tell_of_trouble(&mut self, error: Option<io::Error>) {
        match error {
            Some(error) if !self.is_told_of_trouble => {
                log::error!("spool=stuck error=\"{error}\"");
                self.is_told_of_trouble = true;
            }
            Some(_) => {}
            None => self.is_told_of_trouble = false,
        }
    }

    /// Takes changes into a batch, in their order, as long as there is room for them and each has its way.
    fn gather_changes(&mut self, batch: &mut Batch<D::File>) {
        while let Some(change) = self.changes.front() {
            let used = match self.way_of(change) {
                ChangeWay::To(used) => Some(used),
                ChangeWay::Nowhere => None,
                ChangeWay::Wait => return,
            };
            let report = change.report.as_ref().map(|report| report.mail);
            if report.is_some_and(|report| !batch.reports.insert(report)) {
                // Given twice; the next round knows the first one.
                return;
            }
            let bytes = change_bytes(change);
            let group = match used {
                Some(used) => match self.group(batch, used, bytes, SegmentNeed::Needed) {
                    Ok(Some(group)) => Some(group),
                    Ok(None) => return,
                    Err(error) => return self.tell_of_trouble(Some(error)),
                },
                None => None,
            };
            let Some(change) = self.changes.pop_front() else {
                return;
            };
            let report = group.and_then(|group| group.push_change(&mut self.sequence, &change));
            batch.changes.push(BatchedChange {
                change,
                used,
                report,
            });
        }
    }

    /// The way of a change, by what is durable.
    fn way_of(&self, change: &EncodedChange) -> ChangeWay {
        let Some(entry) = self.index.get(change.mail) else {
            return if self.scan.is_some() {
                ChangeWay::Wait
            } else {
                ChangeWay::Nowhere
            };
        };
        let report = change.report.as_ref();
        let is_reported = report.is_some_and(|report| self.index.get(report.mail).is_some());
        let is_known = match change.code {
            ChangeCode::Done | ChangeCode::Failed | ChangeCode::Deleted => {
                self.index.are_over(change.mail, &change.recipients)
            }
            ChangeCode::Noticed => entry.is_noticed(),
            // One may follow the other in the same group.
            ChangeCode::Held | ChangeCode::Released => false,
        };
        if is_known || is_reported {
            return ChangeWay::Nowhere;
        }
        ChangeWay::To(self.logs.use_of(entry.segment))
    }

    /// The group of a log, if a record of so many octets joins it.
    ///
    /// # Errors
    /// There can be no segment for it.
    fn group<'b>(
        &mut self,
        batch: &'b mut Batch<D::File>,
        used: SegmentUse,
        bytes: u64,
        need: SegmentNeed,
    ) -> io::Result<Option<&'b mut SpoolGroup>> {
        let group = match used {
            SegmentUse::Cold => &mut batch.cold,
            SegmentUse::Hot | SegmentUse::Spare => &mut batch.hot,
        };
        if group.is_none() {
            let log = self.logs.of(used);
            let end = log.prepare(&mut self.disk, &mut self.pool, bytes, need)?;
            *group = Some(SpoolGroup::new(end, self.options.group_bytes));
        }
        Ok(group.as_mut().filter(|group| group.has_room(bytes)))
    }

    /// Sees to it that the reserve is there. A disk that refuses it is asked again in a second only.
    fn fill_reserve(&mut self) -> Result<(), Failure> {
        if let Some((when, failure)) = &self.reserve_failure
            && *when == self.now_seconds
        {
            return Err(failure.clone());
        }
        let filled = self.pool.fill_reserve(&mut self.disk);
        let filled = filled.map_err(Failure::from);
        let failure = filled.as_ref().err().cloned();
        self.reserve_failure = failure.map(|failure| (self.now_seconds, failure));
        filled
    }

    /// Takes complete messages into a batch, as long as there is room for them.
    ///
    /// # Errors
    /// There can be no segment for them, or none would be left then for what becomes of them.
    fn gather_mails(&mut self, batch: &mut Batch<D::File>) -> Result<(), Failure> {
        if self.drafts.first().is_some() {
            self.fill_reserve()?;
        }
        while let Some(draft) = self.drafts.first() {
            let bytes = mail_bytes(draft);
            let wanted = SegmentNeed::Wanted;
            let Some(group) = self.group(batch, SegmentUse::Hot, bytes, wanted)? else {
                return Ok(());
            };
            let Some(draft) = self.drafts.take_first() else {
                return Ok(());
            };
            let place = group.push_mail(&mut self.sequence, &draft);
            batch.mails.push((draft, place, bytes));
        }
        Ok(())
    }

    /// Appends and syncs the groups of a batch, and settles what is in them.
    fn commit(&mut self, batch: Batch<D::File>) -> bool {
        if batch.changes.is_empty() && batch.mails.is_empty() {
            return false;
        }
        let hot = self.append(SegmentUse::Hot, batch.hot.as_ref());
        let cold = self.append(SegmentUse::Cold, batch.cold.as_ref());
        let is_failed = hot.is_err() || cold.is_err();
        if is_failed {
            // Nothing of it is told before a restart cannot find it any more, unless the disk takes nothing at all.
            self.name_closed();
        }
        for (mut draft, place, bytes) in batch.mails {
            if let Err(failure) = &hot {
                // What a restart may find is to be whole. The file is removed then, if it is not found.
                if self.logs.are_sound() {
                    draft.discard(&mut self.disk);
                }
                self.refuse(draft.ticket, failure.clone());
                continue;
            }
            let mut entry =
                IndexEntry::new(place.segment, place.offset.into(), bytes, draft.recipients);
            entry.set_held(draft.is_held);
            if draft.is_big() {
                entry.set_big();
            }
            self.stats.received_bytes += draft.envelope.len() as u64 + draft.sum.bytes();
            self.add_mail(draft.mail, entry);
            let (ticket, result) = (draft.ticket, Ok(place));
            self.settled.push(SettledMail { ticket, result });
        }
        self.settle_changes(batch.changes, hot.is_ok(), cold.is_ok());
        !is_failed || !self.settled.is_empty()
    }

    fn append(&mut self, used: SegmentUse, group: Option<&SpoolGroup>) -> Result<(), Failure> {
        let Some(group) = group.filter(|group| !group.bytes().is_empty()) else {
            return Ok(());
        };
        self.stats.written_bytes += group.bytes().len() as u64;
        self.stats.groups += 1;
        let log = self.logs.of(used);
        let appended = log.append(&mut self.disk, group.bytes(), self.now_seconds);
        appended.map_err(|error| {
            log::error!(
                "spool=refused segment={:08X} error=\"{error}\"",
                group.segment()
            );
            self.stats.failed_groups += 1;
            error.into()
        })
    }

    /// Applies the changes that are durable. If any is not, all are given back: those that are change nothing the next time.
    fn settle_changes(&mut self, changes: Vec<BatchedChange>, hot: bool, cold: bool) {
        for batched in &changes {
            let is_durable = match batched.used {
                Some(SegmentUse::Cold) => cold,
                Some(SegmentUse::Hot | SegmentUse::Spare) => hot,
                None => false,
            };
            if is_durable {
                self.apply(batched);
            }
        }
        if hot && cold {
            self.changes_durable += changes.len() as u64;
        } else {
            for batched in changes.into_iter().rev() {
                self.changes.push_front(batched.change);
            }
        }
    }

    /// Applies a change that is durable.
    fn apply(&mut self, batched: &BatchedChange) {
        let change = &batched.change;
        let entry = self.index.get_mut(change.mail);
        match (change.code, entry) {
            (ChangeCode::Done | ChangeCode::Failed | ChangeCode::Deleted, _) => {
                let recipients = change.recipients.iter().copied();
                if self.index.end(change.mail, recipients) {
                    self.end_mail(change.mail);
                }
            }
            (ChangeCode::Noticed, Some(entry)) => entry.set_noticed(),
            (ChangeCode::Noticed, None) => {}
            (ChangeCode::Held, _) => self.index.hold(change.mail, &change.recipients),
            (ChangeCode::Released, _) => self.index.release(change.mail),
        }
        if let (Some(report), Some(place)) = (&change.report, batched.report) {
            let entry = IndexEntry::new(
                place.segment,
                place.offset.into(),
                report_bytes(report),
                report.recipients,
            );
            self.add_mail(report.mail, entry);
            self.reported.push((report.mail, place));
        }
    }
}
