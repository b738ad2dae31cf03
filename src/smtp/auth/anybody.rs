//! Logins of a server for tests: everybody may log in, under any name, with any password.
//!
//! Only PLAIN and LOGIN tell the name without a secret that both sides know, so these are all that such a server offers.

use core::any::Any;
use std::mem;
use std::rc::Rc;

use super::messages::a_name;
use super::text::{from_base64, to_base64};
use crate::smtp::login::{LoginExchange, LoginFailure, LoginProgress, UserDatabase};
use crate::smtp::mechanism::Mechanism;
use crate::smtp::security::Security;

/// Users of whom everybody is one.
#[derive(Debug)]
struct Anybody;

/// The users of a server that lets everybody log in.
pub(in crate::smtp) fn anybody() -> Rc<dyn UserDatabase> {
    Rc::new(Anybody)
}

impl UserDatabase for Anybody {
    fn has(&self, _: &str) -> bool {
        true
    }

    fn is_same(&self, other: &dyn UserDatabase) -> bool {
        (other as &dyn Any).is::<Self>()
    }

    fn begin(
        self: Rc<Self>,
        mechanism: Mechanism,
        _: Option<Rc<Security>>,
    ) -> Box<dyn LoginExchange> {
        let (challenge, step) = match mechanism {
            Mechanism::Login => ("Username:", AnybodyStep::LoginName),
            _ => ("", AnybodyStep::Plain),
        };
        Box::new(AnybodyLogin {
            mechanism,
            user: String::new(),
            challenge: Some(to_base64(challenge.as_bytes())),
            step,
        })
    }
}

/// One login under way.
#[derive(Debug)]
struct AnybodyLogin {
    mechanism: Mechanism,
    user: String,
    /// The challenge that is to be sent now.
    challenge: Option<String>,
    step: AnybodyStep,
}

/// The awaited response.
#[derive(Debug)]
enum AnybodyStep {
    /// The message of PLAIN.
    Plain,
    /// The name, in LOGIN.
    LoginName,
    /// The password, in LOGIN.
    LoginPassword,
    /// Nothing.
    Over(Result<(), LoginFailure>),
}

impl AnybodyLogin {
    /// Follows a response; `None` if it is malformed.
    fn follow(&mut self, step: &AnybodyStep, response: &[u8]) -> Option<AnybodyStep> {
        match step {
            AnybodyStep::Plain => {
                let mut parts = response.split(|octet| *octet == 0);
                // Whom to act as, who that is, and the password.
                let (_, name, _) = (parts.next()?, parts.next()?, parts.next()?);
                self.take_name(name)?;
                let is_whole = parts.next().is_none();
                is_whole.then_some(AnybodyStep::Over(Ok(())))
            }
            AnybodyStep::LoginName => {
                self.take_name(response)?;
                self.challenge = Some(to_base64(b"Password:"));
                Some(AnybodyStep::LoginPassword)
            }
            AnybodyStep::LoginPassword => Some(AnybodyStep::Over(Ok(()))),
            AnybodyStep::Over(_) => None,
        }
    }

    fn take_name(&mut self, name: &[u8]) -> Option<()> {
        let name = a_name(str::from_utf8(name).ok()?)?;
        name.clone_into(&mut self.user);
        (!name.is_empty()).then_some(())
    }
}

impl LoginExchange for AnybodyLogin {
    fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    fn user(&self) -> &str {
        &self.user
    }

    fn respond(&mut self, response: &[u8]) {
        self.challenge = None;
        let malformed = AnybodyStep::Over(Err(LoginFailure::Malformed));
        let step = mem::replace(&mut self.step, malformed);
        let decoded = from_base64(response);
        if let Some(next) = decoded.and_then(|response| self.follow(&step, &response)) {
            self.step = next;
        }
    }

    fn progress(&mut self) -> LoginProgress {
        if let Some(challenge) = self.challenge.take() {
            return LoginProgress::Challenge(challenge);
        }
        match &self.step {
            AnybodyStep::Over(Ok(())) => LoginProgress::LoggedIn(self.user.as_str().into()),
            AnybodyStep::Over(Err(failure)) => LoginProgress::Failed(*failure),
            _ => LoginProgress::AwaitResponse,
        }
    }

    fn is_deriving(&self) -> bool {
        false
    }

    fn derive_key(&mut self, _: &mut u32) {}

    fn replace_users(&mut self, users: Option<&Rc<dyn UserDatabase>>) {
        if users.is_none_or(|users| !users.is_same(&Anybody)) {
            self.step = AnybodyStep::Over(Err(LoginFailure::Refused));
        }
    }
}

#[cfg(test)]
#[allow(clippy::panic, clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Logs in by these responses, `*` in place of NUL; who comes of it.
    fn log_in(mechanism: Mechanism, responses: &[&str]) -> Result<Rc<str>, LoginFailure> {
        let mut exchange = anybody().begin(mechanism, None);
        let mut responses = responses.iter();
        loop {
            match exchange.progress() {
                LoginProgress::Challenge(_) => {}
                LoginProgress::AwaitResponse => {
                    let response = responses.next().unwrap().replace('*', "\0");
                    exchange.respond(to_base64(response.as_bytes()).as_bytes());
                }
                LoginProgress::DeriveKey => panic!("no password is looked at"),
                LoginProgress::LoggedIn(user) => return Ok(user),
                LoginProgress::Failed(failure) => return Err(failure),
            }
        }
    }

    #[test]
    fn everybody_logs_in_with_any_password() {
        for message in ["*ann*secret", "*ann*", "bob*ann*x"] {
            assert_eq!(log_in(Mechanism::Plain, &[message]).as_deref(), Ok("ann"));
        }
        for password in ["secret", ""] {
            let user = log_in(Mechanism::Login, &["ann@example.org", password]);
            assert_eq!(user.as_deref(), Ok("ann@example.org"));
        }
    }

    #[test]
    fn a_message_without_a_name_is_malformed() {
        for message in ["", "ann", "**", "**secret", "*ann", "*ann*secret*more"] {
            let user = log_in(Mechanism::Plain, &[message]);
            assert_eq!(user, Err(LoginFailure::Malformed), "{message}");
        }
        let user = log_in(Mechanism::Login, &[""]);
        assert_eq!(user, Err(LoginFailure::Malformed));
        let mut exchange = anybody().begin(Mechanism::Plain, None);
        exchange.respond(b"no base64!");
        exchange.progress();
        assert_eq!(
            exchange.progress(),
            LoginProgress::Failed(LoginFailure::Malformed)
        );
    }
}
