//! One message on its way over one connection, and what becomes of each of its recipients.

use core::fmt::{self, Write};
use std::rc::Rc;

use super::hop::HopFacts;
use crate::smtp::client::ServerReply;
use crate::smtp::status::EnhancedStatus;
use crate::store::spool::{MailId, SpoolEnvelope, SpoolPlace};

/// The most octets of a reply that are kept.
pub const REPLY_TEXT_BYTES_MAX: usize = 512;
/// Nearly all replies have fewer octets.
const REPLY_TEXT_BYTES_USUAL: usize = 128;

/// One message for some of its recipients, over one connection.
#[derive(Clone, Debug)]
pub struct HopDelivery {
    /// The message.
    pub mail: MailId,
    /// The place of its text in the spool, for a reader that takes it in pieces.
    pub place: SpoolPlace,
    /// Its envelope.
    pub envelope: Rc<SpoolEnvelope>,
    /// The recipients that it is sent to, by their index in the envelope.
    pub recipients: Vec<u16>,
    /// Its text.
    pub text: DeliveryText,
}

/// The text of a delivery, lines in CRLF and dots not doubled.
#[derive(Clone, Debug)]
pub struct DeliveryText {
    /// All of it, where it is short; else it is asked for in pieces.
    pub whole: Option<Rc<[u8]>>,
    /// Its octets in number.
    pub bytes: u64,
    /// Whether it holds octets beyond ASCII.
    pub is_eight_bit: bool,
    /// Whether it may leave as it lies: no line begins with a dot, and no CR or LF is other than the end of a line.
    pub is_plain: bool,
}

/// Classes of what has become of a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultClass {
    /// The hop has taken it.
    Sent,
    /// Not now: it is tried again later.
    Deferred,
    /// Never.
    Failed,
    /// The connection was lost after the final dot and before its reply: the hop may have it.
    Uncertain,
    /// The host is at fault, not the message: the next address or host is tried at once.
    NextHost,
    /// Nothing was tried: it goes over another connection, and no attempt is counted.
    Again,
    /// The operator has taken it off before it was sent.
    Cancelled,
}

/// The result of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientResult {
    /// Its class.
    pub class: ResultClass,
    /// The enhanced status code of the reply, or of what happened.
    pub status: EnhancedStatus,
    /// The reply in one printable line, or what happened; at most [`REPLY_TEXT_BYTES_MAX`].
    pub reply: Rc<str>,
    /// Whether the server said so; else it is our own account of what happened.
    pub is_remote: bool,
}

impl RecipientResult {
    /// A result that the server told by this reply.
    pub(super) fn remote(class: ResultClass, status: EnhancedStatus, reply: &ServerReply) -> Self {
        Self::new(class, status, reply, true)
    }

    /// A result that we account for.
    pub(super) fn local(
        class: ResultClass,
        status: EnhancedStatus,
        account: impl fmt::Display,
    ) -> Self {
        Self::new(class, status, account, false)
    }

    fn new(
        class: ResultClass,
        status: EnhancedStatus,
        text: impl fmt::Display,
        is_remote: bool,
    ) -> Self {
        let mut reply = BoundedText(String::with_capacity(REPLY_TEXT_BYTES_USUAL));
        // What is too long is cut.
        let _ = write!(reply, "{text}");
        let reply = reply.0.into();
        // What waits has no status of failure, whatever the server has said.
        let status = match class {
            ResultClass::Deferred | ResultClass::NextHost | ResultClass::Uncertain => {
                status.with_class(4)
            }
            ResultClass::Failed => status.with_class(5),
            ResultClass::Sent | ResultClass::Again | ResultClass::Cancelled => status,
        };
        Self {
            class,
            status,
            reply,
            is_remote,
        }
    }

    /// The result with another class.
    pub(super) fn with_class(&self, class: ResultClass) -> Self {
        Self {
            class,
            ..self.clone()
        }
    }
}

/// Text up to [`REPLY_TEXT_BYTES_MAX`]; what is beyond is not written.
struct BoundedText(String);

impl Write for BoundedText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let left = text.len().min(REPLY_TEXT_BYTES_MAX - self.0.len());
        let mut ends = (0..=left).rev();
        let end = ends.find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        self.0.push_str(&text[..end]);
        if end < text.len() {
            return Err(fmt::Error);
        }
        Ok(())
    }
}

/// The outcome of a delivery: each of its recipients once.
#[derive(Clone, Debug)]
pub struct DeliveryOutcome {
    /// The message.
    pub mail: MailId,
    /// The results by the index of the recipient in the envelope.
    pub results: Vec<(u16, RecipientResult)>,
    /// The hop.
    pub facts: HopFacts,
}
