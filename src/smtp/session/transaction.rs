//! The first half of a transaction: who sends, and to whom.

use crate::smtp::extension::Extension;
use std::mem;

use bytes::BytesMut;

use super::{Session, Stage, State};
use crate::smtp::command::{MailParameters, Submitter};
use crate::smtp::directory::NoSuchMailbox;
use crate::smtp::dsn::RecipientDsn;
use crate::smtp::envelope::{Body, Envelope, Hello, Recipient};
use crate::smtp::event::{CloseReason, Event, Limit};
use crate::smtp::path::{ForwardPath, Mailbox, PATH_BYTES_MAX, ReversePath};
use crate::smtp::policy::{Reach, RelayAccess};
use crate::smtp::reply::{self, Reply, write_reply};
use crate::smtp::transaction::Transaction;

impl Session {
    /// The transaction whose message had begun when the session or its connection ended, and of which nothing came.
    #[must_use]
    pub fn aborted(&self) -> Option<&Transaction> {
        match &self.state {
            State::Transaction(_, Stage::AwaitingCommit) => None,
            state => state
                .transaction()
                .filter(|transaction| transaction.id.is_some()),
        }
    }

    /// MAIL, which begins a transaction if there is room for its message.
    pub(super) fn mail(
        &mut self,
        from: ReversePath,
        parameters: MailParameters,
        out: &mut BytesMut,
    ) -> Event<'static> {
        let Some(hello) = self.hello.clone() else {
            return self.answer(self.service.hello_first(), out);
        };
        // Who logs in elsewhere may do what it may on submission, and no more.
        if (self.service.is_submission() || self.user.is_some())
            && let Err(reply) = self.check_submitter(&from)
        {
            return self.answer(reply, out);
        }
        let asks_for_reports = parameters.dsn.is_some() && !self.knows_dsn();
        if asks_for_reports || !self.allows(&hello, &parameters) {
            return self.answer(reply::UNKNOWN_PARAMETER, out);
        }
        if parameters
            .size
            .is_some_and(|size| size > self.policy.message_bytes_max)
        {
            return self.answer(reply::TOO_LARGE, out);
        }
        let transactions = u64::from(self.stats.transactions);
        if self.policy.messages_max != 0 && transactions >= self.policy.messages_max {
            return self.dismiss(
                reply::TOO_MANY_MESSAGES,
                CloseReason::Limit(Limit::Messages),
                out,
            );
        }
        let envelope = Envelope {
            service: self.service,
            peer: self.peer,
            proxied: self.proxied.clone(),
            security: self.security.clone(),
            user: self.user().cloned(),
            hello,
            reverse_path: from,
            recipients: Vec::new(),
            body: parameters.body.unwrap_or_default(),
            smtputf8: parameters.smtputf8,
            dsn: parameters.dsn,
            sender_is_ours: false,
            quarantine: None,
        };
        let declared_size = parameters.size.unwrap_or_default();
        let transaction = Transaction::new(envelope, declared_size);
        Event::CheckRoom(self.pool.place(transaction))
    }

    /// Whether MAIL may have these parameters. Those that ask for nothing are taken from anybody: SIZE and most of BODY say
    /// what the message is, `AUTH=<>` says nothing. There are clients that send them whatever is offered.
    fn allows(&self, hello: &Hello, parameters: &MailParameters) -> bool {
        // A message of this kind comes by BDAT, which belongs to EHLO.
        let is_binary = parameters.body == Some(Body::BinaryMime);
        let is_named = parameters.auth == Some(Submitter::Named);
        let asks = is_binary || is_named || parameters.smtputf8;
        let needs = [
            (is_binary, Extension::BinaryMime),
            (
                parameters.body == Some(Body::EightBitMime),
                Extension::EightBitMime,
            ),
            (parameters.smtputf8, Extension::SmtpUtf8),
        ];
        let is_withheld = needs
            .into_iter()
            .any(|(needs, extension)| needs && self.withholds(extension));
        (hello.extended || !asks) && (self.knows_auth() || !is_named) && !is_withheld
    }

    /// Whether who has logged in may submit a message from there.
    ///
    /// # Errors
    /// Nobody has (RFC 6409 §4.3), or the address is not theirs (§6.1).
    fn check_submitter(&self, from: &ReversePath) -> Result<(), Reply> {
        let first = if self.offers_tls() && !self.takes_logins() {
            reply::TLS_FIRST
        } else {
            reply::LOGIN_FIRST
        };
        let user = self.user().ok_or(first)?;
        match from {
            ReversePath::Mailbox(mailbox) if !self.policy.may_send(user, mailbox) => {
                Err(reply::SENDER_NOT_OWNED)
            }
            // What reports on a message, such as that it was read, is from nobody.
            ReversePath::Mailbox(_) | ReversePath::Null => Ok(()),
        }
    }

    /// Begins a transaction, in answer to [`Event::CheckRoom`].
    pub fn accept_sender(&mut self, transaction: Box<Transaction>, out: &mut BytesMut) {
        if !matches!(self.state, State::AwaitingMail) {
            debug_assert!(false, "no sender was asked about in {:?}", self.state);
            return;
        }
        self.stats.transactions = self.stats.transactions.saturating_add(1);
        self.state = State::Transaction(transaction, Stage::AwaitingRcpt);
        self.answer(reply::SENDER_OK, out);
    }

    /// RCPT, to a transaction that may be full already.
    pub(super) fn rcpt(
        &mut self,
        to: ForwardPath,
        dsn: Option<Box<RecipientDsn>>,
        is_full: bool,
        out: &mut BytesMut,
    ) -> Event<'static> {
        let smtputf8 = self.envelope().is_some_and(|envelope| envelope.smtputf8);
        let (address, reach) = match to {
            ForwardPath::Mailbox(mailbox) if !smtputf8 && !mailbox.is_ascii() => {
                return self.answer(reply::ADDRESS_NOT_ASCII, out);
            }
            ForwardPath::Mailbox(mailbox) => {
                let reach = self.policy.reach(&mailbox);
                (mailbox, reach)
            }
            ForwardPath::WithoutDomain(local_part) => return self.ask_for_domain(&local_part, out),
            // RFC 5321 §4.5.1: mail to the postmaster is always accepted.
            ForwardPath::Postmaster => match format!("postmaster@{}", self.policy.hostname).parse()
            {
                Ok(mailbox) => (mailbox, Reach::Here),
                Err(error) => return self.answer(Reply::from(error), out),
            },
        };
        if dsn.is_some() && !self.knows_dsn() {
            return self.answer(reply::UNKNOWN_PARAMETER, out);
        }
        if let Err(refusal) = self.check_reach(&address, reach) {
            return self.answer(refusal, out);
        }
        if is_full {
            return self.answer(reply::TOO_MANY_RECIPIENTS, out);
        }
        let resolved = match reach {
            Reach::Elsewhere => Ok(Recipient::elsewhere(address)),
            _ => self.policy.resolve(address),
        };
        match resolved {
            Ok(recipient) => Event::CheckRecipient(Recipient { dsn, ..recipient }),
            Err(NoSuchMailbox) => self.answer(reply::NO_SUCH_USER, out),
        }
    }

    /// Whether this client may send mail to where this `reach` says.
    ///
    /// # Errors
    /// The client may not, no route leads there, or the address asks for a route of its own making.
    pub(super) fn check_reach(&self, address: &Mailbox, reach: Reach) -> Result<(), Reply> {
        match reach {
            Reach::Here | Reach::OursByRoute if self.policy.is_routed(address) => {
                Err(reply::NOT_LOCAL)
            }
            Reach::Here | Reach::OursByRoute => Ok(()),
            Reach::Elsewhere if self.may_send_elsewhere() => Ok(()),
            Reach::Nowhere if self.may_send_elsewhere() => Err(reply::NO_ROUTE),
            Reach::Elsewhere | Reach::Nowhere => Err(match (self.user(), &self.policy.routes) {
                (Some(_), None) => reply::NOT_SENT_ON,
                _ => reply::NOT_LOCAL,
            }),
        }
    }

    /// Whether the client may ask for reports (RFC 3461): only those may who may also send elsewhere, whose senders are no strangers.
    #[must_use]
    pub fn knows_dsn(&self) -> bool {
        self.may_send_elsewhere() && self.extended()
    }

    /// Whether DSN is offered at this moment. On submission it is offered before the login as well: clients do not ask again.
    pub(super) fn offers_dsn(&self) -> bool {
        let may_log_in = self.service.is_submission() && self.policy.routes.is_some();
        (may_log_in || self.may_send_elsewhere()) && !self.withholds(Extension::Dsn)
    }

    /// Whether this client may send mail to wherever a route leads: one that has logged in, or whose network is trusted with
    /// it. A login that an XCLIENT peer tells of counts for submission only.
    pub(super) fn may_send_elsewhere(&self) -> bool {
        let has_submitted = self.service.is_submission() && self.user().is_some();
        self.policy.routes.is_some()
            && (self.user.is_some() || has_submitted || self.relay_access == RelayAccess::Granted)
    }

    /// Refuses a recipient without a domain, and says with which it would be an address here: people who type commands by
    /// hand expect that a name is enough.
    fn ask_for_domain(&mut self, local_part: &str, out: &mut BytesMut) -> Event<'static> {
        let domain = self.policy.domains.first();
        let domain = domain.unwrap_or(&self.policy.hostname);
        let path = format!("<{local_part}@{domain}>");
        if !path.is_ascii() || path.len() > PATH_BYTES_MAX {
            return self.answer(reply::DOMAIN_MISSING, out);
        }
        let refusal = reply::DOMAIN_MISSING;
        let status = self.has_enhanced_codes().then_some(refusal.status);
        let text = format_args!("{}, try {path}", refusal.text);
        write_reply(out, refusal.code, status, text);
        self.account_for(refusal, out)
    }

    /// Adds a recipient to the transaction, in answer to [`Event::CheckRecipient`]. So many mailboxes may have to be made for
    /// it as `to_make` says.
    pub fn accept_recipient(&mut self, recipient: Recipient, to_make: usize, out: &mut BytesMut) {
        let State::Transaction(transaction, Stage::AwaitingRcpt) = &mut self.state else {
            debug_assert!(false, "no recipient was asked about in {:?}", self.state);
            return;
        };
        let envelope = &mut transaction.envelope;
        if recipient.needs_spool() && !envelope.sender_is_ours {
            envelope.sender_is_ours = self.policy.is_our_sender(&envelope.reverse_path);
        }
        transaction.add(recipient, to_make);
        self.answer(reply::RECIPIENT_OK, out);
    }

    /// Leaves whatever was begun, for RSET and its kin; a message that is open in the store is to be dropped.
    pub(super) fn reset(&mut self) -> Event<'static> {
        match mem::replace(&mut self.state, State::AwaitingMail) {
            State::Transaction(_, Stage::BetweenChunks(_)) => Event::AbortMessage,
            State::Transaction(transaction, _) => {
                self.reuse(transaction);
                Event::Answered
            }
            before => {
                debug_assert!(
                    matches!(before, State::AwaitingHello | State::AwaitingMail),
                    "no command is read in {before:?}"
                );
                Event::Answered
            }
        }
    }
}
