//! The domains whose hosts were found a moment ago, so that each message does not ask again.

use std::collections::HashMap;
use std::rc::Rc;

use super::site::MxSite;

/// The time for which the hosts of a domain are known. After it they are looked up again, which mostly needs no name server: the resolver
/// keeps answers for as long as they hold.
const KNOWN_FOR_MS: u64 = 30_000;
/// The most domains that are known.
const DOMAINS_MAX: usize = 10_000;

/// The hosts of domains, by the [names](super::site::MxDomain::site) of their sites.
#[derive(Debug, Default)]
pub struct KnownDomains {
    domains: HashMap<Box<str>, KnownDomain>,
}

#[derive(Debug)]
struct KnownDomain {
    mx: Rc<MxSite>,
    until_ms: u64,
}

impl KnownDomains {
    /// The hosts of a domain, if they are known.
    #[must_use]
    pub fn get(&self, domain: &str, now_ms: u64) -> Option<&Rc<MxSite>> {
        let known = self.domains.get(domain)?;
        (now_ms < known.until_ms).then_some(&known.mx)
    }

    /// Keeps the hosts of a domain, unless there are too many that are known.
    pub fn keep(&mut self, domain: &str, mx: &Rc<MxSite>, now_ms: u64) {
        if self.domains.len() >= DOMAINS_MAX {
            self.domains.retain(|_, known| now_ms < known.until_ms);
        }
        if self.domains.len() < DOMAINS_MAX {
            let known = KnownDomain {
                mx: Rc::clone(mx),
                until_ms: now_ms + KNOWN_FOR_MS,
            };
            self.domains.insert(domain.into(), known);
        }
    }

    /// Forgets the hosts of a domain.
    pub fn forget(&mut self, domain: &str) {
        self.domains.remove(domain);
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.domains.clear();
    }
}
