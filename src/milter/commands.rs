//! The commands of packets: the steps that a filter is told, and its replies.

/// The kind of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// A client has connected.
    Connect,
    /// HELO or EHLO.
    Hello,
    /// MAIL.
    Mail,
    /// RCPT.
    Recipient,
    /// DATA, or the first BDAT.
    Data,
    /// A header field.
    Header,
    /// The empty line after the header.
    EndOfHeader,
    /// A part of the body.
    Body,
    /// The end of the message.
    EndOfMessage,
    /// A command that is unknown.
    Unknown,
    /// The transaction is given up.
    Abort,
    /// The next step is that of another client.
    QuitNewConnection,
    /// Nothing more comes.
    Quit,
}

impl StepKind {
    /// Its name for the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Hello => "HELO",
            Self::Mail => "MAIL",
            Self::Recipient => "RCPT",
            Self::Data => "DATA",
            Self::Header => "header",
            Self::EndOfHeader => "end of header",
            Self::Body => "body",
            Self::EndOfMessage => "end of message",
            Self::Unknown => "unknown command",
            Self::Abort => "abort",
            Self::QuitNewConnection => "new connection",
            Self::Quit => "quit",
        }
    }

    pub(super) fn command(self) -> u8 {
        match self {
            Self::Connect => b'C',
            Self::Hello => b'H',
            Self::Mail => b'M',
            Self::Recipient => b'R',
            Self::Data => b'T',
            Self::Header => b'L',
            Self::EndOfHeader => b'N',
            Self::Body => b'B',
            Self::EndOfMessage => b'E',
            Self::Unknown => b'U',
            Self::Abort => b'A',
            Self::QuitNewConnection => b'K',
            Self::Quit => b'Q',
        }
    }
}

pub(super) const NEGOTIATE: u8 = b'O';
pub(super) const MACROS: u8 = b'D';

pub(super) const ACCEPT: u8 = b'a';
pub(super) const ADD_HEADER: u8 = b'h';
pub(super) const ADD_RECIPIENT: u8 = b'+';
pub(super) const ADD_RECIPIENT_ARGUMENTS: u8 = b'2';
pub(super) const CHANGE_HEADER: u8 = b'm';
pub(super) const CHANGE_SENDER: u8 = b'e';
pub(super) const CONNECTION_FAIL: u8 = b'f';
pub(super) const CONTINUE: u8 = b'c';
pub(super) const CUSTOM_REPLY: u8 = b'y';
pub(super) const DELETE_RECIPIENT: u8 = b'-';
pub(super) const DISCARD: u8 = b'd';
pub(super) const INSERT_HEADER: u8 = b'i';
pub(super) const PROGRESS: u8 = b'p';
pub(super) const QUARANTINE: u8 = b'q';
pub(super) const REJECT: u8 = b'r';
pub(super) const REPLACE_BODY: u8 = b'b';
pub(super) const SHUTDOWN: u8 = b'4';
pub(super) const SKIP: u8 = b's';
pub(super) const TEMPFAIL: u8 = b't';

/// All that a filter may say.
pub(super) const REPLIES: &[u8] = &[
    NEGOTIATE,
    ACCEPT,
    ADD_HEADER,
    ADD_RECIPIENT,
    ADD_RECIPIENT_ARGUMENTS,
    CHANGE_HEADER,
    CHANGE_SENDER,
    CONNECTION_FAIL,
    CONTINUE,
    CUSTOM_REPLY,
    DELETE_RECIPIENT,
    DISCARD,
    INSERT_HEADER,
    PROGRESS,
    QUARANTINE,
    REJECT,
    REPLACE_BODY,
    SHUTDOWN,
    SKIP,
    TEMPFAIL,
];
