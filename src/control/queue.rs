//! The queue, as an operator asks for it and changes it: the requests.

use core::fmt;

use super::queue_report::ChangedReport;
use crate::smtp::path::{Mailbox, ReversePath};
use crate::store::spool::MailId;

/// The name of the control socket within the folder of a spool.
pub const QUEUE_SOCKET: &str = "queue.sock";

/// A question about the queue, or a change of it, with the cursor behind what was answered so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueRequest {
    /// All mail.
    List(ListCursor),
    /// One mail.
    Show(MailId, ShowCursor),
    /// The sites after this one.
    Sites(Option<u32>),
    /// A change of mail.
    Change(Box<QueueChange>),
}

/// The end of what was told of a listing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListCursor {
    /// The last mail that was told wholly.
    pub after: Option<MailId>,
    /// Recipients of the next one that were told.
    pub recipients: usize,
    /// When the listing began, in milliseconds of the epoch: mail that comes later is left out, so that it ends.
    pub began_ms: Option<u64>,
    /// Whether the spool was still being read meanwhile, so that there is more mail.
    pub is_partial: bool,
}

/// The end of what was told of one mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShowCursor {
    /// So many recipients.
    Recipients(usize),
    /// A part of the text.
    Header {
        /// The octets that were told.
        at: u64,
        /// Whether that was in the middle of a line.
        is_in_line: bool,
    },
}

/// A change that an operator makes to mail in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueChange {
    /// The change.
    pub action: QueueAction,
    /// The mail.
    pub selection: QueueSelection,
    /// The last mail that was looked at.
    pub after: Option<MailId>,
    /// When it began, in milliseconds of the epoch: mail that comes later is left alone.
    pub began_ms: Option<u64>,
    /// Changes so far.
    pub changed: ChangedReport,
    /// Whether the spool was still being read meanwhile, so that there is more mail.
    pub is_partial: bool,
    /// What is waited for, once all of it is changed in the queue.
    pub sync: Option<AwaitedSync>,
}

/// Changes that an operator waits for until they are durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AwaitedSync {
    /// The number of changes of the spool, from its start on, that are to be durable.
    pub changes: u64,
    /// Since when, in milliseconds of the epoch.
    pub since_ms: u64,
}

impl QueueChange {
    /// A change of which nothing is made yet.
    #[must_use]
    pub fn new(action: QueueAction, selection: QueueSelection) -> Self {
        Self {
            action,
            selection,
            after: None,
            began_ms: None,
            changed: ChangedReport::default(),
            is_partial: false,
            sync: None,
        }
    }
}

/// The kind of a change that an operator makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueAction {
    /// Nothing is sent until it is released.
    Hold,
    /// The mail that was held is sent again.
    Release,
    /// The mail that waits is tried at once.
    Retry,
    /// The mail is taken off the queue, and nobody is told.
    Delete,
}

/// A selection of mail in the queue. What is said of it restricts it; by default it is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueSelection {
    /// This mail.
    pub mail: Option<MailId>,
    /// The recipients with this domain, as A-labels in lower case.
    pub domain: Option<Box<str>>,
    /// Mail of this sender, spelled plainly.
    pub sender: Option<ReversePath>,
    /// Mail that came so many seconds ago, or more.
    pub older_seconds: Option<u64>,
}

/// The word for all mail.
const ALL: &str = "all";

impl QueueSelection {
    /// Whether it says anything of the envelope.
    #[must_use]
    pub fn asks_for_envelope(&self) -> bool {
        self.domain.is_some() || self.sender.is_some()
    }

    /// Reads the domain of a selection, in letters of any script. `None`: it is none.
    #[must_use]
    pub fn domain_of(text: &str) -> Option<Box<str>> {
        let address: Mailbox = format!("x@{text}").parse().ok()?;
        let domain = address.ascii_domain().to_ascii_lowercase();
        Some(domain.into())
    }

    /// Reads the sender of a selection: an address in brackets or without, or `<>`. `None`: it is none.
    #[must_use]
    pub fn sender_of(text: &str) -> Option<ReversePath> {
        let inner = text
            .strip_prefix('<')
            .and_then(|text| text.strip_suffix('>'));
        if inner == Some("") {
            return Some(ReversePath::Null);
        }
        let address: Mailbox = inner.unwrap_or(text).parse().ok()?;
        Some(ReversePath::Mailbox(address.plain()))
    }

    /// Reads the argument of a command, as [`Display`](fmt::Display) writes it.
    #[must_use]
    pub(super) fn parse(argument: &str) -> Option<Self> {
        let mut selection = Self::default();
        if argument == ALL {
            return Some(selection);
        }
        // An address may hold blanks, so it comes last.
        let (words, sender) = match argument.split_once("sender=") {
            Some((words, sender)) => (words, Some(sender)),
            None => (argument, None),
        };
        if let Some(sender) = sender {
            selection.sender = Some(Self::sender_of(sender)?);
        }
        for word in words.split_whitespace() {
            match word.split_once('=') {
                None => selection.mail = Some(MailId::from_queue_id(word)?),
                Some(("domain", domain)) => selection.domain = Some(Self::domain_of(domain)?),
                Some(("older", seconds)) => selection.older_seconds = Some(seconds.parse().ok()?),
                Some(_) => return None,
            }
        }
        (selection != Self::default()).then_some(selection)
    }
}

impl fmt::Display for QueueSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            mail,
            domain,
            sender,
            older_seconds,
        } = self;
        if *self == Self::default() {
            return f.write_str(ALL);
        }
        if let Some(mail) = mail {
            write!(f, "{mail} ")?;
        }
        if let Some(domain) = domain {
            write!(f, "domain={domain} ")?;
        }
        if let Some(seconds) = older_seconds {
            write!(f, "older={seconds} ")?;
        }
        match sender {
            Some(sender) => write!(f, "sender={sender}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_is_read_as_it_is_written() {
        for text in [
            "all",
            "Q6929F3A10007 ",
            "domain=example.org ",
            "older=3600 ",
            "sender=<>",
            "sender=<ada@example.org>",
            "domain=example.org older=60 sender=<\"a b\"@example.org>",
        ] {
            let selection = QueueSelection::parse(text);
            let written = selection.map(|selection| selection.to_string());
            assert_eq!(written.as_deref(), Some(text));
        }
        for text in [
            "",
            "x",
            "Q6929F3A1000",
            "domain=",
            "domain=a@b",
            "older=x",
            "sender=x",
            "all all",
            "state=held",
        ] {
            assert_eq!(QueueSelection::parse(text), None, "{text}");
        }
        let spelled = QueueSelection::parse("domain=Example.ORG sender=\"Ada\"@EXAMPLE.org");
        let plain = QueueSelection::parse("domain=example.org sender=<ada@example.org>");
        assert_eq!(spelled, plain);
    }
}
