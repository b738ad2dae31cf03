//! How long a server may be silent (RFC 5321 §4.5.3.2), and how long a connection is kept.

use std::time::Duration;

use crate::smtp::client::Awaited;

/// The time for a step of the session.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// The time for the reply to DATA.
const GO_AHEAD_TIMEOUT: Duration = Duration::from_secs(2 * 60);
/// The time for the server to take 64 KiB of text.
const BLOCK_TIMEOUT: Duration = Duration::from_secs(3 * 60);
/// The time for the reply to the final dot. A message whose reply is not waited for is sent twice (RFC 1047).
const STORED_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// The time for the handshake of TLS.
pub(super) const HANDSHAKE_TIMEOUT: Duration = COMMAND_TIMEOUT;
/// The time that a connection with nothing to do is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);
/// The time after which a connection begins no other delivery. A limit on their number would give the slowest server the most
/// connections.
pub(super) const USE_TIME_MAX: Duration = Duration::from_secs(300);

/// The time for what is awaited.
pub(super) fn timeout(awaited: Awaited) -> Duration {
    match awaited {
        Awaited::Nothing => IDLE_TIMEOUT,
        Awaited::Greeting
        | Awaited::Hello
        | Awaited::Tls
        | Awaited::Login
        | Awaited::Sender
        | Awaited::Recipient
        | Awaited::Goodbye => COMMAND_TIMEOUT,
        Awaited::GoAhead => GO_AHEAD_TIMEOUT,
        Awaited::Message => BLOCK_TIMEOUT,
        Awaited::Stored => STORED_TIMEOUT,
    }
}

/// What was under way when a server was lost, for a person.
pub(super) fn activity(awaited: Awaited) -> &'static str {
    match awaited {
        Awaited::Nothing | Awaited::Goodbye => "between messages",
        Awaited::Greeting => "before its greeting",
        Awaited::Hello => "before its reply to our greeting",
        Awaited::Tls => "before TLS",
        Awaited::Login => "during the login",
        Awaited::Sender => "before its reply to MAIL",
        Awaited::Recipient => "before its reply to RCPT",
        Awaited::GoAhead => "before its reply to DATA",
        Awaited::Message => "amid the message",
        Awaited::Stored => "before its reply to the message",
    }
}
