//! The users who may log in: the text of their file, as `mailoop passwd` writes it.
//!
//! ```text
//! mailoop-users-1 SECRET
//! NAME:SCRAM-SHA-256$ROUNDS:SALT$STOREDKEY:SERVERKEY
//! ```
//!
//! An unknown name's entry follows from the secret. Entries are as PostgreSQL keeps them; salt and keys are in base64.

use core::fmt;
use std::collections::BTreeMap;
use std::rc::Rc;

use ring::rand::{SecureRandom, SystemRandom};

use super::scram::{Hash, KEY_BYTES, KeyDerivation, Keys, hmac_sha256};
use super::text::{from_base64, saslprep, to_base64};
use crate::smtp::login::{BadLine, LoginFailure};

/// Iterations of PBKDF2 for a new password: what RFC 7677 §4 asks for (4096) and more, yet a password that comes by PLAIN
/// or LOGIN costs the server no more than 2 ms, or 10 ms where its processor does not know SHA-256. A guess against a
/// stolen file costs as little: a long password helps more than many iterations.
pub const ITERATIONS: u32 = 15_000;
/// The fewest and the most iterations that a file may name: what it asks of the server is bounded.
pub const ITERATIONS_BOUNDS: core::ops::RangeInclusive<u32> = 4096..=100_000;
/// The most octets of a user's name.
pub const NAME_BYTES_MAX: usize = 255;

const SALT_BYTES: usize = 16;
/// The start of the first line.
const HEADER: &str = "mailoop-users-1 ";
const SCHEME: &str = "SCRAM-SHA-256$";
type Salt = [u8; SALT_BYTES];

/// The users who may log in.
#[derive(Clone, PartialEq, Eq)]
pub struct Users {
    secret: Hash,
    credentials: BTreeMap<String, StoredCredentials>,
    /// The iterations of all users, in any order.
    iterations: Vec<u32>,
}

/// Salt, iterations and keys by which a server knows a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCredentials {
    salt: Salt,
    iterations: u32,
    keys: Keys,
}

/// The credentials that a login is checked against: a user's, or such as nobody can tell from them.
#[derive(Debug)]
pub(super) struct Account {
    /// The name, prepared.
    name: String,
    credentials: StoredCredentials,
    /// Whether there is such a user.
    is_known: bool,
}

impl Users {
    /// Reads a users file. Empty lines, and those that begin with `#`, say nothing.
    ///
    /// # Errors
    /// The first line that is wrong.
    pub fn parse(text: &str) -> Result<Self, BadLine> {
        let mut lines = text.lines().zip(1..);
        let header = lines.next().unwrap_or(("", 1));
        let secret = header.0.strip_prefix(HEADER).and_then(key).ok_or(BadLine {
            line: header.1,
            reason: "a users file begins with a line that `mailoop passwd` writes",
        })?;
        let mut users = Self {
            secret,
            credentials: BTreeMap::new(),
            iterations: Vec::new(),
        };
        for (text, line) in lines {
            let bad = |reason| BadLine { line, reason };
            let Some(name) = name_in(text) else { continue };
            let (name, credentials) = entry(name, text).map_err(bad)?;
            users.iterations.push(credentials.iterations);
            if users.credentials.insert(name.into(), credentials).is_some() {
                return Err(bad("this user has a line already"));
            }
        }
        Ok(users)
    }

    /// The number of users.
    #[must_use]
    pub fn len(&self) -> usize {
        self.credentials.len()
    }

    /// Whether there is nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.credentials.is_empty()
    }

    /// Whether there is a user of this name, which is prepared.
    pub(super) fn is_user(&self, name: &str) -> bool {
        self.credentials.contains_key(name)
    }

    /// The credentials that a login as `name` is checked against. For a name without a user they are always the same, and
    /// what some user might have; finding out takes as long.
    pub(super) fn account(&self, name: &str) -> Account {
        let name = saslprep(name).unwrap_or(name.into()).into_owned();
        let fake = self.fake(&name);
        let known = self.credentials.get(&name);
        Account {
            credentials: known.unwrap_or(&fake).clone(),
            is_known: known.is_some(),
            name,
        }
    }

    fn fake(&self, name: &str) -> StoredCredentials {
        let hash = hmac_sha256(&self.secret, name.as_bytes());
        let (salt, rest) = hash.split_at(SALT_BYTES);
        // As many iterations as somebody else has, and as often as users have so many.
        let index = rest.iter().fold(0, |index: usize, octet| {
            index.wrapping_mul(256).wrapping_add(usize::from(*octet))
        });
        let among = self.iterations.len().max(1);
        let key = hmac_sha256(&self.secret, &hash);
        StoredCredentials {
            salt: octets(salt).unwrap_or_default(),
            iterations: self
                .iterations
                .get(index % among)
                .copied()
                .unwrap_or(ITERATIONS),
            keys: Keys {
                stored: key,
                server: key,
            },
        }
    }
}

impl Account {
    /// Lets the user in if the keys fit. They are compared in any case: whether there is such a user makes no difference
    /// to the work.
    pub(super) fn admit(self, fit: impl FnOnce(&Keys) -> bool) -> Result<Rc<str>, LoginFailure> {
        let fit = fit(&self.credentials.keys);
        if fit && self.is_known {
            Ok(self.name.into())
        } else {
            Err(LoginFailure::Refused)
        }
    }

    /// Admits nobody any more, at no less work.
    pub(super) fn revoke(&mut self) {
        self.is_known = false;
    }

    pub(super) fn salt(&self) -> &[u8] {
        &self.credentials.salt
    }

    pub(super) fn iterations(&self) -> u32 {
        self.credentials.iterations
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.credentials.keys
    }

    /// Stretches a password to compare it with theirs.
    pub(super) fn derive_key(&self, password: &str) -> KeyDerivation {
        // One that cannot be prepared is nobody's, and costs as much as any other.
        let password = saslprep(password).unwrap_or(password.into());
        KeyDerivation::new(
            &password,
            &self.credentials.salt,
            self.credentials.iterations,
        )
    }
}

impl StoredCredentials {
    /// Makes those of a new password, which is to be prepared by [`saslprep`]. `None` if there is nothing random to be had.
    #[must_use]
    pub fn new(password: &str, iterations: u32) -> Option<Self> {
        let salt: Salt = random()?;
        let keys = KeyDerivation::new(password, &salt, iterations)
            .finish()
            .keys();
        Some(Self {
            salt,
            iterations,
            keys,
        })
    }
}

/// Written as behind the name in the file.
impl fmt::Display for StoredCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [salt, stored, server] =
            [&self.salt[..], &self.keys.stored, &self.keys.server].map(to_base64);
        write!(f, "{SCHEME}{}:{salt}${stored}:{server}", self.iterations)
    }
}

/// Nobody's name and no key is shown.
impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Users({})", self.len())
    }
}

/// The first line of a new file. `None` if there is nothing random to be had.
#[must_use]
pub fn new_header() -> Option<String> {
    Some(format!("{HEADER}{}", to_base64(&random::<KEY_BYTES>()?)))
}

/// The name in a line of the file, behind the first; `None` if the line says nothing.
#[must_use]
pub fn name_in(line: &str) -> Option<&str> {
    let says = !line.trim().is_empty() && !line.starts_with('#');
    says.then(|| line.split_once(':').map_or(line, |(name, _)| name))
}

/// Prepares the name of a user for the file.
///
/// # Errors
/// What would be right.
pub fn user_name(text: &str) -> Result<String, &'static str> {
    let name = saslprep(text).ok_or("no such characters may be in a name")?;
    if !(1..=NAME_BYTES_MAX).contains(&name.len()) {
        return Err("a name has 1 to 255 octets");
    }
    if name.contains(|character: char| character == ':' || character.is_whitespace()) {
        return Err("a name holds no colon and no white space");
    }
    if name.starts_with('#') {
        return Err("a name does not begin with #");
    }
    Ok(name.into_owned())
}

/// Octets that nobody can foretell; `None` if there are none to be had.
pub(in crate::smtp) fn random<const N: usize>() -> Option<[u8; N]> {
    let mut octets = [0; N];
    SystemRandom::new().fill(&mut octets).ok()?;
    Some(octets)
}

fn entry<'a>(name: &'a str, line: &str) -> Result<(&'a str, StoredCredentials), &'static str> {
    let prepared = user_name(name)?;
    if prepared != name {
        return Err("this name is not written as `mailoop passwd` writes it");
    }
    let rest = line
        .get(name.len() + 1..)
        .and_then(|rest| rest.strip_prefix(SCHEME));
    let rest = rest.ok_or(
        "write NAME:SCRAM-SHA-256$ROUNDS:SALT$STOREDKEY:SERVERKEY, as `mailoop passwd` does",
    )?;
    let (iterations, rest) = rest.split_once(':').ok_or("the salt is missing")?;
    let (salt, rest) = rest.split_once('$').ok_or("the keys are missing")?;
    let (stored, server) = rest.split_once(':').ok_or("the second key is missing")?;
    let plain = iterations.bytes().all(|byte| byte.is_ascii_digit());
    let iterations = iterations
        .parse()
        .ok()
        .filter(|iterations| plain && ITERATIONS_BOUNDS.contains(iterations));
    Ok((
        name,
        StoredCredentials {
            iterations: iterations.ok_or("there are 4096 to 100000 rounds")?,
            salt: octets(&from_base64(salt.as_bytes()).unwrap_or_default())
                .ok_or("a salt is 16 octets in base64")?,
            keys: Keys {
                stored: key(stored).ok_or("a key is 32 octets in base64")?,
                server: key(server).ok_or("a key is 32 octets in base64")?,
            },
        },
    ))
}

fn key(text: &str) -> Option<Hash> {
    octets(&from_base64(text.as_bytes())?)
}

fn octets<const N: usize>(octets: &[u8]) -> Option<[u8; N]> {
    octets.try_into().ok()
}

#[cfg(test)]
mod tests;
