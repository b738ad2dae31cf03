//! Replies: a code, an enhanced status code for those who asked for such, and a text (RFC 5321 §4.2, RFC 2034).

use core::fmt::{self, Write};
use core::ops::Deref;

use bytes::BytesMut;

use super::data::Bare;
use super::path::PathError;

/// One reply whose text is always the same. It is as small as a pointer, since sessions hold on to some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply(&'static Parts);

/// The parts of a reply.
#[derive(Debug, PartialEq, Eq)]
pub struct Parts {
    /// The three digits.
    pub code: u16,
    /// The enhanced status code (RFC 3463).
    pub status: &'static str,
    /// The text for a person.
    pub text: &'static str,
    /// The reply as it goes over the wire, without the enhanced status code and with it: most of what is ever said is
    /// only copied.
    basic: &'static str,
    enhanced: &'static str,
}

macro_rules! replies {
    ($($name:ident = $code:literal $status:literal $text:literal;)*) => {
        $(
            #[doc = concat!("`", $code, " ", $status, " ", $text, "`")]
            pub const $name: Reply = Reply(&Parts {
                code: $code,
                status: $status,
                text: $text,
                basic: concat!($code, " ", $text, "\r\n"),
                enhanced: concat!($code, " ", $status, " ", $text, "\r\n"),
            });
        )*
    };
}

replies! {
    OK                    = 250 "2.0.0" "Ok";
    SENDER_OK             = 250 "2.1.0" "Ok";
    RECIPIENT_OK          = 250 "2.1.5" "Ok";
    CANNOT_VERIFY         = 252 "2.1.5" "Send some mail, I'll try my best";
    READY_FOR_TLS         = 220 "2.0.0" "Ready to start TLS";
    BYE                   = 221 "2.0.0" "Bye";
    LOGGED_IN             = 235 "2.7.0" "Authentication successful";

    SHUTTING_DOWN         = 421 "4.3.2" "Service shutting down, try again later";
    TOO_MANY_CONNECTIONS  = 421 "4.3.2" "Too many connections, try again later";
    STORE_LOST            = 421 "4.3.2" "Service not available: the store cannot be reached, try again later";
    TOO_MANY_ERRORS       = 421 "4.7.0" "Error: too many errors";
    TOO_MANY_MESSAGES     = 421 "4.7.0" "Error: too many messages in one session";
    USER_RATE             = 450 "4.7.1" "Error: too many recipients in an hour, try again later";
    STORE_FAILED          = 451 "4.3.0" "Error: cannot store the message, try again later";
    CANNOT_LOG_IN         = 454 "4.7.0" "Temporary authentication failure";
    MAILBOX_LIMIT         = 452 "4.2.2" "Error: no more mailboxes are created here";
    STORE_FULL            = 452 "4.3.1" "Error: insufficient system storage";
    QUEUE_FULL            = 452 "4.3.1" "Error: the queue of mail for elsewhere is full, try again later";
    TOO_MANY_RECIPIENTS   = 452 "4.5.3" "Error: too many recipients";
    TLS_UNAVAILABLE       = 454 "4.7.0" "Error: TLS not available now, try again later";

    UNKNOWN_COMMAND       = 500 "5.5.1" "Error: command not recognized";
    LINE_TOO_LONG         = 500 "5.5.2" "Error: line too long";
    LINE_MALFORMED        = 500 "5.5.2" "Error: a line ends in CRLF and holds no other CR, LF or NUL";
    RESPONSE_TOO_LONG     = 500 "5.5.6" "Error: authentication exchange line is too long";
    BAD_ADDRESS           = 501 "5.1.3" "Error: address too long or without a mailbox name";
    DOMAIN_MISSING        = 501 "5.1.3" "Domain missing";
    BAD_SENDER            = 501 "5.1.7" "Error: address too long";
    BAD_HELLO             = 501 "5.5.2" "Error: a domain name or address literal is needed";
    BAD_RESPONSE          = 501 "5.5.2" "Error: this is not what the mechanism has here, in base64";
    BAD_ARGUMENT          = 501 "5.5.4" "Error: syntax error in argument";
    LOGIN_CANCELLED       = 501 "5.7.0" "Authentication cancelled";
    COMMAND_NOT_OFFERED   = 502 "5.5.1" "Error: command not implemented";
    UNWELCOME             = 503 "5.5.1" "Error: no service, send QUIT";
    HELLO_FIRST           = 503 "5.5.1" "Error: send HELO or EHLO first";
    LHLO_FIRST            = 503 "5.5.1" "Error: send LHLO first";
    IN_TRANSACTION        = 503 "5.5.1" "Error: a mail transaction is under way";
    TLS_ACTIVE            = 503 "5.5.1" "Error: TLS is active already";
    LOGGED_IN_ALREADY     = 503 "5.5.1" "Error: already authenticated";
    NESTED_MAIL           = 503 "5.5.1" "Error: nested MAIL command";
    MAIL_FIRST            = 503 "5.5.1" "Error: need MAIL command";
    RECIPIENT_FIRST       = 503 "5.5.1" "Error: need RCPT command";
    CHUNKS_BEGUN          = 503 "5.5.1" "Error: this message comes by BDAT";
    BINARY_BY_DATA        = 503 "5.5.1" "Error: a message with BODY=BINARYMIME needs BDAT";
    UNKNOWN_MECHANISM     = 504 "5.5.4" "Error: unknown authentication mechanism";
    TLS_FIRST             = 530 "5.7.0" "Must issue a STARTTLS command first";
    LOGIN_FIRST           = 530 "5.7.0" "Authentication required";
    LOGIN_REFUSED         = 535 "5.7.8" "Error: authentication failed";
    ENCRYPTION_FIRST      = 538 "5.7.11" "Encryption required for requested authentication mechanism";
    NO_SUCH_USER          = 550 "5.1.1" "No such user here";
    NOT_LOCAL             = 550 "5.7.1" "Relay not permitted";
    NOT_SENT_ON           = 550 "5.7.1" "Relay not permitted: this server delivers to its own domains and sends nothing on";
    NO_ROUTE              = 550 "5.7.1" "Relay not permitted: no route of this server leads to that domain";
    BARE_LF               = 550 "5.6.0" "Bare <LF>";
    BARE_CR               = 550 "5.6.0" "Bare <CR>";
    TOO_LARGE             = 552 "5.3.4" "Error: message exceeds the size limit";
    ADDRESS_NOT_ASCII     = 553 "5.6.7" "Error: a non-ASCII address needs SMTPUTF8, and to be valid UTF-8";
    SENDER_NOT_OWNED      = 553 "5.7.1" "Sender address is not yours";
    WRONG_PROTOCOL        = 554 "5.5.1" "Error: this is an SMTP server";
    MAIL_LOOP             = 554 "5.4.6" "Error: too many hops, this message goes round in a loop";
    EARLY_TALKER          = 554 "5.5.1" "Error: you talk before it is your turn";
    UNKNOWN_PARAMETER     = 555 "5.5.4" "Error: unsupported parameter";
}

/// What stands for the reply of a [rule](super::faults) wherever a session holds on to one: it is told with the text of the rule.
#[cfg(feature = "catch")]
pub const BY_RULE: Reply = Reply(&Parts {
    code: 451,
    status: "4.7.1",
    text: "Refused by a rule",
    basic: "451 Refused by a rule\r\n",
    enhanced: "451 4.7.1 Refused by a rule\r\n",
});

/// What stands for the reply of a mail filter wherever a session holds on to one: it is told with the text of the filter.
#[cfg(feature = "milter")]
pub const BY_FILTER: Reply = Reply(&Parts {
    code: 451,
    status: "4.7.1",
    text: "Refused by a filter",
    basic: "451 Refused by a filter\r\n",
    enhanced: "451 4.7.1 Refused by a filter\r\n",
});

/// A reply that is not of our making, as that of a mail filter: it is given as it is, also without an enhanced status code.
#[cfg(feature = "milter")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenReply {
    /// The three digits with which each line begins.
    pub code: u16,
    /// The lines, each of which ends in CRLF.
    pub lines: Box<[u8]>,
}

#[cfg(feature = "milter")]
impl GivenReply {
    /// The code of a reply after which the connection is closed (RFC 5321 §3.8).
    const CLOSING: u16 = 421;

    /// Whether it refuses for now, and the session goes on.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        self.code < 500 && !self.closes()
    }

    /// Whether the connection is closed after it.
    #[must_use]
    pub fn closes(&self) -> bool {
        self.code == Self::CLOSING
    }
}

impl Deref for Reply {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        self.0
    }
}

impl Reply {
    /// Whether it tells the client that its command was at fault: 5yz.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.code >= 500
    }

    /// Whether it refuses what was asked, for good or for now: 5yz or 4yz.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        self.code >= 400
    }

    /// Appends the reply to `out`, with its enhanced status code where that was `offered`.
    pub fn write(&self, out: &mut BytesMut, offered: bool) {
        let line = if offered { self.enhanced } else { self.basic };
        out.extend_from_slice(line.as_bytes());
    }
}

impl From<PathError> for Reply {
    fn from(error: PathError) -> Self {
        match error {
            PathError::Syntax => BAD_ARGUMENT,
            PathError::TooLong => BAD_ADDRESS,
            PathError::NonAscii => ADDRESS_NOT_ASCII,
        }
    }
}

impl From<Bare> for Reply {
    fn from(bare: Bare) -> Self {
        match bare {
            Bare::Lf => BARE_LF,
            Bare::Cr => BARE_CR,
        }
    }
}

/// Appends a reply of one line to `out`.
pub fn write_reply(out: &mut BytesMut, code: u16, status: Option<&str>, text: fmt::Arguments<'_>) {
    write_start(out, code, status);
    // Writing to a buffer that grows cannot fail.
    let _ = out.write_fmt(text);
    out.extend_from_slice(b"\r\n");
}

/// Appends a reply of one line whose text has these parts to `out`. What is said for each message is only copied.
pub(super) fn write_parts(out: &mut BytesMut, code: u16, status: Option<&str>, text: &[&[u8]]) {
    write_start(out, code, status);
    for part in text {
        out.extend_from_slice(part);
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends all of a reply that comes before its text.
fn write_start(out: &mut BytesMut, code: u16, status: Option<&str>) {
    let digit = |place: u16| b"0123456789"[usize::from(code / place % 10)];
    out.extend_from_slice(&[digit(100), digit(10), digit(1), b' ']);
    if let Some(status) = status {
        out.extend_from_slice(status.as_bytes());
        out.extend_from_slice(b" ");
    }
}
