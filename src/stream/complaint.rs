//! What follows from the complaints of a server (-ERR).

use super::settings::StreamError;

/// The consequence of a complaint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Complaint {
    /// It does not let us in.
    Login,
    /// It does not let us do one thing; the connection goes on.
    Forbidden,
    /// It closes the connection, or the connection is of no more use.
    Fatal,
}

/// Texts of complaints about a login, as they begin.
const LOGIN: [&str; 7] = [
    "authorization violation",
    "user authentication",
    "account authentication",
    "authentication expired",
    "authentication revoked",
    "secure connection - tls required",
    "no responders requires headers",
];
/// Texts of complaints after which a server goes on, as they begin.
const FORBIDDEN: [&str; 3] = [
    "permissions violation",
    "invalid subject",
    "invalid publish subject",
];

impl Complaint {
    /// The consequence of a complaint with this text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let begins = |start: &&str| {
            let first = text.get(..start.len());
            first.is_some_and(|first| first.eq_ignore_ascii_case(start))
        };
        if LOGIN.iter().any(&begins) {
            Self::Login
        } else if FORBIDDEN.iter().any(begins) {
            Self::Forbidden
        } else {
            Self::Fatal
        }
    }

    /// The error that a connection ends with which is ended by this.
    #[must_use]
    pub fn error(&self, text: &str) -> StreamError {
        match self {
            Self::Login | Self::Forbidden => StreamError::Login(format!(
                "a server of the stream refuses the login ({text:?}): see user= in --stream, and --stream-password"
            )),
            Self::Fatal => {
                StreamError::Unreachable(format!("a server of the stream says {text:?}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_have_consequences() {
        for (text, complaint) in [
            ("Authorization Violation", Complaint::Login),
            ("AUTHORIZATION VIOLATION", Complaint::Login),
            ("User Authentication Expired", Complaint::Login),
            (
                "Permissions Violation for Publish to \"mail.x\"",
                Complaint::Forbidden,
            ),
            ("Maximum Payload Violation", Complaint::Fatal),
            ("Stale Connection", Complaint::Fatal),
            ("Authentication Timeout", Complaint::Fatal),
            ("Unknown Protocol Operation", Complaint::Fatal),
            ("maximum connections exceeded", Complaint::Fatal),
            ("", Complaint::Fatal),
            ("\u{e9}", Complaint::Fatal),
        ] {
            assert_eq!(Complaint::of(text), complaint, "{text}");
        }
    }
}
