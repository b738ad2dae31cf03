//! The options of `mailoop serve` that rules come from, as far as they matter to one connection and are not those by default.

use core::fmt::{self, Write as _};
use std::io::{self, Write};

use crate::inbound::Rules;
use crate::smtp::directory::AddressName;
use crate::smtp::line::BareNewline;
use crate::smtp::policy::Policy;
use crate::smtp::service::Service;

/// The name that servers of dialogues have.
const HOSTNAME: &str = "mail.example.org";

/// Writes the options, and the lines of a configuration file.
pub(super) fn put_options(
    rules: &Rules,
    service: Service,
    is_in_tls: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut options = String::new();
    put_listener(service, &mut options);
    put_flags(rules, is_in_tls, &mut options);
    put_limits(rules, &mut options);
    if !options.is_empty() {
        writeln!(out, "options:{options}")?;
    }
    put_directory(&rules.policy, out)
}

fn put_listener(service: Service, options: &mut String) {
    options.push_str(match service {
        Service::Smtp | Service::Smtps => "",
        Service::Submission | Service::Submissions => " --listen-submission 127.0.0.1:0",
        Service::Lmtp => " --listen-lmtp 127.0.0.1:0",
    });
}

fn put_flags(rules: &Rules, is_in_tls: bool, options: &mut String) {
    let policy = &*rules.policy;
    if policy.hostname != HOSTNAME {
        put("hostname", &policy.hostname, options);
    }
    for domain in &policy.domains {
        put("domain", domain, options);
    }
    put_relay(rules, options);
    for network in &rules.proxies {
        put("proxy-from", network, options);
    }
    for network in &rules.xclient_peers {
        put("xclient-from", network, options);
    }
    if let Some(end_text) = &policy.end_text {
        let _ = write!(options, " --end-of-data \"{}\"", end_text.as_str());
    }
    match policy.bare_newline {
        BareNewline::Normalize => {}
        BareNewline::Reject => put("bare-newline", &"reject", options),
        // The classroom dialect implies it.
        BareNewline::Accept if policy.end_text.is_some() => {}
        BareNewline::Accept => put("bare-newline", &"accept", options),
    }
    for (flag, is_set) in [
        (" --auth-everywhere", policy.auth_everywhere),
        // In TLS there are logins without it.
        (
            " --auth-insecure",
            policy.auth_insecure || is_in_tls && policy.tls,
        ),
        (" --tls-self-signed", policy.tls && !is_in_tls),
    ] {
        if is_set {
            options.push_str(flag);
        }
    }
}

/// Writes where mail is sent on. What hop that is does not matter to a client, and nobody else is to know.
fn put_relay(rules: &Rules, options: &mut String) {
    for network in &rules.relay_peers {
        put("relay-from", network, options);
    }
    for route in rules.policy.routes.iter().flat_map(|routes| routes.all()) {
        put(
            "route",
            &format_args!("{}=smtp://next.example", route.pattern),
            options,
        );
    }
}

fn put_limits(rules: &Rules, options: &mut String) {
    let (policy, limits) = (&rules.policy, &rules.limits);
    let default = Policy::default();
    for (name, value, default) in [
        (
            "max-message-size",
            policy.message_bytes_max,
            default.message_bytes_max,
        ),
        (
            "max-recipients",
            policy.recipients_max as u64,
            default.recipients_max as u64,
        ),
        (
            "max-messages-per-session",
            policy.messages_max,
            default.messages_max,
        ),
        (
            "max-errors",
            policy.errors_max.into(),
            default.errors_max.into(),
        ),
        (
            "max-connections-per-ip",
            limits.connections_per_ip_max as u64,
            0,
        ),
        ("idle-timeout", limits.idle_timeout.as_secs(), 300),
        ("min-rate", limits.min_rate, 500),
        ("session-timeout", limits.session_timeout.as_secs(), 3600),
        ("drain-timeout", limits.drain_timeout.as_secs(), 30),
        ("exit-after", limits.exit_after, 0),
    ] {
        if value != default {
            put(name, &value, options);
        }
    }
}

fn put(name: &str, value: &dyn fmt::Display, options: &mut String) {
    // A string takes everything.
    let _ = write!(options, " --{name} {value}");
}

/// Writes the tables of the configuration file.
fn put_directory(policy: &Policy, out: &mut dyn Write) -> io::Result<()> {
    let tables = policy.directory.tables();
    if let Some(target) = &tables.catch_all {
        writeln!(out, "config: catch-all = {}", quoted(target))?;
    }
    if !tables.aliases.is_empty() {
        out.write_all(b"config: [aliases]\n")?;
    }
    for (alias, targets) in &tables.aliases {
        writeln!(out, "config: {} = {}", quoted(alias), list(targets))?;
    }
    if tables.closed || !tables.mailboxes.is_empty() {
        let (closed, names) = (tables.closed, list::<AddressName>(&tables.mailboxes));
        writeln!(
            out,
            "config: [mailboxes]\nconfig: closed = {closed}\nconfig: names = {names}"
        )?;
    }
    let mut is_first = true;
    for (user, owned) in policy.senders.all() {
        if std::mem::take(&mut is_first) {
            out.write_all(b"config: [senders]\n")?;
        }
        writeln!(out, "config: {} = {}", quoted(&user), list(owned))?;
    }
    Ok(())
}

fn list<T: fmt::Display>(values: &[T]) -> String {
    let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
    format!("[{}]", values.join(", "))
}

/// A string as TOML has it.
fn quoted(value: &dyn fmt::Display) -> String {
    let text = value.to_string().replace('\\', "\\\\");
    format!("\"{}\"", text.replace('"', "\\\""))
}
