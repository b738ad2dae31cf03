//! The look-up of a name: one question for each kind of records, under the name or, if that has no dot and its kind wants it, in the
//! domains of the search list.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::answer::{NameError, NameFound, NameKind, NameRecords, NameTicket};
use super::cache::NameKey;
use super::host_name::HostName;
use super::inquiry::{Inquiry, InquiryOutcome};
use super::order::in_order;
use super::records::DnsRecordKind;

/// The look-up of one name, for all who asked for it meanwhile.
#[derive(Debug)]
pub(super) struct Lookup {
    /// What was asked for.
    pub(super) key: NameKey,
    pub(super) tickets: Vec<NameTicket>,
    /// The end of the time for all of it.
    pub(super) until: Instant,
    /// The kinds of records that are asked for.
    kinds: &'static [DnsRecordKind],
    /// The questions for the present name, one for each kind.
    parts: Vec<LookupPart>,
    /// Absolute names that are still to be tried, the last one first.
    candidates: Vec<HostName>,
    /// What the names that were tried have come to.
    nothing: Option<Nothing>,
}

/// One kind of records, as one family of addresses.
#[derive(Debug)]
struct LookupPart {
    inquiry: Inquiry,
    outcome: Option<InquiryOutcome>,
}

/// The lack of records, and how long that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Nothing {
    why: NameError,
    ttl: Option<Duration>,
}

/// What a look-up has come to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Conclusion {
    /// Questions are not settled yet.
    Open,
    /// Another name is to be tried.
    NextName,
    /// Records, and for how long; `None` if those of one kind may be missing.
    Found(NameFound, Option<Duration>),
    /// There are none, and that may be kept for this time, if for any.
    Nothing(NameError, Option<Duration>),
    /// Nobody knows.
    Failed(NameError),
}

impl Lookup {
    /// A look-up under these domains first, if the name has no dot, that ends then.
    pub(super) fn new(key: NameKey, search: &[HostName], ipv4_only: bool, until: Instant) -> Self {
        let mut candidates = vec![key.name.clone()];
        if key.kind == NameKind::Host && key.name.is_single_label() {
            let within = search.iter().rev();
            candidates.extend(within.filter_map(|domain| key.name.within(domain)));
        }
        Self {
            kinds: record_kinds(key.kind, ipv4_only),
            key,
            tickets: Vec::new(),
            until,
            parts: Vec::new(),
            candidates,
            nothing: None,
        }
    }

    /// The number of questions that are asked at a time.
    pub(super) fn questions(&self) -> usize {
        self.kinds.len()
    }

    /// Begins with the next name: all questions are to be asked for it.
    pub(super) fn begin_name(&mut self) {
        let Some(name) = self.candidates.pop() else {
            debug_assert!(false, "a look-up ends with its names");
            return;
        };
        let parts = self.kinds.iter().map(|kind| LookupPart {
            inquiry: Inquiry::new(name.clone(), *kind),
            outcome: None,
        });
        self.parts = parts.collect();
    }

    /// A question that is not settled.
    pub(super) fn inquiry(&mut self, part: usize) -> Option<&mut Inquiry> {
        let part = self.parts.get_mut(part)?;
        part.outcome.is_none().then_some(&mut part.inquiry)
    }

    /// Begins from the first server again, since there are others now.
    pub(super) fn forget_servers(&mut self) {
        let parts = self.parts.iter_mut();
        parts.for_each(|part| part.inquiry.forget_servers());
    }

    /// Whether there are records of one kind. Nobody waits for the other one much longer then: there are servers that never answer for
    /// one family of addresses.
    pub(super) fn has_found(&self) -> bool {
        let mut outcomes = self.parts.iter().filter_map(|part| part.outcome.as_ref());
        outcomes.any(|outcome| matches!(outcome, InquiryOutcome::Found(..)))
    }

    /// Settles one question.
    pub(super) fn settle(&mut self, part: usize, outcome: InquiryOutcome) -> Conclusion {
        if let Some(part) = self.parts.get_mut(part) {
            debug_assert_eq!(part.outcome, None, "a question is settled once");
            part.outcome = Some(outcome);
        }
        if self.parts.iter().any(|part| part.outcome.is_none()) {
            return Conclusion::Open;
        }
        self.conclude()
    }

    fn conclude(&mut self) -> Conclusion {
        let mut all = Vec::new();
        let mut least = Duration::MAX;
        let mut failure = None;
        let mut nothing: Option<Nothing> = None;
        for part in self.parts.drain(..) {
            match part.outcome {
                Some(InquiryOutcome::Found(found, ttl)) => {
                    all.push(found);
                    least = least.min(ttl);
                }
                Some(InquiryOutcome::NoData(ttl)) => {
                    let why = NameError::NoData;
                    nothing = Some(Nothing { why, ttl }.and(nothing));
                }
                Some(InquiryOutcome::NoSuchName(ttl)) => {
                    let why = NameError::NoSuchName;
                    nothing = Some(Nothing { why, ttl }.and(nothing));
                }
                Some(InquiryOutcome::Failed(why)) => failure = Some(why),
                None => debug_assert!(false, "all questions are settled"),
            }
        }
        if let Some(found) = together(all) {
            return Conclusion::Found(found, failure.is_none().then_some(least));
        }
        if let Some(why) = failure {
            // Another name could be that of another host: it is not tried because of a server that failed.
            return Conclusion::Failed(why);
        }
        let nothing = nothing.map(|nothing| nothing.and(self.nothing));
        self.nothing = nothing;
        if !self.candidates.is_empty() {
            return Conclusion::NextName;
        }
        match nothing {
            Some(Nothing { why, ttl }) => Conclusion::Nothing(why, ttl),
            None => Conclusion::Failed(NameError::ServerFailure),
        }
    }
}

/// The kinds of records that answer a question; none for a policy, which no name server has.
fn record_kinds(kind: NameKind, ipv4_only: bool) -> &'static [DnsRecordKind] {
    match kind {
        NameKind::Host | NameKind::MailHost if ipv4_only => &[DnsRecordKind::Ipv4],
        NameKind::Host | NameKind::MailHost => &[DnsRecordKind::Ipv4, DnsRecordKind::Ipv6],
        NameKind::Exchangers => &[DnsRecordKind::Exchangers],
        NameKind::Associations => &[DnsRecordKind::Associations],
        NameKind::Texts => &[DnsRecordKind::Texts],
        NameKind::Policy => &[],
    }
}

/// What was found by all questions: the addresses of both families, or the records of the only kind. It is as authenticated as the
/// least of it.
fn together(all: Vec<NameFound>) -> Option<NameFound> {
    let is_authenticated = all.iter().all(|found| found.is_authenticated);
    let canonical = all.iter().find_map(|found| found.canonical.clone());
    let mut addresses: Vec<IpAddr> = Vec::new();
    let mut records = None;
    for found in all {
        match found.records {
            NameRecords::Addresses(family) => addresses.extend(&*family),
            other => records = Some(other),
        }
    }
    if !addresses.is_empty() {
        records = Some(NameRecords::Addresses(in_order(&addresses)));
    }
    Some(NameFound {
        records: records?,
        canonical,
        is_authenticated,
    })
}

impl Nothing {
    /// Both together: there is no such name if neither question has heard of one, and it holds for as long as both do.
    fn and(self, other: Option<Self>) -> Self {
        let Some(other) = other else {
            return self;
        };
        let why = if self.why == other.why {
            self.why
        } else {
            NameError::NoData
        };
        let ttl = self.ttl.zip(other.ttl).map(|(one, other)| one.min(other));
        Self { why, ttl }
    }
}
