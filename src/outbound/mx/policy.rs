//! The MTA-STS policy of a domain (RFC 8461), as far as it chooses hosts.

use super::exchangers::{DomainFailure, MailHost};
use crate::outbound::dns::answer::{NameRecords, NameResult};
use crate::outbound::sts::policy::{StsMode, StsPolicy};

/// The hosts that the policy of their domain takes, and whether each of them has to have a certificate for its name. Where no policy is
/// enforced, or nobody knows one, it takes all.
///
/// # Errors
/// [`DomainFailure::NoHostByPolicy`] where it takes none of them.
pub fn hosts_by_policy(
    mut hosts: Vec<MailHost>,
    answer: &NameResult,
) -> Result<(Vec<MailHost>, bool), DomainFailure> {
    let text = match answer.as_ref().map(|found| &found.records) {
        Ok(NameRecords::Policy(text)) => text,
        _ => return Ok((hosts, false)),
    };
    let Some(policy) = StsPolicy::parse(text)
        .ok()
        .filter(|policy| policy.mode == StsMode::Enforce)
    else {
        return Ok((hosts, false));
    };
    hosts.retain(|host| policy.matches(&host.name));
    match hosts.is_empty() {
        true => Err(DomainFailure::NoHostByPolicy),
        false => Ok((hosts, true)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::dns::answer::{NameError, NameFound};

    fn hosts(mode: &str, patterns: &[&str]) -> Result<(usize, bool), DomainFailure> {
        let hosts = ["a.example", "b.example"].map(|name| MailHost {
            preference: 10,
            name: name.into(),
        });
        let mut text = format!("version: STSv1\nmode: {mode}\nmax_age: 86400\n");
        for pattern in patterns {
            text += &format!("mx: {pattern}\n");
        }
        let found = NameFound {
            records: NameRecords::Policy(text.as_bytes().into()),
            canonical: None,
            is_authenticated: false,
        };
        let (hosts, is_enforced) = hosts_by_policy(hosts.into(), &Ok(found))?;
        Ok((hosts.len(), is_enforced))
    }

    #[test]
    fn a_policy_that_is_enforced_chooses_hosts() {
        assert_eq!(hosts("enforce", &["a.example"]), Ok((1, true)));
        assert_eq!(hosts("enforce", &["*.example"]), Ok((2, true)));
        assert_eq!(
            hosts("enforce", &["c.example"]),
            Err(DomainFailure::NoHostByPolicy)
        );
        assert_eq!(hosts("testing", &["a.example"]), Ok((2, false)));
        assert_eq!(hosts("none", &[]), Ok((2, false)));
        assert_eq!(
            hosts_by_policy(Vec::new(), &Err(NameError::Timeout)),
            Ok((Vec::new(), false))
        );
    }
}
