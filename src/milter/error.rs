//! What a filter does that the protocol does not know, in words for the log.

use core::fmt;
use std::error::Error;

use super::commands::{
    ACCEPT, ADD_HEADER, ADD_RECIPIENT, ADD_RECIPIENT_ARGUMENTS, CHANGE_HEADER, CHANGE_SENDER,
    CONNECTION_FAIL, CONTINUE, CUSTOM_REPLY, DELETE_RECIPIENT, DISCARD, INSERT_HEADER, NEGOTIATE,
    PROGRESS, QUARANTINE, REJECT, REPLACE_BODY, SHUTDOWN, SKIP, StepKind, TEMPFAIL,
};

/// Why octets are not what a filter may say now. Nothing can be read after that: the connection is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MilterError {
    /// A packet has no octets, not even that of its command.
    EmptyPacket,
    /// A packet with this command is longer than any that is taken.
    PacketTooLong(u8),
    /// There is no such command.
    UnknownCommand(u8),
    /// A reply has other arguments than it should.
    Arguments(u8),
    /// A reply comes though nothing was asked that has one.
    Unasked(u8),
    /// A reply comes at a step that has no such reply.
    WrongStep(u8, StepKind),
    /// A reply comes whose use was not agreed on.
    NotAgreed(u8),
    /// The first packet is no answer to the negotiation.
    NoNegotiation(u8),
    /// The filter speaks this version only.
    Version(u32),
    /// The filter wants to do what was not offered: these bits.
    Actions(u32),
    /// The filter wants the protocol to be as was not offered: these bits.
    Protocol(u32),
    /// The filter asks for too many macros.
    MacroList,
    /// The reply for the client is none: a refusal, of one code, in lines that SMTP allows.
    CustomReply,
    /// More is to be changed than is taken of one filter.
    TooManyChanges,
}

impl fmt::Display for MilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = reply_name;
        match *self {
            Self::EmptyPacket => f.write_str("a packet is empty"),
            Self::PacketTooLong(command) => write!(f, "{} is too long", name(command)),
            Self::UnknownCommand(command) => write!(f, "there is no reply 0x{command:02x}"),
            Self::Arguments(command) => write!(f, "{} has wrong arguments", name(command)),
            Self::Unasked(command) => write!(f, "{} comes unasked", name(command)),
            Self::WrongStep(command, step) => {
                write!(f, "{} comes at {}", name(command), step.name())
            }
            Self::NotAgreed(command) => write!(f, "{} was not agreed on", name(command)),
            Self::NoNegotiation(command) => write!(f, "{} comes first", name(command)),
            Self::Version(version) => write!(f, "it speaks version {version}"),
            Self::Actions(bits) => write!(f, "it wants actions 0x{bits:x}, not offered"),
            Self::Protocol(bits) => write!(f, "it wants protocol 0x{bits:x}, not offered"),
            Self::MacroList => f.write_str("it asks for too many macros"),
            Self::CustomReply => f.write_str("its own reply is no refusal of SMTP"),
            Self::TooManyChanges => f.write_str("it changes too much"),
        }
    }
}

impl Error for MilterError {}

/// The name of a reply, in words.
#[must_use]
pub fn reply_name(command: u8) -> &'static str {
    match command {
        NEGOTIATE => "negotiation",
        ACCEPT => "accept",
        ADD_HEADER => "add header",
        ADD_RECIPIENT | ADD_RECIPIENT_ARGUMENTS => "add recipient",
        CHANGE_HEADER => "change header",
        CHANGE_SENDER => "change sender",
        CONNECTION_FAIL => "connection failure",
        CONTINUE => "continue",
        CUSTOM_REPLY => "own reply",
        DELETE_RECIPIENT => "delete recipient",
        DISCARD => "discard",
        INSERT_HEADER => "insert header",
        PROGRESS => "progress",
        QUARANTINE => "quarantine",
        REJECT => "reject",
        REPLACE_BODY => "replace body",
        SHUTDOWN => "shutdown",
        SKIP => "skip",
        TEMPFAIL => "tempfail",
        _ => "an unknown reply",
    }
}
