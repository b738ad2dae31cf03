//! All that `mailoop serve` can be told, in one table: the flags, the keys of the configuration file and the
//! names in the environment are made of it.

use core::fmt;

use crate::smtp::service::Service;

/// What names of environment variables begin with.
pub const VARIABLE_PREFIX: &str = "MAILOOP_";

/// The options that name listeners, each with what is spoken there.
pub const LISTENERS: &[(&str, Service)] = &[
    ("listen", Service::Smtp),
    #[cfg(feature = "tls")]
    ("listen-tls", Service::Smtps),
    ("listen-submission", Service::Submission),
    #[cfg(feature = "tls")]
    ("listen-submissions", Service::Submissions),
    ("listen-lmtp", Service::Lmtp),
];
/// Where to listen, for SMTP, if nobody names a listener.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:2525";
/// The end of message data if there is no other.
pub const LONE_DOT: &str = ".";

/// What the help puts above options: each from the one of these names on. Without some features some are not there, which is
/// why a heading may have two.
const HEADINGS: [(&str, &str); 11] = [
    ("listen", "Where to listen"),
    ("hostname", "Whose mail, and where it goes"),
    ("max-message-size", "Limits"),
    ("idle-timeout", "Timeouts"),
    ("end-of-data", "Line ends"),
    ("proxy-from", "Behind others"),
    ("tls-cert", "TLS and logins"),
    ("users", "TLS and logins"),
    ("reuse-port", "The process"),
    ("log-level", "The log"),
    ("config", "The configuration"),
];

/// One row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct ServeOption {
    /// Its name: `--max-errors`, `max-errors = 20`, `MAILOOP_MAX_ERRORS`.
    pub name: &'static str,
    /// What stands for the value in the help.
    pub placeholder: &'static str,
    /// The value if nobody gives one.
    pub default: Option<&'static str>,
    /// What it is, in one line.
    pub help: &'static str,
    /// What its values look like.
    pub kind: Kind,
    /// Where it may stand, and when it is heeded.
    pub scope: Scope,
}

/// What the values of an option look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text, which TOML writes in quotes.
    Text,
    /// A number, which TOML writes without quotes, unless it has a unit behind it.
    Number,
    /// Any number of texts: a flag that is repeated, an array, or text with commas.
    List,
    /// On or off.
    Flag,
}

/// Where an option may stand, and when it is heeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everywhere; a reload heeds it.
    Reload,
    /// Everywhere; only a restart heeds it.
    Restart,
    /// Everywhere but in the configuration file.
    Outside,
}

#[rustfmt::skip] // A table is read by its rows.
/// The table, in the order of the help.
pub static OPTIONS: &[ServeOption] = &[
    list("listen", "ADDR", "Where to listen: IP:PORT, [IPV6]:PORT (port 0 picks one) or unix:PATH; repeatable").or(DEFAULT_LISTEN).at_start(),
    #[cfg(feature = "tls")]
    list("listen-tls", "ADDR", "Where to listen for TLS from the first byte (RFC 8314); repeatable [default: none]").at_start(),
    list("listen-submission", "ADDR", "Where to listen for submission (RFC 6409), by users who log in; repeatable [default: none]").at_start(),
    #[cfg(feature = "tls")]
    list("listen-submissions", "ADDR", "The same under TLS from the first byte (RFC 8314): port 465; repeatable [default: none]").at_start(),
    list("listen-lmtp", "ADDR", "Where to listen for LMTP (RFC 2033), as unix:PATH or the others; repeatable [default: none]").at_start(),
    text("hostname", "NAME", "The name in the greeting and the trace header [default: the machine's]"),
    text("maildir", "DIR", "Deliver to DIR/<domain>/<local-part>/{tmp,new,cur}").or("./mail").at_start(),
    flag("discard", "Accept and drop all mail, as a sink").at_start(),
    list("domain", "NAME", "A domain to accept mail for; repeatable [default: any, on loopback and unix sockets only]"),
    number("max-mailboxes", "N", "How many mailbox folders may come into being by themselves").or("10000").at_start(),
    number("min-free", "BYTES", "With less left in the store, or less to be left, no message begins; 0 for any").or("64M"),
    number("max-message-size", "BYTES", "The largest message; k, M, G may follow").or("26214400"),
    number("max-recipients", "N", "The most recipients of a transaction").or("100"),
    number("max-messages-per-session", "N", "The most transactions of a session; 0 for no limit").or("0"),
    number("max-connections", "N", "The most connections at a time; fewer where descriptors are fewer").or("10000"),
    number("max-connections-per-ip", "N", "The most connections at a time of one address; 0 for no limit").or("0"),
    number("max-errors", "N", "How many errors in a row end a session").or("20"),
    number("idle-timeout", "SECS", "How long to wait for a command, or the next bytes of a message").or("300"),
    number("min-rate", "BYTES", "The least bytes a second of a message, averaged over an idle timeout; 0 for any").or("500"),
    number("session-timeout", "SECS", "How long a connection may last; no transaction is cut short").or("3600"),
    number("drain-timeout", "SECS", "How long transactions in flight may take after SIGTERM").or("30"),
    text("end-of-data", "TEXT", "The classroom dialect: a line equal to TEXT ends a message, beside the lone dot").or(LONE_DOT),
    text("bare-newline", "MODE", "What a line is that ends in a bare LF: normalize, reject or accept").or("normalize"),
    list("proxy-from", "CIDR", "Peers that must send a PROXY header first; repeatable [default: none]").at_start(),
    list("xclient-from", "CIDR", "Peers that may say by XCLIENT for which client they speak; repeatable [default: none]"),
    #[cfg(feature = "tls")]
    list("tls-cert", "FILE", "A certificate and its chain, in PEM; the first is for who asks for no other name; repeatable [default: none]"),
    #[cfg(feature = "tls")]
    list("tls-key", "FILE", "The private key of each --tls-cert, in their order"),
    #[cfg(feature = "tls")]
    flag("tls-self-signed", "For a first try: a certificate that nobody vouches for, made at the start"),
    #[cfg(feature = "auth")]
    text("users", "FILE", "Those who may log in, as `mailoop passwd` writes them [default: nobody]"),
    #[cfg(feature = "auth")]
    flag("auth-insecure", "Let them log in without TLS, on loopback and unix sockets only"),
    #[cfg(feature = "auth")]
    flag("auth-everywhere", "Offer AUTH on every listener, not for submission only"),
    flag("reuse-port", "Let several processes listen on the same port").at_start(),
    text("user", "NAME", "After binding, become this user").at_start(),
    number("exit-after", "N", "End in good order after so many messages were accepted; 0 for never").or("0"),
    text("log-level", "LEVEL", "The least urgent lines to log: error, warn, info, debug or trace").or("info"),
    text("log-file", "FILE", "Append the log to FILE, opened again on SIGHUP [default: standard error]"),
    text("config", "FILE", "Read options, aliases, mailboxes and senders from FILE, as TOML; environment and flags come before it").outside(),
    flag("check", "Read and check the configuration, say what would run, and end").outside(),
];

const fn row(name: &'static str, placeholder: &'static str, help: &'static str) -> ServeOption {
    ServeOption {
        name,
        placeholder,
        default: None,
        help,
        kind: Kind::Text,
        scope: Scope::Reload,
    }
}

const fn text(name: &'static str, placeholder: &'static str, help: &'static str) -> ServeOption {
    row(name, placeholder, help)
}

const fn number(name: &'static str, placeholder: &'static str, help: &'static str) -> ServeOption {
    ServeOption {
        kind: Kind::Number,
        ..row(name, placeholder, help)
    }
}

const fn list(name: &'static str, placeholder: &'static str, help: &'static str) -> ServeOption {
    ServeOption {
        kind: Kind::List,
        ..row(name, placeholder, help)
    }
}

const fn flag(name: &'static str, help: &'static str) -> ServeOption {
    ServeOption {
        kind: Kind::Flag,
        ..row(name, "", help)
    }
}

impl ServeOption {
    const fn or(self, default: &'static str) -> Self {
        Self {
            default: Some(default),
            ..self
        }
    }

    const fn at_start(self) -> Self {
        Self {
            scope: Scope::Restart,
            ..self
        }
    }

    const fn outside(self) -> Self {
        Self {
            scope: Scope::Outside,
            ..self
        }
    }

    /// The option with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        OPTIONS.iter().find(|option| option.name == name)
    }

    /// What the help puts above this option and those that belong together with it.
    #[must_use]
    pub fn heading(&self) -> &'static str {
        let up_to_this = OPTIONS.iter().take_while(|option| option.name != self.name);
        let names = up_to_this.chain([self]).map(|option| option.name);
        let headings = names.filter_map(|name| HEADINGS.iter().find(|(first, _)| *first == name));
        headings.last().map_or("Options", |(_, heading)| heading)
    }

    /// The option that somebody meant who wrote `name`, which is nearly its name.
    #[must_use]
    pub fn nearly(name: &str) -> Option<&'static Self> {
        let names: Vec<_> = OPTIONS.iter().map(|option| option.name).collect();
        nearest(name, &names).and_then(Self::named)
    }

    /// Its name in the environment.
    #[must_use]
    pub fn variable(&self) -> String {
        let name = self.name.to_ascii_uppercase().replace('-', "_");
        format!("{VARIABLE_PREFIX}{name}")
    }

    /// A line of TOML that gives it these values.
    pub fn toml(&self, values: &[impl AsRef<str>]) -> String {
        let mut written = values.iter().map(|value| {
            let text = value.as_ref();
            let bare = match self.kind {
                Kind::Text | Kind::List => false,
                // TOML knows no number with a zero in front.
                Kind::Number => text
                    .parse::<u64>()
                    .is_ok_and(|number| number.to_string() == text),
                Kind::Flag => true,
            };
            if bare {
                text.to_owned()
            } else {
                Quoted(text).to_string()
            }
        });
        let value = match self.kind {
            Kind::List => format!("[{}]", written.collect::<Vec<_>>().join(", ")),
            Kind::Text | Kind::Number | Kind::Flag => written.next().unwrap_or_default(),
        };
        format!("{} = {value}", self.name)
    }

    /// The same line with a value that would be right.
    #[must_use]
    pub fn example(&self) -> String {
        let value = match self.kind {
            Kind::Flag => "true",
            Kind::Text | Kind::Number | Kind::List => self.default.unwrap_or(self.placeholder),
        };
        self.toml(&[value])
    }
}

/// Which of `names` somebody meant who wrote `name`, which is nearly one of them.
#[must_use]
pub fn nearest<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    const TYPOS_MAX: usize = 2;
    let name = name.to_lowercase().replace('_', "-");
    let nearest = names.iter().map(|known| (typos(known, &name), *known));
    let (typos, nearest) = nearest.min_by_key(|(typos, _)| *typos)?;
    (typos <= TYPOS_MAX).then_some(nearest)
}

/// A string as TOML writes it, in one line.
#[derive(Debug)]
pub struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for character in self.0.chars() {
            match character {
                '"' | '\\' => write!(f, "\\{character}")?,
                _ if character.is_control() => write!(f, "\\u{:04x}", u32::from(character))?,
                _ => write!(f, "{character}")?,
            }
        }
        f.write_str("\"")
    }
}

/// How many characters must be put in, left out or exchanged to make one word of the other (Levenshtein).
fn typos(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, character) in one.chars().enumerate() {
        let mut diagonal = index;
        row[0] = index + 1;
        for (column, wanted) in other.iter().enumerate() {
            let exchanged = diagonal + usize::from(character != *wanted);
            diagonal = row[column + 1];
            row[column + 1] = exchanged.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nearly_an_option_is_found() {
        for (written, meant) in [
            ("max-error", Some("max-errors")),
            ("max_message_size", Some("max-message-size")),
            ("MAX_ERORS", Some("max-errors")),
            ("host-name", Some("hostname")),
            ("aliases", None),
            ("senders", None),
        ] {
            let found = ServeOption::nearly(written).map(|option| option.name);
            assert_eq!(found, meant, "{written}");
        }
    }

    #[test]
    fn no_name_stands_twice() {
        for option in OPTIONS {
            assert_eq!(ServeOption::named(option.name), Some(option));
        }
    }
}
