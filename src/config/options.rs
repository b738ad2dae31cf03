//! The options of `mailoop serve` in one table: flags, keys of the configuration file, names in the environment, help and
//! manual page are made of it.
//!
//! Each option is a [`Key`], by which its value is looked up with its type. A name that is not in the table so is an error
//! of the compiler.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use log::LevelFilter;

use super::faults::{self, FaultRule};
use super::filters::values::{self as filters, FilterAddress, FilterDefault};
use super::key::{
    FilePath, FilePaths, Key, Many, One, Optional, Switch, flag, list, number, numbers, path,
    paths, text,
};
use super::option::ServeOption;
use super::option::ServerCommand::{self, Catch, Deliver, Serve};
use super::relay::values as relay;
use super::stream::values::{self as stream, StreamTarget};
use super::text::nearest;
use super::values;
use crate::net::cidr::Cidr;
use crate::net::endpoint::SocketAddress;
use crate::smtp::data::EndText;
use crate::smtp::extension::Extension;
use crate::smtp::line::BareNewline;
use crate::smtp::route::Route;
use crate::smtp::service::Service;

/// The listener if nobody names one; SMTP is spoken there.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:2525";
/// The listener of a server for tests if nobody names one.
pub const CATCH_LISTEN: &str = "127.0.0.1:1025";
/// The address at which `mailoop catch` speaks HTTP if nobody names another one.
pub const CATCH_HTTP: &str = "127.0.0.1:8025";
/// The end of message data if there is no other.
pub const LONE_DOT: &str = ".";

/// Whether this build knows TLS.
pub(crate) const TLS: bool = cfg!(feature = "tls");
/// Whether this build can record.
pub(crate) const RECORD_BUILT: bool = cfg!(feature = "record");
/// Whether users can log in to this build.
pub(crate) const AUTH: bool = cfg!(feature = "auth");
/// Whether this build sends mail on.
pub(crate) const RELAY: bool = cfg!(feature = "relay");
/// Whether this build speaks HTTP.
pub(crate) const HTTP_BUILT: bool = cfg!(feature = "http");
/// Whether this build has the server for tests.
pub(crate) const CATCH_BUILT: bool = cfg!(feature = "catch");
/// Whether this build has mail filters.
pub(crate) const MILTER_BUILT: bool = cfg!(feature = "milter");
/// Whether this build keeps mail in a stream.
pub(crate) const STREAM_BUILT: bool = cfg!(feature = "stream");
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
        HOSTNAME: One<String> = text("hostname", "NAME", values::domain, "The name in the greeting and the trace header [default: the machine's]").and_deliver();
        MAILDIR: FilePath = path("maildir", "DIR", "Deliver to DIR/<domain>/<local-part>/{tmp,new,cur}").or("./mail").at_start().and_deliver();
        DISCARD: Switch = flag("discard", "Accept and drop all mail, as a sink").at_start();
        DOMAIN: Many<String> = list("domain", "NAME", values::domain, "A domain to accept mail for; repeatable [default: any, on loopback and unix sockets only]");
        MAX_MAILBOXES: One<u32> = number("max-mailboxes", "N", values::count, "How many mailbox folders may come into being by themselves").or("10000").at_start().and_deliver();
        MIN_FREE: One<u64> = number("min-free", "BYTES", values::room, "With less left in the store, or less to be left, no message begins; 0 for any").or("64M");
    }
    "A stream behind the edge" {
        STREAM: Optional<StreamTarget> = text("stream", "URL", stream::target, "Keep mail in a stream of NATS JetStream: nats://HOST:PORT[,HOST:PORT]/STREAM, with options after a ?, joined by &: user=NAME, tls=none|encrypt|verify, ca=FILE, monitor=HOST:PORT[,HOST:PORT], durability=synced|replicated, wait=no|yes; excludes maildir, discard and route [default: none]").optional().at_start().of(Serve).only_if(STREAM_BUILT).and_deliver();
        STREAM_PASSWORD: FilePath = path("stream-password", "FILE", "The password of user=, or a token without, in one line, mode 0600 [default: none]").at_start().of(Serve).only_if(STREAM_BUILT).and_deliver();
        ACK_WAIT: One<Duration> = number("ack-wait", "SECS", stream::ack_wait, "How long a message is waited for until it goes to another process that delivers").or("60").at_start().of(Deliver).only_if(STREAM_BUILT);
    }
    "Where mail is sent on" {
        ROUTE: Many<Route> = list("route", "PATTERN=HOP", relay::route, "Send mail on: PATTERN is example.org, *.example.org or *, the closest wins; HOP is smtp://HOST:PORT, smtps://HOST, lmtp://HOST:PORT, lmtp:unix:PATH, or mx for the servers that each domain names; several with commas, each with options after a ?, joined by &: tls=none|may|encrypt|verify, auth=USER, ca=FILE; repeatable [default: none]").of(Serve).only_if(RELAY);
        ROUTE_PASSWORDS: FilePath = path("route-passwords", "FILE", "The passwords of logins at hops, lines `USER PASSWORD`, mode 0600 [default: none]").of(Serve).only_if(RELAY);
        RELAY_FROM: Many<Cidr> = list("relay-from", "CIDR", values::network, "Peers that may send to wherever a route leads, without a login; repeatable [default: none]").of(Serve).only_if(RELAY);
        USER_RATE: One<u32> = number("user-rate", "N", values::count, "The most recipients elsewhere in an hour of one login; 0 for no limit").or("500").of(Serve).only_if(RELAY);
        SPOOL: FilePath = path("spool", "DIR", "Where mail waits to be sent on; one process a folder [default: ./spool, with a route]").at_start().of(Serve).only_if(RELAY);
        MAX_QUEUE_MESSAGES: One<u32> = number("max-queue-messages", "N", values::count_over_0, "The most messages that wait to be sent on").or("1000000").at_start().of(Serve).only_if(RELAY);
        RETRY: Many<Vec<Duration>> = numbers("retry", "SECS,SECS", relay::waits, "The waits after which a message is tried again, with commas; the last one is repeated").or("300,600,1200,2400,4800,7200").of(Serve).only_if(RELAY);
        QUEUE_LIFETIME: One<Duration> = number("queue-lifetime", "SECS", values::seconds, "The age at which a message is given up").or("432000").of(Serve).only_if(RELAY);
        BOUNCE_LIFETIME: One<Duration> = number("bounce-lifetime", "SECS", values::seconds, "The age at which a report is given up").or("172800").of(Serve).only_if(RELAY);
        DELAY_NOTICE: One<Option<Duration>> = number("delay-notice", "SECS", relay::seconds_or_never, "The age at which a sender is told, once, that a message is delayed; 0 for never").or("14400").of(Serve).only_if(RELAY);
        OUTGOING_ADDRESS: Many<IpAddr> = list("outgoing-address", "IP", relay::ip_address, "Where connections come from, an address a family; repeatable [default: the system's]").at_start().of(Serve).only_if(RELAY);
        MAX_OUTGOING: One<u32> = number("max-outgoing", "N", values::count_over_0, "The most connections to all hops").or("200").of(Serve).only_if(RELAY);
        MAX_OUTGOING_PER_SITE: One<u32> = number("max-outgoing-per-site", "N", values::count_over_0, "The most connections to one hop").or("20").of(Serve).only_if(RELAY);
        MX_ALLOW: Many<Cidr> = list("mx-allow", "CIDR", values::network, "A special range, as 10.0.0.0/8, in which servers may be that a domain names; repeatable [default: none]").of(Serve).only_if(RELAY);
        MX_PORT: One<u32> = number("mx-port", "PORT", relay::port, "The port of servers that a domain names, for tests").or("25").of(Serve).only_if(RELAY);
        OWN_ADDRESS: Many<IpAddr> = list("own-address", "IP", relay::ip_address, "An address that leads to this machine from outside, as behind NAT: no mail goes there; repeatable [default: none]").of(Serve).only_if(RELAY);
        DNS: Many<SocketAddr> = list("dns", "ADDR", relay::name_server, "A name server: IP or IP:PORT; repeatable [default: those of the system]").at_start().of(Serve).only_if(RELAY);
        MTA_STS_PORT: One<u32> = number("mta-sts-port", "PORT", relay::port, "The port of MTA-STS policy hosts, for tests").or("443").hidden().of(Serve).only_if(RELAY);
    }
    "Mail filters" {
        MILTER: Many<FilterAddress> = list("milter", "ADDR", filters::address, "A program that speaks the Sendmail mail filter protocol, as inet:HOST:PORT or unix:PATH; repeatable, asked in this order [default: none]").only_if(MILTER_BUILT);
        MILTER_SUBMISSION: Many<FilterAddress> = list("milter-submission", "ADDR", filters::address, "The filters of listeners for submission, in the place of the others; repeatable [default: those of --milter]").only_if(MILTER_BUILT);
        MILTER_DEFAULT: One<FilterDefault> = text("milter-default", "ACTION", filters::default_action, "What holds where a filter is not there, hangs or speaks nonsense: tempfail, accept or reject").or("tempfail").only_if(MILTER_BUILT);
        MILTER_CONNECT_TIMEOUT: One<Duration> = number("milter-connect-timeout", "SECS", values::seconds, "How long a connection to a filter may take, and what is agreed on first").or("30").only_if(MILTER_BUILT);
        MILTER_COMMAND_TIMEOUT: One<Duration> = number("milter-command-timeout", "SECS", values::seconds, "How long a filter may take for a command").or("30").only_if(MILTER_BUILT);
        MILTER_CONTENT_TIMEOUT: One<Duration> = number("milter-content-timeout", "SECS", values::seconds, "How long a filter may take for each part of a message, and its end").or("300").only_if(MILTER_BUILT);
    }
    "What is kept" {
        KEEP: One<u32> = number("keep", "N", values::count_over_0, "The most messages that are kept; the oldest go first").or("500").at_start().of(Catch).only_if(CATCH_BUILT);
        KEEP_BYTES: One<u64> = number("keep-bytes", "BYTES", values::size, "The most memory that they take together; k, M, G may follow").or("64M").at_start().of(Catch).only_if(CATCH_BUILT);
    }
    "Faults, for tests" {
        RULE: Many<FaultRule> = list("rule", "RULE", faults::rule, "Refuse, delay, hang up or lose mail on demand: WHERE [PATTERN] [#N|#N+|N/min] [by ip|from|rcpt] = WHAT, as `rcpt *@busy.example #1 = 450 4.2.1 busy`; the first that fits decides; repeatable [default: none]").only_if(CATCH_BUILT);
        WITHOUT: Many<Extension> = list("without", "EXTENSION", values::extension, "An extension that EHLO does not offer and that is refused, as 8BITMIME, PIPELINING, CHUNKING, STARTTLS or AUTH; repeatable [default: none]").only_if(CATCH_BUILT);
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
        USER: Optional<String> = text("user", "NAME", values::name, "After binding, become this user").optional().at_start().and_deliver();
        CONTROL: FilePath = path("control", "PATH", "Let this user watch the server by a socket file, as `mailoop top` does [default: none]").at_start().only_if(TOP).and_deliver();
        EXIT_AFTER: One<u32> = number("exit-after", "N", values::count, "End in good order after so many messages were accepted; 0 for never").or("0").and_deliver();
    }
    "Measurements" {
        MAX_COMMIT_GROUP: Optional<u32> = number("max-commit-group", "N", values::count_over_0, "The most messages of a group commit, to measure what groups are worth").optional().hidden().and_deliver();
    }
    "The log" {
        LOG_LEVEL: One<LevelFilter> = text("log-level", "LEVEL", values::log_level, "The least urgent lines to log: error, warn, info, debug or trace").or("info").and_deliver();
        LOG_FILE: FilePath = path("log-file", "FILE", "Append the log to FILE, opened again on SIGHUP [default: standard error]").and_deliver();
    }
    "See the loop" {
        RECORD: FilePath = path("record", "FILE", "Record in FILE what comes in to the loop and what it decides, for `mailoop replay` and `mailoop trace`").at_start().only_if(RECORD_BUILT);
        RECORD_TEXT: Switch = flag("record-text", "Keep the text of messages in the record, not only its length and line ends").at_start().only_if(RECORD_BUILT);
        RECORD_PEER: Many<Cidr> = list("record-peer", "CIDR", values::network, "Record connections of these peers only; repeatable [default: all]").at_start().only_if(RECORD_BUILT);
        RECORD_MAX: One<u64> = number("record-max", "BYTES", values::size, "The largest record; it ends there, and the service goes on").or("1G").at_start().only_if(RECORD_BUILT);
    }
    "HTTP" {
        HTTP: Many<SocketAddress> = list("http", "ADDR", values::listen_address, "Where to listen for HTTP: /livez, /readyz, /metrics and the live loop at /loop; repeatable [default: none]").at_start().only_if(HTTP_BUILT).and_deliver();
        HTTP_TOKEN: FilePath = path("http-token", "FILE", "Answer HTTP only to who knows the token in FILE (Authorization: Bearer); /livez and /readyz need none [default: none]").only_if(HTTP_BUILT).and_deliver();
        HTTP_HOST: Many<String> = list("http-host", "NAME", values::http_host, "A name of this server in Host and Origin, beside addresses and localhost; repeatable [default: none]").only_if(HTTP_BUILT).and_deliver();
    }
    "The configuration" {
        CONFIG: FilePath = path("config", "FILE", "Read options, aliases, mailboxes and senders from FILE, as TOML; environment and flags come before it").outside().and_deliver();
        CHECK: Switch = flag("check", "Read and check the configuration, say what would run, and end").outside().and_deliver();
    }
}

/// The listener that a subcommand has if nobody names one.
#[must_use]
pub fn default_listen(command: ServerCommand) -> Option<&'static str> {
    match command {
        Serve => Some(DEFAULT_LISTEN),
        Catch => Some(CATCH_LISTEN),
        Deliver => None,
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

/// The options of `mailoop serve` that this build has, in the order of the help.
pub fn all() -> impl Iterator<Item = &'static ServeOption> + Clone {
    of(Serve)
}

/// The options of a subcommand that this build has, in the order of the help.
pub fn of(command: ServerCommand) -> impl Iterator<Item = &'static ServeOption> + Clone {
    every().filter(move |option| command.has(option))
}

/// The options of all subcommands.
pub(crate) fn every() -> impl Iterator<Item = &'static ServeOption> + Clone {
    ALL.iter().copied().filter(|option| option.built)
}

/// The option with this name, of whatever subcommand.
#[must_use]
pub fn named(name: &str) -> Option<&'static ServeOption> {
    every().find(|option| option.name == name)
}

/// The names that help, manual page and completions tell of.
pub(super) fn shown_names() -> impl Iterator<Item = &'static str> {
    let shown = every().filter(|option| !option.hidden);
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
        for option in every() {
            assert_eq!(named(option.name), Some(option));
        }
    }
}
