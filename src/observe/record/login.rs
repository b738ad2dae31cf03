//! Logins whose every step is recorded, without what proves them.

use core::any::Any;
use core::fmt;
use std::rc::Rc;

use super::Recorder;
use crate::net::driver::ConnectionId;
use crate::observe::frame::Frame;
use crate::observe::outcome::LoginCode;
use crate::smtp::login::{LoginExchange, LoginFailure, LoginProgress, UserDatabase};
use crate::smtp::mechanism::Mechanism;
use crate::smtp::security::Security;

/// Users whose logins are recorded.
pub(super) struct RecordedUsers {
    pub(super) inner: Rc<dyn UserDatabase>,
    pub(super) recorder: Rc<Recorder>,
}

/// A login that is recorded.
struct RecordedLogin {
    inner: Box<dyn LoginExchange>,
    connection: ConnectionId,
    recorder: Rc<Recorder>,
}

/// The users below the recorder, where these are recorded.
fn inner_of(users: &Rc<dyn UserDatabase>) -> Rc<dyn UserDatabase> {
    let any = Rc::clone(users) as Rc<dyn Any>;
    let recorded = any.downcast::<RecordedUsers>();
    recorded.map_or_else(|_| Rc::clone(users), |users| Rc::clone(&users.inner))
}

impl fmt::Debug for RecordedUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl UserDatabase for RecordedUsers {
    fn has(&self, name: &str) -> bool {
        let is_there = self.inner.has(name);
        let connection = self.recorder.current.get();
        let frame = Frame::UserLookedUp {
            connection,
            is_there,
        };
        self.recorder.put_of(connection, &frame);
        is_there
    }

    fn is_same(&self, other: &dyn UserDatabase) -> bool {
        match (other as &dyn Any).downcast_ref::<Self>() {
            Some(other) => self.inner.is_same(&*other.inner),
            None => self.inner.is_same(other),
        }
    }

    fn begin(
        self: Rc<Self>,
        mechanism: Mechanism,
        security: Option<Rc<Security>>,
    ) -> Box<dyn LoginExchange> {
        let connection = self.recorder.current.get();
        let inner = Rc::clone(&self.inner).begin(mechanism, security);
        if !self.recorder.records_current() {
            return inner;
        }
        self.recorder.put(&Frame::LoginBegun {
            connection,
            mechanism,
        });
        Box::new(RecordedLogin {
            inner,
            connection,
            recorder: Rc::clone(&self.recorder),
        })
    }
}

impl fmt::Debug for RecordedLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl LoginExchange for RecordedLogin {
    fn mechanism(&self) -> Mechanism {
        self.inner.mechanism()
    }

    fn user(&self) -> &str {
        self.inner.user()
    }

    fn respond(&mut self, response: &[u8]) {
        self.inner.respond(response);
        self.recorder.put(&Frame::LoginResponse {
            connection: self.connection,
            octets: response.len(),
            is_deriving: self.inner.is_deriving(),
        });
    }

    fn progress(&mut self) -> LoginProgress {
        let progress = self.inner.progress();
        let code = match &progress {
            LoginProgress::Challenge(challenge) => LoginCode::Challenge(challenge.len()),
            LoginProgress::AwaitResponse => LoginCode::AwaitResponse,
            LoginProgress::DeriveKey => LoginCode::DeriveKey,
            LoginProgress::LoggedIn(user) => LoginCode::LoggedIn(user),
            LoginProgress::Failed(LoginFailure::Malformed) => LoginCode::Malformed,
            LoginProgress::Failed(LoginFailure::Refused) => LoginCode::Refused(self.inner.user()),
            LoginProgress::Failed(LoginFailure::NoRandomness) => LoginCode::NoRandomness,
        };
        self.recorder.put(&Frame::LoginProgress {
            connection: self.connection,
            progress: code,
        });
        progress
    }

    fn is_deriving(&self) -> bool {
        self.inner.is_deriving()
    }

    fn derive_key(&mut self, budget: &mut u32) {
        let before = *budget;
        self.inner.derive_key(budget);
        self.recorder.put(&Frame::KeyDerived {
            connection: self.connection,
            iterations: before - *budget,
            is_deriving: self.inner.is_deriving(),
        });
    }

    fn replace_users(&mut self, users: Option<&Rc<dyn UserDatabase>>) {
        self.inner.replace_users(users.map(inner_of).as_ref());
    }
}
