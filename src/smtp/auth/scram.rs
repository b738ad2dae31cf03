//! Computations of both sides of SCRAM-SHA-256 (RFC 5802 §3, RFC 7677).
//!
//! ```text
//! SaltedPassword = PBKDF2(password, salt, iterations)    the slow part, done in slices
//! ClientKey      = HMAC(SaltedPassword, "Client Key")
//! StoredKey      = H(ClientKey)                       a server keeps this and the next
//! ServerKey      = HMAC(SaltedPassword, "Server Key")
//! ```

use core::fmt;

use ring::{digest, hmac};
use subtle::ConstantTimeEq;

/// The octets of a key, of a hash, of a proof and of a signature.
pub const KEY_BYTES: usize = 32;

/// A hash, or an HMAC, by SHA-256.
pub type Hash = [u8; KEY_BYTES];

/// SHA-256: `H` in RFC 5802.
#[must_use]
pub fn sha256(data: &[u8]) -> Hash {
    octets(digest::digest(&digest::SHA256, data).as_ref())
}

/// HMAC-SHA-256: `HMAC` in RFC 5802.
#[must_use]
pub fn hmac_sha256(key: &[u8], data: &[u8]) -> Hash {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    octets(hmac::sign(&key, data).as_ref())
}

/// Whether they are the same, found out in a time that tells nothing of them but their lengths.
#[must_use]
pub fn is_same_secret(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

/// Copies a result of SHA-256, which always fills a key.
fn octets(result: &[u8]) -> Hash {
    let mut octets = [0; KEY_BYTES];
    octets.copy_from_slice(result);
    octets
}

fn xor(mut one: Hash, other: &Hash) -> Hash {
    for (octet, other) in one.iter_mut().zip(other) {
        *octet ^= other;
    }
    one
}

/// A password that is being stretched to a [`SaltedPassword`], some iterations at a time: `Hi` in RFC 5802, which is PBKDF2
/// (RFC 8018 §5.2) with one block of output.
pub struct KeyDerivation {
    password: hmac::Key,
    /// `U` of the last round.
    last: Hash,
    /// All of them so far, put together by exclusive or.
    sum: Hash,
    iterations_left: u32,
}

impl KeyDerivation {
    /// Begins with a password, prepared by [`saslprep`](super::text::saslprep). The first of the iterations is done.
    #[must_use]
    pub fn new(password: &str, salt: &[u8], iterations: u32) -> Self {
        let password = hmac::Key::new(hmac::HMAC_SHA256, password.as_bytes());
        let mut first = hmac::Context::with_key(&password);
        first.update(salt);
        first.update(&1_u32.to_be_bytes());
        let first = octets(first.sign().as_ref());
        Self {
            password,
            last: first,
            sum: first,
            iterations_left: iterations.saturating_sub(1),
        }
    }

    /// Does as many of its iterations as `budget` allows, and takes them off it. There is a result once all are done.
    pub fn advance(&mut self, budget: &mut u32) -> Option<SaltedPassword> {
        let iterations = self.iterations_left.min(*budget);
        for _ in 0..iterations {
            self.last = octets(hmac::sign(&self.password, &self.last).as_ref());
            self.sum = xor(self.sum, &self.last);
        }
        *budget -= iterations;
        self.iterations_left -= iterations;
        (self.iterations_left == 0).then_some(SaltedPassword(self.sum))
    }

    /// Does all of its iterations: for those who have nobody else to serve.
    #[must_use]
    pub fn finish(mut self) -> SaltedPassword {
        let mut all = u32::MAX;
        match self.advance(&mut all) {
            Some(salted) => salted,
            None => SaltedPassword(self.sum),
        }
    }
}

/// `SaltedPassword`, from which all keys follow.
pub struct SaltedPassword(Hash);

impl SaltedPassword {
    /// `ClientKey`. Who has it can log in.
    #[must_use]
    pub fn client_key(&self) -> ClientKey {
        ClientKey(hmac_sha256(&self.0, b"Client Key"))
    }

    /// The keys that a server knows this password by.
    #[must_use]
    pub fn keys(&self) -> Keys {
        Keys {
            stored: self.client_key().stored_key(),
            server: hmac_sha256(&self.0, b"Server Key"),
        }
    }
}

/// `ClientKey`.
pub struct ClientKey(Hash);

impl ClientKey {
    /// `StoredKey`, by which a server knows it.
    #[must_use]
    pub fn stored_key(&self) -> Hash {
        sha256(&self.0)
    }

    /// `ClientProof`, with which a client ends its last message.
    #[must_use]
    pub fn proof(&self, auth_message: &[u8]) -> Hash {
        xor(self.0, &hmac_sha256(&self.stored_key(), auth_message))
    }
}

/// The keys by which a server knows a password. Nobody can log in with them, but a thief can pose as the server.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// `StoredKey`.
    pub stored: Hash,
    /// `ServerKey`.
    pub server: Hash,
}

impl Keys {
    /// Whether this `ClientProof` was made with the password that these keys are of.
    #[must_use]
    pub fn prove(&self, auth_message: &[u8], proof: &Hash) -> bool {
        let client_key = ClientKey(xor(*proof, &hmac_sha256(&self.stored, auth_message)));
        is_same_secret(&client_key.stored_key(), &self.stored)
    }

    /// `ServerSignature`, by which a client sees that the server knows its password.
    #[must_use]
    pub fn signature(&self, auth_message: &[u8]) -> Hash {
        hmac_sha256(&self.server, auth_message)
    }

    /// Whether they are of this password.
    #[must_use]
    pub fn fit(&self, password: &SaltedPassword) -> bool {
        is_same_secret(&password.client_key().stored_key(), &self.stored)
    }
}

/// Nothing of it is shown.
macro_rules! secret {
    ($($name:ident)*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(secret)"))
            }
        }
    )*};
}

secret! { KeyDerivation SaltedPassword ClientKey Keys }

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7677 §3.
    const AUTH_MESSAGE: &[u8] = b"n=user,r=rOprNGfwEbeRWgbNEkqO,\
        r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
        c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    const SALT: &[u8] = b"\x5b\x6d\x99\x68\x9d\x12\x35\x8e\xec\xa0\x4b\x14\x12\x36\xfa\x81";

    fn hex(octets: &[u8]) -> String {
        octets.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    #[test]
    fn the_example_of_the_standard_comes_out() {
        let salted = KeyDerivation::new("pencil", SALT, 4096).finish();
        let proof = salted.client_key().proof(AUTH_MESSAGE);
        // dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=
        assert_eq!(
            hex(&proof),
            "747cdb65aa56224e2352137e52d7bdcad6a0f738df30782caa69a2cfb0277554"
        );
        let keys = salted.keys();
        assert!(keys.prove(AUTH_MESSAGE, &proof));
        assert!(!keys.prove(b"another message", &proof));
        assert!(keys.fit(&salted));
        assert!(!keys.fit(&KeyDerivation::new("Pencil", SALT, 4096).finish()));
        // 6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=
        assert_eq!(
            hex(&keys.signature(AUTH_MESSAGE)),
            "eabae24d1062db75a9451ff0b6ea7e98c8546549ff741e672d3251b2397de46e"
        );
    }

    #[test]
    fn slices_come_to_the_same() {
        let whole = KeyDerivation::new("pencil", SALT, 1000).finish();
        for slice in [1, 7, 999, 1000] {
            let mut derivation = KeyDerivation::new("pencil", SALT, 1000);
            let mut rounds = 1;
            let salted = loop {
                let mut budget = slice;
                let result = derivation.advance(&mut budget);
                rounds += slice - budget;
                if let Some(salted) = result {
                    break salted;
                }
                assert_eq!(budget, 0, "it uses what it is given");
            };
            assert_eq!((salted.0, rounds), (whole.0, 1000), "in slices of {slice}");
        }
    }

    #[test]
    fn nothing_secret_is_shown() {
        let derivation = KeyDerivation::new("pencil", SALT, 1);
        assert_eq!(format!("{derivation:?}"), "KeyDerivation(secret)");
        let keys = derivation.finish().keys();
        assert_eq!(format!("{keys:?}"), "Keys(secret)");
    }
}
