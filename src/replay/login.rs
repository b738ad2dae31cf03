//! Logins in a replay: what came of them comes from the record, which holds no credentials.

use core::any::Any;
use core::fmt;
use std::rc::Rc;

use super::probe::CurrentConnection;
use super::script::SharedScript;
use crate::net::driver::ConnectionId;
use crate::observe::frame::Frame;
use crate::observe::outcome::LoginCode;
use crate::smtp::login::{LoginExchange, LoginFailure, LoginProgress, UserDatabase};
use crate::smtp::mechanism::Mechanism;
use crate::smtp::security::Security;

/// More octets than any challenge has.
const CHALLENGE_BYTES_MAX: usize = 64 * 1024;

/// The users of a server, as many times as a reload has changed them.
pub(super) struct ReplayUsers {
    pub(super) generation: u64,
    pub(super) script: SharedScript,
    pub(super) current: CurrentConnection,
}

struct ReplayLogin {
    mechanism: Mechanism,
    user: String,
    connection: ConnectionId,
    is_deriving: bool,
    script: SharedScript,
}

impl fmt::Debug for ReplayUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplayUsers({})", self.generation)
    }
}

impl UserDatabase for ReplayUsers {
    fn has(&self, _: &str) -> bool {
        let made = Frame::UserLookedUp {
            connection: self.current.get(),
            is_there: false,
        };
        let mut script = self.script.borrow_mut();
        let is_there = script.call(&made, |recorded| match *recorded {
            Frame::UserLookedUp { is_there, .. } => Some(is_there),
            _ => None,
        });
        is_there.unwrap_or(false)
    }

    fn is_same(&self, other: &dyn UserDatabase) -> bool {
        let other = (other as &dyn Any).downcast_ref::<Self>();
        other.is_some_and(|other| other.generation == self.generation)
    }

    fn begin(
        self: Rc<Self>,
        mechanism: Mechanism,
        _: Option<Rc<Security>>,
    ) -> Box<dyn LoginExchange> {
        let connection = self.current.get();
        self.script.borrow_mut().check(&Frame::LoginBegun {
            connection,
            mechanism,
        });
        Box::new(ReplayLogin {
            mechanism,
            user: String::new(),
            connection,
            is_deriving: false,
            script: Rc::clone(&self.script),
        })
    }
}

impl fmt::Debug for ReplayLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplayLogin({})", self.mechanism.name())
    }
}

impl LoginExchange for ReplayLogin {
    fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    fn user(&self) -> &str {
        &self.user
    }

    fn respond(&mut self, response: &[u8]) {
        let made = Frame::LoginResponse {
            connection: self.connection,
            octets: response.len(),
            is_deriving: false,
        };
        let is_deriving = self
            .script
            .borrow_mut()
            .call(&made, |recorded| match *recorded {
                Frame::LoginResponse {
                    octets,
                    is_deriving,
                    ..
                } if octets == response.len() => Some(is_deriving),
                _ => None,
            });
        self.is_deriving = is_deriving.unwrap_or(false);
    }

    fn progress(&mut self) -> LoginProgress {
        let made = Frame::LoginProgress {
            connection: self.connection,
            progress: LoginCode::AwaitResponse,
        };
        let progress = self
            .script
            .borrow_mut()
            .call(&made, |recorded| match *recorded {
                Frame::LoginProgress { progress, .. } => Some(match progress {
                    LoginCode::Challenge(length) => {
                        let length = length.min(CHALLENGE_BYTES_MAX);
                        (LoginProgress::Challenge("x".repeat(length)), None)
                    }
                    LoginCode::AwaitResponse => (LoginProgress::AwaitResponse, None),
                    LoginCode::DeriveKey => (LoginProgress::DeriveKey, None),
                    LoginCode::LoggedIn(user) => {
                        (LoginProgress::LoggedIn(user.into()), Some(user.to_owned()))
                    }
                    LoginCode::Malformed => (LoginProgress::Failed(LoginFailure::Malformed), None),
                    LoginCode::Refused(user) => (
                        LoginProgress::Failed(LoginFailure::Refused),
                        Some(user.to_owned()),
                    ),
                    LoginCode::NoRandomness => {
                        (LoginProgress::Failed(LoginFailure::NoRandomness), None)
                    }
                }),
                _ => None,
            });
        let (progress, user) = progress.unwrap_or((LoginProgress::AwaitResponse, None));
        if let Some(user) = user {
            self.user = user;
        }
        progress
    }

    fn is_deriving(&self) -> bool {
        self.is_deriving
    }

    fn derive_key(&mut self, budget: &mut u32) {
        let made = Frame::KeyDerived {
            connection: self.connection,
            iterations: 0,
            is_deriving: false,
        };
        let derived = self
            .script
            .borrow_mut()
            .call(&made, |recorded| match *recorded {
                Frame::KeyDerived {
                    iterations,
                    is_deriving,
                    ..
                } => Some((iterations, is_deriving)),
                _ => None,
            });
        // Without a record to follow it is done: nothing may go round.
        let (iterations, is_deriving) = derived.unwrap_or((*budget, false));
        *budget = budget.saturating_sub(iterations);
        self.is_deriving = is_deriving;
    }

    fn replace_users(&mut self, _: Option<&Rc<dyn UserDatabase>>) {}
}
