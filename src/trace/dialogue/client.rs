//! The dialogues of a client: what it said and what its server answered. As a file of `tests/dialogues` each is a test of a server.

use std::io::{self, Read, Seek, Write};
use std::mem;

use super::put_line;
use crate::net::driver::ConnectionId;
use crate::net::probe::Content;
use crate::observe::file::{FrameReader, RecordError};
use crate::observe::frame::{ClientFrame, Frame};
use crate::trace::writer::TraceError;

const LINE_END: &[u8] = b"\r\n";

/// Whether the next frames are of a client.
pub(super) fn is_client<R: Read>(frames: &mut FrameReader<R>) -> Result<bool, RecordError> {
    let first = frames.peek()?;
    Ok(matches!(first, Some(Frame::Start { command, .. }) if command != "serve"))
}

/// Writes the dialogues of all connections of a client, or of `only` one.
pub(super) fn write<R: Read + Seek>(
    frames: &mut FrameReader<R>,
    only: Option<ConnectionId>,
    out: &mut dyn Write,
) -> Result<(), TraceError> {
    let (mut message, mut dialogues) = (None, 0);
    loop {
        let position = frames.position();
        let (connection, peer) = match frames.next_frame()? {
            Some(Frame::Client { frame }) => match frame {
                ClientFrame::Message { .. } => {
                    message.get_or_insert(position);
                    continue;
                }
                ClientFrame::Dialed {
                    connection,
                    peer,
                    result: Ok(()),
                    ..
                } if only.is_none_or(|only| only == connection) => (connection, peer),
                _ => continue,
            },
            Some(_) => continue,
            None => break,
        };
        if dialogues > 0 {
            out.write_all(b"\n")?;
        }
        dialogues += 1;
        writeln!(out, "# Connection {connection} to {peer}.")?;
        let next = frames.position();
        write_one(frames, connection, message, out)?;
        frames.go_to(next)?;
    }
    match only {
        Some(id) if dialogues == 0 => Err(TraceError::UnknownConnection(id)),
        _ => Ok(()),
    }
}

/// Writes the dialogue of a connection whose frames are the next ones, and whose message begins at this place of the file.
fn write_one<R: Read + Seek>(
    frames: &mut FrameReader<R>,
    id: ConnectionId,
    message: Option<u64>,
    out: &mut dyn Write,
) -> Result<(), TraceError> {
    let (mut reply, mut total) = (Vec::new(), 0);
    while let Some(frame) = frames.next_frame()? {
        if frame.connection() != Some(id) {
            continue;
        }
        match frame {
            Frame::Said { octets, .. } => put_lines(b'C', octets, &mut Vec::new(), out)?,
            Frame::Used {
                content: Content::Reply,
                octets,
                ..
            } => put_lines(b'S', octets, &mut reply, out)?,
            Frame::Client {
                frame: ClientFrame::OwnText { left, .. },
            } => {
                total = total.max(left);
                if left > 0 {
                    continue;
                }
                let here = frames.position();
                if let Some(message) = message {
                    frames.go_to(message)?;
                    put_message(frames, mem::take(&mut total), out)?;
                }
                frames.go_to(here)?;
            }
            Frame::Closed { reason, .. } => {
                if total > 0 {
                    out.write_all(b"# The message broke off.\n")?;
                }
                writeln!(out, "# Closed: {}.", reason.escape_debug())?;
                return Ok(());
            }
            _ => {}
        }
    }
    Ok(())
}

/// Writes a message of so many octets, whose parts are the next frames.
fn put_message<R: Read>(
    frames: &mut FrameReader<R>,
    mut octets: usize,
    out: &mut dyn Write,
) -> Result<(), TraceError> {
    let mut line = Vec::new();
    while octets > 0
        && let Some(Frame::Client {
            frame: ClientFrame::Message { octets: part },
        }) = frames.next_frame()?
    {
        let part = &part[..part.len().min(octets)];
        octets -= part.len().max(1);
        put_lines(b'C', part, &mut line, out)?;
    }
    Ok(())
}

/// Writes the lines that are complete with these octets; the start of another one is kept.
fn put_lines(mark: u8, octets: &[u8], begun: &mut Vec<u8>, out: &mut dyn Write) -> io::Result<()> {
    for line in octets.split_inclusive(|octet| *octet == b'\n') {
        begun.extend_from_slice(line);
        if begun.ends_with(b"\n") {
            put_line(mark, begun, LINE_END, out)?;
            begun.clear();
        }
    }
    Ok(())
}
