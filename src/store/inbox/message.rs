//! A message of the inbox.

use std::cell::Cell;
use std::mem::size_of;
use std::time::SystemTime;

use bytes::Bytes;

use super::MessageTranscript;

/// The octets that a message takes beside what is counted: its places in two maps, and what an allocator adds.
const OVERHEAD_BYTES: usize = 320;
/// The octets that an address takes beside its text.
const ADDRESS_OVERHEAD_BYTES: usize = size_of::<String>() + 16;

/// A message as it came, with its envelope.
#[derive(Debug)]
pub struct CaughtMessage {
    /// The queue id, as the reply and the log name it.
    pub id: String,
    /// The position in the order in which messages came, from 1. The inbox gives it.
    pub number: u64,
    /// The time at which it was accepted.
    pub received: SystemTime,
    /// The name that the client gave with HELO or EHLO.
    pub hello: String,
    /// The address of the client.
    pub peer: String,
    /// The user who had logged in.
    pub user: Option<String>,
    /// The reverse-path, without its brackets; empty for `<>`.
    pub from: String,
    /// The forward-paths in the order of RCPT, without their brackets, also of those that no header field names (Bcc).
    pub to: Vec<String>,
    /// `Return-Path`, `Received` and the message as it was sent, lines ended by CRLF.
    pub text: Bytes,
    /// What was said when it came, where that is kept.
    pub transcript: Option<MessageTranscript>,
    /// Whether it was looked at.
    pub is_read: Cell<bool>,
}

impl CaughtMessage {
    /// The octets of memory that it takes, which do not change once it is in an inbox.
    #[must_use]
    pub fn memory(&self) -> usize {
        let to = self.to.iter();
        let to: usize = to.map(|to| to.len() + ADDRESS_OVERHEAD_BYTES).sum();
        let user = self.user.as_ref().map_or(0, String::len);
        let names = self.hello.len() + self.peer.len() + user + self.from.len();
        let transcript = self
            .transcript
            .as_ref()
            .map_or(0, MessageTranscript::memory);
        let fixed = size_of::<Self>() + OVERHEAD_BYTES + 2 * self.id.len();
        fixed + names + to + self.text.len() + transcript
    }
}
