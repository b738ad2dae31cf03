//! What one filter changes in one message, within bounds, and the header after that.

use super::error::MilterError;
use super::fields::{MessageField, is_field_name};

/// The most changes of one filter in one message.
pub const CHANGES_MAX: usize = 500;
/// The most octets of these.
pub const CHANGES_BYTES_MAX: usize = 512 * 1_024;

/// One change of the header or the envelope of a message. Texts are as the filter gave them, without NUL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilterChange {
    /// A header field is added as the last one.
    AddHeader {
        /// Its name.
        name: Box<[u8]>,
        /// Its value, whose lines end in LF.
        value: Box<[u8]>,
    },
    /// A header field is put in before the one with this number.
    InsertHeader {
        /// The number of the field among all, where 1 is the first; 0 is it too.
        index: u32,
        /// Its name.
        name: Box<[u8]>,
        /// Its value, whose lines end in LF.
        value: Box<[u8]>,
    },
    /// A header field gets another value. Without a value the field is deleted.
    ChangeHeader {
        /// The number of the field among those of its name, where 1 is the first; 0 is it too.
        index: u32,
        /// Its name.
        name: Box<[u8]>,
        /// Its value, whose lines end in LF.
        value: Box<[u8]>,
    },
    /// A recipient is added.
    AddRecipient {
        /// The address, with or without angle brackets.
        address: Box<[u8]>,
        /// Parameters of RCPT, separated by spaces.
        arguments: Box<[u8]>,
    },
    /// A recipient is deleted.
    DeleteRecipient(Box<[u8]>),
    /// The message has another sender.
    ChangeSender {
        /// The address, with or without angle brackets.
        address: Box<[u8]>,
        /// Parameters of MAIL, separated by spaces.
        arguments: Box<[u8]>,
    },
}

impl FilterChange {
    fn bytes(&self) -> usize {
        match self {
            Self::AddHeader { name, value }
            | Self::InsertHeader { name, value, .. }
            | Self::ChangeHeader { name, value, .. } => name.len() + value.len(),
            Self::AddRecipient { address, arguments }
            | Self::ChangeSender { address, arguments } => address.len() + arguments.len(),
            Self::DeleteRecipient(address) => address.len(),
        }
    }

    /// The name of the header field that it is about.
    fn field_name(&self) -> Option<&[u8]> {
        match self {
            Self::AddHeader { name, .. }
            | Self::InsertHeader { name, .. }
            | Self::ChangeHeader { name, .. } => Some(name),
            _ => None,
        }
    }
}

/// All that one filter changes in the header and the envelope of one message. Nothing counts before its verdict.
#[derive(Debug)]
pub struct MessageChanges {
    changes: Vec<FilterChange>,
    bytes: usize,
    /// Whether values begin with the space that follows the colon.
    has_leading_space: bool,
}

impl MessageChanges {
    /// No changes yet, of a filter with whose values the [space](super::terms::FilterTerms::has_leading_space) comes or does not.
    #[must_use]
    pub fn new(has_leading_space: bool) -> Self {
        Self {
            changes: Vec::new(),
            bytes: 0,
            has_leading_space,
        }
    }

    /// Takes the next change.
    ///
    /// # Errors
    /// [`MilterError::TooManyChanges`] if there are more than [`CHANGES_MAX`], or more octets than [`CHANGES_BYTES_MAX`].
    pub fn push(&mut self, change: FilterChange) -> Result<(), MilterError> {
        self.bytes += change.bytes();
        if self.changes.len() >= CHANGES_MAX || self.bytes > CHANGES_BYTES_MAX {
            return Err(MilterError::TooManyChanges);
        }
        self.changes.push(change);
        Ok(())
    }

    /// Whether nothing is changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The changes of the envelope, in their order.
    pub fn envelope(&self) -> impl Iterator<Item = &FilterChange> {
        let changes = self.changes.iter();
        changes.filter(|change| change.field_name().is_none())
    }

    /// Names given to header fields that no field can have: these are left out.
    pub fn ignored_fields(&self) -> impl Iterator<Item = &[u8]> {
        let names = self.changes.iter().filter_map(FilterChange::field_name);
        names.filter(|name| !is_field_name(name))
    }

    /// Whether the header is changed.
    #[must_use]
    pub fn changes_header(&self) -> bool {
        self.changes.iter().any(|it| it.field_name().is_some())
    }

    /// Changes the fields of a header, which are those of the message without what the server puts in front, as Postfix does.
    pub fn apply_header(&self, fields: &mut Vec<MessageField<'_>>) {
        for change in &self.changes {
            if change.field_name().is_none_or(|name| !is_field_name(name)) {
                continue;
            }
            match change {
                FilterChange::AddHeader { name, value } => fields.push(self.field(name, value)),
                FilterChange::InsertHeader { index, name, value } => {
                    let index = usize::try_from(*index).unwrap_or(usize::MAX);
                    let at = index.saturating_sub(1).min(fields.len());
                    fields.insert(at, self.field(name, value));
                }
                FilterChange::ChangeHeader { index, name, value } => {
                    let at = find(fields, name, *index);
                    match at {
                        Some(at) if value.is_empty() => drop(fields.remove(at)),
                        Some(at) => fields[at] = self.field(name, value),
                        None if value.is_empty() => {}
                        None => fields.push(self.field(name, value)),
                    }
                }
                _ => {}
            }
        }
    }

    fn field(&self, name: &[u8], value: &[u8]) -> MessageField<'static> {
        MessageField::compose(name, value, self.has_leading_space)
    }
}

/// The place of the field with this number among those of a name.
fn find(fields: &[MessageField<'_>], name: &[u8], index: u32) -> Option<usize> {
    let before = usize::try_from(index.saturating_sub(1)).ok()?;
    let places = fields.iter().enumerate();
    let mut of_name = places.filter(|(_, field)| field.name().eq_ignore_ascii_case(name));
    of_name.nth(before).map(|(at, _)| at)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
