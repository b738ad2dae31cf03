//! Addresses as tables of the operator name them.

use core::fmt;
use core::str::FromStr;
use std::borrow::Cow;

use crate::smtp::path::{Mailbox, PathError, quoted_if_needed};

/// The mark between a mailbox and a tag of its owner's choice (RFC 5233).
const TAG_MARK: char = '+';

/// An address as a table names it, spelled plainly.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AddressName {
    /// With its domain.
    Mailbox(Mailbox),
    /// A local-part, without quotes: as a key in every domain of ours, as a target in that of the recipient.
    LocalPart(Box<str>),
    /// With a domain that is not ours, to which mail is sent on: only a target can be one, and no table says more of it.
    Elsewhere(Mailbox),
}

impl AddressName {
    /// Its meaning in a table that was led to by `source`.
    pub(super) fn seen_from(&self, source: &Self) -> Self {
        match (self, source) {
            (Self::LocalPart(local_part), Self::Mailbox(source)) => {
                Self::Mailbox(source.with_local_part(local_part))
            }
            _ => self.clone(),
        }
    }

    pub(super) fn local_part(&self) -> Cow<'_, str> {
        match self {
            Self::Mailbox(mailbox) | Self::Elsewhere(mailbox) => mailbox.local_part_unquoted(),
            Self::LocalPart(local_part) => Cow::Borrowed(local_part),
        }
    }

    /// Its local-part without plus and tag.
    pub(super) fn user(&self) -> String {
        let local_part = self.local_part();
        let user = local_part.split(TAG_MARK).next();
        user.unwrap_or_default().to_owned()
    }

    /// The name without plus and tag, if it has them.
    pub(super) fn untagged(&self) -> Option<Self> {
        // The tags of others are for their servers to say.
        if matches!(self, Self::Elsewhere(_)) {
            return None;
        }
        let local_part = self.local_part();
        let (user, _tag) = local_part.split_once(TAG_MARK)?;
        if user.is_empty() {
            return None;
        }
        let user = Self::LocalPart(user.into());
        Some(user.seen_from(self))
    }
}

impl FromStr for AddressName {
    type Err = PathError;

    /// Reads an address or a local-part, which must not be empty.
    fn from_str(text: &str) -> Result<Self, PathError> {
        let name = match text.parse::<Mailbox>() {
            Ok(mailbox) => Self::Mailbox(mailbox.plain()),
            Err(_) => {
                let mailbox = format!("{text}@domain").parse::<Mailbox>()?.plain();
                Self::LocalPart(mailbox.local_part_unquoted().into())
            }
        };
        if name.local_part().is_empty() {
            return Err(PathError::Syntax);
        }
        Ok(name)
    }
}

impl fmt::Display for AddressName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mailbox(mailbox) | Self::Elsewhere(mailbox) => mailbox.fmt(f),
            Self::LocalPart(local_part) => f.write_str(&quoted_if_needed(local_part)),
        }
    }
}
