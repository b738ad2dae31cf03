//! The other end of the wire: `mailoop send`.
//!
//! [`message`] makes what is sent out of what was given, [`send`] carries it through one connection. What is
//! said on the way is decided by the state machine in [`smtp::client`](crate::smtp::client).

pub mod message;
pub mod send;
mod socket;
mod transcript;

use crate::smtp::path::DOMAIN_BYTES_MAX;

/// The name that a client says hello with: the machine's, if it is a domain, else an address literal
/// (RFC 5321 §4.1.4).
#[must_use]
pub fn default_name() -> String {
    match rustix::system::uname().nodename().to_str() {
        Ok(name) if is_domain(name) => name.to_owned(),
        _ => "[127.0.0.1]".to_owned(),
    }
}

/// `Domain` of RFC 5321 §4.1.2: letters, digits and hyphens between dots.
fn is_domain(name: &str) -> bool {
    let is_label = |label: &str| {
        let ldh = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(ldh)
    };
    name.len() <= DOMAIN_BYTES_MAX && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_name_is_a_domain_or_a_literal() {
        let name = default_name();
        assert!(is_domain(&name) || name == "[127.0.0.1]", "{name}");
        for name in ["a", "mail.example.org", "a-1.b", "127.0.0.1"] {
            assert!(is_domain(name), "{name}");
        }
        for name in [
            "", ".", "a.", ".a", "a..b", "-a", "a-", "a_b", "a b", "ä", "(none)",
        ] {
            assert!(!is_domain(name), "{name}");
        }
    }
}
