//! Replies that a rule has written.

use core::fmt;

use bytes::BytesMut;

use super::place::FaultPlace;

/// The reply of a rule.
#[derive(Clone, PartialEq, Eq)]
pub struct FaultReply {
    /// The three digits, 4yz or 5yz.
    pub code: u16,
    /// The text for a person.
    pub text: String,
    /// The enhanced status code (RFC 3463).
    pub(super) status: String,
}

impl FaultReply {
    /// Appends the reply to `out`, with its enhanced status code where that was `offered`.
    pub fn write(&self, out: &mut BytesMut, offered: bool) {
        let Self { code, status, text } = self;
        let line = match offered {
            true => format!("{code} {status} {text}\r\n"),
            false => format!("{code} {text}\r\n"),
        };
        out.extend_from_slice(line.as_bytes());
    }

    /// Whether the connection ends after it (RFC 5321 §3.8).
    #[must_use]
    pub fn closes(&self) -> bool {
        self.code == 421
    }
}

impl fmt::Debug for FaultReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.code, self.status, self.text)
    }
}

/// The enhanced status code and the text of a reply for which a rule at this place gives none.
pub(super) fn usual(code: u16, place: FaultPlace) -> (&'static str, &'static str) {
    match (code, place) {
        (421, _) => ("4.3.2", "Service not available, try again later"),
        (450, FaultPlace::Rcpt) => ("4.2.0", "Mailbox unavailable, try again later"),
        (452, FaultPlace::Rcpt) => ("4.2.2", "Mailbox is full, try again later"),
        (452, _) => ("4.3.1", "Insufficient system storage"),
        (454, FaultPlace::Auth) => ("4.7.0", "Temporary authentication failure"),
        (400..500, _) => ("4.7.1", "Try again later"),
        (500, _) => ("5.5.1", "Command not recognized"),
        (501, _) => ("5.5.4", "Syntax error in argument"),
        (502, _) => ("5.5.1", "Command not implemented"),
        (503, _) => ("5.5.1", "Bad sequence of commands"),
        (504, _) => ("5.5.4", "Parameter not implemented"),
        (521, _) | (554, FaultPlace::Connect) => ("5.3.2", "No mail is taken here"),
        (530, _) => ("5.7.0", "Authentication required"),
        (534, _) => ("5.7.9", "Authentication mechanism is too weak"),
        (535, _) => ("5.7.8", "Authentication failed"),
        (538, _) => ("5.7.11", "Encryption required"),
        (550, FaultPlace::Rcpt) => ("5.1.1", "No such user here"),
        (551, FaultPlace::Rcpt) => ("5.1.6", "User has moved"),
        (552, FaultPlace::Rcpt) => ("5.2.2", "Mailbox is full"),
        (552, _) => ("5.3.4", "Message is too large"),
        (553, _) => ("5.1.3", "Mailbox name not allowed"),
        (554, _) => ("5.6.0", "Transaction failed"),
        (555, _) => ("5.5.4", "Parameters not recognized"),
        (556, _) => ("5.1.10", "This domain takes no mail"),
        _ => ("5.7.1", "Not accepted"),
    }
}
