//! The envelope of a message as octets: in records of the spool, and in the pipes of its process.
//!
//! A version comes first, since a spool outlives the program that wrote it; an older program refuses a newer version. Then
//! each field follows in order, where a flag says that it is there. Numbers are in as many groups of seven bits as they need
//! (LEB128), texts have their length before them.
//!
//! ```text
//! version, flags, arrived, [sender], [user], [return content, [envelope id]], [quarantine], count of recipients,
//! each: flags, address, [named], [original]
//! ```
//!
//! Version 2 has what a filter wanted a message held for. Where there is nothing of the kind version 1 is written, which programs read
//! that know no other.

use core::fmt;

use super::envelope::{SpoolEnvelope, SpoolRecipient};
use crate::smtp::dsn::{MessageDsn, Notify, RecipientDsn, ReturnContent};
use crate::smtp::envelope::Body;
use crate::smtp::path::{Mailbox, ReversePath};

/// The version of an envelope that has no quarantine.
const PLAIN_VERSION: u8 = 1;
/// The version of one that has, and the newest that is read.
const ENVELOPE_VERSION: u8 = 2;
/// The most recipients of a message: their index has 16 bits.
pub const SPOOL_RECIPIENTS_MAX: usize = u16::MAX as usize;

/// Flags of an envelope.
const HAS_SENDER: u8 = 1;
const SENDER_IS_OURS: u8 = 1 << 1;
const HAS_USER: u8 = 1 << 2;
const EIGHT_BIT: u8 = 1 << 3;
const BINARY: u8 = 1 << 4;
const SMTPUTF8: u8 = 1 << 5;
const HAS_DSN: u8 = 1 << 6;
/// From version 2 on.
const HAS_QUARANTINE: u8 = 1 << 7;
/// Flags of what MAIL asked of reports.
const RET_FULL: u8 = 1;
const RET_HEADERS: u8 = 1 << 1;
const HAS_ENVELOPE_ID: u8 = 1 << 2;
/// Flags of a recipient.
const IS_LOCAL: u8 = 1;
const IS_NAMED: u8 = 1 << 1;
const ASKED: u8 = 1 << 2;
const HAS_ORIGINAL: u8 = 1 << 3;
const HAS_NOTIFY: u8 = 1 << 4;
const NOTIFY_SUCCESS: u8 = 1 << 5;
const NOTIFY_FAILURE: u8 = 1 << 6;
const NOTIFY_DELAY: u8 = 1 << 7;

/// The reasons why octets are no envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvelopeError {
    /// A newer mailoop wrote it, in this version.
    Newer(u8),
    /// They were not written by [`SpoolEnvelope::encode`].
    Malformed,
}

impl fmt::Display for EnvelopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newer(version) => write!(
                f,
                "a newer mailoop wrote this envelope, in version {version}"
            ),
            Self::Malformed => f.write_str("these octets are no envelope"),
        }
    }
}

impl SpoolEnvelope {
    /// The envelope as octets. Of more than [`SPOOL_RECIPIENTS_MAX`] recipients only the first are kept.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![self.version(), self.flags()];
        put_number(&mut out, self.arrived_ms);
        if let ReversePath::Mailbox(sender) = &self.sender {
            put_text(&mut out, sender.as_str());
        }
        if let Some(user) = &self.user {
            put_text(&mut out, user);
        }
        if let Some(dsn) = &self.dsn {
            let ret = match dsn.ret {
                None => 0,
                Some(ReturnContent::Full) => RET_FULL,
                Some(ReturnContent::Headers) => RET_HEADERS,
            };
            out.push(ret | flag(dsn.envelope_id.is_some(), HAS_ENVELOPE_ID));
            if let Some(id) = &dsn.envelope_id {
                put_text(&mut out, id);
            }
        }
        if let Some(reason) = &self.quarantine {
            put_text(&mut out, reason);
        }
        let recipients = self.recipients.iter().take(SPOOL_RECIPIENTS_MAX);
        put_number(&mut out, recipients.len() as u64);
        recipients.for_each(|recipient| recipient.encode(&mut out));
        out
    }

    /// The oldest version that can say it.
    fn version(&self) -> u8 {
        match self.quarantine {
            Some(_) => ENVELOPE_VERSION,
            None => PLAIN_VERSION,
        }
    }

    fn flags(&self) -> u8 {
        let body = match self.body {
            Body::SevenBit => 0,
            Body::EightBitMime => EIGHT_BIT,
            Body::BinaryMime => BINARY,
        };
        body | flag(self.sender != ReversePath::Null, HAS_SENDER)
            | flag(self.sender_is_ours, SENDER_IS_OURS)
            | flag(self.user.is_some(), HAS_USER)
            | flag(self.smtputf8, SMTPUTF8)
            | flag(self.dsn.is_some(), HAS_DSN)
            | flag(self.quarantine.is_some(), HAS_QUARANTINE)
    }

    /// Reads an envelope.
    ///
    /// # Errors
    /// [`EnvelopeError`].
    pub fn decode(octets: &[u8]) -> Result<Self, EnvelopeError> {
        match octets {
            [version, ..] if *version > ENVELOPE_VERSION => Err(EnvelopeError::Newer(*version)),
            [version @ PLAIN_VERSION..=ENVELOPE_VERSION, rest @ ..] => {
                let mut reader = EnvelopeReader(rest);
                let envelope = reader.envelope().filter(|_| reader.0.is_empty());
                // Each is written in the oldest version that can say it.
                let envelope = envelope.filter(|it| it.version() == *version);
                envelope.ok_or(EnvelopeError::Malformed)
            }
            _ => Err(EnvelopeError::Malformed),
        }
    }
}

impl SpoolRecipient {
    fn encode(&self, out: &mut Vec<u8>) {
        let dsn = self.dsn.as_deref();
        let notify = dsn.and_then(|dsn| dsn.notify);
        let original = dsn.and_then(|dsn| dsn.original.as_deref());
        let says = |event: fn(Notify) -> bool| notify.is_some_and(event);
        out.push(
            flag(self.is_local, IS_LOCAL)
                | flag(self.named.is_some(), IS_NAMED)
                | flag(dsn.is_some(), ASKED)
                | flag(original.is_some(), HAS_ORIGINAL)
                | flag(notify.is_some(), HAS_NOTIFY)
                | flag(says(|notify| notify.success), NOTIFY_SUCCESS)
                | flag(says(|notify| notify.failure), NOTIFY_FAILURE)
                | flag(says(|notify| notify.delay), NOTIFY_DELAY),
        );
        put_text(out, self.address.as_str());
        if let Some(named) = &self.named {
            put_text(out, named.as_str());
        }
        if let Some(original) = original {
            put_text(out, original);
        }
    }
}

fn flag(is_set: bool, flag: u8) -> u8 {
    if is_set { flag } else { 0 }
}

fn put_number(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let group = (number & 0x7F) as u8;
        number >>= 7;
        if number == 0 {
            return out.push(group);
        }
        out.push(group | 0x80);
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// The rest of an envelope that is being read.
struct EnvelopeReader<'a>(&'a [u8]);

impl<'a> EnvelopeReader<'a> {
    fn envelope(&mut self) -> Option<SpoolEnvelope> {
        let flags = self.octet()?;
        let arrived_ms = self.number()?;
        let sender = match flags & HAS_SENDER {
            0 => ReversePath::Null,
            _ => ReversePath::Mailbox(self.mailbox()?),
        };
        let user = self.text_if(flags & HAS_USER != 0)?;
        let dsn = match flags & HAS_DSN {
            0 => None,
            _ => Some(Box::new(self.message_dsn()?)),
        };
        let quarantine = self.text_if(flags & HAS_QUARANTINE != 0)?;
        let count = usize::try_from(self.number()?).ok()?;
        // A recipient takes octets: no more room is made than they can fill.
        if count > SPOOL_RECIPIENTS_MAX || count > self.0.len() {
            return None;
        }
        let recipients = (0..count)
            .map(|_| self.recipient())
            .collect::<Option<_>>()?;
        Some(SpoolEnvelope {
            arrived_ms,
            sender,
            sender_is_ours: flags & SENDER_IS_OURS != 0,
            quarantine,
            user,
            body: match flags & (EIGHT_BIT | BINARY) {
                0 => Body::SevenBit,
                EIGHT_BIT => Body::EightBitMime,
                BINARY => Body::BinaryMime,
                _ => return None,
            },
            smtputf8: flags & SMTPUTF8 != 0,
            dsn,
            recipients,
        })
    }

    fn message_dsn(&mut self) -> Option<MessageDsn> {
        let flags = self.octet()?;
        let ret = match flags & (RET_FULL | RET_HEADERS) {
            0 => None,
            RET_FULL => Some(ReturnContent::Full),
            RET_HEADERS => Some(ReturnContent::Headers),
            _ => return None,
        };
        let envelope_id = self.text_if(flags & HAS_ENVELOPE_ID != 0)?;
        Some(MessageDsn { ret, envelope_id })
    }

    fn recipient(&mut self) -> Option<SpoolRecipient> {
        let flags = self.octet()?;
        let is = |flag| flags & flag != 0;
        let address = self.mailbox()?;
        let named = if is(IS_NAMED) {
            Some(self.mailbox()?)
        } else {
            None
        };
        let original = self.text_if(is(HAS_ORIGINAL))?;
        let notify = is(HAS_NOTIFY).then_some(Notify {
            success: is(NOTIFY_SUCCESS),
            failure: is(NOTIFY_FAILURE),
            delay: is(NOTIFY_DELAY),
        });
        Some(SpoolRecipient {
            address,
            is_local: is(IS_LOCAL),
            named,
            dsn: is(ASKED).then(|| Box::new(RecipientDsn { notify, original })),
        })
    }

    fn octet(&mut self) -> Option<u8> {
        let (octet, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*octet)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let group = self.octet()?;
            let bits = u64::from(group & 0x7F);
            if bits << shift >> shift != bits {
                return None;
            }
            number |= bits << shift;
            if group & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        str::from_utf8(text).ok()
    }

    /// Reads a text if it is there: `None` is an error, `Some(None)` no text.
    #[allow(clippy::option_option)]
    fn text_if(&mut self, is_there: bool) -> Option<Option<Box<str>>> {
        if is_there {
            self.text().map(|text| Some(text.into()))
        } else {
            Some(None)
        }
    }

    fn mailbox(&mut self) -> Option<Mailbox> {
        self.text()?.parse().ok()
    }
}

#[cfg(test)]
mod tests;
