//! Events by which a client's session tells its driver what to do.

use super::reply::ServerReply;

/// The outcome of [`ClientSession::next`](super::ClientSession::next). Each but `NeedInput` stands for one
/// [reply](super::ClientSession::reply).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// No reply is complete yet; all input was taken.
    NeedInput,
    /// A step was made; the next command, if it is due, was written.
    Replied,
    /// Begin TLS, for which the server waits; once that is there say [so](super::ClientSession::secured).
    StartTls,
    /// The session cannot go on as it has to; [quit](super::ClientSession::quit).
    Unacceptable(ClientFault),
    /// The server is ready for a message: [begin](super::ClientSession::begin) one, or [quit](super::ClientSession::quit).
    Ready,
    /// The server waits for the message: stream it with its end line, then say [so](super::ClientSession::message_sent).
    SendMessage,
    /// The message was accepted for all recipients but those in the [refusals](super::ClientSession::refusals).
    /// Begin another, or quit.
    Accepted,
    /// The message was refused, as the [refusals](super::ClientSession::refusals) tell. Begin
    /// another, or quit.
    Refused,
    /// The session is over. If no message was decided yet, the [refusals](super::ClientSession::refusals) say why.
    Closed,
}

/// Why a session cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientFault {
    /// The server does not offer STARTTLS.
    NoStartTls,
    /// The server offers no login that is known here.
    NoLogin,
    /// The logins that the server offers would tell the password to anybody who listens.
    InTheClear,
    /// A login was answered by what is no part of it.
    BadChallenge,
    /// The server did not show that it knows the password, as one that takes it can.
    Impostor,
    /// There is nothing random to be had.
    NoRandomness,
    /// The server has refused a step, as the [refusals](super::ClientSession::refusals) tell.
    Refused,
}

/// The subject of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The session: to talk at all, or any further.
    Session,
    /// The beginning of TLS.
    StartTls,
    /// The login: to believe who we say we are.
    Login,
    /// The sender, by its reply to MAIL.
    Sender,
    /// The recipient at this place of [`Outgoing::to`](super::Outgoing::to), by its reply to RCPT.
    Recipient(usize),
    /// The message, by its reply to DATA or to the message itself.
    Message,
    /// The message for the recipient at this place of [`Outgoing::to`](super::Outgoing::to), by the reply for it alone that LMTP
    /// has (RFC 2033 §4.2).
    Stored(usize),
}

/// One refusal: what, and in which words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its subject.
    pub subject: Subject,
    /// The 4yz or 5yz reply.
    pub reply: ServerReply,
}

/// The message has more octets than the server takes, as its SIZE tells (RFC 1870 §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge {
    /// The most octets that it takes.
    pub limit: u64,
}

/// A reason for which a server does not take a message, known from its reply to EHLO before anything is said of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// It has more octets than the server takes.
    TooLarge(TooLarge),
    /// It may only go to servers with SMTPUTF8, which this one does not offer (RFC 6531 §3.1).
    NoSmtpUtf8,
    /// It is no lines but octets, and the server does not offer BINARYMIME and CHUNKING (RFC 3030 §3).
    NoBinaryMime,
}
