//! What a login comes to, in the words that the mechanisms, the session and its driver share.

use core::time::Duration;
use std::rc::Rc;

/// How much longer the reply to a failed login is put off with each failure of a session.
const DELAY_STEP: Duration = Duration::from_millis(100);
/// The longest that it is put off.
const DELAY_MAX: Duration = Duration::from_secs(3);

/// What an exchange wants next.
#[derive(Debug, PartialEq, Eq)]
pub enum LoginProgress {
    /// That this is sent, as it is, behind `334`.
    Challenge(String),
    /// A response to it.
    AwaitResponse,
    /// Iterations of PBKDF2 for a password.
    DeriveKey,
    /// Nothing: this user has logged in.
    LoggedIn(Rc<str>),
    /// Nothing: it has failed.
    Failed(LoginFailure),
}

/// Why a login fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginFailure {
    /// What the client sent is not in base64, or not as the mechanism has it.
    Malformed,
    /// It does not show that the client is who it says.
    Refused,
    /// There was nothing random to be had.
    NoRandomness,
}

/// A login that was decided on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginAttempt {
    /// By which mechanism.
    pub mechanism: &'static str,
    /// As whom: any text of a bounded length, if it was refused; empty if that did not become clear.
    pub user: String,
    /// What came of it.
    pub verdict: LoginVerdict,
}

/// What came of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginVerdict {
    /// It succeeded.
    LoggedIn,
    /// It was refused, of which the client is told so much later: who guesses is to be slow.
    Refused(Duration),
}

impl LoginVerdict {
    /// The refusal that follows so many others.
    #[must_use]
    pub(super) fn refused_after(failures: u32) -> Self {
        let delay = DELAY_STEP.saturating_mul(failures.saturating_add(1));
        Self::Refused(delay.min(DELAY_MAX))
    }
}
