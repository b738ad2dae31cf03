//! Places at which rules act, and what is known there.

/// The places of a session at which a rule may act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultPlace {
    /// The greeting.
    Connect,
    /// HELO, EHLO or LHLO.
    Hello,
    /// The end of a login, in place of its verdict.
    Auth,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA, or the first BDAT.
    Data,
    /// The end of a message.
    End,
}

impl FaultPlace {
    /// All of them, in the order in which a session comes to them.
    pub const ALL: [Self; 7] = [
        Self::Connect,
        Self::Hello,
        Self::Auth,
        Self::Mail,
        Self::Rcpt,
        Self::Data,
        Self::End,
    ];

    /// Its name in a rule.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Hello => "hello",
            Self::Auth => "auth",
            Self::Mail => "mail",
            Self::Rcpt => "rcpt",
            Self::Data => "data",
            Self::End => "end",
        }
    }
}

/// What each has a count of its own of, in a rule with `by`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKey {
    /// The client's address.
    Ip,
    /// The sender.
    From,
    /// The recipient.
    Rcpt,
}

impl FaultKey {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::Ip, Self::From, Self::Rcpt];

    /// Its name in a rule.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::From => "from",
            Self::Rcpt => "rcpt",
        }
    }

    /// Whether it is known at this place.
    pub(super) fn is_known_at(self, place: FaultPlace) -> bool {
        match self {
            Self::Ip => true,
            Self::From => matches!(
                place,
                FaultPlace::Mail | FaultPlace::Rcpt | FaultPlace::Data | FaultPlace::End
            ),
            Self::Rcpt => matches!(place, FaultPlace::Rcpt | FaultPlace::Data | FaultPlace::End),
        }
    }
}
