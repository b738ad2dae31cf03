//! The envelope of a message: who sent it, through which client, to whom.

use core::fmt;
use core::net::IpAddr;
use std::rc::Rc;

use smallvec::SmallVec;

use super::dsn::{MessageDsn, RecipientDsn};
use super::path::{Mailbox, ReversePath};
use super::security::Security;
use super::service::Service;

/// The most octets of a [`QueueId`].
pub const QUEUE_ID_BYTES_MAX: usize = 30;

/// The queue id: the name of one accepted message, letters and digits, unique for the life of the store.
///
/// It stands in the `250` reply, the trace header, the file name and the log. It is held inline so that
/// naming a message allocates nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct QueueId {
    bytes: [u8; QUEUE_ID_BYTES_MAX],
    len: u8,
}

impl QueueId {
    /// The id of the `count`th message of a store `instance`: the instance's name, then the count in at
    /// least four hexadecimal digits.
    ///
    /// Characters of `instance` that are no ASCII letter or digit, and any beyond the first fourteen, are
    /// left out, so that there is always room for the count.
    #[must_use]
    pub fn new(instance: &str, count: u64) -> Self {
        const COUNT_DIGITS_MAX: usize = 16;
        let mut bytes = [0; QUEUE_ID_BYTES_MAX];
        let mut len = 0;
        let named = instance.bytes().filter(u8::is_ascii_alphanumeric);
        for byte in named.take(QUEUE_ID_BYTES_MAX - COUNT_DIGITS_MAX) {
            bytes[len] = byte;
            len += 1;
        }
        let digits = (4..COUNT_DIGITS_MAX)
            .find(|&n| count >> (4 * n) == 0)
            .unwrap_or(COUNT_DIGITS_MAX);
        for place in (0..digits).rev() {
            let nibble = (count >> (4 * place)) & 0xF;
            bytes[len] = b"0123456789ABCDEF"[nibble as usize & 0xF];
            len += 1;
        }
        Self {
            bytes,
            len: u8::try_from(len).unwrap_or(0),
        }
    }

    /// The id that this text is; `None` if it is too long, or has other characters than letters and digits.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let mut bytes = [0; QUEUE_ID_BYTES_MAX];
        bytes
            .get_mut(..text.len())?
            .copy_from_slice(text.as_bytes());
        let is_id = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let len = u8::try_from(text.len()).ok()?;
        is_id.then_some(Self { bytes, len })
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only ASCII letters and digits were written, so this never falls back.
        str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The octets of [`as_str`](Self::as_str).
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Display for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The location of a client, as far as the trace header tells (RFC 5321 §4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A client on the network.
    Ip(IpAddr),
    /// A client on a unix socket.
    Local,
    /// A client of which its XCLIENT peer does not know where it is.
    Unknown,
}

/// Facts about a client that only its XCLIENT peer has told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxiedClient {
    /// The name that its address has; letters, digits, `-`, `_` and `.`.
    pub name: Option<String>,
    /// The name as which it has logged in.
    pub login: Option<Rc<str>>,
}

/// The hello of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The name it gave; printable ASCII, otherwise unchecked.
    pub name: Rc<str>,
    /// Whether it said EHLO and so may use the extensions that were offered.
    pub extended: bool,
}

/// The kind of a message, as its client declared it (RFC 6152, RFC 3030 `BODY`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Body {
    /// `BODY=7BIT`, or nothing said.
    #[default]
    SevenBit,
    /// `BODY=8BITMIME`.
    EightBitMime,
    /// `BODY=BINARYMIME` (RFC 3030 §3): not lines, but octets that are to stay as they are.
    BinaryMime,
}

/// The envelope of one message (RFC 5321 §2.3.1), the only thing that protocol and store share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The protocol of its session.
    pub service: Service,
    /// The client it came from.
    pub peer: Peer,
    /// Facts about that client from an XCLIENT peer, if there is one.
    pub proxied: Option<Rc<ProxiedClient>>,
    /// The TLS that it came through, if any.
    pub security: Option<Rc<Security>>,
    /// The user who had logged in, here or at the XCLIENT peer.
    pub user: Option<Rc<str>>,
    /// The hello it came under.
    pub hello: Hello,
    /// The address that failures are reported to.
    pub reverse_path: ReversePath,
    /// The recipients accepted so far, in the client's order; one may occur twice.
    pub recipients: Vec<Recipient>,
    /// The declared kind of its body.
    pub body: Body,
    /// Whether its addresses, and what is in the message, may be in UTF-8 (RFC 6531).
    pub smtputf8: bool,
    /// What the client asked of reports on it (RFC 3461), if anything.
    pub dsn: Option<Box<MessageDsn>>,
    /// Whether the reverse-path is an address of ours, to which a report may go. Looked at only for what needs the spool.
    pub sender_is_ours: bool,
    /// Why a mail filter wants the message held, where one does: nothing of it is delivered before an operator releases it.
    pub quarantine: Option<Box<str>>,
}

impl Envelope {
    /// Whether any recipient leads to an address elsewhere.
    #[must_use]
    pub fn leads_elsewhere(&self) -> bool {
        let mut recipients = self.recipients.iter();
        recipients.any(|recipient| !recipient.remote.is_empty())
    }

    /// Whether the message has to be in the spool, where there is one: it leads elsewhere, or a recipient asks to be told of its
    /// delivery, which is a report to be made, or it is to be held.
    #[must_use]
    pub fn needs_spool(&self) -> bool {
        self.quarantine.is_some() || self.recipients.iter().any(Recipient::needs_spool)
    }

    /// The mailboxes that the message goes to, in the order of the recipients; one may occur several times.
    pub fn mailboxes(&self) -> impl Iterator<Item = &Mailbox> {
        self.recipients
            .iter()
            .flat_map(|recipient| &recipient.mailboxes)
    }
}

/// The mailboxes of one recipient, of whom nearly everybody has one: that needs no memory of its own.
pub type Mailboxes = SmallVec<[Mailbox; 1]>;

/// One recipient of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// The address, as the client named it.
    pub address: Mailbox,
    /// The mailboxes it leads to.
    pub mailboxes: Mailboxes,
    /// The addresses elsewhere that it leads to: itself, or those that an alias names.
    pub remote: Vec<Mailbox>,
    /// What the client asked of reports on it (RFC 3461), if anything.
    pub dsn: Option<Box<RecipientDsn>>,
}

impl Recipient {
    /// Whether its message has to be in the spool, where there is one.
    #[must_use]
    pub fn needs_spool(&self) -> bool {
        !self.remote.is_empty() || self.asks_for_success()
    }

    /// Whether its sender is to be told of its delivery (`NOTIFY=SUCCESS`).
    #[must_use]
    pub fn asks_for_success(&self) -> bool {
        let notify = self.dsn.as_ref().and_then(|dsn| dsn.notify);
        notify.is_some_and(|notify| notify.success)
    }

    /// A recipient that is sent on, and has no mailbox here.
    #[must_use]
    pub fn elsewhere(address: Mailbox) -> Self {
        Self {
            remote: vec![address.clone()],
            address,
            mailboxes: Mailboxes::new(),
            dsn: None,
        }
    }
}
