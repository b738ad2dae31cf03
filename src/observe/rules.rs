//! The rules of a server as octets. Users and certificates are in no record: only whether there are any.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::codec::RecordValue;
use crate::inbound::cidr::Cidr;
use crate::inbound::{Limits, Rules};
use crate::net::link::StartTls;
use crate::smtp::data::EndText;
use crate::smtp::directory::{AddressName, Directory, Tables};
use crate::smtp::line::BareNewline;
use crate::smtp::login::UserDatabase;
use crate::smtp::policy::Policy;
use crate::smtp::senders::{Sender, Senders};

/// Appends the rules.
pub fn put(rules: &Rules, out: &mut Vec<u8>) {
    let Rules {
        policy,
        limits,
        proxies,
        xclient_peers,
        tls,
    } = rules;
    put_policy(policy, out);
    put_limits(limits, out);
    put_all(proxies, out);
    put_all(xclient_peers, out);
    tls.is_some().put(out);
}

/// Reads rules; `None` if the octets are none. `users` and `tls` take the place of those that the server had; without them there are
/// none.
pub fn take(
    mut from: &[u8],
    users: Option<&Rc<dyn UserDatabase>>,
    tls: Option<&Rc<dyn StartTls>>,
) -> Option<Rules> {
    let from = &mut from;
    let rules = Rules {
        policy: Rc::new(take_policy(from, users)?),
        limits: take_limits(from)?,
        proxies: take_all::<Cidr>(from)?,
        xclient_peers: take_all::<Cidr>(from)?,
        tls: if bool::take(from)? {
            tls.cloned()
        } else {
            None
        },
    };
    from.is_empty().then_some(rules)
}

fn put_policy(policy: &Policy, out: &mut Vec<u8>) {
    let Policy {
        hostname,
        domains,
        directory,
        senders,
        tls,
        users,
        auth_insecure,
        auth_everywhere,
        bare_newline,
        end_text,
        message_bytes_max,
        recipients_max,
        messages_max,
        errors_max,
    } = policy;
    hostname.as_str().put(out);
    domains.len().put(out);
    domains.iter().for_each(|domain| domain.as_str().put(out));
    put_directory(directory, out);
    put_senders(senders, out);
    for flag in [
        *tls,
        users.borrow().is_some(),
        *auth_insecure,
        *auth_everywhere,
    ] {
        flag.put(out);
    }
    bare_newline.put(out);
    end_text.as_ref().map(EndText::as_str).put(out);
    message_bytes_max.put(out);
    recipients_max.put(out);
    messages_max.put(out);
    errors_max.put(out);
}

fn take_policy(from: &mut &[u8], users: Option<&Rc<dyn UserDatabase>>) -> Option<Policy> {
    Some(Policy {
        hostname: <&str>::take(from)?.to_owned(),
        domains: (0..usize::take(from)?)
            .map(|_| <&str>::take(from).map(str::to_owned))
            .collect::<Option<_>>()?,
        directory: take_directory(from)?,
        senders: take_senders(from)?,
        tls: bool::take(from)?,
        users: RefCell::new(if bool::take(from)? {
            users.cloned()
        } else {
            None
        }),
        auth_insecure: bool::take(from)?,
        auth_everywhere: bool::take(from)?,
        bare_newline: BareNewline::take(from)?,
        end_text: match RecordValue::take(from)? {
            Some(text) => Some(EndText::new(text)?),
            None => None,
        },
        message_bytes_max: u64::take(from)?,
        recipients_max: usize::take(from)?,
        messages_max: u64::take(from)?,
        errors_max: u32::take(from)?,
    })
}

fn put_directory(directory: &Directory, out: &mut Vec<u8>) {
    let Tables {
        aliases,
        mailboxes,
        closed,
        catch_all,
    } = directory.tables();
    aliases.len().put(out);
    for (name, targets) in &aliases {
        name.put(out);
        put_all(targets, out);
    }
    put_all(&mailboxes, out);
    closed.put(out);
    catch_all.put(out);
}

fn take_directory(from: &mut &[u8]) -> Option<Directory> {
    let aliases = (0..usize::take(from)?)
        .map(|_| Some((AddressName::take(from)?, take_all(from)?)))
        .collect::<Option<_>>()?;
    Directory::new(Tables {
        aliases,
        mailboxes: take_all(from)?,
        closed: bool::take(from)?,
        catch_all: RecordValue::take(from)?,
    })
    .ok()
}

fn put_senders(senders: &Senders, out: &mut Vec<u8>) {
    senders.all().count().put(out);
    for (user, owned) in senders.all() {
        user.put(out);
        put_all(owned, out);
    }
}

fn take_senders(from: &mut &[u8]) -> Option<Senders> {
    let mut senders = Senders::default();
    for _ in 0..usize::take(from)? {
        let user = <&str>::take(from)?;
        let _ = senders.add(user, take_all::<Sender>(from)?);
    }
    Some(senders)
}

fn put_limits(limits: &Limits, out: &mut Vec<u8>) {
    let Limits {
        connections_max,
        connections_per_ip_max,
        lingering_max,
        idle_timeout,
        min_rate,
        session_timeout,
        drain_timeout,
        min_free,
        exit_after,
    } = limits;
    for count in [connections_max, connections_per_ip_max, lingering_max] {
        count.put(out);
    }
    for timeout in [idle_timeout, session_timeout, drain_timeout] {
        timeout.as_secs().put(out);
        timeout.subsec_nanos().put(out);
    }
    for number in [min_rate, min_free, exit_after] {
        number.put(out);
    }
}

fn take_limits(from: &mut &[u8]) -> Option<Limits> {
    let mut counts = [0; 3];
    for count in &mut counts {
        *count = usize::take(from)?;
    }
    let mut timeouts = [Duration::ZERO; 3];
    for timeout in &mut timeouts {
        // The longest that a server may have is a year: so many fit, and added to any time.
        let (seconds, nanoseconds) = (u32::take(from)?, u32::take(from)?);
        *timeout = Duration::from_secs(seconds.into()) + Duration::from_nanos(nanoseconds.into());
    }
    let mut numbers = [0; 3];
    for number in &mut numbers {
        *number = u64::take(from)?;
    }
    let [connections_max, connections_per_ip_max, lingering_max] = counts;
    let [idle_timeout, session_timeout, drain_timeout] = timeouts;
    let [min_rate, min_free, exit_after] = numbers;
    Some(Limits {
        connections_max,
        connections_per_ip_max,
        lingering_max,
        idle_timeout,
        min_rate,
        session_timeout,
        drain_timeout,
        min_free,
        exit_after,
    })
}

fn put_all<T: for<'a> RecordValue<'a>>(values: &[T], out: &mut Vec<u8>) {
    values.len().put(out);
    values.iter().for_each(|value| value.put(out));
}

fn take_all<T: for<'a> RecordValue<'a>>(from: &mut &[u8]) -> Option<Vec<T>> {
    (0..usize::take(from)?).map(|_| T::take(from)).collect()
}
