//! Decides which policy of a domain is in force: sans-IO, and time is an argument (RFC 8461 §3.3 and §5.1).
//!
//! Each domain that is asked for has at most one inquiry. It begins with the texts at `_mta-sts` in the domain:
//!
//! | its record | a policy is known and holds | so |
//! |---|---|---|
//! | has an id | of this id, lately fetched | it is in force |
//! | has an id | of this id, fetched a while ago | it is in force, and is fetched again meanwhile |
//! | has an id | of another id, or none | the policy is fetched; where that fails, what is known is in force |
//! | is none, or nobody knows | any | it is in force: who can forge an answer of DNS ends no policy |
//! | is none, or nobody knows | none | there is none |
//!
//! What could not be fetched is not tried again for five minutes, unless the id is another one by then.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::rc::Rc;

use super::error::PolicyFetchError;
use super::known::{KnownPolicies, KnownPolicy};
use super::policy::{StsMode, StsPolicy};
use super::record::policy_id;
use super::{policy_host, record_name};
use crate::outbound::dns::answer::{
    NameAnswer, NameError, NameFound, NameRecords, NameResult, NameTicket,
};
use crate::outbound::dns::host_name::HostName;

/// The most domains that are inquired into at a time.
pub const INQUIRIES_MAX: usize = 1_000;
/// The most tickets that wait for one domain.
const TICKETS_MAX: usize = 10_000;
/// Time for which a policy that could not be fetched is not tried again.
const FAILURE_MS: u64 = 5 * 60 * 1000;
/// The most failures that are remembered.
const FAILURES_MAX: usize = 10_000;
/// The ticket before the first one: a resolver counts its own from 1, and never comes this far.
const TICKETS_AFTER: u64 = 1 << 63;

/// A question that is to be asked for the desk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyStep {
    /// The texts at [`record_name`] of this domain; [`PolicyDesk::found_texts`] is told of them.
    Texts(HostName),
    /// The policy from [`policy_host`] of this domain; [`PolicyDesk::fetched`] is told of it.
    Fetch(HostName),
}

/// The policies of domains: those that are known, and those that are asked for.
#[derive(Debug, Default)]
pub struct PolicyDesk {
    known: KnownPolicies,
    inquiries: HashMap<HostName, PolicyInquiry>,
    failures: FetchFailures,
    steps: VecDeque<PolicyStep>,
    answers: Vec<(NameTicket, NameResult)>,
    tickets: u64,
}

#[derive(Debug)]
struct PolicyInquiry {
    tickets: Vec<NameTicket>,
    stage: InquiryStage,
}

#[derive(Debug)]
enum InquiryStage {
    Texts,
    /// The policy of this id is being fetched.
    Fetch(Box<str>),
}

impl PolicyDesk {
    /// A desk that knows these policies.
    #[must_use]
    pub fn new(known: KnownPolicies) -> Self {
        Self {
            known,
            ..Self::default()
        }
    }

    /// The policies that are known.
    #[must_use]
    pub fn known(&self) -> &KnownPolicies {
        &self.known
    }

    /// Asks for the policy in force of a domain.
    pub fn ask(&mut self, domain: &str, now_ms: u64) -> NameAnswer {
        let domain = HostName::parse(domain).filter(|domain| {
            let names = [record_name(domain), policy_host(domain)];
            names.iter().all(|name| HostName::parse(name).is_some())
        });
        let Some(domain) = domain else {
            return NameAnswer::Now(Err(NameError::NoHostName));
        };
        let inquiries = self.inquiries.len();
        match self.inquiries.get(&domain) {
            // It is only refreshed.
            Some(inquiry) if inquiry.tickets.is_empty() => {
                if let Some(known) = self.known.get(&domain, now_ms) {
                    return NameAnswer::Now(Ok(found(known)));
                }
            }
            Some(inquiry) if inquiry.tickets.len() >= TICKETS_MAX => {
                return NameAnswer::Now(Err(NameError::Busy));
            }
            Some(_) => {}
            None if inquiries >= INQUIRIES_MAX => {
                let known = self.known.get(&domain, now_ms);
                return NameAnswer::Now(known.map(found).ok_or(NameError::Busy));
            }
            None => self.steps.push_back(PolicyStep::Texts(domain.clone())),
        }
        self.tickets += 1;
        let ticket = NameTicket(TICKETS_AFTER + self.tickets);
        let inquiry = self.inquiries.entry(domain);
        let inquiry = inquiry.or_insert_with(|| PolicyInquiry {
            tickets: Vec::new(),
            stage: InquiryStage::Texts,
        });
        inquiry.tickets.push(ticket);
        NameAnswer::Later(ticket)
    }

    /// Whether a ticket is of the desk, and not of a resolver.
    #[must_use]
    pub fn is_own(ticket: NameTicket) -> bool {
        ticket.0 > TICKETS_AFTER
    }

    /// The next question that is to be asked.
    pub fn next_step(&mut self) -> Option<PolicyStep> {
        self.steps.pop_front()
    }

    /// Takes the texts at [`record_name`] of a domain, or why there are none.
    pub fn found_texts(&mut self, domain: &HostName, answer: &NameResult, now_ms: u64) {
        let Some(inquiry) = self.inquiries.get_mut(domain) else {
            debug_assert!(false, "texts are for an inquiry");
            return;
        };
        let known = self.known.get(domain, now_ms);
        let (id, none) = match answer.as_ref().map(|found| &found.records) {
            Ok(NameRecords::Texts(texts)) => {
                let texts = texts.iter().map(|text| &**text);
                (policy_id(texts), NameError::NoSuchName)
            }
            Ok(_) => (None, NameError::BadAnswer),
            Err(error) if error.is_certain() => (None, NameError::NoSuchName),
            Err(error) => (None, *error),
        };
        let Some(id) = id else {
            let result = known.map(found).ok_or(none);
            return self.answer(domain, &result);
        };
        let failure = self.failures.get(domain, id, now_ms);
        let result = match (known, failure) {
            (Some(known), _) if &*known.id == id && !known.is_stale(now_ms) => Ok(found(known)),
            (known, Some(failure)) => known.map(found).ok_or(failure),
            (known, None) => {
                let at_hand = known.filter(|known| &*known.id == id).map(found);
                inquiry.stage = InquiryStage::Fetch(id.into());
                self.steps.push_back(PolicyStep::Fetch(domain.clone()));
                if let Some(found) = at_hand {
                    let tickets = mem::take(&mut inquiry.tickets).into_iter();
                    let answers = tickets.map(|ticket| (ticket, Ok(found.clone())));
                    self.answers.extend(answers);
                }
                return;
            }
        };
        self.answer(domain, &result);
    }

    /// Takes the policy that was fetched for a domain, or why it was not. Returns the mode of what stays in force in its place.
    pub fn fetched(
        &mut self,
        domain: &HostName,
        outcome: Result<&StsPolicy, &PolicyFetchError>,
        now_ms: u64,
    ) -> Option<StsMode> {
        let inquiry = self.inquiries.get(domain);
        let Some(InquiryStage::Fetch(id)) = inquiry.map(|inquiry| &inquiry.stage) else {
            debug_assert!(false, "a policy is fetched for an inquiry");
            return None;
        };
        let (result, mode) = match outcome {
            Ok(policy) => {
                self.known.keep(domain.clone(), id, policy, now_ms);
                // Those who have asked get it even if it does not hold for any time.
                (Ok(found_text(policy.to_string().into_bytes().into())), None)
            }
            Err(error) => {
                if !error.is_own() {
                    let why = error.name_error();
                    self.failures.note(domain, id, why, now_ms);
                }
                let known = self.known.get(domain, now_ms);
                let mode = known.map(|known| known.mode);
                (known.map(found).ok_or(error.name_error()), mode)
            }
        };
        self.answer(domain, &result);
        mode
    }

    /// Whether there are answers since the last call of [`take_answers`](Self::take_answers).
    #[must_use]
    pub fn has_answers(&self) -> bool {
        !self.answers.is_empty()
    }

    /// The answers since the last call.
    pub fn take_answers(&mut self) -> Vec<(NameTicket, NameResult)> {
        mem::take(&mut self.answers)
    }

    /// Takes the answer to this ticket, if it is there.
    pub fn take_answer(&mut self, ticket: NameTicket) -> Option<NameResult> {
        let place = self
            .answers
            .iter()
            .position(|(other, _)| *other == ticket)?;
        Some(self.answers.swap_remove(place).1)
    }

    /// Ends an inquiry, and answers all who wait for it.
    fn answer(&mut self, domain: &HostName, result: &NameResult) {
        let inquiry = self.inquiries.remove(domain);
        for ticket in inquiry.into_iter().flat_map(|inquiry| inquiry.tickets) {
            self.answers.push((ticket, result.clone()));
        }
    }
}

/// The failures of the last minutes.
#[derive(Debug, Default)]
struct FetchFailures {
    by_domain: HashMap<HostName, FetchFailure>,
    /// Domains in the order of their failures, which is the one of their ends.
    in_order: VecDeque<(u64, HostName)>,
}

#[derive(Debug)]
struct FetchFailure {
    id: Box<str>,
    at_ms: u64,
    why: NameError,
}

impl FetchFailures {
    fn get(&self, domain: &HostName, id: &str, now_ms: u64) -> Option<NameError> {
        let failure = self.by_domain.get(domain)?;
        let age = now_ms.checked_sub(failure.at_ms)?;
        (&*failure.id == id && age < FAILURE_MS).then_some(failure.why)
    }

    fn note(&mut self, domain: &HostName, id: &str, why: NameError, at_ms: u64) {
        let id = id.into();
        let failure = FetchFailure { id, at_ms, why };
        self.by_domain.insert(domain.clone(), failure);
        self.in_order.push_back((at_ms, domain.clone()));
        while let Some((first_ms, _)) = self.in_order.front()
            && (self.in_order.len() > FAILURES_MAX || first_ms + FAILURE_MS <= at_ms)
            && let Some((first_ms, domain)) = self.in_order.pop_front()
        {
            // It may have failed once more since.
            if self
                .by_domain
                .get(&domain)
                .is_some_and(|it| it.at_ms == first_ms)
            {
                self.by_domain.remove(&domain);
            }
        }
    }
}

fn found(known: &KnownPolicy) -> NameFound {
    found_text(known.text.clone())
}

fn found_text(text: Rc<[u8]>) -> NameFound {
    NameFound {
        records: NameRecords::Policy(text),
        canonical: None,
        is_authenticated: false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
