//! The first half of a transaction: who sends, and to whom.

use std::mem;

use bytes::BytesMut;

use super::{Session, Stage, State};
use crate::smtp::command::{MailParameters, Submitter};
use crate::smtp::directory::NoSuchMailbox;
use crate::smtp::envelope::{Body, Envelope, Hello, QueueId, Recipient};
use crate::smtp::event::{CloseReason, Event, Limit};
use crate::smtp::fields::MissingFields;
use crate::smtp::hops::Hops;
use crate::smtp::path::{ForwardPath, PATH_BYTES_MAX, ReversePath};
use crate::smtp::policy::Policy;
use crate::smtp::reply::{self, Reply, write_reply};

/// How many mailboxes more than recipients a transaction may have before it takes no more recipients: a few short
/// commands must not make up an envelope of any length. The last one may go past it.
const MAILBOXES_ADDED_MAX: usize = 1000;

/// One mail transaction (RFC 5321 §3.3).
#[derive(Debug)]
pub struct Transaction {
    /// Who sends, to whom.
    pub envelope: Envelope,
    /// Octets that the client declared the message to have (RFC 1870 §6.1); 0 if it did not.
    pub declared_size: u64,
    /// The name the store gave the message, once it opened it.
    pub id: Option<QueueId>,
    /// How many mailboxes its recipients lead to; one may count several times.
    mailboxes: usize,
    /// How many mailboxes may have to be made for its recipients.
    pub mailboxes_to_make: usize,
    /// Octets of the message so far, counted as RFC 1870 §5 does.
    pub size: u64,
    /// The servers it passed before, as far as they were read.
    pub(super) hops: Hops,
    /// What its header lacks, as far as that was looked for.
    pub(super) missing: MissingFields,
}

impl Transaction {
    /// Whether it takes no more recipients.
    pub(super) fn is_full(&self, policy: &Policy) -> bool {
        let recipients = self.envelope.recipients.len();
        recipients >= policy.recipients_max || self.mailboxes >= recipients + MAILBOXES_ADDED_MAX
    }

    /// Counts the next piece of the message, and looks for what its header lacks.
    ///
    /// # Errors
    /// With it the message is longer than `size_max` octets, or has come round too often. Which of them it was first
    /// does not depend on how it was cut.
    pub(super) fn take(&mut self, text: &[u8], size_max: u64) -> Result<(), Reply> {
        let room = usize::try_from(size_max.saturating_sub(self.size)).unwrap_or(usize::MAX);
        let stored = self.missing.read(&text[..text.len().min(room)]);
        self.hops.read(stored);
        self.size += text.len() as u64;
        if self.hops.are_too_many() {
            return Err(reply::MAIL_LOOP);
        }
        if text.len() > room {
            return Err(reply::TOO_LARGE);
        }
        Ok(())
    }
}

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
        if !self.offers(&hello, &parameters) {
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
        };
        let transaction = Transaction {
            envelope,
            declared_size: parameters.size.unwrap_or_default(),
            id: None,
            mailboxes: 0,
            mailboxes_to_make: 0,
            size: 0,
            hops: Hops::new(),
            missing: MissingFields::default(),
        };
        Event::CheckRoom(self.pool.place(transaction))
    }

    /// Whether MAIL may have these parameters. Those that ask for nothing are taken from anybody: SIZE and most of BODY say
    /// what the message is, `AUTH=<>` says nothing. There are clients that send them whatever is offered.
    fn offers(&self, hello: &Hello, parameters: &MailParameters) -> bool {
        // A message of this kind comes by BDAT, which belongs to EHLO.
        let is_binary = parameters.body == Some(Body::BinaryMime);
        let is_named = parameters.auth == Some(Submitter::Named);
        let asks = is_binary || is_named || parameters.smtputf8;
        (hello.extended || !asks) && (self.knows_auth() || !is_named)
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
        is_full: bool,
        out: &mut BytesMut,
    ) -> Event<'static> {
        let smtputf8 = self.envelope().is_some_and(|envelope| envelope.smtputf8);
        let address = match to {
            ForwardPath::Mailbox(mailbox) if !smtputf8 && !mailbox.is_ascii() => {
                return self.answer(reply::ADDRESS_NOT_ASCII, out);
            }
            ForwardPath::Mailbox(mailbox) if !self.policy.is_local(&mailbox) => {
                let refusal = match self.user() {
                    Some(_) => reply::NOT_SENT_ON,
                    None => reply::NOT_LOCAL,
                };
                return self.answer(refusal, out);
            }
            ForwardPath::Mailbox(mailbox) if self.policy.is_routed(&mailbox) => {
                return self.answer(reply::NOT_LOCAL, out);
            }
            ForwardPath::Mailbox(mailbox) => mailbox,
            ForwardPath::WithoutDomain(local_part) => return self.ask_for_domain(&local_part, out),
            // RFC 5321 §4.5.1: mail to the postmaster is always accepted.
            ForwardPath::Postmaster => match format!("postmaster@{}", self.policy.hostname).parse()
            {
                Ok(mailbox) => mailbox,
                Err(error) => return self.answer(Reply::from(error), out),
            },
        };
        if is_full {
            return self.answer(reply::TOO_MANY_RECIPIENTS, out);
        }
        match self.policy.directory.resolve(&address) {
            Ok(mailboxes) => Event::CheckRecipient(Recipient { address, mailboxes }),
            Err(NoSuchMailbox) => self.answer(reply::NO_SUCH_USER, out),
        }
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
        let status = self.extended().then_some(refusal.status);
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
        transaction.mailboxes += recipient.mailboxes.len();
        transaction.mailboxes_to_make += to_make;
        transaction.envelope.recipients.push(recipient);
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
