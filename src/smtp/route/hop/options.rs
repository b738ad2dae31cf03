//! The options of a hop: `tls=`, `auth=` and `ca=`, after a `?` and joined by `&`.

use std::path::PathBuf;

use super::{HopError, TlsLevel};

/// The options of a hop, as far as they were given.
#[derive(Default)]
pub(super) struct HopOptions {
    pub(super) tls: Option<TlsLevel>,
    pub(super) login: Option<Box<str>>,
    pub(super) authorities: Option<PathBuf>,
}

impl HopOptions {
    /// Reads `tls=LEVEL`, `auth=USER` and `ca=FILE`, joined by `&`.
    pub(super) fn read(text: &str) -> Result<Self, HopError> {
        let mut options = Self::default();
        for option in text.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let twice = match name {
                "tls" => {
                    let level = TlsLevel::named(value).ok_or(HopError::Level)?;
                    options.tls.replace(level).is_some().then_some("tls")
                }
                "auth" => {
                    let user = decoded(value).ok_or(HopError::OptionValue("auth"))?;
                    let before = options.login.replace(user.into());
                    before.is_some().then_some("auth")
                }
                "ca" => {
                    let file = decoded(value).ok_or(HopError::OptionValue("ca"))?;
                    let before = options.authorities.replace(file.into());
                    before.is_some().then_some("ca")
                }
                _ => return Err(HopError::UnknownOption(name.to_owned())),
            };
            if let Some(name) = twice {
                return Err(HopError::OptionTwice(name));
            }
        }
        Ok(options)
    }
}

/// The octets that a value cannot hold as they are.
const ENCODED: &str = "%,&?";

/// Decodes the value of an option, in which `%2C` stands for a comma; `None` if it is empty or holds a control.
pub fn decoded(value: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let (octet, behind) = match (first, behind) {
            (b'%', [high, low, behind @ ..]) => {
                let digit = |octet: u8| char::from(octet).to_digit(16);
                let octet = 16 * digit(*high)? + digit(*low)?;
                (u8::try_from(octet).ok()?, behind)
            }
            (b'%', _) => return None,
            _ => (first, behind),
        };
        octets.push(octet);
        rest = behind;
    }
    let text = String::from_utf8(octets).ok()?;
    let is_plain = !text.is_empty() && !text.chars().any(char::is_control);
    is_plain.then_some(text)
}

/// Encodes the value of an option, as [`decoded`] reads it.
pub fn encoded(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for character in value.chars() {
        if ENCODED.contains(character) {
            text += &format!("%{:02X}", u32::from(character));
        } else {
            text.push(character);
        }
    }
    text
}
