//! The options of `mailoop serve` in one table: flags, keys of the configuration file, names in the environment, help and
//! manual page are made of it.
//!
//! Each option is a [`Key`], by which its value is looked up with its type. A name that is not in the table so is an error
//! of the compiler.

use std::time::Duration;

use log::LevelFilter;

use super::key::{
    FilePath, FilePaths, Key, Many, One, Optional, Switch, flag, list, number, path, paths, text,
};
use super::option::ServeOption;
use super::text::nearest;
use super::values;
use crate::inbound::cidr::Cidr;
use crate::net::endpoint::SocketAddress;
use crate::smtp::data::EndText;
use crate::smtp::line::BareNewline;
use crate::smtp::service::Service;

/// The listener if nobody names one; SMTP is spoken there.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:2525";
/// The end of message data if there is no other.
pub const LONE_DOT: &str = ".";

/// Whether this build knows TLS.
pub(crate) const TLS: bool = cfg!(feature = "tls");
/// Whether this build can record.
pub(crate) const RECORD_BUILT: bool = cfg!(feature = "record");
/// Whether users can log in to this build.
pub(crate) const AUTH: bool = cfg!(feature = "auth");
/// Whether this build can be watched.
pub(crate) const TOP: bool = cfg!(feature = "top");

macro_rules! options {
    ($($heading:literal {
        $($key:ident: $read:ty = $make:ident($name:literal, $($argument:expr),*) $(.$with:ident($($value:expr)?))*;)*
    })*) => {
        $($(
            #[doc = concat!("The option `--", $name, "`.")]
            pub static $key: Key<$read> = $make($name, $($argument),*)$(.$with($($value)?))*.below($heading);
        )*)*
        static ALL: &[&ServeOption] = &[$($(&$key.option,)*)*];
    };
}

// The order is that of the help.
options! {
    "Where to listen" {
        LISTEN: Many<SocketAddress> = list("listen", "ADDR", values::listen_address, "Where to listen: IP:PORT, [IPV6]:PORT (port 0 picks one) or unix:PATH; repeatable").or(DEFAULT_LISTEN).at_start();
        LISTEN_TLS: Many<SocketAddress> = list("listen-tls", "ADDR", values::listen_address, "Where to listen for TLS from the first byte (RFC 8314); repeatable [default: none]").at_start().only_if(TLS);
        LISTEN_SUBMISSION: Many<SocketAddress> = list("listen-submission", "ADDR", values::listen_address, "Where to listen for submission (RFC 6409), by users who log in; repeatable [default: none]").at_start();
        LISTEN_SUBMISSIONS: Many<SocketAddress> = list("listen-submissions", "ADDR", values::listen_address, "The same under TLS from the first byte (RFC 8314): port 465; repeatable [default: none]").at_start().only_if(TLS);
        LISTEN_LMTP: Many<SocketAddress> = list("listen-lmtp", "ADDR", values::lmtp_address, "Where to listen for LMTP (RFC 2033), as unix:PATH or the others; repeatable [default: none]").at_start();
    }
    "Whose mail, and where it goes" {
        HOSTNAME: One<String> = text("hostname", "NAME", values::domain, "The name in the greeting and the trace header [default: the machine's]");
        MAILDIR: FilePath = path("maildir", "DIR", "Deliver to DIR/<domain>/<local-part>/{tmp,new,cur}").or("./mail").at_start();
        DISCARD: Switch = flag("discard", "Accept and drop all mail, as a sink").at_start();
        DOMAIN: Many<String> = list("domain", "NAME", values::domain, "A domain to accept mail for; repeatable [default: any, on loopback and unix sockets only]");
        MAX_MAILBOXES: One<u32> = number("max-mailboxes", "N", values::count, "How many mailbox folders may come into being by themselves").or("10000").at_start();
        MIN_FREE: One<u64> = number("min-free", "BYTES", values::room, "With less left in the store, or less to be left, no message begins; 0 for any").or("64M");
    }
    "Limits" {
        MAX_MESSAGE_SIZE: One<u64> = number("max-message-size", "BYTES", values::size, "The largest message; k, M, G may follow").or("26214400");
        MAX_RECIPIENTS: One<u32> = number("max-recipients", "N", values::count_over_0, "The most recipients of a transaction").or("100");
        MAX_MESSAGES_PER_SESSION: One<u32> = number("max-messages-per-session", "N", values::count, "The most transactions of a session; 0 for no limit").or("0");
        MAX_CONNECTIONS: One<u32> = number("max-connections", "N", values::count_over_0, "The most connections at a time; fewer where descriptors are fewer").or("10000");
        MAX_CONNECTIONS_PER_IP: One<u32> = number("max-connections-per-ip", "N", values::count, "The most connections at a time of one address; 0 for no limit").or("0");
        MAX_ERRORS: One<u32> = number("max-errors", "N", values::count_over_0, "How many errors in a row end a session").or("20");
    }
    "Timeouts" {
        IDLE_TIMEOUT: One<Duration> = number("idle-timeout", "SECS", values::seconds, "How long to wait for a command, or the next bytes of a message").or("300");
        MIN_RATE: One<u64> = number("min-rate", "BYTES", values::rate, "The least bytes a second of a message, averaged over an idle timeout; 0 for any").or("500");
        SESSION_TIMEOUT: One<Duration> = number("session-timeout", "SECS", values::seconds, "How long a connection may last; no transaction is cut short").or("3600");
        DRAIN_TIMEOUT: One<Duration> = number("drain-timeout", "SECS", values::seconds, "How long transactions in flight may take after SIGTERM").or("30");
    }
    "Line ends" {
        END_OF_DATA: One<Option<EndText>> = text("end-of-data", "TEXT", values::end_text, "The classroom dialect: a line equal to TEXT ends a message, beside the lone dot").or(LONE_DOT);
        BARE_NEWLINE: One<BareNewline> = text("bare-newline", "MODE", values::bare_newline, "What a line is that ends in a bare LF: normalize, reject or accept").or("normalize");
    }
    "Behind others" {
        PROXY_FROM: Many<Cidr> = list("proxy-from", "CIDR", values::network, "Peers that must send a PROXY header first; repeatable [default: none]").at_start();
        XCLIENT_FROM: Many<Cidr> = list("xclient-from", "CIDR", values::network, "Peers that may say by XCLIENT for which client they speak; repeatable [default: none]");
    }
    "TLS and logins" {
        TLS_CERT: FilePaths = paths("tls-cert", "FILE", "A certificate and its chain, in PEM; the first is for who asks for no other name; repeatable [default: none]").only_if(TLS);
        TLS_KEY: FilePaths = paths("tls-key", "FILE", "The private key of each --tls-cert, in their order").only_if(TLS);
        TLS_SELF_SIGNED: Switch = flag("tls-self-signed", "For a first try: a certificate that nobody vouches for, made at the start").only_if(TLS);
        USERS: FilePath = path("users", "FILE", "Those who may log in, as `mailoop passwd` writes them [default: nobody]").only_if(AUTH);
        AUTH_INSECURE: Switch = flag("auth-insecure", "Let them log in without TLS, on loopback and unix sockets only").only_if(AUTH);
        AUTH_EVERYWHERE: Switch = flag("auth-everywhere", "Offer AUTH on every listener, not for submission only").only_if(AUTH);
    }
    "The process" {
        REUSE_PORT: Switch = flag("reuse-port", "Let several processes listen on the same port").at_start();
        USER: Optional<String> = text("user", "NAME", values::name, "After binding, become this user").optional().at_start();
        CONTROL: FilePath = path("control", "PATH", "Let this user watch the server by a socket file, as `mailoop top` does [default: none]").at_start().only_if(TOP);
        EXIT_AFTER: One<u32> = number("exit-after", "N", values::count, "End in good order after so many messages were accepted; 0 for never").or("0");
    }
    "Measurements" {
        MAX_COMMIT_GROUP: Optional<u32> = number("max-commit-group", "N", values::count_over_0, "The most messages of a group commit, to measure what groups are worth").optional().hidden();
    }
    "The log" {
        LOG_LEVEL: One<LevelFilter> = text("log-level", "LEVEL", values::log_level, "The least urgent lines to log: error, warn, info, debug or trace").or("info");
        LOG_FILE: FilePath = path("log-file", "FILE", "Append the log to FILE, opened again on SIGHUP [default: standard error]");
    }
    "See the loop" {
        RECORD: FilePath = path("record", "FILE", "Record in FILE what comes in to the loop and what it decides, for `mailoop replay` and `mailoop trace`").at_start().only_if(RECORD_BUILT);
        RECORD_TEXT: Switch = flag("record-text", "Keep the text of messages in the record, not only its length and line ends").at_start().only_if(RECORD_BUILT);
        RECORD_PEER: Many<Cidr> = list("record-peer", "CIDR", values::network, "Record connections of these peers only; repeatable [default: all]").at_start().only_if(RECORD_BUILT);
        RECORD_MAX: One<u64> = number("record-max", "BYTES", values::size, "The largest record; it ends there, and the service goes on").or("1G").at_start().only_if(RECORD_BUILT);
    }
    "The configuration" {
        CONFIG: FilePath = path("config", "FILE", "Read options, aliases, mailboxes and senders from FILE, as TOML; environment and flags come before it").outside();
        CHECK: Switch = flag("check", "Read and check the configuration, say what would run, and end").outside();
    }
}

/// The options that name listeners, each with the service of those.
pub static LISTENERS: [(&Key<Many<SocketAddress>>, Service); 5] = [
    (&LISTEN, Service::Smtp),
    (&LISTEN_TLS, Service::Smtps),
    (&LISTEN_SUBMISSION, Service::Submission),
    (&LISTEN_SUBMISSIONS, Service::Submissions),
    (&LISTEN_LMTP, Service::Lmtp),
];

/// The options that this build has, in the order of the help.
pub fn all() -> impl Iterator<Item = &'static ServeOption> + Clone {
    ALL.iter().copied().filter(|option| option.built)
}

/// The option with this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static ServeOption> {
    all().find(|option| option.name == name)
}

/// The names that help, manual page and completions tell of.
pub(super) fn shown_names() -> impl Iterator<Item = &'static str> {
    let shown = all().filter(|option| !option.hidden);
    shown.map(|option| option.name)
}

/// The option whose name is `name` but for a typing error.
#[must_use]
pub fn nearly(name: &str) -> Option<&'static ServeOption> {
    let names: Vec<_> = shown_names().collect();
    nearest(name, &names).and_then(named)
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
            let found = nearly(written).map(|option| option.name);
            assert_eq!(found, meant, "{written}");
        }
    }

    #[test]
    fn no_name_stands_twice() {
        for option in all() {
            assert_eq!(named(option.name), Some(option));
        }
    }
}
