//! A message that is to be handed over, and how far it has got with its recipients.

use std::rc::Rc;

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
}

/// One message that is being offered to a server.
#[derive(Debug)]
pub(super) struct Handover {
    pub(super) mail: Rc<Outgoing>,
    /// The number of recipients that the server replied to.
    pub(super) answered: usize,
    /// The number of recipients that it accepted.
    pub(super) accepted: usize,
}

impl Handover {
    pub(super) fn new(mail: Rc<Outgoing>) -> Self {
        Self {
            mail,
            answered: 0,
            accepted: 0,
        }
    }

    /// One more recipient was replied to.
    pub(super) fn answered(self, accepted: bool) -> Self {
        Self {
            answered: self.answered + 1,
            accepted: self.accepted + usize::from(accepted),
            ..self
        }
    }
}
