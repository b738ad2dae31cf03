//! Counters of what came of TLS with hops, by the policy and in the words of reports on it (TLSRPT, RFC 8460 §4).

use crate::net::failure::TlsFailure;

/// The policy by which a host was spoken to, as reports call it (RFC 8460 §4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsPolicy {
    /// DANE: `tlsa`.
    Tlsa,
    /// MTA-STS: `sts`.
    Sts,
    /// None that a domain or host has published: `no-policy-found`.
    NotFound,
}

impl TlsPolicy {
    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tlsa => "tlsa",
            Self::Sts => "sts",
            Self::NotFound => "no-policy-found",
        }
    }
}

/// The policies, in the order of their counters.
const POLICIES: [TlsPolicy; 3] = [TlsPolicy::Tlsa, TlsPolicy::Sts, TlsPolicy::NotFound];
/// The result of a session that is in TLS, as reports call it.
const SUCCESSFUL: &str = "successful";
/// Results: each failure, and success after them.
const RESULTS: usize = TlsFailure::ALL.len() + 1;

/// Sessions with hops by policy and result, since the start of the server.
#[derive(Clone, Debug, Default)]
pub struct TlsResults {
    counts: [[u64; RESULTS]; POLICIES.len()],
}

impl TlsResults {
    /// Counts a session that is in TLS under a policy, or why it is not.
    pub fn note(&mut self, policy: TlsPolicy, result: Result<(), TlsFailure>) {
        let policy = POLICIES.iter().position(|other| *other == policy);
        let result = match result {
            Ok(()) => Some(TlsFailure::ALL.len()),
            Err(why) => TlsFailure::ALL.iter().position(|other| *other == why),
        };
        let counts = policy.and_then(|policy| self.counts.get_mut(policy));
        if let Some(count) = counts.zip(result).and_then(|(row, at)| row.get_mut(at)) {
            *count += 1;
        }
    }

    /// The counts that are not zero, each with the names of its policy and its result.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> + '_ {
        let rows = POLICIES.iter().zip(&self.counts);
        rows.flat_map(|(policy, row)| {
            let results = TlsFailure::ALL.iter().map(|failure| failure.result_type());
            let results = results.chain([SUCCESSFUL]).zip(row);
            let results = results.filter(|(_, count)| **count > 0);
            results.map(|(result, count)| (policy.name(), result, *count))
        })
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts().next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_counted_by_policy() {
        let mut results = TlsResults::default();
        assert!(results.is_empty());
        results.note(TlsPolicy::Sts, Err(TlsFailure::Expired));
        results.note(TlsPolicy::Sts, Ok(()));
        results.note(TlsPolicy::Sts, Ok(()));
        results.note(TlsPolicy::Tlsa, Err(TlsFailure::TlsaInvalid));
        let counts: Vec<_> = results.counts().collect();
        assert_eq!(
            counts,
            [
                ("tlsa", "tlsa-invalid", 1),
                ("sts", "certificate-expired", 1),
                ("sts", "successful", 2),
            ]
        );
    }
}
