//! A client shows who it is (RFC 4954).

use crate::smtp::extension::Extension;
use std::mem;
use std::rc::Rc;

use bytes::BytesMut;

use super::{Session, State};
use crate::smtp::event::Event;
use crate::smtp::line::{Line, Reading};
use crate::smtp::login::{
    LoginAttempt, LoginExchange, LoginFailure, LoginProgress, LoginVerdict, UserDatabase,
};
use crate::smtp::mechanism::Mechanism;
use crate::smtp::reply::{self, Reply, write_reply};
use crate::smtp::syntax::words_of;

impl Session {
    /// Whether there is anybody who may log in on this listener.
    fn may_log_in(&self) -> bool {
        let here = self.service.is_submission() || self.policy.auth_everywhere;
        here && self.policy.users.borrow().is_some()
    }

    /// Whether a password may come this way.
    pub(super) fn takes_logins(&self) -> bool {
        let private = self.security.is_some() || self.policy.auth_insecure;
        self.may_log_in() && private
    }

    /// Whether AUTH is offered at this moment.
    pub(super) fn offers_auth(&self) -> bool {
        self.takes_logins() && self.user().is_none() && !self.withholds(Extension::Auth)
    }

    /// Whether MAIL may say whose message it is (RFC 4954 §5).
    pub(super) fn knows_auth(&self) -> bool {
        self.takes_logins() || self.user().is_some()
    }

    /// Goes on with these users: who is none of them any more is logged out, and no exchange that began with others lets anybody
    /// in. A transaction that has begun may finish.
    pub fn replace_users(&mut self, users: Option<&Rc<dyn UserDatabase>>) {
        self.policy.users.replace(users.cloned());
        let is_there = |user: &Rc<str>| users.is_some_and(|users| users.has(user));
        self.user = self.user.take().filter(is_there);
        match &mut self.state {
            State::Authenticating(exchange) => exchange.replace_users(users),
            State::LoggingIn(user) if !is_there(user) => self.state = State::Tarpit,
            _ => {}
        }
    }

    /// AUTH, which begins an exchange.
    pub(super) fn auth(&mut self, argument: &[u8], out: &mut BytesMut) -> Event<'static> {
        let users = self.policy.users();
        let Some(users) = users.filter(|_| self.may_log_in()) else {
            return self.answer(reply::COMMAND_NOT_OFFERED, out);
        };
        let refusal = match &self.state {
            State::AwaitingHello => Some(self.service.hello_first()),
            _ if !self.extended() || self.withholds(Extension::Auth) => {
                Some(reply::COMMAND_NOT_OFFERED)
            }
            State::AwaitingMail if self.user().is_some() => Some(reply::LOGGED_IN_ALREADY),
            State::AwaitingMail if !self.takes_logins() => Some(reply::ENCRYPTION_FIRST),
            State::AwaitingMail => None,
            _ => Some(reply::IN_TRANSACTION),
        };
        if let Some(reply) = refusal {
            return self.answer(reply, out);
        }
        let mut words = words_of(argument);
        let (name, response) = match (words.next(), words.next(), words.next()) {
            (Some(name), response, None) => (name, response),
            _ => return self.answer(reply::BAD_ARGUMENT, out),
        };
        let mut offered = Mechanism::offered(self.security.as_deref(), self.policy.any_login);
        let named = Mechanism::named(name);
        let Some(mechanism) = named.filter(|named| offered.any(|offered| offered == *named)) else {
            return self.answer(reply::UNKNOWN_MECHANISM, out);
        };
        let mut exchange = users.begin(mechanism, self.security.clone());
        match response {
            // RFC 4954 §4: so an initial response says that it is empty.
            Some(b"=") => exchange.respond(b""),
            Some(response) => exchange.respond(response),
            None => {}
        }
        self.state = State::Authenticating(exchange);
        self.advance_login(&mut &[][..], out)
    }

    /// Goes on with an exchange as far as it wants a line of the client, or iterations.
    pub(super) fn advance_login(
        &mut self,
        input: &mut &[u8],
        out: &mut BytesMut,
    ) -> Event<'static> {
        let State::Authenticating(exchange) = &mut self.state else {
            debug_assert!(false, "nobody logs in in {:?}", self.state);
            return Event::NeedInput;
        };
        match exchange.progress() {
            LoginProgress::Challenge(challenge) => {
                write_reply(out, 334, None, format_args!("{challenge}"));
                Event::Answered
            }
            LoginProgress::DeriveKey => Event::DeriveKey,
            LoginProgress::LoggedIn(user) => {
                let attempt = attempt(&**exchange, LoginVerdict::LoggedIn);
                self.state = State::LoggingIn(user);
                Event::Login(attempt)
            }
            LoginProgress::Failed(LoginFailure::Refused) => {
                let verdict = LoginVerdict::refused_after(self.stats.failed_logins.into());
                let attempt = attempt(&**exchange, verdict);
                self.stats.failed_logins = self.stats.failed_logins.saturating_add(1);
                self.state = State::Tarpit;
                Event::Login(attempt)
            }
            LoginProgress::Failed(LoginFailure::Malformed) => {
                self.end_login(reply::BAD_RESPONSE, out)
            }
            LoginProgress::Failed(LoginFailure::NoRandomness) => {
                self.end_login(reply::CANNOT_LOG_IN, out)
            }
            LoginProgress::AwaitResponse => {
                let line = self
                    .lines
                    .next(input, self.policy.bare_newline, Reading::Response);
                match line {
                    Line::Incomplete => Event::NeedInput,
                    Line::Complete(b"*") => self.end_login(reply::LOGIN_CANCELLED, out),
                    Line::Complete(response) => {
                        if self.policy.users.borrow().is_none() {
                            return self.end_login(reply::LOGIN_REFUSED, out);
                        }
                        exchange.respond(response);
                        self.advance_login(input, out)
                    }
                    Line::TooLong => self.end_login(reply::RESPONSE_TOO_LONG, out),
                    Line::Malformed => self.end_login(reply::LINE_MALFORMED, out),
                }
            }
        }
    }

    /// Does as many of the iterations as `budget` allows, and takes them off it, in answer to [`Event::DeriveKey`].
    pub fn derive_key(&mut self, budget: &mut u32) {
        match &mut self.state {
            State::Authenticating(exchange) => exchange.derive_key(budget),
            state => debug_assert!(false, "nobody logs in in {state:?}"),
        }
    }

    /// Ends an exchange in this reply.
    pub(super) fn end_login(&mut self, reply: Reply, out: &mut BytesMut) -> Event<'static> {
        let before = mem::replace(&mut self.state, State::AwaitingMail);
        if let (State::LoggingIn(user), reply::LOGGED_IN) = (before, reply) {
            self.user = Some(user);
        }
        self.answer(reply, out)
    }

    /// Tells the client that it has logged in, in answer to [`Event::Login`]; otherwise the next step does.
    pub fn log_in(&mut self, out: &mut BytesMut) {
        if let State::LoggingIn(_) = self.state {
            self.end_login(reply::LOGGED_IN, out);
        }
    }
}

fn attempt(exchange: &dyn LoginExchange, verdict: LoginVerdict) -> Box<LoginAttempt> {
    Box::new(LoginAttempt {
        mechanism: exchange.mechanism().name(),
        user: exchange.user().to_owned(),
        verdict,
    })
}
