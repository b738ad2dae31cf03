//! The seam between the session and the mechanisms of a login: their types and traits, and the outcome for the driver.

use core::any::Any;
use core::fmt;
use core::time::Duration;
use std::rc::Rc;

use super::mechanism::Mechanism;
use super::security::Security;

/// The tarpit's step: each failure of a session puts off the reply to the next failed login by so much more.
const DELAY_STEP: Duration = Duration::from_millis(100);
/// The longest that it is put off.
const DELAY_MAX: Duration = Duration::from_secs(3);

/// The next thing that an exchange wants.
#[derive(Debug, PartialEq, Eq)]
pub enum LoginProgress {
    /// This is to be sent, as it is, after `334`.
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
    /// The response is not in base64, or not as the mechanism has it.
    Malformed,
    /// The response does not show that the client is who it says.
    Refused,
    /// There was nothing random to be had.
    NoRandomness,
}

/// A login that was decided on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginAttempt {
    /// By which mechanism.
    pub mechanism: &'static str,
    /// The name of the user: any text of a bounded length, if it was refused; empty if that did not become clear.
    pub user: String,
    /// Its outcome.
    pub verdict: LoginVerdict,
}

/// The outcome of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginVerdict {
    /// The user has logged in.
    LoggedIn,
    /// The login was refused. The client is told after this delay, a tarpit for those who guess.
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

/// The users of a server, with the mechanisms by which they log in.
pub trait UserDatabase: fmt::Debug + Any {
    /// Whether there is a user of this name, which is prepared.
    fn has(&self, name: &str) -> bool;

    /// Whether these are the users of `other`, with the passwords that they have there.
    fn is_same(&self, other: &dyn UserDatabase) -> bool;

    /// Begins a login by `mechanism`. A first response may have come along.
    fn begin(
        self: Rc<Self>,
        mechanism: Mechanism,
        security: Option<Rc<Security>>,
    ) -> Box<dyn LoginExchange>;
}

impl PartialEq for dyn UserDatabase {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other)
    }
}

/// One login under way, seen from the server.
pub trait LoginExchange: fmt::Debug {
    /// The mechanism by which it goes.
    fn mechanism(&self) -> Mechanism;

    /// The name as which the client wants to log in; empty before it has said so.
    fn user(&self) -> &str;

    /// Takes a response, as it was sent: in base64.
    fn respond(&mut self, response: &[u8]);

    /// Says what it wants next.
    fn progress(&mut self) -> LoginProgress;

    /// Whether it needs iterations of PBKDF2.
    fn is_deriving(&self) -> bool;

    /// Does as many iterations as `budget` allows, and takes them off it.
    fn derive_key(&mut self, budget: &mut u32);

    /// Goes on with other users, if there are any. A login by keys that may no longer be the user's is refused, once it comes
    /// to an end.
    fn replace_users(&mut self, users: Option<&Rc<dyn UserDatabase>>);
}

/// A line of a users file that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Its number, counted from 1.
    pub line: usize,
    /// Its fault, and what would be right.
    pub reason: &'static str,
}
