//! The protocols of listeners.

use core::fmt;

use super::reply::{self, Reply};

/// The protocol of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Service {
    /// SMTP (RFC 5321).
    #[default]
    Smtp,
    /// SMTP over TLS from the first octet (RFC 8314 §3).
    Smtps,
    /// Submission (RFC 6409): SMTP with those who wrote the mail, who have to log in first.
    Submission,
    /// Submission over TLS from the first octet (RFC 8314 §3.3).
    Submissions,
    /// LMTP (RFC 2033), which answers for each recipient.
    Lmtp,
}

impl Service {
    /// All there are.
    pub const ALL: [Self; 5] = [
        Self::Smtp,
        Self::Smtps,
        Self::Submission,
        Self::Submissions,
        Self::Lmtp,
    ];

    /// The one with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|service| service.name() == name)
    }

    /// Its name, as a listener is told of.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Smtps => "smtps",
            Self::Submission => "submission",
            Self::Submissions => "submissions",
            Self::Lmtp => "lmtp",
        }
    }

    /// Whether nothing is said before TLS protects it.
    #[must_use]
    pub fn begins_with_tls(self) -> bool {
        matches!(self, Self::Smtps | Self::Submissions)
    }

    /// Whether it is for users who hand in their own mail, and log in first.
    #[must_use]
    pub fn is_submission(self) -> bool {
        matches!(self, Self::Submission | Self::Submissions)
    }

    /// Its name in the greeting.
    #[must_use]
    pub fn greeting(self) -> &'static str {
        match self {
            Self::Lmtp => "LMTP",
            _ => "ESMTP",
        }
    }

    /// The reply to who does not say hello first.
    pub(super) fn hello_first(self) -> Reply {
        match self {
            Self::Lmtp => reply::LHLO_FIRST,
            _ => reply::HELLO_FIRST,
        }
    }

    /// Whether the end of a message is answered once for each recipient (RFC 2033 §4.2), not once for all.
    #[must_use]
    pub fn answers_each_recipient(self) -> bool {
        self == Self::Lmtp
    }

    /// Its name in the trace field (RFC 3848, RFC 6531 §4.3), for a client that may use what EHLO offers, and a
    /// message that asked for SMTPUTF8.
    #[must_use]
    pub fn protocol(self, extended: bool, smtputf8: bool) -> &'static str {
        match (self, smtputf8) {
            (Self::Lmtp, true) => "UTF8LMTP",
            (Self::Lmtp, false) => "LMTP",
            (_, true) => "UTF8SMTP",
            (_, false) if extended => "ESMTP",
            (_, false) => "SMTP",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
