//! XCLIENT: how a trusted peer, such as a filter, says for which client it speaks. Postfix defined it, in its
//! `XCLIENT_README`.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

use super::envelope::ProxiedClient;
use super::path::DOMAIN_BYTES_MAX;
use super::reply::{self, Reply};
use super::syntax::{from_xtext, hello_name, split_parameter, words_of};

/// The attributes that EHLO announces: those that make a difference here.
pub(super) const ATTRIBUTES: &str = "NAME ADDR PORT PROTO HELO LOGIN";
/// The most octets of a value, as it is written. Postfix has the same limit.
const VALUE_BYTES_MAX: usize = 255;

/// For whom a peer may speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum XclientAccess {
    /// For itself: XCLIENT is not offered to it.
    #[default]
    Denied,
    /// For any client that it names by XCLIENT.
    Granted,
}

/// One thing that XCLIENT may say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Attribute<T> {
    /// The attribute was not named.
    #[default]
    Unsaid,
    /// The XCLIENT peer does not know the value.
    Unavailable,
    /// The value.
    Known(T),
}

/// The attributes of a client that one XCLIENT names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// The name that its address has.
    pub name: Attribute<String>,
    /// Its address.
    pub address: Attribute<IpAddr>,
    /// Its port.
    pub port: Attribute<u16>,
    /// Whether it speaks ESMTP.
    pub extended: Attribute<bool>,
    /// The name that it gives itself, as after HELO.
    pub hello: Attribute<String>,
    /// The user as whom it has logged in; any text without control characters.
    pub login: Attribute<String>,
    /// The address that it connected to. Nothing here depends on it.
    destination: Attribute<IpAddr>,
    /// The port of that.
    destination_port: Attribute<u16>,
}

impl<T> Attribute<T> {
    /// Its value, if there is one.
    pub fn known(self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unsaid | Self::Unavailable => None,
        }
    }

    /// Reads a value that was decoded.
    fn read(&mut self, value: &[u8], read: fn(&str) -> Option<T>) -> Result<(), Reply> {
        let unavailable = [&b"[UNAVAILABLE]"[..], b"[TEMPUNAVAIL]"];
        let attribute = if unavailable
            .iter()
            .any(|word| value.eq_ignore_ascii_case(word))
        {
            Self::Unavailable
        } else {
            // What was encoded is looked at only now (CVE-2020-28021).
            let text = str::from_utf8(value).ok();
            let text = text.filter(|text| !text.chars().any(char::is_control));
            Self::Known(text.and_then(read).ok_or(reply::BAD_ARGUMENT)?)
        };
        match std::mem::replace(self, attribute) {
            Self::Unsaid => Ok(()),
            Self::Unavailable | Self::Known(_) => Err(reply::BAD_ARGUMENT),
        }
    }
}

impl Attributes {
    /// Reads what stands behind the verb.
    ///
    /// # Errors
    /// `501`, for an attribute that is unknown or repeated, a value that is none, and nothing at all.
    pub fn parse(argument: &[u8]) -> Result<Self, Reply> {
        let mut attributes = Self::default();
        for parameter in words_of(argument) {
            let (name, value) = split_parameter(parameter)?;
            if value.len() > VALUE_BYTES_MAX {
                return Err(reply::BAD_ARGUMENT);
            }
            let value = &from_xtext(value)?;
            match &*name.to_ascii_uppercase() {
                b"NAME" => attributes.name.read(value, host_name),
                b"ADDR" => attributes.address.read(value, address),
                b"PORT" => attributes.port.read(value, port),
                b"PROTO" => attributes.extended.read(value, protocol),
                b"HELO" => attributes.hello.read(value, hello),
                b"LOGIN" => attributes.login.read(value, login),
                b"DESTADDR" => attributes.destination.read(value, address),
                b"DESTPORT" => attributes.destination_port.read(value, port),
                _ => Err(reply::BAD_ARGUMENT),
            }?;
        }
        if attributes == Self::default() {
            return Err(reply::BAD_ARGUMENT);
        }
        Ok(attributes)
    }

    /// Adds these attributes to what was known of the client. Of a new address nothing is known but what stands beside it.
    /// A login is known only as long as it is said each time.
    #[must_use]
    pub(super) fn added_to(&self, known: ProxiedClient) -> ProxiedClient {
        let name = match &self.name {
            Attribute::Known(name) => Some(name.clone()),
            Attribute::Unsaid if self.address == Attribute::Unsaid => known.name,
            Attribute::Unsaid | Attribute::Unavailable => None,
        };
        ProxiedClient {
            name,
            login: self.login.clone().known().map(Rc::from),
        }
    }
}

fn host_name(text: &str) -> Option<String> {
    let fits = (1..=DOMAIN_BYTES_MAX).contains(&text.len());
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let named = text
        .split('.')
        .all(|label| !label.is_empty() && label.bytes().all(is_part));
    (fits && named).then(|| text.to_owned())
}

fn address(text: &str) -> Option<IpAddr> {
    const IPV6: &str = "IPV6:";
    match text.split_at_checked(IPV6.len()) {
        Some((start, rest)) if start.eq_ignore_ascii_case(IPV6) => {
            let address: Ipv6Addr = rest.parse().ok()?;
            Some(IpAddr::V6(address).to_canonical())
        }
        _ => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

fn port(text: &str) -> Option<u16> {
    let digits = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// Whether it is the extended one.
fn protocol(text: &str) -> Option<bool> {
    [("SMTP", false), ("ESMTP", true)]
        .into_iter()
        .find(|(name, _)| text.eq_ignore_ascii_case(name))
        .map(|(_, extended)| extended)
}

fn hello(text: &str) -> Option<String> {
    hello_name(text.as_bytes()).ok().map(str::to_owned)
}

fn login(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(argument: &str) -> Result<Attributes, Reply> {
        Attributes::parse(argument.as_bytes())
    }

    #[test]
    fn every_attribute_is_read_in_any_case_and_order() {
        let read = parse(
            "destport=25 DESTADDR=192.0.2.2 Login=ada+20L port=0 PROTO=esmtp HELO=[IPv6:::1] addr=ipv6:2001:db8::1 \
             name=mail_1.example.org",
        );
        let attributes = Attributes {
            name: Attribute::Known("mail_1.example.org".to_owned()),
            address: Attribute::Known("2001:db8::1".parse().ok()).flatten(),
            port: Attribute::Known(0),
            extended: Attribute::Known(true),
            hello: Attribute::Known("[IPv6:::1]".to_owned()),
            login: Attribute::Known("ada L".to_owned()),
            destination: Attribute::Known(Ipv4Addr::new(192, 0, 2, 2).into()),
            destination_port: Attribute::Known(25),
        };
        assert_eq!(read, Ok(attributes));
        assert_eq!(
            parse("ADDR=[unavailable] NAME=[TempUnavail]"),
            Ok(Attributes {
                address: Attribute::Unavailable,
                name: Attribute::Unavailable,
                ..Attributes::default()
            })
        );
        let mapped = parse("ADDR=IPV6:::ffff:192.0.2.1").map(|read| read.address.known());
        assert_eq!(mapped, Ok(Some(Ipv4Addr::new(192, 0, 2, 1).into())));
    }

    impl Attribute<Option<IpAddr>> {
        fn flatten(self) -> Attribute<IpAddr> {
            self.known()
                .flatten()
                .map_or(Attribute::Unsaid, Attribute::Known)
        }
    }

    #[test]
    fn what_is_no_attribute_is_refused() {
        for wrong in [
            "",
            "ADDR",
            "ADDR=",
            "=1",
            "ADDRESS=192.0.2.1",
            "ADDR=192.0.2.1 addr=192.0.2.1",
            "NAME=[UNAVAILABLE] NAME=a",
            "ADDR=192.0.2.256",
            "ADDR=192.0.2",
            "ADDR=::1",
            "ADDR=[192.0.2.1]",
            "ADDR=IPV6:192.0.2.1",
            "ADDR=IPV6:fe80::1%25",
            "PORT=65536",
            "PORT=+2B1",
            "PORT=000001",
            "PROTO=LMTP",
            "NAME=a..b",
            "NAME=a+20b",
            "NAME=+C3+A4",
            "HELO=a+09b",
            "HELO=+C3+A4",
            "LOGIN=+FF",
            "LOGIN=+C2+85",
            "NAME=a+",
            "NAME=a+4",
            "NAME=a+4g",
            "NAME=a+-1",
            "HELO=a+0D+0AMAIL",
            "LOGIN=a+0A",
            "LOGIN=a+00",
            "LOGIN=a+7f",
            "DESTADDR=x",
            "DESTPORT=-1",
        ] {
            assert_eq!(parse(wrong), Err(reply::BAD_ARGUMENT), "{wrong}");
        }
        let value = |length: usize| parse(&format!("LOGIN={}", "x".repeat(length)));
        assert!(value(255).is_ok());
        assert_eq!(value(256), Err(reply::BAD_ARGUMENT));
    }
}
