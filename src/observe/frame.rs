//! The frames of a record: everything that came in to the loop, and everything that it decided, in the order in which it happened.
//!
//! Frames of three kinds make a record. *Inputs* drive a replay: the rules, time, events, newcomers. *Calls* with their results
//! stand where the loop made them, of a transport, a store, a login; a replay makes the same calls and gets the recorded
//! results. *Decisions* are compared: octets used and said, states, the end of a connection, the next wake.
//!
//! Times are nanoseconds since the start of the record; `at` is when something happened, since the start of the tick.

mod about;
mod client;
mod filter;
mod relay;
mod table;

pub use about::QueuedAs;
pub use client::ClientFrame;
pub use filter::FilterFrame;
pub use relay::{PlaceCode, RelayFrame, ReportCode, SpoolState};
use table::frames;

use super::codec::RecordValue;
use super::outcome::{AdmissionCode, ErrorCode, FailureCode, HandshakeCode, LoginCode};
use crate::inbound::Rejection;
use crate::net::channel::Readiness;
use crate::net::connections::TickStep;
use crate::net::driver::ConnectionId;
use crate::net::epoch::Nanoseconds;
use crate::net::lifecycle::Lifecycle;
use crate::net::link::HandshakeWork;
use crate::net::peer::PeerAddress;
use crate::net::probe::Content;
use crate::net::transport::Read;
use crate::smtp::mechanism::Mechanism;
use crate::smtp::service::Service;

frames! { Frame
    /// The record begins.
    1 Start {
        /// The version of the program.
        program: &'a str,
        /// Its command: `serve`, `send` or `load`.
        command: &'a str,
        /// The wall clock at the start, in seconds of the epoch.
        wall: u64,
        /// Whether the text of messages is kept.
        has_text: bool,
        /// Whether every connection is in the record, and not those of some peers only.
        is_whole: bool,
    }
    /// The rules, at the start and after each reload, as [`rules`](super::rules) writes them.
    2 Rules {
        /// The rules.
        rules: &'a [u8],
        /// Whether these are the users of before.
        same_users: bool,
    }
    /// A tick begins.
    3 Tick {
        /// Its number, counted from 1.
        number: u64,
        /// The time.
        now: Nanoseconds,
        /// The wall clock, in nanoseconds of the epoch.
        wall: u64,
    }
    /// An event of a connection.
    4 Event {
        /// The key of the connection.
        key: usize,
        /// The readiness.
        readiness: Readiness,
    }
    /// A drain was asked for.
    5 Drain {}
    /// A step of the tick begins.
    6 Step {
        /// The step.
        step: TickStep,
        at: Nanoseconds,
    }
    /// The steps of a tick are done.
    7 TickEnd {
        at: Nanoseconds,
        /// The instant at which connections want to be woken without an event.
        wake: Option<Nanoseconds>,
    }
    /// A connection was let in.
    8 Added {
        /// Its key.
        key: usize,
        /// Its id.
        connection: ConnectionId,
        /// The protocol of the listener.
        service: Service,
        /// The peer.
        peer: PeerAddress,
        /// Whether a short read drains its transport.
        short_read_drains: bool,
    }
    /// A connection was refused.
    9 Refused {
        /// Its id.
        connection: ConnectionId,
        /// The protocol of the listener.
        service: Service,
        /// The peer.
        peer: PeerAddress,
        /// Why.
        why: Rejection,
        /// Whether a short read drains its transport.
        short_read_drains: bool,
    }
    /// The record ends, and says so.
    10 End {
        /// When, since the start of the last tick.
        at: Nanoseconds,
    }
    /// A transport was read in the clear.
    16 Read {
        connection: ConnectionId,
        at: Nanoseconds,
        /// The number of octets, 0 at the end, or the error.
        result: Result<usize, ErrorCode>,
    }
    /// A transport was written in the clear.
    17 Write {
        connection: ConnectionId,
        at: Nanoseconds,
        /// The number of octets that were offered.
        offered: usize,
        /// The checksum of these octets, unless they hold a part of a login or hidden text.
        crc: Option<u32>,
        /// Whether these may travel with the end of the stream.
        is_last: bool,
        /// The number of octets that were taken, or the error.
        result: Result<usize, ErrorCode>,
    }
    /// The output of a transport was ended.
    18 ShutdownWrite {
        connection: ConnectionId,
        /// The result.
        result: Result<(), ErrorCode>,
    }
    /// TLS was begun.
    19 TlsStarted {
        connection: ConnectionId,
        /// The result.
        result: Result<(), ErrorCode>,
        /// Octets of ciphertext, and of what was unsent before, that wait for room.
        held: usize,
    }
    /// The handshake of TLS has gone on.
    20 Handshake {
        connection: ConnectionId,
        at: Nanoseconds,
        /// The cost.
        work: HandshakeWork,
        /// The result.
        result: Result<HandshakeCode<'a>, ErrorCode>,
        /// Octets of ciphertext that wait for room.
        held: usize,
    }
    /// Text was read by TLS.
    21 TlsRead {
        connection: ConnectionId,
        at: Nanoseconds,
        /// The result.
        result: Result<Read, ErrorCode>,
        /// Octets of ciphertext that wait for room.
        held: usize,
    }
    /// Text was encrypted by TLS.
    22 TlsWrite {
        connection: ConnectionId,
        at: Nanoseconds,
        /// The number of octets that were offered.
        offered: usize,
        /// The checksum of these octets, unless they hold a part of a login or hidden text.
        crc: Option<u32>,
        /// The number of octets that were taken, or the error.
        result: Result<usize, ErrorCode>,
        /// Octets of ciphertext that wait for room.
        held: usize,
    }
    /// Ciphertext was written.
    23 TlsFlush {
        connection: ConnectionId,
        at: Nanoseconds,
        /// The result.
        result: Result<(), ErrorCode>,
        /// Octets of ciphertext that still wait for room.
        held: usize,
    }
    /// The close_notify alert of TLS was held for sending.
    24 CloseNotify {
        connection: ConnectionId,
        /// The result.
        result: Result<(), ErrorCode>,
        /// Octets of ciphertext that wait for room.
        held: usize,
    }
    /// A driver used octets of its input.
    32 Used {
        connection: ConnectionId,
        /// The kind of the octets.
        content: Content,
        /// The octets, masked as their kind wants it.
        octets: &'a [u8],
    }
    /// A driver looked at octets and left them.
    33 Left {
        connection: ConnectionId,
        /// As many as matter.
        octets: &'a [u8],
    }
    /// A driver appended octets to its output.
    34 Said {
        connection: ConnectionId,
        /// The octets, challenges of logins masked.
        octets: &'a [u8],
    }
    /// The protocol went on to another state.
    35 State {
        connection: ConnectionId,
        /// The name of the state.
        name: &'a str,
    }
    /// A connection went on to another stage of its life.
    36 Entered {
        connection: ConnectionId,
        /// The stage.
        stage: Lifecycle,
    }
    /// A connection was removed.
    37 Closed {
        connection: ConnectionId,
        /// Why.
        reason: &'a str,
        /// Octets read.
        bytes_in: u64,
        /// Octets written.
        bytes_out: u64,
    }
    /// A turn of a connection begins.
    38 Turn {
        connection: ConnectionId,
        at: Nanoseconds,
        /// Whether there was work left of the tick's.
        has_work: bool,
        /// Iterations of key derivation and handshakes that could be done.
        iterations: u32,
    }
    /// A login begins.
    48 LoginBegun {
        connection: ConnectionId,
        /// The mechanism.
        mechanism: Mechanism,
    }
    /// A login took a response of so many octets.
    49 LoginResponse {
        connection: ConnectionId,
        /// Octets of the response, which itself is in no record.
        octets: usize,
        /// Whether it needs iterations of key derivation now.
        is_deriving: bool,
    }
    /// A login said what it wants next.
    50 LoginProgress {
        connection: ConnectionId,
        /// Its next need.
        progress: LoginCode<'a>,
    }
    /// A login was given iterations of key derivation.
    51 KeyDerived {
        connection: ConnectionId,
        /// The iterations that it used.
        iterations: u32,
        /// Whether it needs more.
        is_deriving: bool,
    }
    /// A reload asked whether a user who has logged in is still there.
    52 UserLookedUp {
        connection: ConnectionId,
        /// The answer.
        is_there: bool,
    }
    /// The store was asked for room.
    64 Admit {
        connection: ConnectionId,
        /// Octets that the client declared.
        declared: u64,
        /// The result: mailboxes to make, or the ticket of the answer.
        result: AdmissionCode<'a>,
    }
    /// The store was asked about a recipient.
    65 Check {
        connection: ConnectionId,
        /// The recipient.
        recipient: &'a str,
        /// Mailboxes that may have to be made for the recipients before.
        to_make: usize,
        /// The result: mailboxes to make, or the ticket of the answer.
        result: AdmissionCode<'a>,
    }
    /// A message was opened in the store.
    66 Begin {
        connection: ConnectionId,
        /// The reverse-path.
        from: &'a str,
        /// The number of recipients.
        recipients: usize,
        /// The queue id and the number of the draft, or the failure.
        result: Result<QueuedAs<'a>, FailureCode<'a>>,
    }
    /// Text was appended to a message.
    67 Text {
        connection: ConnectionId,
        /// The number of the draft.
        draft: usize,
        /// The number of octets.
        octets: usize,
        /// The checksum of the text, where text is kept.
        crc: Option<u32>,
        /// The result.
        result: Result<(), FailureCode<'a>>,
    }
    /// A message was dropped.
    68 Abort {
        connection: ConnectionId,
        /// The number of the draft.
        draft: usize,
    }
    /// A complete message was handed over.
    69 Submit {
        connection: ConnectionId,
        /// The number of the draft.
        draft: usize,
        /// The ticket for its outcome.
        ticket: u64,
    }
    /// The store settled a message, in a commit.
    70 Settled {
        /// The ticket.
        ticket: u64,
        /// The number of recipients that have an outcome each, which follow; `None` if it is stored for all.
        each: Option<usize>,
    }
    /// The outcome of a message for all, or for the next of its recipients.
    71 Delivered {
        /// The result.
        result: Result<(), FailureCode<'a>>,
    }
    /// The store has settled all that it has to in this commit.
    72 Committed {}
    /// The store answered a question.
    73 Answered {
        /// The ticket of the question.
        ticket: u64,
        /// Mailboxes to make, or the failure.
        result: Result<usize, FailureCode<'a>>,
    }
    /// The store takes no more text for now, or takes text again.
    74 Congested {
        /// Whether it takes none.
        is_congested: bool,
    }
    /// A rule decided on what a connection had come to.
    75 Decided {
        connection: ConnectionId,
        /// The rule, as it was written.
        rule: &'a str,
    }
    /// A message without text was given another envelope.
    76 Readdress {
        connection: ConnectionId,
        /// The number of the draft.
        draft: usize,
        /// The reverse-path.
        from: &'a str,
        /// The number of recipients.
        recipients: usize,
        /// The new queue id if there is one, or the failure.
        result: Result<Option<&'a str>, FailureCode<'a>>,
    }
    /// A frame of a client.
    80 Client {
        frame: ClientFrame<'a>,
    }
    /// A frame of mail that is sent on.
    81 Relay {
        frame: RelayFrame<'a>,
    }
    /// A frame of mail filters.
    82 Filter {
        frame: FilterFrame<'a>,
    }
}
