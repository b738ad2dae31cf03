//! Mechanisms by which a client shows who it is (RFC 4954, RFC 4422).

use super::security::Security;

/// One mechanism of SASL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// SCRAM-SHA-256-PLUS (RFC 7677), which also shows that nobody is in between.
    ScramPlus,
    /// SCRAM-SHA-256, by which the password is not sent.
    Scram,
    /// PLAIN (RFC 4616).
    Plain,
    /// LOGIN, which no RFC describes and some clients know only.
    Login,
}

impl Mechanism {
    /// All mechanisms, the best first.
    pub const ALL: [Self; 4] = [Self::ScramPlus, Self::Scram, Self::Plain, Self::Login];

    /// Mechanisms that are offered to a client that is protected by `security`; where anybody may log in, only those that tell the
    /// name without a secret that both sides know.
    pub fn offered(
        security: Option<&Security>,
        anybody: bool,
    ) -> impl Iterator<Item = Self> + use<> {
        let bindable = security.is_some_and(|security| security.bindings.are_usable());
        let all = Self::ALL.into_iter();
        all.filter(move |mechanism| match mechanism {
            Self::ScramPlus => bindable && !anybody,
            Self::Scram => !anybody,
            Self::Plain | Self::Login => true,
        })
    }

    /// The mechanism with this name, in any case of its letters.
    #[must_use]
    pub fn named(name: &[u8]) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|mechanism| name.eq_ignore_ascii_case(mechanism.name().as_bytes()))
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ScramPlus => "SCRAM-SHA-256-PLUS",
            Self::Scram => "SCRAM-SHA-256",
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
        }
    }
}
