//! The second reading: what both sides said.

use std::io::{self, Write};

use super::facts::Facts;
use super::put_line;
use crate::net::connections::TickStep;
use crate::net::epoch::Nanoseconds;
use crate::net::lifecycle::Lifecycle;
use crate::net::transport::Read;
use crate::observe::frame::{FilterFrame, Frame};
use crate::observe::outcome::VerdictCode;
use crate::trace::time::TraceTime;
use crate::trace::verdicts::{put_verdict, step_name};

/// Silence is told in so many milliseconds, and their multiples: a timer goes off a little late.
const SILENCE_MILLISECONDS: u64 = 100;
/// The most octets that nobody has looked at which are shown.
const UNUSED_BYTES_MAX: usize = 64 * 1024;
/// The text in front of a queue id.
const QUEUED_AS: &str = "queued as ";
/// The mechanism that is offered in TLS only, with a blank.
const IN_TLS_ONLY: &str = "SCRAM-SHA-256-PLUS ";

/// The steps of a dialogue as they are written.
pub(super) struct Steps<'a> {
    facts: &'a Facts,
    /// Octets before the greeting that were written already.
    early_left: usize,
    /// How often the server has spoken.
    said: usize,
    /// Whether the client has closed its side.
    is_eof: bool,
    has_ended: bool,
    /// The time at which somebody spoke last.
    last: Nanoseconds,
    /// The name of the step that filters were asked about last.
    asked: &'static str,
}

impl<'a> Steps<'a> {
    pub(super) fn new(facts: &'a Facts) -> Self {
        Self {
            facts,
            early_left: facts.early.len(),
            said: 0,
            is_eof: false,
            has_ended: false,
            last: 0,
            asked: "",
        }
    }

    pub(super) fn see(
        &mut self,
        frame: &Frame<'_>,
        time: TraceTime,
        position: u64,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        // Of what was said before TLS the greeting stays, which is not said again.
        let is_before_tls = self.facts.tls_from.is_some_and(|from| position < from);
        match *frame {
            Frame::Said { .. } if is_before_tls && self.said > 0 => self.said += 1,
            Frame::Said { octets, .. } => {
                self.said += 1;
                if self.said == self.facts.said {
                    self.put_unused(out)?;
                }
                if time.step == Some(TickStep::Expire) {
                    self.put_silence(time.now, out)?;
                }
                self.last = time.now;
                for line in octets.split_inclusive(|octet| *octet == b'\n') {
                    put_reply(line, self.facts.tls_from.is_some(), out)?;
                }
            }
            Frame::Used { octets, .. } if !is_before_tls || self.said == 0 => {
                self.last = time.now;
                let early = self.early_left.min(octets.len());
                self.early_left -= early;
                for line in octets[early..].split_inclusive(|octet| *octet == b'\n') {
                    put_line(b'C', line, b"\r\n", out)?;
                }
            }
            Frame::Read { result: Ok(0), .. }
            | Frame::TlsRead {
                result: Ok(Read::Eof),
                ..
            } => {
                self.is_eof = true;
            }
            Frame::Drain {} if !self.has_ended => {
                out.write_all(b"# The server is told to end.\n")?;
            }
            Frame::Filter {
                frame: FilterFrame::Asked { step, .. },
            } => self.asked = step_name(step),
            Frame::Filter {
                frame: FilterFrame::Decided { verdict, .. },
            } => self.put_verdict(verdict, out)?,
            Frame::Entered { stage, .. } => self.enter(stage, out)?,
            _ => {}
        }
        Ok(())
    }

    /// Writes what filters have decided, unless the step goes on as without them.
    fn put_verdict(&self, verdict: VerdictCode<'_>, out: &mut dyn Write) -> io::Result<()> {
        let goes_on = match verdict {
            VerdictCode::Pass(_) => true,
            VerdictCode::Store(message) => {
                message.header.is_none()
                    && message.envelope.is_empty()
                    && message.quarantine.is_none()
            }
            VerdictCode::Refuse(_) | VerdictCode::Discard => false,
        };
        if goes_on {
            return Ok(());
        }
        let mut line = format!("# By its filters {} is ", self.asked).into_bytes();
        put_verdict(verdict, &mut line);
        line.extend_from_slice(b".\n");
        out.write_all(&line)
    }

    /// Writes the octets that were never used. The server has met them before it said its last word.
    fn put_unused(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut unused = self.facts.left.clone();
        unused.resize(self.facts.unused.min(UNUSED_BYTES_MAX), b'x');
        match unused[..] {
            [] => Ok(()),
            _ => put_line(b'C', &unused, b"\r\n", out),
        }
    }

    /// Writes that the server was silent before it spoke by itself.
    fn put_silence(&self, now: Nanoseconds, out: &mut dyn Write) -> io::Result<()> {
        let milliseconds = (now - self.last) / 1_000_000;
        match milliseconds / SILENCE_MILLISECONDS * SILENCE_MILLISECONDS {
            0 => Ok(()),
            silence => writeln!(out, "after: {silence}"),
        }
    }

    fn enter(&mut self, stage: Lifecycle, out: &mut dyn Write) -> io::Result<()> {
        if self.has_ended {
            return Ok(());
        }
        match stage {
            Lifecycle::Closing(_) if !self.is_eof => out.write_all(b"closed\n")?,
            Lifecycle::Closing(_) => out.write_all(b"# The client closes.\n")?,
            Lifecycle::Closed => out.write_all(b"# The connection fails.\n")?,
            _ => return Ok(()),
        }
        self.has_ended = true;
        Ok(())
    }

    /// Writes that the connection has no end in the record, if so.
    pub(super) fn end(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.has_ended {
            return Ok(());
        }
        out.write_all(b"# The record ends.\n")
    }
}

/// Writes a line of the server, with a mark in place of a queue id. The file has it as it is, without escapes.
fn put_reply(line: &[u8], is_in_tls: bool, out: &mut dyn Write) -> io::Result<()> {
    let line = String::from_utf8_lossy(line.strip_suffix(b"\r\n").unwrap_or(line));
    let line = line.replace(|character: char| character.is_control(), "?");
    let line = match is_in_tls {
        true => line.replace(IN_TLS_ONLY, ""),
        false => line,
    };
    match line.rsplit_once(QUEUED_AS) {
        Some((before, _)) => writeln!(out, "S: {before}{QUEUED_AS}<id>"),
        None => writeln!(out, "S: {line}"),
    }
}
