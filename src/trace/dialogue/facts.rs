//! The first reading: what stands in front of the steps of a dialogue.

use std::collections::HashMap;
use std::io::{self, Write};
use std::mem;

use super::options::put_options;
use super::{DialogueClient, escape};
use crate::inbound::Rules;
use crate::net::peer::PeerAddress;
use crate::net::transport::Read;
use crate::observe::frame::{FilterFrame, Frame};
use crate::observe::outcome::{HandshakeCode, LoginCode};
use crate::smtp::directory::Directory;
use crate::smtp::path::Mailbox;

/// The most octets before the greeting that are shown.
const EARLY_BYTES_MAX: usize = 64 * 1024;
/// The most recipients and users that are kept.
const NAMES_MAX: usize = 1000;

/// Facts of a connection that stand in front of the steps of its dialogue, or decide what belongs to them.
#[derive(Default)]
pub(super) struct Facts {
    /// The place in the file behind the handshake of TLS.
    pub(super) tls_from: Option<u64>,
    /// Octets that were sent before the greeting.
    pub(super) early: Vec<u8>,
    /// Octets that were read and not used, as far as they are known.
    pub(super) left: Vec<u8>,
    /// How many these are.
    pub(super) unused: usize,
    /// How often the server has spoken.
    pub(super) said: usize,
    /// Whether each message that was begun is stored in the end.
    pub(super) is_stored: Vec<bool>,
    early_count: usize,
    tickets: HashMap<u64, usize>,
    recipients: Vec<String>,
    /// The recipients of the message that was begun last.
    of_message: Vec<String>,
    /// The message whose outcomes come now, and for which of its recipients the next one is; for all of them without one.
    settled: Option<(usize, Option<usize>)>,
    /// Recipients that a message was not delivered to, and those that one was.
    failed: Vec<String>,
    delivered: Vec<String>,
    users: Vec<String>,
    offers_login: bool,
    has_filters: bool,
    reason: String,
}

impl Facts {
    pub(super) fn see(&mut self, frame: &Frame<'_>, position: u64) {
        match *frame {
            Frame::Read {
                result: Ok(octets), ..
            }
            | Frame::TlsRead {
                result: Ok(Read::Data(octets) | Read::Drained(octets)),
                ..
            } => {
                self.unused = self.unused.saturating_add(octets);
                if self.said == 0 {
                    self.early_count = self.early_count.saturating_add(octets);
                }
            }
            Frame::Handshake {
                result: Ok(HandshakeCode::Done(_)),
                ..
            } => self.begin_tls(position),
            Frame::Used { octets, .. } => self.see_used(octets),
            Frame::Left { octets, .. } => octets.clone_into(&mut self.left),
            Frame::Said { octets, .. } => {
                self.said += 1;
                let offers =
                    |line: &[u8]| line.get(4..).is_some_and(|what| what.starts_with(b"AUTH "));
                self.offers_login |= octets.split(|octet| *octet == b'\n').any(offers);
            }
            Frame::LoginProgress {
                progress: LoginCode::LoggedIn(user) | LoginCode::Refused(user),
                ..
            } => add(user, &mut self.users),
            Frame::Closed { reason, .. } => reason.clone_into(&mut self.reason),
            Frame::Filter {
                frame: FilterFrame::Opened { .. },
            } => self.has_filters = true,
            _ => self.see_store(frame),
        }
    }

    fn see_used(&mut self, octets: &[u8]) {
        self.left.clear();
        self.unused = self.unused.saturating_sub(octets.len());
        if self.said == 0 {
            // The header of a proxy comes first, and is not early.
            self.early_count = self.early_count.saturating_sub(octets.len());
            return;
        }
        let count = self.early_count.min(EARLY_BYTES_MAX);
        let missing = count.saturating_sub(self.early.len()).min(octets.len());
        self.early.extend_from_slice(&octets[..missing]);
    }

    /// What was before TLS is no part of the dialogue.
    fn begin_tls(&mut self, position: u64) {
        *self = Self {
            tls_from: Some(position),
            early: mem::take(&mut self.early),
            early_count: self.early_count,
            said: self.said,
            has_filters: self.has_filters,
            ..Self::default()
        };
    }

    fn see_store(&mut self, frame: &Frame<'_>) {
        match *frame {
            Frame::Admit { .. } => self.recipients.clear(),
            Frame::Check {
                recipient,
                result: Ok(_),
                ..
            } if self.recipients.len() < NAMES_MAX => {
                self.recipients.push(recipient.to_owned());
            }
            Frame::Begin { result: Ok(_), .. } => {
                self.is_stored.push(false);
                self.of_message = mem::take(&mut self.recipients);
            }
            Frame::Submit { ticket, .. } => {
                self.tickets
                    .insert(ticket, self.is_stored.len().saturating_sub(1));
            }
            Frame::Settled { ticket, each } => {
                let message = self.tickets.remove(&ticket);
                self.settled = None;
                match (message, each) {
                    (Some(message), None) => self.store(message),
                    (Some(message), Some(each)) => {
                        self.settled = Some((message, (each > 0).then_some(0)));
                    }
                    (None, _) => {}
                }
            }
            Frame::Delivered { result } => {
                let Some((message, next)) = self.settled else {
                    return;
                };
                let names = if result.is_ok() {
                    self.store(message);
                    &mut self.delivered
                } else {
                    &mut self.failed
                };
                for (index, recipient) in self.of_message.iter().enumerate() {
                    if next.is_none_or(|next| next == index) {
                        add(recipient, names);
                    }
                }
                self.settled = Some((message, next.map(|next| next + 1)));
            }
            _ => {}
        }
    }

    fn store(&mut self, message: usize) {
        if let Some(is_stored) = self.is_stored.get_mut(message) {
            *is_stored = true;
        }
    }

    /// Writes what stands in front of the steps.
    pub(super) fn put_head(
        &mut self,
        client: &DialogueClient,
        rules: Option<&Rules>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let DialogueClient {
            connection,
            service,
            peer,
        } = client;
        let reason = match self.reason.as_str() {
            "" => "not closed in the record",
            reason => reason,
        };
        writeln!(
            out,
            "# Connection {connection}, {service}: {}.",
            reason.escape_debug()
        )?;
        if self.tls_from.is_some() {
            out.write_all(b"# It is in TLS, which is left out here.\n")?;
        }
        if self.has_filters {
            out.write_all(b"# It has filters, without which it may go otherwise: what they decide stands in comments.\n")?;
        }
        if let Some(rules) = rules {
            put_options(rules, *service, self.tls_from.is_some(), out)?;
        }
        self.put_users(out)?;
        if let Some(rules) = rules {
            self.put_blocked(&rules.policy.directory, out)?;
        }
        out.write_all(b"whole: it is as it was recorded\nclear: it is as it was recorded\n")?;
        if let PeerAddress::Tcp(address) = peer {
            writeln!(out, "from: {address}")?;
        }
        let count = self.early_count.min(EARLY_BYTES_MAX);
        if count > 0 {
            // Nobody has looked at the rest.
            self.unused = self.unused.saturating_sub(count - self.early.len());
            self.early.resize(count, b'x');
            let mut line = b"early: ".to_vec();
            escape(&self.early, &mut line);
            line.push(b'\n');
            out.write_all(&line)?;
        }
        Ok(())
    }

    /// Writes the mailboxes that nothing can be delivered to: those of recipients that failed, and of no other.
    fn put_blocked(&self, directory: &Directory, out: &mut dyn Write) -> io::Result<()> {
        let mailboxes = |names: &[String]| -> Vec<Mailbox> {
            let names = names.iter().filter_map(|name| name.parse().ok());
            names
                .flat_map(|name| directory.resolve(&name).unwrap_or_default().mailboxes)
                .collect()
        };
        let good = mailboxes(&self.delivered);
        for mailbox in mailboxes(&self.failed) {
            if !good.contains(&mailbox) {
                writeln!(out, "blocked: {mailbox}")?;
            }
        }
        Ok(())
    }

    /// Writes who may log in. Their passwords are in no record.
    fn put_users(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.offers_login || !self.users.is_empty() {
            out.write_all(
                b"# Logins are masked: put a password and what proves it in place of x.\n",
            )?;
            if self.users.is_empty() {
                self.users.push("nobody".to_owned());
            }
        }
        for user in &self.users {
            writeln!(out, "users: {} x", user.escape_debug())?;
        }
        Ok(())
    }
}

/// Adds a name to a list, once.
fn add(name: &str, names: &mut Vec<String>) {
    if names.len() < NAMES_MAX && !names.iter().any(|known| known == name) {
        names.push(name.to_owned());
    }
}
