//! Who a client is, by SASL (RFC 4954, RFC 4422): mechanisms as state machines that know no file and no network.
//!
//! An [`Exchange`] is one login, seen from the server. [`users`] are those it lets in, [`scram`] is what both sides of
//! SCRAM-SHA-256 compute, [`text`] how names and messages are written.

mod exchange;
mod messages;
pub mod scram;
pub mod text;
pub mod users;

pub use exchange::Exchange;
pub use users::Users;

use super::security::Security;

/// How a client may show who it is, the best first.
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
    /// All of them, the best first.
    pub const ALL: [Self; 4] = [Self::ScramPlus, Self::Scram, Self::Plain, Self::Login];

    /// Those that are offered to a client that is protected by `security`.
    pub fn offered(security: Option<&Security>) -> impl Iterator<Item = Self> + use<> {
        let bindable = security.is_some_and(|security| security.bindings.are_usable());
        let all = Self::ALL.into_iter();
        all.filter(move |mechanism| bindable || *mechanism != Self::ScramPlus)
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
