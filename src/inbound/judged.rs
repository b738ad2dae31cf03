//! Steps of a client that rules may have go otherwise, and those on which mail filters decide after that.

#[cfg(feature = "catch")]
use std::rc::Rc;

use crate::smtp::envelope::{Hello, QueueId, Recipient};
#[cfg(feature = "catch")]
use crate::smtp::faults::{FaultPlace, FaultRule};
use crate::smtp::login::LoginAttempt;
use crate::smtp::transaction::Transaction;

/// What a client has come to, as it goes on unless a rule has it otherwise.
pub(super) enum Judged {
    /// The greeting, of a client that may have talked before it.
    #[cfg(feature = "catch")]
    Greeting(bool),
    /// HELO, EHLO or LHLO.
    Hello(Hello),
    /// The end of a login.
    Login(Box<LoginAttempt>),
    /// MAIL.
    Sender(Box<Transaction>),
    /// RCPT.
    Recipient(Recipient),
    /// DATA, or the first BDAT.
    Message,
    /// The end of a message.
    End,
}

/// A step of a client that goes on once the filters let it, at once where there are none.
pub(super) enum ClientStep {
    /// The greeting, of a client that may have talked before it.
    Greeting(bool),
    /// HELO, EHLO or LHLO.
    Hello(Hello),
    /// MAIL.
    Sender(Box<Transaction>),
    /// RCPT, for which so many mailboxes may have to be made.
    Recipient(Recipient, usize),
    /// DATA, or the first BDAT, with the name of the message if the store has opened it.
    Message(Option<QueueId>),
    /// The end of a message.
    End,
    /// A command that is none, with its line end.
    #[cfg(feature = "milter")]
    Unknown(Box<[u8]>),
}

#[cfg(feature = "catch")]
impl Judged {
    /// Its place in the language of rules.
    pub(super) fn place(&self) -> FaultPlace {
        match self {
            Self::Greeting(_) => FaultPlace::Connect,
            Self::Hello(_) => FaultPlace::Hello,
            Self::Login(_) => FaultPlace::Auth,
            Self::Sender(_) => FaultPlace::Mail,
            Self::Recipient(_) => FaultPlace::Rcpt,
            Self::Message => FaultPlace::Data,
            Self::End => FaultPlace::End,
        }
    }
}

/// What rules have decided on a connection, of which most never own any.
#[cfg(feature = "catch")]
#[derive(Default)]
pub(super) struct Faults(pub(super) Option<Box<Decided>>);

#[cfg(feature = "catch")]
#[derive(Default)]
pub(super) struct Decided {
    /// What is delayed, with the rule that does.
    pub(super) delayed: Option<(Rc<FaultRule>, Judged)>,
    /// The rule by which nothing of the session is kept from here on.
    pub(super) drops_session: Option<Rc<FaultRule>>,
    /// The rule by which nothing is kept of the present transaction.
    pub(super) drops_message: Option<Rc<FaultRule>>,
    /// The rule by which nothing is kept for some recipients.
    pub(super) drops_recipient: Option<Rc<FaultRule>>,
    /// The places among the recipients of those for whom nothing is kept.
    pub(super) dropped_recipients: Vec<usize>,
}

#[cfg(feature = "catch")]
impl Faults {
    /// The place among the recipients of those for whom nothing is kept.
    pub(super) fn dropped_recipients(&self) -> &[usize] {
        self.0
            .as_ref()
            .map_or(&[], |decided| &decided.dropped_recipients)
    }

    /// Whether something is delayed.
    pub(super) fn is_delayed(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|decided| decided.delayed.is_some())
    }

    /// What is delayed, with the rule that does.
    pub(super) fn take_delayed(&mut self) -> Option<(Rc<FaultRule>, Judged)> {
        self.0.as_mut()?.delayed.take()
    }

    /// A transaction begins, of which no rule has decided yet.
    pub(super) fn begin_transaction(&mut self) {
        if let Some(decided) = &mut self.0 {
            decided.drops_message = None;
            decided.dropped_recipients.clear();
        }
    }

    /// The rule by which a message for so many recipients is not kept.
    pub(super) fn dropping(&self, recipients: usize) -> Option<&Rc<FaultRule>> {
        let decided = self.0.as_ref()?;
        let all_are_dropped = decided.dropped_recipients.len() == recipients;
        let for_each = decided.drops_recipient.as_ref().filter(|_| all_are_dropped);
        let whole = decided.drops_message.as_ref();
        whole.or(for_each).or(decided.drops_session.as_ref())
    }
}
