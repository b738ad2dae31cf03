//! The second part of a report, for programs: message/delivery-status (RFC 3464 §2).

use super::date::rfc5322_date;
use super::encode::{in_ascii, printable, put_field};
use super::human::REPLY_BYTES_MAX;
use super::{ReportAction, ReportPart, ReportedRecipient, StatusNotification};
use crate::smtp::path::Mailbox;
use crate::smtp::status::EnhancedStatus;

/// Octets after which no replies are told any more: a list of a thousand recipients stays one that can be read.
const REPLIES_TEXT_BYTES_MAX: usize = 1024 * 1024;
/// The most characters of a value from the envelope, which a command line of the session has bounded already.
const VALUE_CHARS_MAX: usize = 1024;

impl StatusNotification<'_> {
    /// Writes the fields about the message, then those about each recipient, with an empty line between.
    pub(super) fn status_part(&self) -> ReportPart {
        let mut text = String::new();
        let dsn = self.envelope.dsn.as_ref();
        if let Some(id) = dsn.and_then(|dsn| dsn.envelope_id.as_deref()) {
            put_value("Original-Envelope-Id", &from_xtext(id), &mut text);
        }
        put_value(
            "Reporting-MTA",
            &format!("dns; {}", self.hostname),
            &mut text,
        );
        put_value("X-Mailoop-Queue-Id", &self.mail.to_string(), &mut text);
        let arrived = rfc5322_date(self.envelope.arrived_ms);
        put_value("Arrival-Date", &arrived, &mut text);
        for recipient in self.recipients {
            text.push_str("\r\n");
            self.put_recipient(recipient, &mut text);
        }
        ReportPart {
            header: "Content-Type: message/delivery-status\r\nContent-Description: Details for programs\r\n"
                .to_owned(),
            text: text.into_bytes(),
        }
    }

    fn put_recipient(&self, told: &ReportedRecipient<'_>, out: &mut String) {
        if let Some(recipient) = self.envelope.recipients.get(usize::from(told.index)) {
            let original = recipient
                .dsn
                .as_ref()
                .and_then(|dsn| dsn.original.as_deref());
            let original = match (original, &recipient.named) {
                (Some(original), _) => original_recipient(original),
                // An alias led on: this server may name the address that it was given (RFC 3461 §5.2.1).
                (None, Some(named)) => Some(typed_address(named)),
                (None, None) => None,
            };
            if let Some(original) = original {
                put_value("Original-Recipient", &original, out);
            }
            put_value("Final-Recipient", &typed_address(&recipient.address), out);
        }
        put_value("Action", told.action.word(), out);
        put_value("Status", &told.checked_status().to_string(), out);
        if let Some(host) = told.remote_host.filter(|host| is_host(host)) {
            put_value("Remote-MTA", &format!("dns; {host}"), out);
        }
        let diagnostic = match (told.reply, told.reason) {
            (Some(reply), _) => Some(("smtp", reply)),
            (None, Some(reason)) => Some(("x-mailoop", reason)),
            (None, None) => None,
        };
        if let Some((kind, text)) = diagnostic.filter(|_| out.len() < REPLIES_TEXT_BYTES_MAX) {
            let text = in_ascii(&printable(text, REPLY_BYTES_MAX));
            put_field("Diagnostic-Code", &format!("{kind}; {text}"), out);
        }
        if let Some(at) = told.last_attempt_ms {
            put_value("Last-Attempt-Date", &rfc5322_date(at), out);
        }
        if let Some(until) = told
            .retried_until_ms
            .filter(|_| told.action == ReportAction::Delayed)
        {
            put_value("Will-Retry-Until", &rfc5322_date(until), out);
        }
    }
}

impl ReportedRecipient<'_> {
    /// The status code, or the general one of the action where it contradicts that.
    pub(super) fn checked_status(&self) -> EnhancedStatus {
        let (classes, class) = match self.action {
            // A delay that lasted too long is a failure of class 4 (RFC 3463 §3.5).
            ReportAction::Failed => (4..=5, 5),
            ReportAction::Delayed => (4..=4, 4),
            ReportAction::Delivered | ReportAction::Relayed => (2..=2, 2),
        };
        if classes.contains(&self.status.class()) {
            self.status
        } else {
            EnhancedStatus::new(class, 0, 0)
        }
    }
}

/// Appends a field, unless its value is empty.
fn put_value(name: &str, value: &str, out: &mut String) {
    let value: String = value.chars().take(VALUE_CHARS_MAX).collect();
    let value = in_ascii(&value);
    if !value.trim().is_empty() {
        put_field(name, &value, out);
    }
}

/// An address with its type (RFC 3464 §2.1.2), which is another one for what is not ASCII (RFC 6533 §3).
fn typed_address(address: &Mailbox) -> String {
    if address.is_ascii() {
        return format!("rfc822; {address}");
    }
    let mut text = String::from("utf-8; ");
    for character in address.as_str().chars() {
        match character {
            // Characters that an address in this form may not hold as they are.
            ' ' | '\\' | '+' | '=' => text.push_str(&format!("\\x{{{:X}}}", u32::from(character))),
            character => text.push(character),
        }
    }
    text
}

/// The value of ORCPT, decoded: the type, and the address, which is no xtext where it is of the type `utf-8` (RFC 6533 §3).
fn original_recipient(original: &str) -> Option<String> {
    let (kind, address) = original.split_once(';')?;
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if kind.is_empty() || !kind.bytes().all(is_word) || address.is_empty() {
        return None;
    }
    Some(if kind.eq_ignore_ascii_case("utf-8") {
        format!("{kind}; {address}")
    } else {
        format!("{kind}; {}", from_xtext(address))
    })
}

/// Decodes xtext (RFC 3461 §4), in which `+41` stands for `A`. What is none stays as it is.
fn from_xtext(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let digit = |at: usize| char::from(*behind.get(at)?).to_digit(16);
        let octet = digit(0).zip(digit(1)).map(|(high, low)| 16 * high + low);
        let octet = octet.and_then(|octet| u8::try_from(octet).ok());
        match octet.filter(|_| first == b'+') {
            Some(octet) => {
                decoded.push(octet);
                rest = &behind[2..];
            }
            None => {
                decoded.push(first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Whether it can be the name of a host, or an address in brackets.
fn is_host(host: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    (1..=255).contains(&host.len()) && host.bytes().all(is_plain)
}
