//! One login, seen from the server.
//!
//! ```text
//! PLAIN   ─message─────────────────▶ Checking ─iterations─▶ Over
//! LOGIN   ─name─▶ password ────────▶ Checking ─iterations─▶ Over
//! SCRAM   ─client-first─▶ client-final ─▶ empty response ─▶ Over
//! ```

use core::any::Any;
use core::fmt;
use std::mem;
use std::rc::Rc;

use super::messages::{Binding, ClientFinal, ClientFirst, PlainMessage, a_name};
use super::scram::{KeyDerivation, is_same_secret};
use super::text::{from_base64, to_base64};
use super::users::{Account, Users, random};
use crate::smtp::login::{LoginExchange, LoginFailure, LoginProgress, UserDatabase};
use crate::smtp::mechanism::Mechanism;
use crate::smtp::security::{ChannelBindings, Security};

/// The octets of randomness in a server's nonce.
const NONCE_BYTES: usize = 18;

/// One login under way.
pub struct Exchange {
    mechanism: Mechanism,
    security: Option<Rc<Security>>,
    users: Rc<Users>,
    /// The name as which the client wants to log in, once it has said so.
    user: String,
    /// The challenge that is to be sent now.
    challenge: Option<String>,
    step: ExchangeStep,
}

/// The awaited response, with what exists only until it comes.
enum ExchangeStep {
    /// The message of PLAIN.
    Plain,
    /// The name, in LOGIN.
    LoginName,
    /// The password, in LOGIN.
    LoginPassword,
    /// Rounds, after which the password is compared with that of the account.
    Checking(Box<Check>),
    /// `client-first-message`.
    ClientFirst,
    /// `client-final-message`.
    ClientFinal(Box<Challenged>),
    /// The empty response by which a client says that it has seen the server's signature (RFC 5802 §5 with RFC 4422 §3.6:
    /// in SMTP it cannot go along with the outcome).
    Assent(Result<Rc<str>, LoginFailure>),
    /// Nothing.
    Over(Result<Rc<str>, LoginFailure>),
}

/// A password that is being checked.
struct Check {
    account: Account,
    derivation: KeyDerivation,
}

/// The state of SCRAM after the client was sent its salt.
struct Challenged {
    account: Account,
    /// Both nonces, one behind the other.
    nonce: String,
    /// `client-first-message-bare` and `server-first-message`, a comma behind each.
    messages: String,
    /// The octets that `c=` has to decode to.
    binding: Vec<u8>,
}

impl Exchange {
    /// Begins a login by `mechanism`. A first response may have come along.
    #[must_use]
    pub fn new(mechanism: Mechanism, security: Option<Rc<Security>>, users: Rc<Users>) -> Self {
        let (challenge, step) = match mechanism {
            Mechanism::Plain => ("", ExchangeStep::Plain),
            Mechanism::Login => ("Username:", ExchangeStep::LoginName),
            Mechanism::Scram | Mechanism::ScramPlus => ("", ExchangeStep::ClientFirst),
        };
        Self {
            mechanism,
            security,
            users,
            user: String::new(),
            challenge: Some(to_base64(challenge.as_bytes())),
            step,
        }
    }

    /// The mechanisms: one match over what is awaited, with the response that came.
    fn follow(
        &mut self,
        step: ExchangeStep,
        response: &[u8],
    ) -> Result<ExchangeStep, LoginFailure> {
        match step {
            ExchangeStep::Plain => self.plain(response),
            ExchangeStep::LoginName => self.login_name(response),
            ExchangeStep::LoginPassword => {
                let password = str::from_utf8(response).map_err(|_| LoginFailure::Malformed)?;
                Ok(self.check(password))
            }
            ExchangeStep::ClientFirst => self.client_first(response),
            ExchangeStep::ClientFinal(challenged) => self.client_final(*challenged, response),
            ExchangeStep::Assent(outcome) if response.is_empty() => Ok(ExchangeStep::Over(outcome)),
            ExchangeStep::Assent(_) | ExchangeStep::Checking(_) => Err(LoginFailure::Malformed),
            ExchangeStep::Over(outcome) => Ok(ExchangeStep::Over(outcome)),
        }
    }

    fn plain(&mut self, message: &[u8]) -> Result<ExchangeStep, LoginFailure> {
        let plain = PlainMessage::parse(message).ok_or(LoginFailure::Malformed)?;
        plain.name.clone_into(&mut self.user);
        // Nobody may act as somebody else.
        if !plain.authzid.is_empty() && plain.authzid != plain.name {
            return Err(LoginFailure::Refused);
        }
        Ok(self.check(plain.password))
    }

    fn login_name(&mut self, name: &[u8]) -> Result<ExchangeStep, LoginFailure> {
        let name = str::from_utf8(name).ok().and_then(a_name);
        self.user = name.ok_or(LoginFailure::Malformed)?.to_owned();
        self.challenge = Some(to_base64(b"Password:"));
        Ok(ExchangeStep::LoginPassword)
    }

    fn check(&self, password: &str) -> ExchangeStep {
        let account = self.users.account(&self.user);
        let derivation = account.derive_key(password);
        ExchangeStep::Checking(Box::new(Check {
            account,
            derivation,
        }))
    }

    fn client_first(&mut self, message: &[u8]) -> Result<ExchangeStep, LoginFailure> {
        let nonce = random::<NONCE_BYTES>().ok_or(LoginFailure::NoRandomness)?;
        self.challenge_with(&to_base64(&nonce), message)
    }

    /// Answers `client-first-message` with this nonce of the server's.
    fn challenge_with(
        &mut self,
        nonce: &str,
        message: &[u8],
    ) -> Result<ExchangeStep, LoginFailure> {
        let first = ClientFirst::parse(message).ok_or(LoginFailure::Malformed)?;
        first.name.clone_into(&mut self.user);
        let binding = self.binding(first.binding).ok_or(LoginFailure::Refused)?;
        let binding = [first.header.as_bytes(), binding].concat();
        let acts_as_itself = first.authzid.is_empty() || first.authzid == first.name;
        if first.extended || !acts_as_itself {
            return Err(LoginFailure::Refused);
        }
        let account = self.users.account(&self.user);
        let nonce = format!("{}{nonce}", first.nonce);
        let salt = to_base64(account.salt());
        let server_first = format!("r={nonce},s={salt},i={}", account.iterations());
        self.challenge = Some(to_base64(server_first.as_bytes()));
        Ok(ExchangeStep::ClientFinal(Box::new(Challenged {
            messages: format!("{},{server_first},", first.bare),
            account,
            nonce,
            binding,
        })))
    }

    /// The octets that the channel is bound by, none without PLUS; `None` if what the client says of them does not go
    /// together with the mechanism (RFC 5802 §6).
    fn binding(&self, binding: Binding<'_>) -> Option<&[u8]> {
        let bindings = self.security.as_deref().map(|security| &security.bindings);
        match (self.mechanism, binding) {
            (Mechanism::ScramPlus, Binding::Used("tls-exporter")) => {
                Some(bindings?.exporter.as_ref()?)
            }
            (Mechanism::ScramPlus, Binding::Used("tls-server-end-point")) => {
                bindings?.end_point.as_deref()
            }
            (Mechanism::Scram, Binding::Unknown) => Some(&[]),
            // If PLUS was offered, somebody in between has taken it out.
            (Mechanism::Scram, Binding::NotOffered)
                if !bindings.is_some_and(ChannelBindings::are_usable) =>
            {
                Some(&[])
            }
            _ => None,
        }
    }

    fn client_final(
        &mut self,
        challenged: Challenged,
        message: &[u8],
    ) -> Result<ExchangeStep, LoginFailure> {
        let Challenged {
            account,
            nonce,
            mut messages,
            binding,
        } = challenged;
        let last = ClientFinal::parse(message).ok_or(LoginFailure::Malformed)?;
        let said = from_base64(last.binding.as_bytes()).ok_or(LoginFailure::Malformed)?;
        messages += last.without_proof;
        let signature = account.keys().signature(messages.as_bytes());
        let bound = is_same_secret(&said, &binding) && last.nonce == nonce;
        let user = account.admit(|keys| keys.prove(messages.as_bytes(), &last.proof) && bound)?;
        let server_final = format!("v={}", to_base64(&signature));
        self.challenge = Some(to_base64(server_final.as_bytes()));
        Ok(ExchangeStep::Assent(Ok(user)))
    }
}

impl LoginExchange for Exchange {
    fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    fn user(&self) -> &str {
        &self.user
    }

    fn respond(&mut self, response: &[u8]) {
        self.challenge = None;
        let step = mem::replace(
            &mut self.step,
            ExchangeStep::Over(Err(LoginFailure::Malformed)),
        );
        let next = match from_base64(response) {
            Some(response) => self.follow(step, &response),
            None => Err(LoginFailure::Malformed),
        };
        self.step = next.unwrap_or_else(|failure| ExchangeStep::Over(Err(failure)));
    }

    fn progress(&mut self) -> LoginProgress {
        if let Some(challenge) = self.challenge.take() {
            return LoginProgress::Challenge(challenge);
        }
        match &self.step {
            ExchangeStep::Checking(_) => LoginProgress::DeriveKey,
            ExchangeStep::Over(Ok(user)) => LoginProgress::LoggedIn(Rc::clone(user)),
            ExchangeStep::Over(Err(failure)) => LoginProgress::Failed(*failure),
            _ => LoginProgress::AwaitResponse,
        }
    }

    fn is_deriving(&self) -> bool {
        matches!(self.step, ExchangeStep::Checking(_))
    }

    fn derive_key(&mut self, budget: &mut u32) {
        self.step = match mem::replace(
            &mut self.step,
            ExchangeStep::Over(Err(LoginFailure::Malformed)),
        ) {
            ExchangeStep::Checking(mut check) => match check.derivation.advance(budget) {
                Some(password) => {
                    ExchangeStep::Over(check.account.admit(|keys| keys.fit(&password)))
                }
                None => ExchangeStep::Checking(check),
            },
            other => other,
        };
    }

    fn replace_users(&mut self, users: Option<&Rc<dyn UserDatabase>>) {
        let users = users.map(|users| Rc::clone(users) as Rc<dyn Any>);
        if let Some(Ok(users)) = users.map(Rc::downcast) {
            self.users = users;
        }
        match &mut self.step {
            ExchangeStep::Checking(check) => check.account.revoke(),
            ExchangeStep::ClientFinal(challenged) => challenged.account.revoke(),
            ExchangeStep::Assent(outcome) | ExchangeStep::Over(outcome) if outcome.is_ok() => {
                *outcome = Err(LoginFailure::Refused);
            }
            // No keys were looked up yet: it goes on with those of the new users.
            _ => {}
        }
    }
}

/// No password and no key is shown.
impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exchange({})", self.mechanism.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7677 §3: the user `user`, whose password is `pencil`.
    #[test]
    fn the_dialogue_of_the_standard_is_had() -> Result<(), LoginFailure> {
        const USERS: &str = "mailoop-users-1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\
            user:SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$\
            WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
        let users = Users::parse(USERS).map_err(|_| LoginFailure::Malformed)?;
        let mut exchange = Exchange::new(Mechanism::Scram, None, Rc::new(users));
        let first = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
        let step = exchange.challenge_with("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", first)?;
        let challenge = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
            s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        assert_eq!(exchange.challenge, Some(to_base64(challenge.as_bytes())));
        let last = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
            p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        let step = exchange.follow(step, last)?;
        let signature = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
        assert_eq!(exchange.challenge, Some(to_base64(signature.as_bytes())));
        let step = exchange.follow(step, b"")?;
        assert!(matches!(step, ExchangeStep::Over(Ok(user)) if &*user == "user"));
        Ok(())
    }
}
