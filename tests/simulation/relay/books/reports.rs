//! Reports as senders are to get them.

use std::collections::HashSet;

use mailoop::smtp::dsn::Notify;
use mailoop::smtp::path::ReversePath;
use mailoop::store::spool::SpooledReport;

use super::Account;
use super::fate::How;

/// Whether the report on a change is as it has to be.
pub(super) fn check_report(
    account: &Account,
    how: How,
    indices: &[u16],
    report: Option<&SpooledReport>,
    excused: bool,
    is_unread: bool,
) -> Result<(), String> {
    // What could not be read is given up by its id: the postmaster hears of it, and no address is known.
    if is_unread && report.is_some_and(|report| told_of(report).is_empty()) {
        return Ok(());
    }
    let envelope = &account.envelope;
    if envelope.sender == ReversePath::Null {
        return match report {
            Some(_) => Err("a report on mail from nobody".to_owned()),
            None => Ok(()),
        };
    }
    let is_wanted = |index: &u16| {
        let recipient = &envelope.recipients[usize::from(*index)];
        let dsn = recipient.dsn.as_ref();
        let notify = dsn.and_then(|dsn| dsn.notify).unwrap_or(Notify::UNSAID);
        match how {
            How::Failed => notify.failure,
            _ => notify.success,
        }
    };
    let wanted: Vec<u16> = indices.iter().copied().filter(is_wanted).collect();
    match report {
        // A hop that makes reports by itself, or the postmaster's patience.
        None if how != How::Failed || !envelope.sender_is_ours => Ok(()),
        None if wanted.is_empty() || excused => Ok(()),
        None => Err(format!("nobody hears of the failure for {wanted:?}")),
        Some(_) if how != How::Failed && !envelope.sender_is_ours => {
            Err("a stranger is told of a success".to_owned())
        }
        Some(report) => {
            let named = told_of(report);
            let told = |index: &u16| {
                let recipient = &envelope.recipients[usize::from(*index)];
                named.contains(recipient.address.as_str())
            };
            let all = 0..envelope.recipients.len() as u16;
            let told: Vec<u16> = all.filter(told).collect();
            let mut wanted = wanted;
            wanted.sort_unstable();
            if told != wanted {
                return Err(format!("a report on {told:?} in place of {wanted:?}"));
            }
            match report.envelope.sender {
                ReversePath::Null => Ok(()),
                ReversePath::Mailbox(_) => Err("a report that has a sender".to_owned()),
            }
        }
    }
}

/// The addresses that a report speaks of.
pub(super) fn told_of(report: &SpooledReport) -> HashSet<&str> {
    let text = str::from_utf8(&report.text).unwrap_or_default();
    let fields = text.split("\r\nFinal-Recipient: rfc822; ").skip(1);
    fields.filter_map(|field| field.lines().next()).collect()
}
