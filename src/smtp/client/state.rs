//! The states of a client's session.

use std::rc::Rc;

use super::event::{ClientFault, Subject};
use super::login::ClientLogin;
use super::transaction::{Handover, Outgoing};

/// The awaited reply, with what exists only until it comes.
#[derive(Debug)]
pub(super) enum ClientState {
    AwaitingGreeting,
    AwaitingHello {
        extended: bool,
    },
    AwaitingStartTls,
    /// TLS, which the driver begins.
    AwaitingTls,
    LoggingIn(Box<dyn ClientLogin>),
    /// The reply to a login that was given up for this.
    AwaitingLoginEnd(ClientFault),
    /// Nothing is left to be done but to quit.
    AtItsEnd,
    Ready,
    /// A message may begin, with RSET, since a transaction that came to nothing is still open.
    ReadyToReset,
    AwaitingReset(Rc<Outgoing>),
    AwaitingMail(Rc<Outgoing>),
    AwaitingRcpt(Handover),
    AwaitingData(Handover),
    SendingMessage(Handover),
    /// The reply to the message, or by LMTP those to each recipient that was accepted.
    AwaitingStored(Handover),
    /// The reply to a message that was left empty, as there is nobody to send it to.
    AwaitingNothing,
    AwaitingQuit,
    Closed,
}

/// What a client's session waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// Nothing: a message may begin, or the session is over.
    Nothing,
    /// The greeting.
    Greeting,
    /// The reply to EHLO, HELO or LHLO.
    Hello,
    /// The reply to STARTTLS, and then TLS.
    Tls,
    /// A reply of a login.
    Login,
    /// The reply to MAIL, or to RSET before it.
    Sender,
    /// The reply to a RCPT.
    Recipient,
    /// The reply to DATA.
    GoAhead,
    /// The message, which the driver sends.
    Message,
    /// The reply to the message.
    Stored,
    /// The reply to QUIT.
    Goodbye,
}

impl ClientState {
    /// The name of the state, for observers.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::AwaitingGreeting => "AwaitingGreeting",
            Self::AwaitingHello { .. } => "AwaitingHello",
            Self::AwaitingStartTls => "AwaitingStartTls",
            Self::AwaitingTls => "AwaitingTls",
            Self::LoggingIn(_) | Self::AwaitingLoginEnd(_) => "LoggingIn",
            Self::Ready | Self::ReadyToReset => "Ready",
            Self::AwaitingReset(_) => "AwaitingReset",
            Self::AwaitingMail(_) => "AwaitingMail",
            Self::AwaitingRcpt(_) => "AwaitingRcpt",
            Self::AwaitingData(_) => "AwaitingData",
            Self::SendingMessage(_) => "SendingMessage",
            Self::AwaitingStored(_) | Self::AwaitingNothing => "AwaitingStored",
            Self::AwaitingQuit => "AwaitingQuit",
            Self::AtItsEnd | Self::Closed => "Closed",
        }
    }

    pub(super) fn awaited(&self) -> Awaited {
        match self {
            Self::AwaitingGreeting => Awaited::Greeting,
            Self::AwaitingHello { .. } => Awaited::Hello,
            Self::AwaitingStartTls | Self::AwaitingTls => Awaited::Tls,
            Self::LoggingIn(_) | Self::AwaitingLoginEnd(_) => Awaited::Login,
            Self::Ready | Self::ReadyToReset | Self::AtItsEnd | Self::Closed => Awaited::Nothing,
            Self::AwaitingReset(_) | Self::AwaitingMail(_) => Awaited::Sender,
            Self::AwaitingRcpt(_) => Awaited::Recipient,
            Self::AwaitingData(_) => Awaited::GoAhead,
            Self::SendingMessage(_) => Awaited::Message,
            Self::AwaitingStored(_) | Self::AwaitingNothing => Awaited::Stored,
            Self::AwaitingQuit => Awaited::Goodbye,
        }
    }

    /// Whether no message could begin yet.
    pub(super) fn is_opening(&self) -> bool {
        matches!(
            self,
            Self::AwaitingGreeting
                | Self::AwaitingHello { .. }
                | Self::AwaitingStartTls
                | Self::LoggingIn(_)
                | Self::AwaitingLoginEnd(_)
        )
    }

    /// Whether the final dot is sent and its reply is not there, so that the next message may follow it.
    pub(super) fn is_behind_dot(&self) -> bool {
        matches!(self, Self::AwaitingStored(_) | Self::AwaitingNothing)
    }

    /// What the next reply is about.
    pub(super) fn subject(&self) -> Subject {
        match self {
            Self::AwaitingStartTls => Subject::StartTls,
            Self::LoggingIn(_) | Self::AwaitingLoginEnd(_) => Subject::Login,
            Self::AwaitingMail(_) => Subject::Sender,
            Self::AwaitingRcpt(transaction) => Subject::Recipient(transaction.answered),
            Self::AwaitingStored(transaction) => match transaction.next_stored() {
                Some(recipient) => Subject::Stored(recipient),
                None => Subject::Message,
            },
            Self::AwaitingData(_) | Self::SendingMessage(_) | Self::AwaitingNothing => {
                Subject::Message
            }
            _ => Subject::Session,
        }
    }
}
