//! Logins by SASL (RFC 4954, RFC 4422), as far as they are built in.

use std::rc::Rc;

use super::client::ClientCredentials;
use super::login::{BadLine, UserDatabase};

/// Logins by SASL, on both sides.
#[derive(Clone, Copy, Debug)]
pub struct Sasl {
    /// Reads a users file; fails with the first line that is wrong.
    pub read_users: fn(&str) -> Result<Rc<dyn UserDatabase>, BadLine>,
    /// Users of whom everybody is one, with any password.
    pub anybody: fn() -> Rc<dyn UserDatabase>,
    /// Makes the credentials of a user and a password; `None` if one of them is empty or holds a NUL.
    pub credentials: fn(&str, &str) -> Option<Rc<dyn ClientCredentials>>,
    /// Makes credentials as [`credentials`](Self::credentials), for sessions in an event loop, which must not stand still for a login: a
    /// server that asks for very many iterations is refused.
    pub loop_credentials: fn(&str, &str) -> Option<Rc<dyn ClientCredentials>>,
}

/// Logins, which a build without the feature `auth` lacks.
pub const SASL: Option<Sasl> = [
    #[cfg(feature = "auth")]
    Some(Sasl {
        read_users: super::auth::read_users,
        anybody: super::auth::anybody,
        credentials: super::auth::client::credentials,
        loop_credentials: super::auth::client::loop_credentials,
    }),
    None,
][0];
