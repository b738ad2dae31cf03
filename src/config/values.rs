//! One function for each kind of value, which says what would be right.

use std::time::Duration;

use log::LevelFilter;

use crate::net::cidr::{Cidr, CidrError};
use crate::net::endpoint::{Endpoint, EndpointError, SocketAddress};
use crate::smtp::data::EndText;
use crate::smtp::extension::Extension;
use crate::smtp::line::BareNewline;
use crate::smtp::path::{Mailbox, PathError};

/// Reads `IP:PORT`, `[v6]:PORT` or `unix:PATH`.
///
/// # Errors
/// What would be right.
pub fn listen_address(text: &str) -> Result<SocketAddress, String> {
    match text.parse() {
        Ok(Endpoint::Address(address)) => Ok(address),
        Err(EndpointError::NoPath) => Err("a path is missing behind unix:".to_owned()),
        Ok(Endpoint::Host(..)) | Err(EndpointError::NoHostAndPort) => Err(
            "write IP:PORT as 127.0.0.1:2525, [IPV6]:PORT as [::1]:2525, or unix:PATH".to_owned(),
        ),
    }
}

/// Reads the address of a listener for LMTP, which has no business on the port of SMTP (RFC 2033 §5).
///
/// # Errors
/// What would be right.
pub fn lmtp_address(text: &str) -> Result<SocketAddress, String> {
    const SMTP_PORT: u16 = 25;
    match listen_address(text)? {
        SocketAddress::Tcp(address) if address.port() == SMTP_PORT => {
            Err("port 25 is for SMTP; choose another, as 24, or unix:PATH".to_owned())
        }
        address => Ok(address),
    }
}

/// Reads a number of octets over 0: digits, then k, M or G for as many times 1024.
///
/// # Errors
/// What would be right.
pub fn size(text: &str) -> Result<u64, String> {
    octets(text).filter(|size| *size > 0).ok_or_else(|| {
        "write a number of bytes over 0, or one with k, M or G behind it, as 25M".to_owned()
    })
}

/// Reads a number of octets a second, which may be 0.
///
/// # Errors
/// What would be right.
pub fn rate(text: &str) -> Result<u64, String> {
    octets(text)
        .ok_or_else(|| "write a number of bytes a second, as 500, or 0 for any rate".to_owned())
}

/// Reads the keyword of an extension of SMTP.
///
/// # Errors
/// What would be right.
pub fn extension(text: &str) -> Result<Extension, String> {
    Extension::named(text).ok_or_else(|| {
        "write an extension as EHLO announces it, as 8BITMIME or STARTTLS".to_owned()
    })
}

/// Reads a number of octets as [`size`] does, which may be 0.
///
/// # Errors
/// What would be right.
pub fn room(text: &str) -> Result<u64, String> {
    octets(text).ok_or_else(|| {
        "write a number of bytes, or one with k, M or G behind it, as 64M, or 0 for no limit"
            .to_owned()
    })
}

fn octets(text: &str) -> Option<u64> {
    let (digits, unit) = match text.as_bytes().last()? {
        b'k' | b'K' => (&text[..text.len() - 1], 1 << 10),
        b'm' | b'M' => (&text[..text.len() - 1], 1 << 20),
        b'g' | b'G' => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// Reads a number that may be 0.
///
/// # Errors
/// What would be right.
pub fn count(text: &str) -> Result<u32, String> {
    number(text).ok_or_else(|| format!("write a number, 0 or over, up to {}", u32::MAX))
}

/// Reads a number over 0.
///
/// # Errors
/// What would be right.
pub fn count_over_0(text: &str) -> Result<u32, String> {
    number(text)
        .filter(|number| *number > 0)
        .ok_or_else(|| format!("write a number over 0, up to {}", u32::MAX))
}

fn number(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

/// Reads whether a flag is on.
///
/// # Errors
/// What would be right.
pub fn switch(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("write true or false".to_owned()),
    }
}

/// Reads what a bare LF is.
///
/// # Errors
/// What would be right.
pub fn bare_newline(text: &str) -> Result<BareNewline, String> {
    match text {
        "normalize" => Ok(BareNewline::Normalize),
        "reject" => Ok(BareNewline::Reject),
        "accept" => Ok(BareNewline::Accept),
        _ => Err("write normalize, reject or accept".to_owned()),
    }
}

/// Reads how urgent a line must be to be logged.
///
/// # Errors
/// What would be right.
pub fn log_level(text: &str) -> Result<LevelFilter, String> {
    match text {
        "error" => Ok(LevelFilter::Error),
        "warn" => Ok(LevelFilter::Warn),
        "info" => Ok(LevelFilter::Info),
        "debug" => Ok(LevelFilter::Debug),
        "trace" => Ok(LevelFilter::Trace),
        _ => Err("write error, warn, info, debug or trace".to_owned()),
    }
}

/// Reads what only must not be empty.
///
/// # Errors
/// What would be right.
pub fn name(text: &str) -> Result<String, String> {
    if text.is_empty() {
        Err("write what it is to be, or leave it out".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

/// Reads a network, as `10.0.0.0/8`, or a single address.
///
/// # Errors
/// What would be right.
pub fn network(text: &str) -> Result<Cidr, String> {
    text.parse().map_err(|error: CidrError| error.to_string())
}

/// Reads a time in seconds, which may have a fraction.
///
/// # Errors
/// What would be right.
pub fn seconds(text: &str) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);
    decimal_seconds(text)
        .filter(|time| !time.is_zero() && *time <= LONGEST)
        .ok_or_else(|| "write seconds over 0 and up to a year, as 300".to_owned())
}

/// Reads digits with at most one point among them as seconds. A float would be less exact, and takes tables of 10 KiB.
fn decimal_seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = [whole, fraction].concat();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds = format!("0{whole}").parse().ok()?;
    // As many digits as nanoseconds have.
    let nanoseconds = format!("{fraction:0<9.9}").parse().ok()?;
    Some(Duration::new(seconds, nanoseconds))
}

/// Reads a domain name or an address literal, as the part of an address behind its `@`. One beyond ASCII is read as
/// A-labels (RFC 5890).
///
/// # Errors
/// What would be right.
pub fn domain(text: &str) -> Result<String, String> {
    let mailbox = format!("postmaster@{text}").parse::<Mailbox>();
    mailbox
        .map(|mailbox| mailbox.ascii_domain().into_owned())
        .map_err(|error| remedy(error, "write a domain name, as mail.example.org").to_owned())
}

/// The remedy for an address or a domain that was not taken: what is `wanted`, or what is left to a build that
/// has no tables of Unicode.
pub(super) fn remedy(error: PathError, wanted: &'static str) -> &'static str {
    if error == PathError::NonAscii && !cfg!(feature = "smtputf8") {
        "this build takes no domain beyond ASCII: write its A-labels, as xn--bcher-kva.example"
    } else {
        wanted
    }
}

/// Reads the name of a host as browsers send it, without a port.
///
/// # Errors
/// What would be right.
pub fn http_host(text: &str) -> Result<String, String> {
    let is_fit = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_');
    if !text.is_empty() && text.bytes().all(is_fit) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("write a name without a port, as mail or mail.example.org".to_owned())
    }
}

/// Reads the line that ends a message; the lone dot always does.
///
/// # Errors
/// What would be right.
pub fn end_text(text: &str) -> Result<Option<EndText>, String> {
    if text == "." {
        return Ok(None);
    }
    EndText::new(text).map(Some).ok_or_else(|| {
        format!(
            "write up to {} printable ASCII characters that do not begin with a dot",
            EndText::BYTES_MAX
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_read_as_people_write_them() {
        let mebibytes = 25 << 20;
        for (text, bytes) in [
            ("1", 1),
            ("26214400", mebibytes),
            ("25M", mebibytes),
            ("25600k", mebibytes),
            ("2g", 2 << 30),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "M",
            "0",
            "-1",
            "1.5M",
            "1 M",
            "1T",
            "+1",
            "18446744073709551616",
            "99999999999G",
        ] {
            assert!(size(text).is_err(), "{text}");
        }
        assert_eq!(seconds("300"), Ok(Duration::from_secs(300)));
        for (text, milliseconds) in [
            ("0.25", 250),
            (".5", 500),
            ("5.", 5000),
            ("01.0010000009", 1001),
        ] {
            let time = Duration::from_millis(milliseconds);
            assert_eq!(seconds(text), Ok(time), "{text}");
        }
        for text in [
            "",
            "0",
            "0.0",
            "-1",
            "+1",
            "1s",
            "1e3",
            "inf",
            "nan",
            "1.2.3",
            "1.-2",
            "1,5",
            "99999999999",
            ".",
            "18446744073709551617",
        ] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn listeners_are_read_and_shown_alike() {
        for text in ["127.0.0.1:0", "[::1]:2525", "unix:/tmp/m.sock"] {
            assert_eq!(
                listen_address(text)
                    .map(|address| address.to_string())
                    .as_deref(),
                Ok(text)
            );
        }
        for text in [
            "",
            "2525",
            "127.0.0.1",
            "localhost:25",
            "::1:25x",
            "unix:",
            "1.2.3.4:65536",
        ] {
            assert!(listen_address(text).is_err(), "{text}");
        }
    }
}
