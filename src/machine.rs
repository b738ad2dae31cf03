//! The name of this machine, as a server and a client say it.

use crate::smtp::path::Mailbox;

/// The name of a server if nobody gives one: that of the machine, or `localhost` if that is no domain name.
#[must_use]
pub fn server_name() -> String {
    machine_name().unwrap_or_else(|| "localhost".to_owned())
}

/// The name of a client if nobody gives one: that of the machine, or an address literal if that is no domain name
/// (RFC 5321 §4.1.4).
#[must_use]
pub fn client_name() -> String {
    machine_name().unwrap_or_else(|| "[127.0.0.1]".to_owned())
}

fn machine_name() -> Option<String> {
    let system = rustix::system::uname();
    let name = system.nodename().to_str().ok()?;
    let mailbox: Mailbox = format!("postmaster@{name}").parse().ok()?;
    Some(mailbox.ascii_domain().into_owned())
}
