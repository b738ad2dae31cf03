//! A message that is to be handed over, and how far it has got with its recipients.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::smtp::dsn::{MessageDsn, RecipientDsn};
use crate::smtp::path::{Mailbox, ReversePath};

/// One message to hand over: its envelope, and what is declared of its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The address that failures are reported to.
    pub from: ReversePath,
    /// To whom it is to go.
    pub to: Vec<Mailbox>,
    /// Its octets, line ends counted in, dot-stuffing and end line not (RFC 1870 §5).
    pub size: u64,
    /// Whether it holds octets beyond ASCII (RFC 6152).
    pub eight_bit: bool,
    /// Parameters that few messages have.
    pub parameters: Option<Box<OutgoingParameters>>,
}

/// Parameters of a message that few have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutgoingParameters {
    /// Whether it is no lines but octets, which go by BDAT as they are (RFC 3030 §3).
    pub is_binary: bool,
    /// Whether only servers with SMTPUTF8 may have it (RFC 6531).
    pub smtputf8: bool,
    /// What is asked of reports on it, for a server that makes such (RFC 3461).
    pub dsn: Option<MessageDsn>,
    /// What is asked of reports on each recipient, in their order; those beyond the end ask nothing.
    pub recipients: Vec<Option<RecipientDsn>>,
}

impl Outgoing {
    /// Whether it goes by BDAT.
    pub(super) fn is_binary(&self) -> bool {
        self.parameters.as_ref().is_some_and(|it| it.is_binary)
    }
}

/// One message that is being offered to a server.
#[derive(Debug)]
pub(super) struct Handover {
    pub(super) mail: Rc<Outgoing>,
    /// The number of recipients that the server replied to.
    pub(super) answered: usize,
    /// The number of recipients that it accepted.
    pub(super) accepted: usize,
    /// Whether it has refused the sender, while the rest of a pipeline is yet to be answered.
    pub(super) is_without_sender: bool,
    /// By LMTP: the accepted recipients whose reply to the message is yet to come.
    to_be_stored: Option<VecDeque<usize>>,
    /// By LMTP: whether the message was stored for any recipient so far.
    pub(super) is_stored_for_any: bool,
}

impl Handover {
    /// No recipient was replied to. By LMTP there are replies to the message `for_each` recipient.
    pub(super) fn new(mail: Rc<Outgoing>, for_each: bool) -> Self {
        Self {
            mail,
            answered: 0,
            accepted: 0,
            is_without_sender: false,
            to_be_stored: for_each.then(VecDeque::new),
            is_stored_for_any: false,
        }
    }

    /// One more recipient was replied to.
    pub(super) fn answered(mut self, accepted: bool) -> Self {
        if accepted && let Some(recipients) = &mut self.to_be_stored {
            recipients.push_back(self.answered);
        }
        Self {
            answered: self.answered + 1,
            accepted: self.accepted + usize::from(accepted),
            ..self
        }
    }

    /// By LMTP: the recipient that the next reply to the message is for.
    pub(super) fn next_stored(&self) -> Option<usize> {
        self.to_be_stored.as_ref()?.front().copied()
    }

    /// One more recipient got its reply to the message; whether any are left.
    pub(super) fn stored(&mut self, is_stored: bool) -> bool {
        self.is_stored_for_any |= is_stored;
        let recipients = self.to_be_stored.get_or_insert_default();
        recipients.pop_front();
        !recipients.is_empty()
    }

    /// Whether there are replies to the message for each recipient.
    pub(super) fn is_for_each(&self) -> bool {
        self.to_be_stored.is_some()
    }
}
