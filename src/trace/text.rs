//! A trace as text: a line for each event, in columns, for a person.
//!
//! ```text
//!     time/s  tick  conn  event
//!   0.012345     3     1  readable writable
//!   0.012410     3     -  serve
//!   0.012412     3     1  read 13 [0,13)
//!   0.012412     3     1  C: HELO client
//!   0.012412     3     1  S: 250 Hello client, pleased to meet you.
//! ```

mod client;
mod filter;
mod input;
mod protocol;
mod relay;

use core::fmt::Display;
use std::io::{self, Write};

use super::time::TraceTime;
use super::writer::{TraceEnd, TraceWriter, Traced};
use crate::net::connections::TickStep;
use crate::net::driver::ConnectionId;
use crate::net::epoch::Nanoseconds;
use crate::observe::frame::Frame;
use crate::smtp::escape::escape;

/// The most octets that a line shows of a line of the protocol.
const LINE_BYTES_MAX: usize = 512;
/// The most octets that a line shows of the text of a message.
const TEXT_BYTES_MAX: usize = 64;

/// A writer of text.
pub(super) struct TextTrace {
    /// Whether one connection is shown, and nothing of the loop.
    is_of_one: bool,
    is_of_client: bool,
    has_header: bool,
    /// The step that has begun, before anything was done in it.
    step: Option<(TickStep, TraceTime)>,
    line: Vec<u8>,
}

impl TextTrace {
    pub(super) fn new(only: Option<ConnectionId>) -> Self {
        Self {
            is_of_one: only.is_some(),
            is_of_client: false,
            has_header: false,
            step: None,
            line: Vec::new(),
        }
    }

    /// Begins a line with its columns.
    fn begin(&mut self, time: TraceTime, connection: Option<ConnectionId>) {
        self.line.clear();
        let line = &mut self.line;
        put_time(time.now, line);
        put_column(Some(time.tick).filter(|tick| *tick > 0), 7, line);
        put_column(connection, 6, line);
        line.extend_from_slice(b"  ");
    }

    /// Writes the line, under a header where it is the first one.
    fn finish(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if !self.has_header {
            self.has_header = true;
            out.write_all(b"      time/s    tick   conn  event\n")?;
        }
        self.line.push(b'\n');
        out.write_all(&self.line)
    }

    /// Writes that a step has begun.
    fn begin_step(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let Some((step, time)) = self.step.take() else {
            return Ok(());
        };
        self.begin(time, None);
        self.line.extend_from_slice(match step {
            TickStep::Serve => &b"serve"[..],
            TickStep::Commit => b"commit",
            TickStep::Expire => b"expire",
            TickStep::Reap => b"reap",
        });
        self.finish(out)
    }

    /// Writes that filters answer, where nothing was done in the last step before that.
    fn begin_answers(&mut self, time: TraceTime, out: &mut dyn Write) -> io::Result<()> {
        if self.step.take().is_none() {
            return Ok(());
        }
        self.begin(time, None);
        self.line.extend_from_slice(b"filters");
        self.finish(out)
    }

    /// Writes a line for each line of the protocol in these octets, behind a mark.
    fn lines(
        &mut self,
        mark: &[u8],
        octets: &[u8],
        traced: &Traced<'_>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        for line in octets.split_inclusive(|octet| *octet == b'\n') {
            self.begin(traced.time, traced.connection);
            self.line.extend_from_slice(mark);
            put_octets(
                line.strip_suffix(b"\r\n").unwrap_or(line),
                LINE_BYTES_MAX,
                &mut self.line,
            );
            self.finish(out)?;
        }
        Ok(())
    }
}

impl TraceWriter for TextTrace {
    fn frame(&mut self, traced: &Traced<'_>, out: &mut dyn Write) -> io::Result<()> {
        if let Frame::Start { command, .. } = *traced.frame {
            self.is_of_client = command != "serve";
        }
        if self.is_of_one && traced.connection.is_none() {
            return Ok(());
        }
        // A step in which nothing is done is not shown.
        match *traced.frame {
            Frame::Step { step, .. } => {
                self.step = Some((step, traced.time));
                return Ok(());
            }
            Frame::TickEnd { .. } => self.step = None,
            _ if filter::is_answer(traced.frame) => self.begin_answers(traced.time, out)?,
            _ => self.begin_step(out)?,
        }
        match *traced.frame {
            Frame::Event { .. } if traced.connection.is_none() => return Ok(()),
            Frame::Said {
                octets, connection, ..
            } => {
                let is_client = self.is_of_client || connection.is_outgoing();
                let mark = if is_client { b"C: " } else { b"S: " };
                return self.lines(mark, octets, traced, out);
            }
            Frame::Used {
                content,
                octets,
                connection,
            } if protocol::is_in_lines(content) => {
                let is_client = self.is_of_client || connection.is_outgoing();
                let mark = if is_client { b"S: " } else { b"C: " };
                return self.lines(mark, octets, traced, out);
            }
            _ => {}
        }
        self.begin(traced.time, traced.connection);
        let line = &mut self.line;
        if !(put_tick(traced.frame, line)
            || input::put(traced, line)
            || protocol::put(traced.frame, line)
            || client::put(traced.frame, line)
            || relay::put(traced.frame, line)
            || filter::put(traced.frame, line)
            || protocol::put_store(traced.frame, line))
        {
            return Ok(());
        }
        self.finish(out)
    }

    fn end(&mut self, end: &TraceEnd, out: &mut dyn Write) -> io::Result<()> {
        if end.is_cut_short {
            self.begin(end.time, None);
            self.line.extend_from_slice(b"the record is cut short");
            self.finish(out)?;
        }
        Ok(())
    }
}

/// Appends what a frame of the loop tells; whether it is one.
fn put_tick(frame: &Frame<'_>, line: &mut Vec<u8>) -> bool {
    match *frame {
        Frame::Tick { .. } => line.extend_from_slice(b"tick"),
        Frame::TickEnd { wake, .. } => {
            line.extend_from_slice(b"tick ends");
            if let Some(wake) = wake {
                line.extend_from_slice(b", to wake at");
                put_time(wake, line);
            }
        }
        Frame::Drain {} => line.extend_from_slice(b"drain asked for"),
        Frame::End { .. } => line.extend_from_slice(b"the record ends"),
        _ => return false,
    }
    true
}

/// Appends a time in seconds, to the microsecond.
fn put_time(time: Nanoseconds, line: &mut Vec<u8>) {
    let (seconds, microseconds) = (time / 1_000_000_000, time / 1000 % 1_000_000);
    // A vector takes everything.
    let _ = write!(line, "{seconds:>5}.{microseconds:06}");
}

/// Appends a number in a column, or a dash.
fn put_column(number: Option<impl Display>, width: usize, line: &mut Vec<u8>) {
    let _ = match number {
        Some(number) => write!(line, " {:>width$}", number.to_string()),
        None => write!(line, " {:>width$}", '-'),
    };
}

/// Appends octets, escaped; of more than `max` the start, and how many there are.
fn put_octets(octets: &[u8], max: usize, line: &mut Vec<u8>) {
    escape(&octets[..octets.len().min(max)], line);
    if octets.len() > max {
        let _ = write!(line, "... {} octets", octets.len());
    }
}
