//! The sites of domains whose hosts are looked up: their names, and what a connection to one of their hosts has to show.

use std::net::IpAddr;
use std::path::PathBuf;
use std::rc::Rc;

use super::exchangers::MailHost;
use crate::net::trust::{TlsAssociation, Trust};
use crate::outbound::tls_results::TlsPolicy;
use crate::smtp::route::{Hop, TlsLevel};

/// The TLS that a route by MX wants of every host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MxDemand {
    /// The level.
    pub tls: TlsLevel,
    /// The file of those who may vouch for hosts, in place of those whom the system trusts.
    pub authorities: Option<PathBuf>,
}

impl MxDemand {
    /// What the hop `mx` of a route wants.
    #[must_use]
    pub fn of_route(hop: &Hop) -> Self {
        Self {
            tls: hop.tls,
            authorities: hop.authorities.clone(),
        }
    }

    /// Whether the policies that a domain or a host publishes count: a route that verifies wants more already, and one without TLS wants
    /// none.
    #[must_use]
    pub fn heeds_policies(&self) -> bool {
        matches!(self.tls, TlsLevel::May | TlsLevel::Encrypt)
    }

    /// The demand as a part of the name of a site; empty for the usual one.
    fn suffix(&self) -> String {
        match (self.tls, &self.authorities) {
            (TlsLevel::May, None) => String::new(),
            (level, None) => format!("?tls={}", level.name()),
            (level, Some(file)) => format!("?tls={}&ca={}", level.name(), file.display()),
        }
    }
}

/// A domain whose hosts are to be looked up, by a route to them.
#[derive(Debug, PartialEq, Eq)]
pub struct MxDomain {
    /// The domain in lower case and as A-labels, or an address in brackets.
    pub domain: Box<str>,
    /// What the route wants.
    pub demand: Rc<MxDemand>,
}

impl MxDomain {
    /// The name of the site at which mail for the domain waits until its hosts are known.
    #[must_use]
    pub fn site(&self) -> String {
        format!("domain:{}{}", self.domain, self.demand.suffix())
    }

    /// The hosts of an address literal, which is one by itself.
    #[must_use]
    pub fn literal(&self) -> Option<Vec<MailHost>> {
        self.domain.starts_with('[').then(|| {
            vec![MailHost {
                preference: 0,
                name: (&*self.domain).into(),
            }]
        })
    }
}

/// The hosts of a domain, or of several that have the same, under one policy: one site.
#[derive(Debug, PartialEq, Eq)]
pub struct MxSite {
    /// Its name.
    pub name: Box<str>,
    /// Its hosts, at least one, in the order of their preferences.
    pub hosts: Vec<MailHost>,
    /// What the route wants.
    pub demand: Rc<MxDemand>,
    /// Whether the MTA-STS policy of the domain is enforced (RFC 8461): every host has a certificate for its name.
    pub is_enforced: bool,
}

impl MxSite {
    /// The site of these hosts.
    #[must_use]
    pub fn new(hosts: Vec<MailHost>, demand: Rc<MxDemand>, is_enforced: bool) -> Self {
        let mut name = String::from("mx:");
        let mut before: Option<u16> = None;
        for host in &hosts {
            match before {
                None => {}
                Some(preference) if preference == host.preference => name.push(','),
                Some(_) => name.push(';'),
            }
            before = Some(host.preference);
            name += &host.name;
        }
        name += &demand.suffix();
        if is_enforced {
            name += match name.contains('?') {
                true => "&sts",
                false => "?sts",
            };
        }
        Self {
            name: name.into(),
            hosts,
            demand,
            is_enforced,
        }
    }

    /// The hosts in the order in which they are tried now: equal ones take turns, by a number that is another one each time.
    pub fn in_turn(&self, number: u64) -> impl Iterator<Item = &MailHost> {
        let equals = self
            .hosts
            .chunk_by(|one, other| one.preference == other.preference);
        equals.flat_map(move |equals| {
            let first = usize::try_from(number % equals.len() as u64).unwrap_or(0);
            let (before, after) = equals.split_at(first);
            after.iter().chain(before)
        })
    }
}

/// What one host has published of its certificates (RFC 7672 §2.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HostAssociations {
    /// Nothing that is verified.
    #[default]
    None,
    /// Records of which none can be made use of: TLS without a look at the certificate.
    Unusable,
    /// Records that its certificate has to match, and the name that they were found under.
    Usable(Rc<[TlsAssociation]>, Rc<str>),
}

/// The TLS that a connection to a host has to have: the strictest of what the route, the host and the domain want.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostTls {
    /// The level.
    pub level: TlsLevel,
    /// Who vouches for the host, where the level is [`TlsLevel::Verify`].
    pub trust: Trust,
    /// The name that the host is asked for by, and that its certificate is for.
    pub name: Rc<str>,
    /// The policy that wants it.
    pub policy: TlsPolicy,
}

impl MxSite {
    /// The TLS for one of the hosts, which has published this. A route that verifies comes first, then DANE, which no other policy may
    /// overrule (RFC 8461 §2), then MTA-STS.
    #[must_use]
    pub fn tls(&self, host: &Rc<str>, published: &HostAssociations) -> HostTls {
        let demand = &self.demand;
        let by_route = HostTls {
            level: demand.tls,
            trust: match (demand.tls, &demand.authorities) {
                (TlsLevel::Verify, Some(file)) => Trust::Authorities(file.clone()),
                (TlsLevel::Verify, None) => Trust::Machine,
                _ => Trust::Anybody,
            },
            name: bare(host),
            policy: TlsPolicy::NotFound,
        };
        if !demand.heeds_policies() {
            return by_route;
        }
        match published {
            HostAssociations::Usable(associations, base) => HostTls {
                level: TlsLevel::Verify,
                trust: Trust::Associations {
                    records: Rc::clone(associations),
                    // The host may stand for another name, under which its records were found.
                    names: [Rc::clone(host)].into(),
                },
                name: Rc::clone(base),
                policy: TlsPolicy::Tlsa,
            },
            // The certificate that nobody can look at by DANE is looked at by MTA-STS.
            HostAssociations::Unusable | HostAssociations::None if self.is_enforced => HostTls {
                level: TlsLevel::Verify,
                trust: Trust::Machine,
                policy: TlsPolicy::Sts,
                ..by_route
            },
            HostAssociations::Unusable => HostTls {
                level: TlsLevel::Encrypt,
                policy: TlsPolicy::Tlsa,
                ..by_route
            },
            HostAssociations::None => by_route,
        }
    }
}

/// A host without the brackets of an address literal.
fn bare(host: &Rc<str>) -> Rc<str> {
    let literal = address_in(host);
    literal.map_or_else(|| Rc::clone(host), |address| address.to_string().into())
}

/// The address in an address literal (RFC 5321 §4.1.3).
#[must_use]
pub fn address_in(host: &str) -> Option<IpAddr> {
    let inside = host.strip_prefix('[')?.strip_suffix(']')?;
    let is_v6 = inside
        .get(..5)
        .is_some_and(|tag| tag.eq_ignore_ascii_case("ipv6:"));
    let inside = if is_v6 { &inside[5..] } else { inside };
    inside.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(tls: TlsLevel, is_enforced: bool) -> MxSite {
        let hosts = [(10, "a"), (10, "b"), (20, "c")].map(|(preference, name)| MailHost {
            preference,
            name: name.into(),
        });
        let demand = MxDemand {
            tls,
            authorities: None,
        };
        MxSite::new(hosts.into(), demand.into(), is_enforced)
    }

    #[test]
    fn a_site_is_its_hosts_and_its_policy() {
        assert_eq!(&*site(TlsLevel::May, false).name, "mx:a,b;c");
        assert_eq!(&*site(TlsLevel::May, true).name, "mx:a,b;c?sts");
        let encrypts = site(TlsLevel::Encrypt, true);
        assert_eq!(&*encrypts.name, "mx:a,b;c?tls=encrypt&sts");
    }

    #[test]
    fn equal_hosts_take_turns() {
        let site = site(TlsLevel::May, false);
        let order = |number| {
            let hosts: Vec<&str> = site.in_turn(number).map(|host| &*host.name).collect();
            hosts.join("")
        };
        assert_eq!([order(0), order(1), order(2)], ["abc", "bac", "abc"]);
    }

    #[test]
    fn the_strictest_of_all_policies_counts() {
        use TlsLevel::{Encrypt, May, Verify};
        use TlsPolicy::{NotFound, Sts, Tlsa};
        let host: Rc<str> = "a".into();
        let records: Rc<[TlsAssociation]> = [TlsAssociation {
            usage: 3,
            selector: 1,
            matching: 1,
            data: [0; 32].into(),
        }]
        .into();
        let usable = HostAssociations::Usable(records, "a".into());
        let (none, unusable) = (HostAssociations::None, HostAssociations::Unusable);
        for (route, is_enforced, published, level, policy) in [
            (May, false, &none, May, NotFound),
            (May, false, &unusable, Encrypt, Tlsa),
            (May, false, &usable, Verify, Tlsa),
            (May, true, &none, Verify, Sts),
            (May, true, &unusable, Verify, Sts),
            (May, true, &usable, Verify, Tlsa),
            (Encrypt, false, &none, Encrypt, NotFound),
            (Encrypt, true, &usable, Verify, Tlsa),
            (Verify, true, &usable, Verify, NotFound),
            (TlsLevel::None, true, &usable, TlsLevel::None, NotFound),
        ] {
            let tls = site(route, is_enforced).tls(&host, published);
            assert_eq!(
                (tls.level, tls.policy),
                (level, policy),
                "{route:?} {is_enforced} {published:?}"
            );
        }
    }

    #[test]
    fn addresses_in_brackets_are_read() {
        for (text, address) in [
            ("[192.0.2.1]", Some("192.0.2.1")),
            ("[IPv6:2001:db8::1]", Some("2001:db8::1")),
            ("[ipv6:::1]", Some("::1")),
            ("192.0.2.1", None),
            ("[a.example]", None),
        ] {
            let read = address_in(text).map(|address| address.to_string());
            assert_eq!(read.as_deref(), address, "{text}");
        }
    }
}
