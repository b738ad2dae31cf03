//! The operator's rules for sessions.

use std::cell::RefCell;
use std::rc::Rc;

use super::data::EndText;
use super::directory::Directory;
use super::line::BareNewline;
use super::login::UserDatabase;
use super::path::Mailbox;
use super::senders::Senders;

/// The rules that every session of a server follows.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The name in the greeting, the EHLO reply and the trace header, as A-labels (RFC 6531 §3.7.1).
    pub hostname: String,
    /// The domains to accept mail for, as A-labels in any case; empty for any domain.
    pub domains: Vec<String>,
    /// The mailboxes that the addresses in them lead to.
    pub directory: Directory,
    /// The senders that each user owns, for sessions with a login.
    pub senders: Senders,
    /// Whether there is a certificate to begin TLS with.
    pub tls: bool,
    /// The users who may log in; `None` if nobody can. All else a session keeps as it began with; these are replaced by a
    /// reload, so that nobody who was taken out logs in on a connection that was there before.
    pub users: RefCell<Option<Rc<dyn UserDatabase>>>,
    /// Whether a password may come without TLS.
    pub auth_insecure: bool,
    /// Whether AUTH is offered on every listener, not for submission only.
    pub auth_everywhere: bool,
    /// The meaning of a line that ends in a bare LF.
    pub bare_newline: BareNewline,
    /// The classroom dialect: another line that ends a message.
    pub end_text: Option<EndText>,
    /// The most octets of a message, counted as RFC 1870 §5 does: CRLFs in, dot-stuffing out.
    pub message_bytes_max: u64,
    /// The most recipients of one transaction.
    pub recipients_max: usize,
    /// The most transactions of one session; 0 for no limit.
    pub messages_max: u64,
    /// The number of replies 5yz that ends a session, counted since its start or its last stored message.
    pub errors_max: u32,
}

/// A server called `localhost` that takes mail for any domain and mailbox, within the limits that `mailoop serve` has by
/// itself.
impl Default for Policy {
    fn default() -> Self {
        Self {
            hostname: "localhost".to_owned(),
            domains: Vec::new(),
            directory: Directory::default(),
            senders: Senders::default(),
            tls: false,
            users: RefCell::default(),
            auth_insecure: false,
            auth_everywhere: false,
            bare_newline: BareNewline::default(),
            end_text: None,
            message_bytes_max: 25 << 20,
            recipients_max: 100,
            messages_max: 0,
            errors_max: 20,
        }
    }
}

impl Policy {
    /// The users who may log in now.
    #[must_use]
    pub fn users(&self) -> Option<Rc<dyn UserDatabase>> {
        self.users.borrow().clone()
    }

    /// Whether mail for `recipient` is accepted here.
    #[must_use]
    pub fn is_local(&self, recipient: &Mailbox) -> bool {
        if self.domains.is_empty() {
            return true;
        }
        let domain = recipient.ascii_domain();
        let mut ours = self.domains.iter();
        ours.any(|ours| ours.eq_ignore_ascii_case(&domain))
    }

    /// Whether an address in our domains would have to be sent on: its local-part has the form of a route, and the operator
    /// has not listed it as a name. Postfix refuses these as well, since a server behind it may follow the route.
    #[must_use]
    pub fn is_routed(&self, recipient: &Mailbox) -> bool {
        recipient.has_route() && !self.directory.lists(recipient)
    }

    /// Whether `user` may send as `mailbox`. Who owns a mailbox owns it with a tag as well, as far as mail for that comes
    /// to it.
    #[must_use]
    pub fn may_send(&self, user: &str, mailbox: &Mailbox) -> bool {
        let mailbox = mailbox.plain();
        let is_ours =
            self.is_local(&mailbox) || mailbox.domain().eq_ignore_ascii_case(&self.hostname);
        let untagged = self.directory.untagged(&mailbox);
        [mailbox, untagged]
            .iter()
            .any(|mailbox| self.senders.owns(user, mailbox, is_ours))
    }
}
