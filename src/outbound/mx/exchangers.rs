//! The hosts that take mail for a domain, by what name servers say of it (RFC 5321 §5.1, RFC 7505).

use core::fmt;
use std::rc::Rc;

use super::ourselves::MxRules;
use crate::outbound::delivery::{RecipientResult, ResultClass};
use crate::outbound::dns::answer::{MailExchanger, NameError, NameRecords, NameResult};
use crate::outbound::dns::host_name::HostName;
use crate::smtp::status::EnhancedStatus;

/// The most hosts of a domain that are tried.
pub const HOSTS_MAX: usize = 20;

/// A host that takes mail for a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailHost {
    /// Its preference: the lowest is tried first, and equal ones in any order.
    pub preference: u16,
    /// Its name.
    pub name: Rc<str>,
}

/// Why no host takes mail for a domain, for good or for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DomainFailure {
    /// There is no such domain, or its name is none.
    NoSuchDomain,
    /// The domain takes no mail, and says so (null MX).
    NullMx,
    /// The domain names no host that can be one.
    NoHost,
    /// The best host of the domain is ourselves, and yet its mail is not for here.
    Ourselves,
    /// The MTA-STS policy of the domain takes none of its hosts (RFC 8461 §5).
    NoHostByPolicy,
    /// Nobody knows for now.
    Unknown(NameError),
}

impl DomainFailure {
    /// The result of recipients in this domain.
    #[must_use]
    pub fn result(self, domain: &str) -> RecipientResult {
        let (class, status) = match self {
            Self::NoSuchDomain => (ResultClass::Failed, EnhancedStatus::new(5, 1, 2)),
            Self::NullMx => (ResultClass::Failed, EnhancedStatus::new(5, 1, 10)),
            Self::NoHost => (ResultClass::Failed, EnhancedStatus::new(5, 4, 4)),
            Self::Ourselves => (ResultClass::Failed, EnhancedStatus::new(5, 4, 6)),
            Self::NoHostByPolicy => (ResultClass::NextHost, EnhancedStatus::new(4, 7, 5)),
            Self::Unknown(_) => (ResultClass::NextHost, EnhancedStatus::new(4, 4, 3)),
        };
        RecipientResult::local(class, status, format_args!("{domain}: {self}"))
    }
}

impl fmt::Display for DomainFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchDomain => f.write_str("there is no such domain"),
            Self::NullMx => f.write_str("the domain takes no mail (null MX)"),
            Self::NoHost => f.write_str("the domain names no host that takes mail"),
            Self::Ourselves => f.write_str("mail for the domain would come back to us (mail loop)"),
            Self::NoHostByPolicy => {
                f.write_str("the MTA-STS policy of the domain takes none of its hosts")
            }
            Self::Unknown(why) => why.fmt(f),
        }
    }
}

/// The hosts for mail to a domain, by the answer to the question for its MX records: at least one, in the order of their preferences, those
/// of one preference by name. A domain without any MX record is its own host.
///
/// # Errors
/// [`DomainFailure`] if there is none, or nobody knows for now. Trouble with name servers is never for good.
pub fn hosts_of(
    domain: &str,
    answer: &NameResult,
    rules: &MxRules,
) -> Result<Vec<MailHost>, DomainFailure> {
    let named = match answer {
        Ok(found) => match &found.records {
            NameRecords::Exchangers(named) => named,
            _ => {
                debug_assert!(false, "MX records were asked for");
                return Err(DomainFailure::Unknown(NameError::BadAnswer));
            }
        },
        Err(NameError::NoData) => return implicit_host(domain, rules),
        Err(NameError::NoSuchName | NameError::NoHostName) => {
            return Err(DomainFailure::NoSuchDomain);
        }
        Err(why) => return Err(DomainFailure::Unknown(*why)),
    };
    if named.iter().all(|exchanger| exchanger.host.is_empty()) {
        return Err(DomainFailure::NullMx);
    }
    let mut hosts: Vec<MailHost> = named
        .iter()
        .filter(|exchanger| can_be_host(&exchanger.host))
        .map(|MailExchanger { preference, host }| MailHost {
            preference: *preference,
            name: host.to_ascii_lowercase().into(),
        })
        .collect();
    hosts.sort_unstable_by(|one, other| {
        (one.preference, &one.name).cmp(&(other.preference, &other.name))
    });
    hosts.dedup_by(|later, first| later.name == first.name);
    if hosts.is_empty() {
        return Err(DomainFailure::NoHost);
    }
    // Hosts that are as far as we are, or farther, may send the mail back to us.
    let ours = hosts.iter().find(|host| rules.is_our_name(&host.name));
    if let Some(preference) = ours.map(|host| host.preference) {
        hosts.retain(|host| host.preference < preference);
    }
    hosts.truncate(HOSTS_MAX);
    match hosts.is_empty() {
        true => Err(DomainFailure::Ourselves),
        false => Ok(hosts),
    }
}

/// The domain itself as its host, where it has no MX records.
fn implicit_host(domain: &str, rules: &MxRules) -> Result<Vec<MailHost>, DomainFailure> {
    if rules.is_our_name(domain) {
        return Err(DomainFailure::Ourselves);
    }
    Ok(vec![MailHost {
        preference: 0,
        name: domain.to_ascii_lowercase().into(),
    }])
}

/// Whether the target of an MX record can be a host. An address is none (RFC 5321 §5.1), in brackets neither: a name server would not know
/// it. What is no name at all must not keep mail from the other hosts.
fn can_be_host(name: &str) -> bool {
    HostName::parse(name).is_some_and(|name| !name.is_numeric())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::outbound::dns::answer::NameFound;

    fn rules() -> MxRules {
        MxRules {
            our_names: vec!["us.example".into()],
            ..MxRules::default()
        }
    }

    fn answer(named: &[(u16, &str)]) -> NameResult {
        let named = named.iter().map(|(preference, host)| MailExchanger {
            preference: *preference,
            host: (*host).into(),
        });
        Ok(NameFound {
            records: NameRecords::Exchangers(named.collect()),
            canonical: None,
            is_authenticated: false,
        })
    }

    fn hosts(named: &[(u16, &str)]) -> Result<String, DomainFailure> {
        let hosts = hosts_of("d.example", &answer(named), &rules())?;
        let hosts: Vec<_> = hosts.iter().map(|host| &*host.name).collect();
        Ok(hosts.join(" "))
    }

    #[test]
    fn hosts_come_by_preference() {
        for (named, expected) in [
            (&[(20, "b"), (10, "A"), (10, "0a")][..], Ok("0a a b")),
            (&[(10, "a"), (20, "a")], Ok("a")),
            // The null MX counts alone only.
            (&[(0, "")], Err(DomainFailure::NullMx)),
            (&[(0, ""), (10, "")], Err(DomainFailure::NullMx)),
            (&[(0, ""), (10, "a")], Ok("a")),
            (&[(0, "192.0.2.1")], Err(DomainFailure::NoHost)),
            (&[(0, "192.0.2.1"), (5, "::1"), (10, "a")], Ok("a")),
            (&[(0, "[192.0.2.1]")], Err(DomainFailure::NoHost)),
            (&[(0, "[ipv6:::1]"), (5, "http://b/"), (10, "a")], Ok("a")),
            // We take it for others, or are the first of all.
            (
                &[(10, "a"), (20, "Us.Example"), (20, "b"), (30, "c")],
                Ok("a"),
            ),
            (
                &[(10, "us.example"), (20, "a")],
                Err(DomainFailure::Ourselves),
            ),
            (
                &[(10, "a"), (10, "us.example")],
                Err(DomainFailure::Ourselves),
            ),
        ] {
            assert_eq!(hosts(named), expected.map(str::to_owned), "{named:?}");
        }
    }

    #[test]
    fn no_more_hosts_are_kept_than_are_tried() {
        let names: Vec<String> = (0..100).map(|number| format!("h{number:02}")).collect();
        let named: Vec<(u16, &str)> = (0..).zip(&names).map(|(at, name)| (at, &**name)).collect();
        assert_eq!(hosts(&named).unwrap().split(' ').count(), HOSTS_MAX);
    }

    #[test]
    fn trouble_is_never_for_good() {
        for error in [
            NameError::ServerFailure,
            NameError::Refused,
            NameError::BadAnswer,
            NameError::Unreachable,
            NameError::Timeout,
            NameError::Busy,
        ] {
            let failure = hosts_of("d.example", &Err(error), &rules()).unwrap_err();
            assert_eq!(failure, DomainFailure::Unknown(error));
            let result = failure.result("d.example");
            assert_eq!(result.class, ResultClass::NextHost);
            assert_eq!(result.status.to_string(), "4.4.3");
        }
        for (error, failure, status) in [
            (NameError::NoSuchName, DomainFailure::NoSuchDomain, "5.1.2"),
            (NameError::NoHostName, DomainFailure::NoSuchDomain, "5.1.2"),
        ] {
            assert_eq!(
                hosts_of("d.example", &Err(error), &rules()),
                Err(failure),
                "{error:?}"
            );
            assert_eq!(failure.result("d.example").status.to_string(), status);
        }
    }

    #[test]
    fn a_domain_without_mx_is_its_own_host() {
        let none = Err(NameError::NoData);
        let hosts = hosts_of("D.example", &none, &rules()).unwrap();
        assert_eq!((&*hosts[0].name, hosts.len()), ("d.example", 1));
        let ours = hosts_of("us.example", &none, &rules());
        assert_eq!(ours, Err(DomainFailure::Ourselves));
    }
}
