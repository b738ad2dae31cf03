//! A trace as a dialogue, in the form of the files in `tests/dialogues`: what a client said and what the server answered, so that a
//! record of something that went wrong becomes a test.
//!
//! ```text
//! # Connection 17, smtp, quit.
//! options: --domain example.org
//! from: 192.0.2.1:40000
//! S: 220 mail.example.org ESMTP mailoop
//! C: HELO client
//! S: 250 Hello client, pleased to meet you.
//! C: QUIT
//! S: 221 Bye
//! closed
//! ```
//!
//! A file holds one dialogue: of several connections each has its own, one after the other. The record is read three times for each of
//! them, from the start of the connection to its end: what has to stand in front of the steps shows only after them, and so does what
//! was stored. Nothing of a text is held but a line.
//!
//! What such a file cannot say stands in a comment. A dialogue in TLS is written as in the clear, where a test plays it in TLS as well.

mod client;
mod facts;
mod options;
mod steps;
mod stored;

use std::io::{self, Read, Seek, Write};
use std::rc::Rc;

use self::facts::Facts;
use self::steps::Steps;
use self::stored::StoredMessages;
use super::time::TraceTime;
use super::writer::TraceError;
use crate::inbound::Rules;
use crate::net::driver::ConnectionId;
use crate::net::peer::PeerAddress;
use crate::observe::file::{FrameReader, RecordError};
use crate::observe::frame::Frame;
use crate::observe::rules;
use crate::smtp::escape::escape;
use crate::smtp::service::Service;

/// A connection of which the record has the start.
struct DialogueClient {
    connection: ConnectionId,
    service: Service,
    peer: PeerAddress,
}

/// Writes the dialogues of all connections, or of `only` one.
pub(super) fn write<R: Read + Seek>(
    frames: &mut FrameReader<R>,
    only: Option<ConnectionId>,
    out: &mut dyn Write,
) -> Result<(), TraceError> {
    if client::is_client(frames)? {
        return client::write(frames, only, out);
    }
    let mut rules = None;
    let mut dialogues = 0;
    let mut time = TraceTime::default();
    while let Some(frame) = frames.next_frame()? {
        time.see(&frame);
        let client = match frame {
            Frame::Rules { rules: octets, .. } => {
                rules = rules::take(octets, None, None);
                continue;
            }
            Frame::Added {
                connection,
                service,
                peer,
                ..
            }
            | Frame::Refused {
                connection,
                service,
                peer,
                ..
            } => DialogueClient {
                connection,
                service,
                peer,
            },
            _ => continue,
        };
        if only.is_some_and(|only| only != client.connection) {
            continue;
        }
        if dialogues > 0 {
            out.write_all(b"\n")?;
        }
        dialogues += 1;
        let next = frames.position();
        write_one(frames, &client, rules.as_ref(), time, out)?;
        if only.is_some() {
            return Ok(());
        }
        frames.go_to(next)?;
    }
    match only {
        Some(id) => Err(TraceError::UnknownConnection(id)),
        None => Ok(()),
    }
}

/// Writes the dialogue of a connection whose frames are the next ones.
fn write_one<R: Read + Seek>(
    frames: &mut FrameReader<R>,
    client: &DialogueClient,
    rules: Option<&Rules>,
    time: TraceTime,
    out: &mut dyn Write,
) -> Result<(), TraceError> {
    let (start, id) = (frames.position(), client.connection);
    let mut facts = Facts::default();
    let read = each_frame(frames, id, time, &mut |frame, _, position| {
        facts.see(frame, position);
        Ok(())
    })?;
    facts.put_head(client, rules, out)?;
    frames.go_to(start)?;
    let mut steps = Steps::new(&facts);
    each_frame(frames, id, time, &mut |frame, time, position| {
        steps.see(frame, time, position, out)
    })?;
    steps.end(out)?;
    if let Some(rules) = rules.filter(|_| facts.is_stored.contains(&true)) {
        frames.go_to(start)?;
        let mut stored = StoredMessages::new(Rc::clone(&rules.policy), client.service, &facts);
        each_frame(frames, id, time, &mut |frame, _, position| {
            stored.see(frame, position, out)
        })?;
    }
    read.map_or(Ok(()), |error| Err(TraceError::Record(error)))
}

/// Called with a frame, its time, and its place in the file.
type SeeFrame<'a> = dyn FnMut(&Frame<'_>, TraceTime, u64) -> io::Result<()> + 'a;

/// Reads on to the end of this connection, and sees its frames and those of no connection; up to an error of the record.
fn each_frame<R: Read + Seek>(
    frames: &mut FrameReader<R>,
    id: ConnectionId,
    mut time: TraceTime,
    see: &mut SeeFrame<'_>,
) -> io::Result<Option<RecordError>> {
    loop {
        let position = frames.position();
        let frame = match frames.next_frame() {
            Ok(Some(frame)) => frame,
            Ok(None) => return Ok(None),
            Err(error) => return Ok(Some(error)),
        };
        time.see(&frame);
        if frame.connection().is_none_or(|connection| connection == id) {
            see(&frame, time, position)?;
        }
        if matches!(frame, Frame::Closed { connection, .. } if connection == id) {
            return Ok(None);
        }
    }
}

/// Writes a line of octets with a line end, which the mark stands for; or else behind `~` in the place of the colon.
fn put_line(mark: u8, line: &[u8], end: &[u8], out: &mut dyn Write) -> io::Result<()> {
    let mut text = vec![mark];
    match line.strip_suffix(end) {
        Some(line) => {
            text.extend_from_slice(b": ");
            escape(line, &mut text);
        }
        None => {
            text.extend_from_slice(b"~ ");
            escape(line, &mut text);
        }
    }
    if text.len() == 3 {
        text.pop();
    }
    text.push(b'\n');
    out.write_all(&text)
}
