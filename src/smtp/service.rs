//! What a listener speaks.

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
    /// LMTP (RFC 2033), which answers for each recipient.
    Lmtp,
}

impl Service {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Smtp, Self::Smtps, Self::Submission, Self::Lmtp];

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
            Self::Lmtp => "lmtp",
        }
    }

    /// Whether nothing is said before TLS protects it.
    #[must_use]
    pub fn begins_with_tls(self) -> bool {
        self == Self::Smtps
    }

    /// How the greeting calls it.
    #[must_use]
    pub fn greeting(self) -> &'static str {
        match self {
            Self::Smtp | Self::Smtps | Self::Submission => "ESMTP",
            Self::Lmtp => "LMTP",
        }
    }

    /// The reply to who does not say hello first.
    pub(super) fn hello_first(self) -> Reply {
        match self {
            Self::Smtp | Self::Smtps | Self::Submission => reply::HELLO_FIRST,
            Self::Lmtp => reply::LHLO_FIRST,
        }
    }

    /// Whether the end of a message is answered once for each recipient (RFC 2033 §4.2), not once for all.
    #[must_use]
    pub fn answers_each_recipient(self) -> bool {
        self == Self::Lmtp
    }

    /// How the trace field calls it (RFC 3848, RFC 6531 §4.3), for a client that may use what EHLO offers, and a
    /// message that asked for SMTPUTF8.
    #[must_use]
    pub fn protocol(self, extended: bool, smtputf8: bool) -> &'static str {
        match (self, smtputf8) {
            (Self::Smtp | Self::Smtps | Self::Submission, true) => "UTF8SMTP",
            (Self::Smtp | Self::Smtps | Self::Submission, false) if extended => "ESMTP",
            (Self::Smtp | Self::Smtps | Self::Submission, false) => "SMTP",
            (Self::Lmtp, true) => "UTF8LMTP",
            (Self::Lmtp, false) => "LMTP",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
