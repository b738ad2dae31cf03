//! All routes of a server, found by domain however many they are.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::rc::Rc;

use super::{Pattern, Route};
use crate::smtp::path::{DOMAIN_BYTES_MAX, Mailbox};

/// The routes of a server. One is found in as many look-ups as its domain has labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes {
    exact: HashMap<Box<str>, Rc<Route>>,
    /// By the domain below which all are meant.
    below: HashMap<Box<str>, Rc<Route>>,
    any: Option<Rc<Route>>,
}

impl Routes {
    /// Adds a route, unless there is one with its pattern already; whether there was none.
    pub fn add(&mut self, route: Route) -> bool {
        let (table, domain) = match &route.pattern {
            Pattern::Domain(domain) => (&mut self.exact, domain.clone()),
            Pattern::Below(domain) => (&mut self.below, domain.clone()),
            Pattern::Any => {
                let is_new = self.any.is_none();
                self.any.get_or_insert_with(|| Rc::new(route));
                return is_new;
            }
        };
        match table.entry(domain) {
            Entry::Occupied(_) => false,
            Entry::Vacant(entry) => {
                entry.insert(Rc::new(route));
                true
            }
        }
    }

    /// Whether there is no route.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.below.is_empty() && self.any.is_none()
    }

    /// Whether any route names a domain itself.
    #[must_use]
    pub fn has_exact(&self) -> bool {
        !self.exact.is_empty()
    }

    /// The route for mail to `recipient`: the closest of those that fit its domain.
    #[must_use]
    pub fn find(&self, recipient: &Mailbox) -> Option<&Rc<Route>> {
        with_key(recipient, |domain| {
            self.exact.get(domain).or_else(|| {
                // An address literal is not a part of anything.
                let is_name = !domain.starts_with('[');
                is_name.then(|| self.find_above(domain)).flatten()
            })
        })
    }

    /// The route that names the domain of `recipient` itself.
    #[must_use]
    pub fn exact(&self, recipient: &Mailbox) -> Option<&Rc<Route>> {
        if self.exact.is_empty() {
            return None;
        }
        with_key(recipient, |domain| self.exact.get(domain))
    }

    /// All routes, in the order of their patterns.
    #[must_use]
    pub fn all(&self) -> Vec<&Rc<Route>> {
        let named = self.exact.values().chain(self.below.values());
        let mut all: Vec<_> = named.chain(&self.any).collect();
        all.sort_unstable_by_key(|route| route.pattern.to_string());
        all
    }

    fn find_above(&self, domain: &str) -> Option<&Rc<Route>> {
        let mut rest = domain;
        while !self.below.is_empty()
            && let Some((_, above)) = rest.split_once('.')
        {
            if let Some(route) = self.below.get(above) {
                return Some(route);
            }
            rest = above;
        }
        self.any.as_ref()
    }
}

/// Calls `look_up` with the domain of `recipient` as patterns spell it, which allocates nothing for one in ASCII.
fn with_key<T>(recipient: &Mailbox, look_up: impl FnOnce(&str) -> T) -> T {
    let domain = recipient.ascii_domain();
    let mut lower = [0; DOMAIN_BYTES_MAX];
    let Some(key) = lower.get_mut(..domain.len()) else {
        return look_up(&domain.to_ascii_lowercase());
    };
    key.copy_from_slice(domain.as_bytes());
    key.make_ascii_lowercase();
    look_up(str::from_utf8(key).unwrap_or_default())
}
