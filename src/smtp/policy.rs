//! The operator's rules for sessions.

use std::cell::RefCell;
use std::rc::Rc;

use super::data::EndText;
use super::directory::{Directory, NoSuchMailbox, Resolved};
use super::envelope::{Mailboxes, Recipient};
use super::extension::Extensions;
use super::line::BareNewline;
use super::login::UserDatabase;
use super::path::{Mailbox, ReversePath};
use super::route::Routes;
use super::senders::Senders;

/// Where mail for an address goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// To a mailbox here.
    Here,
    /// On by a route that names a domain of ours: everybody may send there.
    OursByRoute,
    /// On by a route, for those who may send elsewhere.
    Elsewhere,
    /// To nobody: the domain is not ours, and no route leads there.
    Nowhere,
}

/// Whether a client may send to wherever a route leads, by where it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RelayAccess {
    /// Only after a login.
    #[default]
    Denied,
    /// Without a login: its network is trusted with that.
    Granted,
}

/// The rules that every session of a server follows.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The name in the greeting, the EHLO reply and the trace header, as A-labels (RFC 6531 §3.7.1).
    pub hostname: String,
    /// The domains to accept mail for, as A-labels in any case; empty for any domain, or with routes for that of `hostname`.
    pub domains: Vec<String>,
    /// The mailboxes that the addresses in them lead to.
    pub directory: Directory,
    /// The routes by which mail is sent on; `None` where nothing is.
    pub routes: Option<Rc<Routes>>,
    /// The senders that each user owns, for sessions with a login.
    pub senders: Senders,
    /// Whether there is a certificate to begin TLS with.
    pub tls: bool,
    /// The users who may log in; `None` if nobody can. All else a session keeps as it began with; these are replaced by a
    /// reload, so that nobody who was taken out logs in on a connection that was there before.
    pub users: RefCell<Option<Rc<dyn UserDatabase>>>,
    /// Whether these are all there may be: anybody logs in under any name, and may send as anybody, as at a server for tests.
    pub any_login: bool,
    /// Whether a password may come without TLS.
    pub auth_insecure: bool,
    /// Whether AUTH is offered on every listener, not for submission only.
    pub auth_everywhere: bool,
    /// The meaning of a line that ends in a bare LF.
    pub bare_newline: BareNewline,
    /// The classroom dialect: another line that ends a message.
    pub end_text: Option<EndText>,
    /// Extensions that are not offered, so that a client shows what it does without them.
    pub withheld: Extensions,
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
            routes: None,
            senders: Senders::default(),
            tls: false,
            users: RefCell::default(),
            any_login: false,
            auth_insecure: false,
            auth_everywhere: false,
            bare_newline: BareNewline::default(),
            end_text: None,
            withheld: Extensions::default(),
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

    /// Whether mail for `recipient` is ours, whether it is kept here or its domain has a route of its own.
    #[must_use]
    pub fn is_local(&self, recipient: &Mailbox) -> bool {
        self.takes_any_domain() || self.is_our_domain(&recipient.ascii_domain())
    }

    /// Whether this domain, as A-labels, is ours. Where mail is sent on these are the named ones and the name of the server: what
    /// is neither belongs to somebody else.
    #[must_use]
    pub fn is_our_domain(&self, domain: &str) -> bool {
        let mut ours = self.domains.iter();
        self.takes_any_domain()
            || ours.any(|ours| ours.eq_ignore_ascii_case(domain))
            || self.routes.is_some() && self.hostname.eq_ignore_ascii_case(domain)
    }

    fn takes_any_domain(&self) -> bool {
        self.domains.is_empty() && self.routes.is_none()
    }

    /// Where mail for `recipient` goes.
    #[must_use]
    pub fn reach(&self, recipient: &Mailbox) -> Reach {
        let Some(routes) = &self.routes else {
            return match self.is_local(recipient) {
                true => Reach::Here,
                false => Reach::Nowhere,
            };
        };
        if !self.is_local(recipient) {
            return match routes.find(recipient) {
                Some(_) => Reach::Elsewhere,
                None => Reach::Nowhere,
            };
        }
        match routes.exact(recipient) {
            Some(_) => Reach::OursByRoute,
            None => Reach::Here,
        }
    }

    /// The recipient that an address of ours is.
    ///
    /// # Errors
    /// The address is nobody's.
    pub fn resolve(&self, address: Mailbox) -> Result<Recipient, NoSuchMailbox> {
        let Resolved {
            mailboxes,
            mut remote,
        } = self.directory.resolve(&address)?;
        let has_own_routes = self
            .routes
            .as_ref()
            .is_some_and(|routes| routes.has_exact());
        let mailboxes = if has_own_routes {
            self.split_off_routed(&address, mailboxes, &mut remote)
        } else {
            mailboxes
        };
        Ok(Recipient {
            address,
            mailboxes,
            remote,
            dsn: None,
        })
    }

    /// Moves those of `mailboxes` to `remote` whose domain has a route of its own. Where an address leads to itself it is sent
    /// on as it was written: tags and the case of letters are for the next server to say.
    fn split_off_routed(
        &self,
        address: &Mailbox,
        mailboxes: Mailboxes,
        remote: &mut Vec<Mailbox>,
    ) -> Mailboxes {
        let (routed, kept) = mailboxes
            .into_iter()
            .partition::<Mailboxes, _>(|mailbox| self.reach(mailbox) == Reach::OursByRoute);
        let untagged = self.directory.untagged(address);
        remote.extend(routed.into_iter().map(|mailbox| match mailbox == untagged {
            true => address.clone(),
            false => mailbox,
        }));
        kept
    }

    /// Whether a sender is ours, so that reports on its mail may go to it: a mailbox, an alias or a user.
    #[must_use]
    pub fn is_our_sender(&self, sender: &ReversePath) -> bool {
        match sender {
            ReversePath::Null => false,
            ReversePath::Mailbox(mailbox) => {
                self.is_local(mailbox)
                    && !self.is_routed(mailbox)
                    && self.directory.resolve(mailbox).is_ok()
            }
        }
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
        if self.any_login && self.senders.of(user).is_none() {
            return true;
        }
        let mailbox = mailbox.plain();
        let is_ours =
            self.is_local(&mailbox) || mailbox.domain().eq_ignore_ascii_case(&self.hostname);
        let untagged = self.directory.untagged(&mailbox);
        [mailbox, untagged]
            .iter()
            .any(|mailbox| self.senders.owns(user, mailbox, is_ours))
    }
}
