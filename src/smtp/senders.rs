//! The senders that each user owns (RFC 6409 §6.1).
//!
//! A user in the table owns what stands there, and nothing else. Any other user owns the mailbox of that name in each of
//! our domains, or, where the name is an address, that one if it is ours. Names are compared as mailboxes are: ASCII case
//! and quotes make no difference.

use core::fmt;
use core::str::FromStr;
use std::collections::BTreeMap;

use super::path::{Mailbox, PathError};

/// A sender that a user owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sender {
    /// One mailbox, spelled plainly.
    Mailbox(Mailbox),
    /// Every mailbox of this domain, which is spelled as such a mailbox has it.
    Domain(Box<str>),
}

impl Sender {
    fn covers(&self, mailbox: &Mailbox) -> bool {
        match self {
            Self::Mailbox(own) => own == mailbox,
            Self::Domain(domain) => **domain == *mailbox.domain(),
        }
    }
}

impl FromStr for Sender {
    type Err = PathError;

    /// Reads an address, or a domain behind an `@`.
    fn from_str(text: &str) -> Result<Self, PathError> {
        if text.starts_with('@') {
            let mailbox = format!("any{text}").parse::<Mailbox>()?.plain();
            return Ok(Self::Domain(mailbox.domain().into()));
        }
        Ok(Self::Mailbox(text.parse::<Mailbox>()?.plain()))
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mailbox(mailbox) => mailbox.fmt(f),
            Self::Domain(domain) => write!(f, "@{domain}"),
        }
    }
}

/// The table. Without any user in it all have what they have by default.
#[derive(Clone, Debug, Default)]
pub struct Senders {
    /// By the name of the user, spelled plainly.
    owned: BTreeMap<String, Vec<Sender>>,
}

impl Senders {
    /// Gives `user` these and no others; whether that was not done already.
    pub fn add(&mut self, user: &str, owned: Vec<Sender>) -> bool {
        self.owned.insert(plain(user), owned).is_none()
    }

    /// All users in the table, each with what it owns.
    pub fn all(&self) -> impl Iterator<Item = (&str, &[Sender])> {
        let all = self.owned.iter();
        all.map(|(user, owned)| (user.as_str(), owned.as_slice()))
    }

    /// The entry of `user`, if there is one.
    #[must_use]
    pub fn of(&self, user: &str) -> Option<&[Sender]> {
        self.owned.get(&plain(user)).map(Vec::as_slice)
    }

    /// Whether `user` owns `mailbox`, which is spelled plainly, and is one of ours or not.
    #[must_use]
    pub fn owns(&self, user: &str, mailbox: &Mailbox, is_ours: bool) -> bool {
        if let Some(owned) = self.of(user) {
            return owned.iter().any(|sender| sender.covers(mailbox));
        }
        let is_own = match user.parse::<Mailbox>() {
            Ok(address) => address.plain() == *mailbox,
            Err(_) => mailbox.local_part_unquoted().eq_ignore_ascii_case(user),
        };
        is_ours && is_own
    }
}

/// The plain spelling of a user's name, which all its spellings have in common.
#[must_use]
pub fn plain(user: &str) -> String {
    match user.parse::<Mailbox>() {
        Ok(address) => address.plain().to_string(),
        Err(_) => user.to_ascii_lowercase(),
    }
}
