//! What the operator decided, checked before a socket opens.

use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;

use crate::exit::{ExitCode, Failed};
use crate::server::{Limits, ListenAddress};
use crate::smtp::data::EndText;
use crate::smtp::line::BareNewline;
use crate::smtp::path::Mailbox;
use crate::smtp::policy::Policy;

/// Where to listen if nobody says.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:2525";
/// Fewer recipients than this a server must not set as its limit (RFC 5321 §4.5.3.1.8).
const RECIPIENTS_STANDARD: usize = 100;

/// Everything that `mailoop serve` needs to know.
#[derive(Debug)]
pub struct Config {
    /// Where to listen; at least one.
    pub listen: Vec<ListenAddress>,
    /// What sessions follow.
    pub policy: Policy,
    /// What bounds connections.
    pub limits: Limits,
    /// Where mail goes.
    pub delivery: Delivery,
    /// The least urgent lines that are logged.
    pub log_level: LevelFilter,
}

/// Where mail goes.
#[derive(Debug)]
pub enum Delivery {
    /// Into a folder for each mailbox below `directory`, of which at most `mailboxes_max` are created.
    Maildir {
        /// The folder of folders.
        directory: PathBuf,
        /// How many mailboxes are created by themselves.
        mailboxes_max: usize,
    },
    /// Nowhere.
    Discard,
}

impl Config {
    /// Checks what no option can check alone.
    ///
    /// # Errors
    /// What does not go together, and what to do about it.
    pub fn check(&self) -> Result<(), Failed> {
        let Some(public) = self.listen.iter().find(|address| !address.is_private()) else {
            return Ok(());
        };
        let wrong = |message| Err(Failed::new(ExitCode::Configuration, message));
        if self.policy.domains.is_empty() {
            return wrong(format!(
                "{public} can be reached from other machines: name the domains to accept mail for with --domain, \
                 or listen on a loopback address"
            ));
        }
        if self.policy.bare_newline == BareNewline::Accept {
            return wrong(format!(
                "{public} can be reached from other machines: --bare-newline accept and --end-of-data let messages \
                 be smuggled in, so they work on loopback and unix sockets only"
            ));
        }
        Ok(())
    }

    /// What is allowed but hardly meant.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        let recipients = self.policy.recipients_max;
        let few = recipients < RECIPIENTS_STANDARD;
        few.then(|| {
            format!("--max-recipients {recipients} is less than the {RECIPIENTS_STANDARD} that RFC 5321 §4.5.3.1.8 asks for")
        })
        .into_iter()
    }
}

/// Reads `IP:PORT`, `[v6]:PORT` or `unix:PATH`.
///
/// # Errors
/// What would be right.
pub fn listen_address(text: &str) -> Result<ListenAddress, String> {
    match text.strip_prefix("unix:") {
        Some("") => Err("a path is missing behind unix:".to_owned()),
        Some(path) => Ok(ListenAddress::Unix(path.into())),
        None => text.parse().map(ListenAddress::Tcp).map_err(|_| {
            "write IP:PORT as 127.0.0.1:2525, [IPV6]:PORT as [::1]:2525, or unix:PATH".to_owned()
        }),
    }
}

/// Reads a number of octets: digits, then k, M or G for as many times 1024.
///
/// # Errors
/// What would be right.
pub fn size(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 1 << 10),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 1 << 20),
        Some(b'g' | b'G') => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    let number = if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        digits.parse::<u64>().ok()
    } else {
        None
    };
    number
        .and_then(|number| number.checked_mul(unit))
        .filter(|size| *size > 0)
        .ok_or_else(|| {
            "write a number of bytes over 0, or one with k, M or G behind it, as 25M".to_owned()
        })
}

/// Reads a time in seconds, which may have a fraction.
///
/// # Errors
/// What would be right.
pub fn seconds(text: &str) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);
    let wanted = || "write seconds over 0 and up to a year, as 300".to_owned();
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: f64 = if plain {
        text.parse().map_err(|_| wanted())?
    } else {
        return Err(wanted());
    };
    Duration::try_from_secs_f64(number)
        .ok()
        .filter(|time| !time.is_zero() && *time <= LONGEST)
        .ok_or_else(wanted)
}

/// Reads a domain name or an address literal, as the part of an address behind its `@`.
///
/// # Errors
/// What would be right.
pub fn domain(text: &str) -> Result<String, String> {
    let mailbox = format!("postmaster@{text}").parse::<Mailbox>();
    mailbox
        .map(|mailbox| mailbox.domain().to_owned())
        .map_err(|_| "write a domain name, as mail.example.org".to_owned())
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

/// What a server calls itself if nobody says: the machine's name, or `localhost` if that is no domain name.
#[must_use]
pub fn server_name() -> String {
    machine_name().unwrap_or_else(|| "localhost".to_owned())
}

/// What a client calls itself if nobody says: the machine's name, or an address literal if that is no domain
/// name (RFC 5321 §4.1.4).
#[must_use]
pub fn client_name() -> String {
    machine_name().unwrap_or_else(|| "[127.0.0.1]".to_owned())
}

fn machine_name() -> Option<String> {
    let system = rustix::system::uname();
    system
        .nodename()
        .to_str()
        .ok()
        .and_then(|name| domain(name).ok())
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
        assert_eq!(seconds("0.25"), Ok(Duration::from_millis(250)));
        for text in ["", "0", "-1", "1s", "1e3", "inf", "nan", "99999999999", "."] {
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
