//! Messages of a client in SASL, parsed: PLAIN (RFC 4616 §2) and the two messages of SCRAM (RFC 5802 §7).

use super::scram::Hash;
use super::text::{from_base64, from_saslname};
use super::users::NAME_BYTES_MAX;

/// The most octets of a client's nonce. Those that are in use have less than 50.
const NONCE_BYTES_MAX: usize = 256;

/// `[authzid] NUL authcid NUL passwd`.
#[derive(PartialEq, Eq)]
pub(super) struct PlainMessage<'a> {
    /// The identity to act as; empty for the user.
    pub(super) authzid: &'a str,
    pub(super) name: &'a str,
    pub(super) password: &'a str,
}

/// `client-first-message`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClientFirst<'a> {
    /// `gs2-header`, as it is written.
    pub(super) header: &'a str,
    pub(super) binding: Binding<'a>,
    /// The identity to act as; empty for the user.
    pub(super) authzid: String,
    /// `client-first-message-bare`.
    pub(super) bare: &'a str,
    pub(super) name: String,
    pub(super) nonce: &'a str,
    /// Whether it makes use of an extension that must not be passed over, of which there is none.
    pub(super) extended: bool,
}

/// `gs2-cbind-flag`: what a client says of channel bindings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binding<'a> {
    /// `n`: it knows none.
    Unknown,
    /// `y`: it does, but thinks that the server does not.
    NotOffered,
    /// `p=`: it uses this.
    Used(&'a str),
}

/// `client-final-message`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClientFinal<'a> {
    /// The message without its proof.
    pub(super) without_proof: &'a str,
    /// `gs2-header` once more, and the octets that the channel is bound by, in base64.
    pub(super) binding: &'a str,
    pub(super) nonce: &'a str,
    pub(super) proof: Hash,
}

impl<'a> PlainMessage<'a> {
    /// `None` if it is malformed.
    pub(super) fn parse(message: &'a [u8]) -> Option<Self> {
        let mut parts = str::from_utf8(message).ok()?.split('\0');
        let plain = Self {
            authzid: parts.next()?,
            name: a_name(parts.next()?)?,
            password: parts.next()?,
        };
        parts.next().is_none().then_some(plain)
    }
}

impl<'a> ClientFirst<'a> {
    /// `None` if it is malformed.
    pub(super) fn parse(message: &'a [u8]) -> Option<Self> {
        let message = str::from_utf8(message).ok()?;
        let (flag, rest) = message.split_once(',')?;
        let (authzid, bare) = rest.split_once(',')?;
        let binding = match flag {
            "n" => Binding::Unknown,
            "y" => Binding::NotOffered,
            _ => Binding::Used(
                flag.strip_prefix("p=")
                    .filter(|name| is_binding_name(name))?,
            ),
        };
        let authzid = match authzid {
            "" => String::new(),
            _ => from_saslname(authzid.strip_prefix("a=")?)?,
        };
        let mut attributes = bare.split(',');
        let first = attributes.next()?;
        let extended = first.starts_with("m=");
        let name = if extended { attributes.next()? } else { first };
        let name = from_saslname(name.strip_prefix("n=")?)?;
        let nonce = attributes.next()?.strip_prefix("r=")?;
        if !attributes.all(is_extension) {
            return None;
        }
        Some(Self {
            header: &message[..message.len() - bare.len()],
            binding,
            authzid,
            bare,
            name: a_name(&name)?.to_owned(),
            nonce: Some(nonce).filter(|nonce| is_nonce(nonce))?,
            extended,
        })
    }
}

impl<'a> ClientFinal<'a> {
    /// `None` if it is malformed.
    pub(super) fn parse(message: &'a [u8]) -> Option<Self> {
        let message = str::from_utf8(message).ok()?;
        let (without_proof, proof) = message.rsplit_once(",p=")?;
        let mut attributes = without_proof.split(',');
        let binding = attributes.next()?.strip_prefix("c=")?;
        let nonce = attributes.next()?.strip_prefix("r=")?;
        let proof = from_base64(proof.as_bytes())?.try_into().ok()?;
        attributes.all(is_extension).then_some(Self {
            without_proof,
            binding,
            nonce,
            proof,
        })
    }
}

/// A name that may be looked for and logged.
pub(super) fn a_name(name: &str) -> Option<&str> {
    (name.len() <= NAME_BYTES_MAX && !name.contains('\0')).then_some(name)
}

/// `cb-name`.
fn is_binding_name(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
    !name.is_empty() && name.bytes().all(is_part)
}

/// `printable`: no comma.
fn is_nonce(nonce: &str) -> bool {
    let fits = (1..=NONCE_BYTES_MAX).contains(&nonce.len());
    fits && nonce
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b',')
}

/// `attr-val`, of which nothing is known but that it may be passed over.
fn is_extension(attribute: &str) -> bool {
    let named = attribute
        .as_bytes()
        .first()
        .is_some_and(u8::is_ascii_alphabetic);
    named && attribute[1..].starts_with('=') && attribute.len() > 2 && !attribute.contains('\0')
}
