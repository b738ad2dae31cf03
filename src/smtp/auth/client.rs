//! A login, seen from the client (RFC 4954 §4): the mirror of the server's [`Exchange`](crate::smtp::auth::Exchange).
//!
//! ```text
//! PLAIN   message ─▶ Over
//! LOGIN   User ─name─▶ Password ─password─▶ Over
//! SCRAM   client-first ─▶ ServerFirst ─client-final─▶ ServerFinal ─empty response─▶ Over
//! ```

use core::cell::RefCell;
use core::fmt;
use core::mem;
use std::rc::Rc;

use super::scram::{Hash, KeyDerivation, SaltedPassword, is_same_secret};
use super::text::{from_base64, saslprep, to_base64, to_saslname};
use super::users::random;
use crate::smtp::client::{ChannelSecurity, ClientCredentials, ClientFault, ClientLogin};
use crate::smtp::line::COMMAND_LINE_BYTES_MAX;
use crate::smtp::mechanism::Mechanism;

/// The octets of randomness in a client's nonce.
const NONCE_BYTES: usize = 18;
/// The least iterations of PBKDF2 that a server may ask for: fewer than RFC 7677 §4 has would make guesses cheap to whoever poses
/// as the server.
const ITERATIONS_MIN: u32 = 4096;
/// The most iterations for a client that has nobody else to serve: they take seconds.
const ITERATIONS_MAX: u32 = 10_000_000;
/// The most iterations within an event loop, which stands still for them, some tenths of a second. The result
/// is kept, so that is once a start and server, unless the server has a new salt for each login.
const LOOP_ITERATIONS_MAX: u32 = 300_000;

/// The name and the password of a user, prepared by SASLprep.
#[derive(Clone)]
pub struct Credentials {
    user: String,
    password: String,
    iterations_max: u32,
    /// The password as it was derived last: a server keeps its salt, and a client of many sessions derives it once.
    derived: Rc<RefCell<Option<DerivedPassword>>>,
}

impl PartialEq for Credentials {
    fn eq(&self, other: &Self) -> bool {
        (&self.user, &self.password) == (&other.user, &other.password)
    }
}

impl Eq for Credentials {}

/// A password that was derived with this salt and so many iterations.
struct DerivedPassword {
    salt: Vec<u8>,
    iterations: u32,
    password: Rc<SaltedPassword>,
}

impl Credentials {
    /// `None` if one of them is empty or holds a NUL.
    #[must_use]
    pub fn new(user: &str, password: &str) -> Option<Self> {
        let fits = |text: &str| !text.is_empty() && !text.contains('\0');
        // What cannot be prepared some servers take as it is.
        let prepared = |text: &str| saslprep(text).unwrap_or(text.into()).into_owned();
        (fits(user) && fits(password)).then(|| Self {
            user: prepared(user),
            password: prepared(password),
            iterations_max: ITERATIONS_MAX,
            derived: Rc::default(),
        })
    }

    /// Derives the password, unless it was derived so the last time.
    fn derive(&self, salt: Vec<u8>, iterations: u32) -> Rc<SaltedPassword> {
        let mut derived = self.derived.borrow_mut();
        match &*derived {
            Some(last) if last.salt == salt && last.iterations == iterations => {
                Rc::clone(&last.password)
            }
            _ => {
                let password = KeyDerivation::new(&self.password, &salt, iterations).finish();
                let password = Rc::new(password);
                *derived = Some(DerivedPassword {
                    salt,
                    iterations,
                    password: Rc::clone(&password),
                });
                password
            }
        }
    }
}

/// Makes credentials; `None` if the name or the password is empty or holds a NUL.
pub(in crate::smtp) fn credentials(
    user: &str,
    password: &str,
) -> Option<Rc<dyn ClientCredentials>> {
    Some(Rc::new(Credentials::new(user, password)?))
}

/// Makes credentials for sessions in an event loop, which must not stand still for a login.
pub(in crate::smtp) fn loop_credentials(
    user: &str,
    password: &str,
) -> Option<Rc<dyn ClientCredentials>> {
    Some(Rc::new(Credentials {
        iterations_max: LOOP_ITERATIONS_MAX,
        ..Credentials::new(user, password)?
    }))
}

/// The password is not shown.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({:?})", self.user)
    }
}

/// One login under way.
struct Login {
    /// The first response, if the command had no room for it.
    first: Option<String>,
    step: LoginStep,
}

/// The awaited challenge, with what exists only until it comes.
enum LoginStep {
    /// LOGIN: the server is to ask for the name.
    User(Credentials),
    /// LOGIN: the server is to ask for the password.
    Password(Credentials),
    /// `server-first-message`.
    ServerFirst(Box<Challenge>),
    /// `server-final-message`, with this signature.
    ServerFinal(Hash),
    /// Only the outcome.
    Over,
}

/// The first message of a client of SCRAM, as far as the next one needs it.
struct Challenge {
    credentials: Credentials,
    /// `gs2-header`, and the octets that the channel is bound by.
    binding: Vec<u8>,
    nonce: String,
    /// `client-first-message-bare`.
    bare: String,
}

impl ClientCredentials for Credentials {
    fn user(&self) -> &str {
        &self.user
    }

    fn begin(
        &self,
        offered: &[Mechanism],
        security: &ChannelSecurity,
    ) -> Result<(Box<dyn ClientLogin>, String), ClientFault> {
        let mechanism = choose(offered, security)?;
        let nonce = random::<NONCE_BYTES>().ok_or(ClientFault::NoRandomness)?;
        let (step, first) = first_step(self, mechanism, security, to_base64(&nonce));
        let mut line = format!("AUTH {}", mechanism.name());
        let mut first = first.map(|response| to_base64(response.as_bytes()));
        // RFC 4954 §4: an initial response that makes the line too long is to wait.
        let has_room = |response: &mut String| {
            line.len() + " \r\n".len() + response.len() <= COMMAND_LINE_BYTES_MAX
        };
        if let Some(response) = first.take_if(has_room) {
            line = format!("{line} {response}");
        }
        Ok((Box::new(Login { first, step }), line))
    }
}

impl ClientLogin for Login {
    fn respond(&mut self, text: &[u8]) -> Result<String, ClientFault> {
        if let Some(first) = self.first.take() {
            return Ok(first);
        }
        let (next, response) = match mem::replace(&mut self.step, LoginStep::Over) {
            LoginStep::User(credentials) => {
                let response = to_base64(credentials.user.as_bytes());
                (LoginStep::Password(credentials), response)
            }
            LoginStep::Password(credentials) => {
                (LoginStep::Over, to_base64(credentials.password.as_bytes()))
            }
            LoginStep::ServerFirst(challenge) => {
                let server_first = decoded(text)?;
                let (signature, client_final) = challenge
                    .meet(&server_first)
                    .ok_or(ClientFault::BadChallenge)?;
                (
                    LoginStep::ServerFinal(signature),
                    to_base64(client_final.as_bytes()),
                )
            }
            LoginStep::ServerFinal(signature) => {
                let server_final = decoded(text)?;
                if !is_signed(&server_final, &signature) {
                    return Err(ClientFault::Impostor);
                }
                (LoginStep::Over, String::new())
            }
            LoginStep::Over => return Err(ClientFault::BadChallenge),
        };
        self.step = next;
        Ok(response)
    }

    fn may_succeed(&self) -> bool {
        !matches!(
            self.step,
            LoginStep::ServerFirst(_) | LoginStep::ServerFinal(_)
        )
    }
}

/// Nothing of it is shown.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(secret)")
    }
}

/// The best mechanism of those that are offered and may be used.
fn choose(offered: &[Mechanism], security: &ChannelSecurity) -> Result<Mechanism, ClientFault> {
    let may_be_used = |mechanism: &Mechanism| match mechanism {
        Mechanism::ScramPlus => security.binding().is_some(),
        Mechanism::Scram => true,
        // They tell the password to whoever listens.
        Mechanism::Plain | Mechanism::Login => security.is_private(),
    };
    let mut known = Mechanism::ALL
        .into_iter()
        .filter(|mechanism| offered.contains(mechanism));
    match known.clone().find(may_be_used) {
        Some(mechanism) => Ok(mechanism),
        None if known.any(|mechanism| mechanism != Mechanism::ScramPlus) => {
            Err(ClientFault::InTheClear)
        }
        None => Err(ClientFault::NoLogin),
    }
}

/// The first step of a mechanism, and the response that may be sent at once.
fn first_step(
    credentials: &Credentials,
    mechanism: Mechanism,
    security: &ChannelSecurity,
    nonce: String,
) -> (LoginStep, Option<String>) {
    let Credentials { user, password, .. } = credentials;
    let (flag, octets) = match (mechanism, security.binding()) {
        (Mechanism::Plain, _) => return (LoginStep::Over, Some(format!("\0{user}\0{password}"))),
        (Mechanism::Login, _) => return (LoginStep::User(credentials.clone()), None),
        (Mechanism::ScramPlus, Some((name, octets))) => (format!("p={name}"), octets),
        // RFC 5802 §6: we could have bound, but were not offered to. A server that has offered it knows then that
        // somebody in between took that out.
        (_, Some(_)) => ("y".to_owned(), &[][..]),
        (_, None) => ("n".to_owned(), &[][..]),
    };
    let header = format!("{flag},,");
    let bare = format!("n={},r={nonce}", to_saslname(user));
    let client_first = format!("{header}{bare}");
    let challenge = Challenge {
        credentials: credentials.clone(),
        binding: [header.as_bytes(), octets].concat(),
        nonce,
        bare,
    };
    (
        LoginStep::ServerFirst(Box::new(challenge)),
        Some(client_first),
    )
}

impl Challenge {
    /// The server's signature as it has to be, and `client-final-message`; `None` if `server_first` is none for us.
    fn meet(&self, server_first: &str) -> Option<(Hash, String)> {
        let mut attributes = server_first.split(',');
        let nonce = attributes.next()?.strip_prefix("r=")?;
        let salt = from_base64(attributes.next()?.strip_prefix("s=")?.as_bytes())?;
        let iterations: u32 = attributes.next()?.strip_prefix("i=")?.parse().ok()?;
        let ours = nonce.strip_prefix(&self.nonce)?;
        let bounds = ITERATIONS_MIN..=self.credentials.iterations_max;
        if ours.is_empty() || salt.is_empty() || !bounds.contains(&iterations) {
            return None;
        }
        let without_proof = format!("c={},r={nonce}", to_base64(&self.binding));
        let messages = format!("{},{server_first},{without_proof}", self.bare);
        let password = self.credentials.derive(salt, iterations);
        let proof = password.client_key().proof(messages.as_bytes());
        let signature = password.keys().signature(messages.as_bytes());
        let client_final = format!("{without_proof},p={}", to_base64(&proof));
        Some((signature, client_final))
    }
}

/// Whether `server-final-message` holds this signature.
fn is_signed(server_final: &str, signature: &Hash) -> bool {
    let verifier = server_final.split(',').next();
    let verifier = verifier.and_then(|attribute| attribute.strip_prefix("v="));
    verifier
        .and_then(|verifier| from_base64(verifier.as_bytes()))
        .is_some_and(|verifier| is_same_secret(&verifier, signature))
}

/// A challenge, as text.
fn decoded(text: &[u8]) -> Result<String, ClientFault> {
    let octets = from_base64(text).ok_or(ClientFault::BadChallenge)?;
    String::from_utf8(octets).map_err(|_| ClientFault::BadChallenge)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7677 §3.
    #[test]
    fn the_example_of_the_standard_comes_out() -> Result<(), ClientFault> {
        const SERVER_FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        const CLIENT_FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
            p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
        let credentials = Credentials::new("user", "pencil").ok_or(ClientFault::NoLogin)?;
        let nonce = "rOprNGfwEbeRWgbNEkqO".to_owned();
        let (step, first) = first_step(
            &credentials,
            Mechanism::Scram,
            &ChannelSecurity::Clear,
            nonce,
        );
        assert_eq!(first.as_deref(), Some("n,,n=user,r=rOprNGfwEbeRWgbNEkqO"));

        let mut login = Login { first: None, step };
        let last = login.respond(to_base64(SERVER_FIRST.as_bytes()).as_bytes())?;
        assert_eq!(decoded(last.as_bytes())?, CLIENT_FINAL);
        assert!(!login.may_succeed());
        assert_eq!(
            login.respond(to_base64(SERVER_FINAL.as_bytes()).as_bytes())?,
            ""
        );
        assert!(login.may_succeed());
        Ok(())
    }

    #[test]
    fn a_password_is_derived_once_for_a_salt() -> Result<(), ClientFault> {
        let credentials = Credentials::new("user", "pencil").ok_or(ClientFault::NoLogin)?;
        let first = credentials.derive(b"salt".to_vec(), 4096);
        let again = credentials.clone().derive(b"salt".to_vec(), 4096);
        assert!(Rc::ptr_eq(&first, &again));
        for (salt, iterations) in [("salz", 4096), ("salt", 4097)] {
            let other = credentials.derive(salt.into(), iterations);
            assert!(!Rc::ptr_eq(&first, &other));
            assert_ne!(
                first.client_key().stored_key(),
                other.client_key().stored_key()
            );
        }
        Ok(())
    }
}
