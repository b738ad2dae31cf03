//! The dialogue as a person reads it: each line behind `C: ` or `S: `.

use std::io;

use memchr::memchr_iter;

use crate::net::endpoint::Endpoint;
use crate::smtp::client::{Printable, ServerReply};

/// What is shown in place of a secret.
const MASK: &str = "***";

/// Writes down what was said, if anybody wants to read it, or else only what came of it.
pub(super) struct Transcript<'a> {
    reader: &'a mut dyn io::Write,
    is_whole: bool,
    /// The start of a line that is not sent to its end yet.
    line: Vec<u8>,
}

impl<'a> Transcript<'a> {
    pub(super) fn new(reader: &'a mut dyn io::Write, is_whole: bool) -> Self {
        let line = Vec::new();
        Self {
            reader,
            is_whole,
            line,
        }
    }

    /// The message was accepted by `server` with this reply. Of a whole dialogue it is the last word anyway.
    pub(super) fn accepted(&mut self, server: &Endpoint, reply: &ServerReply) {
        if !self.is_whole {
            // It is accepted whether or not anybody hears of it: a failure would only have it sent again.
            let _ = writeln!(self.reader, "{server} accepted the message: {reply}");
        }
    }

    /// The client said `bytes`, of which no response is shown where they are secret.
    pub(super) fn sent(&mut self, bytes: &[u8], are_secret: bool) -> io::Result<()> {
        if !self.is_whole {
            return Ok(());
        }
        let reader = &mut *self.reader;
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.line.extend_from_slice(part);
            if let Some(line) = self.line.strip_suffix(b"\r\n") {
                let (shown, mask) = match line {
                    line if are_secret => split_at_secret(line),
                    line => (line, ""),
                };
                reader.write_all(if line.is_empty() { b"C:" } else { b"C: " })?;
                reader.write_all(shown)?;
                writeln!(reader, "{mask}")?;
                self.line.clear();
            }
        }
        Ok(())
    }

    /// The server said `reply`. A challenge is not shown: with it, who sees this could try passwords.
    pub(super) fn received(&mut self, reply: &ServerReply) -> io::Result<()> {
        const CHALLENGE: u16 = 334;
        if !self.is_whole {
            return Ok(());
        }
        let reader = &mut *self.reader;
        for line in reply.lines() {
            match line.get(..4) {
                Some(code) if reply.code() == CHALLENGE && line.len() > code.len() => {
                    writeln!(reader, "S: {}{MASK}", Printable(code))?;
                }
                _ => writeln!(reader, "S: {}", Printable(line))?,
            }
        }
        reader.flush()
    }
}

/// What may be shown of a line that belongs to a login, and what stands for the rest (RFC 4954 §4): the command with its
/// mechanism, the empty response, and the one that gives up.
fn split_at_secret(line: &[u8]) -> (&[u8], &'static str) {
    let mut spaces = memchr_iter(b' ', line);
    match (line.starts_with(b"AUTH "), spaces.nth(1)) {
        (true, Some(second)) => (&line[..=second], MASK),
        (true, None) => (line, ""),
        (false, _) if line.is_empty() || line == b"*" => (line, ""),
        (false, _) => (b"", MASK),
    }
}
