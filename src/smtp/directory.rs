//! Resolution of addresses to mailboxes: aliases, the list of mailboxes, the catch-all (RFC 5321 §3.9.1).
//!
//! Names are compared as mailboxes are: ASCII case and quotes make no difference. An address is, in this order,
//!
//! 1. an alias, which leads to what it names, and that may be aliases again;
//! 2. a mailbox in the list;
//! 3. if there is a plus in its local-part, and something in front of it: the alias or mailbox without plus and tag;
//! 4. what the catch-all leads to, if there is one;
//! 5. if the list is closed: nobody, but for the postmaster (RFC 5321 §4.5.1);
//! 6. a mailbox of its own, without plus and tag.
//!
//! What an alias or the catch-all names is wanted: to it, the last three do not apply. It may be an address elsewhere, of which
//! nothing more is known here.

mod name;

use core::fmt;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use smallvec::smallvec;

pub use name::AddressName;

use super::envelope::Mailboxes;
use super::path::Mailbox;

/// The most addresses that one alias may lead to, aliases on the way counted in.
pub const EXPANSION_MAX: usize = 100;

/// The tables as the operator wrote them.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// Aliases, and what each leads to.
    pub aliases: Vec<(AddressName, Vec<AddressName>)>,
    /// The list of mailboxes.
    pub mailboxes: Vec<AddressName>,
    /// Whether there are no others.
    pub closed: bool,
    /// The target of every address of which nothing else is known.
    pub catch_all: Option<AddressName>,
}

/// Why tables make no directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadAlias {
    /// The alias, by its place in its table.
    pub index: usize,
    /// Its fault.
    pub reason: AliasFault,
}

/// The fault of an alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AliasFault {
    /// The alias is in the table already.
    Twice,
    /// The alias leads back to itself, or to another that does, by these steps.
    Loop(Vec<AddressName>),
    /// The alias leads to more than [`EXPANSION_MAX`] addresses.
    TooMany,
}

impl fmt::Display for AliasFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Twice => f.write_str("it stands there twice: write one line for both"),
            Self::Loop(chain) => {
                f.write_str("it goes round in a loop, ")?;
                for (index, name) in chain.iter().enumerate() {
                    let arrow = if index == 0 { "" } else { " -> " };
                    write!(f, "{arrow}{name}")?;
                }
                f.write_str(": an alias must end at mailboxes")
            }
            Self::TooMany => write!(
                f,
                "it leads to more than {EXPANSION_MAX} addresses, aliases on the way counted in: name fewer"
            ),
        }
    }
}

/// The addresses that one address leads to, each one once: at least one, and at most [`EXPANSION_MAX`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// The mailboxes among them.
    pub mailboxes: Mailboxes,
    /// Those elsewhere.
    pub remote: Vec<Mailbox>,
}

/// An address that is nobody's, with a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSuchMailbox;

/// The entry of an address.
enum AddressEntry<'a> {
    Alias(&'a [AddressName]),
    Mailbox,
    Unknown,
}

/// Aliases, mailboxes and catch-all. Without any of them every address is its own mailbox.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// By the name as it is written. No local-part looks like an address: it would be in quotes.
    aliases: BTreeMap<Box<str>, Vec<AddressName>>,
    mailboxes: BTreeSet<Box<str>>,
    closed: bool,
    catch_all: Option<AddressName>,
}

impl Directory {
    /// The directory that these tables make.
    ///
    /// # Errors
    /// The first alias that leads nowhere, or too far.
    pub fn new(tables: Tables) -> Result<Self, BadAlias> {
        let written = |name: &AddressName| name.to_string().into_boxed_str();
        let mut directory = Self {
            aliases: BTreeMap::new(),
            mailboxes: tables.mailboxes.iter().map(written).collect(),
            closed: tables.closed,
            catch_all: tables.catch_all,
        };
        let mut names = Vec::with_capacity(tables.aliases.len());
        for (index, (name, targets)) in tables.aliases.into_iter().enumerate() {
            if directory.aliases.insert(written(&name), targets).is_some() {
                let reason = AliasFault::Twice;
                return Err(BadAlias { index, reason });
            }
            names.push(name);
        }
        directory.follow_all(&names, &tables.mailboxes)?;
        Ok(directory)
    }

    /// The addresses that mail for `recipient` goes to.
    ///
    /// # Errors
    /// The address is nobody's.
    pub fn resolve(&self, recipient: &Mailbox) -> Result<Resolved, NoSuchMailbox> {
        if self.is_empty() && recipient.is_plain() && !recipient.has_in_local_part(b'+') {
            return Ok(Resolved {
                mailboxes: smallvec![recipient.clone()],
                remote: Vec::new(),
            });
        }
        let (name, entry) = self.look_up(AddressName::Mailbox(recipient.plain()));
        match (entry, &self.catch_all) {
            (AddressEntry::Alias(_) | AddressEntry::Mailbox, _) => Ok(self.expand(name)),
            (AddressEntry::Unknown, Some(target)) => Ok(self.expand(target.seen_from(&name))),
            (AddressEntry::Unknown, None) if self.closed && name.local_part() != "postmaster" => {
                Err(NoSuchMailbox)
            }
            (AddressEntry::Unknown, None) => Ok(self.expand(name)),
        }
    }

    /// Whether `mailbox` is an alias or in the list of mailboxes, as it is, with its tag.
    #[must_use]
    pub fn lists(&self, mailbox: &Mailbox) -> bool {
        let entry = self.entry(&AddressName::Mailbox(mailbox.plain()));
        matches!(entry, AddressEntry::Alias(_) | AddressEntry::Mailbox)
    }

    /// `mailbox`, spelled plainly, and without its tag unless it is known with it.
    #[must_use]
    pub fn untagged(&self, mailbox: &Mailbox) -> Mailbox {
        match self.look_up(AddressName::Mailbox(mailbox.plain())) {
            (AddressName::Mailbox(untagged), _) => untagged,
            (AddressName::LocalPart(_) | AddressName::Elsewhere(_), _) => mailbox.plain(),
        }
    }

    /// The tables that make this directory.
    #[must_use]
    pub fn tables(&self) -> Tables {
        let name = |written: &str| written.parse::<AddressName>().ok();
        let aliases = self.aliases.iter();
        Tables {
            aliases: aliases
                .filter_map(|(written, targets)| Some((name(written)?, targets.clone())))
                .collect(),
            mailboxes: self
                .mailboxes
                .iter()
                .filter_map(|written| name(written))
                .collect(),
            closed: self.closed,
            catch_all: self.catch_all.clone(),
        }
    }

    /// Whether nothing is known of any address.
    fn is_empty(&self) -> bool {
        self.aliases.is_empty()
            && self.mailboxes.is_empty()
            && !self.closed
            && self.catch_all.is_none()
    }

    /// Whether an alias or the catch-all leads to an address elsewhere.
    #[must_use]
    pub fn leads_elsewhere(&self) -> bool {
        let mut targets = self.aliases.values().flatten().chain(&self.catch_all);
        targets.any(|target| matches!(target, AddressName::Elsewhere(_)))
    }

    /// Whether there is a list of mailboxes that makes no difference, since it is not closed.
    #[must_use]
    pub fn has_idle_list(&self) -> bool {
        !self.mailboxes.is_empty() && !self.closed && self.catch_all.is_none()
    }

    /// Looks up `name`, or else the name without its tag, which is then left off in any case.
    fn look_up(&self, name: AddressName) -> (AddressName, AddressEntry<'_>) {
        let entry = self.entry(&name);
        match (entry, name.untagged()) {
            (AddressEntry::Unknown, Some(user)) => {
                let entry = self.entry(&user);
                (user, entry)
            }
            (entry, _) => (name, entry),
        }
    }

    fn entry(&self, name: &AddressName) -> AddressEntry<'_> {
        let (written, anywhere) = match name {
            AddressName::Mailbox(mailbox) => {
                (Cow::Borrowed(mailbox.as_str()), Some(mailbox.local_part()))
            }
            AddressName::LocalPart(_) => (Cow::Owned(name.to_string()), None),
            AddressName::Elsewhere(_) => return AddressEntry::Unknown,
        };
        let mut names = [Some(&*written), anywhere].into_iter().flatten();
        if let Some(targets) = names.clone().find_map(|name| self.aliases.get(name)) {
            AddressEntry::Alias(targets)
        } else if names.any(|name| self.mailboxes.contains(name)) {
            AddressEntry::Mailbox
        } else {
            AddressEntry::Unknown
        }
    }

    /// All that `name` leads to.
    fn expand(&self, name: AddressName) -> Resolved {
        let mut seen = BTreeSet::new();
        let mut resolved = Resolved::default();
        let mut ahead = vec![name];
        while let Some(name) = ahead.pop() {
            let (name, entry) = self.look_up(name);
            if !seen.insert(name.clone()) {
                continue;
            }
            match (entry, name) {
                (AddressEntry::Alias(targets), name) => {
                    ahead.extend(targets.iter().rev().map(|target| target.seen_from(&name)));
                }
                (_, AddressName::Mailbox(mailbox)) => resolved.mailboxes.push(mailbox),
                (_, AddressName::Elsewhere(mailbox)) => resolved.remote.push(mailbox),
                (_, AddressName::LocalPart(_)) => {}
            }
        }
        resolved
    }

    /// Follows all aliases, the `names` of the table, in every domain.
    fn follow_all(&self, names: &[AddressName], mailboxes: &[AddressName]) -> Result<(), BadAlias> {
        let mut with_domain: BTreeMap<String, Vec<&AddressName>> = BTreeMap::new();
        for name in names.iter().chain(mailboxes) {
            if matches!(name, AddressName::Mailbox(_)) {
                with_domain.entry(name.user()).or_default().push(name);
            }
        }
        for (index, name) in names.iter().enumerate() {
            let bad = |reason| BadAlias { index, reason };
            let mut seen = BTreeSet::new();
            self.follow(name.clone(), &mut Vec::new(), &mut seen)
                .map_err(bad)?;
            // A local-part leads to the same in all domains, but for those of which a name may be on its way.
            let others = seen.iter().filter_map(|name| with_domain.get(&name.user()));
            let elsewhere = others.flatten().map(|other| name.seen_from(other));
            let own = |name: &AddressName| self.aliases.contains_key(&*name.to_string());
            let mut begun = BTreeSet::new();
            begun.extend(elsewhere.filter(|name| !own(name)));
            for name in begun {
                self.follow(name, &mut Vec::new(), &mut BTreeSet::new())
                    .map_err(bad)?;
            }
        }
        Ok(())
    }

    /// Follows `name`, to which `chain` has led, in all its branches. Where `seen` has been, all was well.
    fn follow(
        &self,
        name: AddressName,
        chain: &mut Vec<AddressName>,
        seen: &mut BTreeSet<AddressName>,
    ) -> Result<(), AliasFault> {
        let (name, entry) = self.look_up(name);
        if let Some(start) = chain.iter().position(|link| *link == name) {
            let mut round = chain.split_off(start);
            round.push(name);
            return Err(AliasFault::Loop(round));
        }
        if !seen.insert(name.clone()) {
            return Ok(());
        }
        // The first is the alias itself.
        if seen.len() > 1 + EXPANSION_MAX {
            return Err(AliasFault::TooMany);
        }
        if let AddressEntry::Alias(targets) = entry {
            chain.push(name.clone());
            for target in targets {
                self.follow(target.seen_from(&name), chain, seen)?;
            }
            chain.pop();
        }
        Ok(())
    }
}
