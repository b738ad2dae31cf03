//! A record is opened and followed to its end.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::chrome::ChromeTrace;
use super::connections::TracedConnections;
use super::dialogue;
use super::text::TextTrace;
use super::time::TraceTime;
use super::writer::{TraceEnd, TraceError, TraceWriter, Traced};
use crate::exit::{ExitCode, Failed};
use crate::net::driver::ConnectionId;
use crate::observe::file::{FrameReader, RecordError};

/// The choices for a trace.
#[derive(Clone, Debug)]
pub struct TraceOptions {
    /// The file of the record.
    pub file: PathBuf,
    /// The one connection to show.
    pub connection: Option<ConnectionId>,
    /// The format.
    pub format: TraceFormat,
}

/// The format of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceFormat {
    /// A line for each event, for a person.
    Text,
    /// Dialogues, for tests.
    Dialogue,
    /// A timeline, for viewers of traces.
    Chrome,
}

/// Writes a trace to standard output. A reader that has seen enough and goes away ends it well.
///
/// # Errors
/// The file is no record, does not have the connection, or cannot be read; the trace cannot be written.
pub fn run(options: &TraceOptions) -> Result<(), Failed> {
    let mut out = BufWriter::new(io::stdout().lock());
    let written = open(&options.file).and_then(|frames| {
        let written = write(frames, options, &mut out);
        // What was read is shown, also in front of what cannot be read.
        out.flush().map_err(TraceError::Output).and(written)
    });
    let error = match written {
        Ok(()) => return Ok(()),
        Err(TraceError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
        Err(error) => error,
    };
    let code = match &error {
        TraceError::Record(RecordError::Io(error)) if error.kind() == ErrorKind::NotFound => {
            ExitCode::NoInput
        }
        TraceError::Record(RecordError::Io(_)) | TraceError::Output(_) => ExitCode::Io,
        TraceError::Record(_) | TraceError::UnknownConnection(_) => ExitCode::Data,
    };
    let file = options.file.display();
    Err(Failed::new(code, format_args!("{file}: {error}")))
}

fn open(path: &Path) -> Result<FrameReader<File>, TraceError> {
    let file = File::open(path).map_err(RecordError::Io)?;
    Ok(FrameReader::new(file)?)
}

/// Writes the trace of these frames.
pub(super) fn write<R: Read + Seek>(
    mut frames: FrameReader<R>,
    options: &TraceOptions,
    out: &mut dyn Write,
) -> Result<(), TraceError> {
    let only = options.connection;
    let writer: &mut dyn TraceWriter = match options.format {
        TraceFormat::Text => &mut TextTrace::new(only),
        TraceFormat::Dialogue => return dialogue::write(&mut frames, only, out),
        TraceFormat::Chrome => &mut ChromeTrace::new(only),
    };
    follow(&mut frames, only, writer, out)
}

/// Shows all frames, or those that are of no connection and those that are of `only` this one.
fn follow<R: Read>(
    frames: &mut FrameReader<R>,
    only: Option<ConnectionId>,
    writer: &mut dyn TraceWriter,
    out: &mut dyn Write,
) -> Result<(), TraceError> {
    let mut time = TraceTime::default();
    let mut connections = TracedConnections::default();
    let mut is_found = false;
    let read = loop {
        let frame = match frames.next_frame() {
            Ok(Some(frame)) => frame,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        };
        time.see(&frame);
        connections.see(&frame);
        let connection = connections.of(&frame);
        is_found |= connection.is_some() && connection == only;
        if only.is_none() || connection.is_none() || connection == only {
            let traced = Traced {
                frame: &frame,
                connection,
                time,
                connections: &connections,
            };
            writer.frame(&traced, out)?;
        }
        connections.forget(&frame);
    };
    let is_cut_short = frames.is_cut_short();
    writer.end(&TraceEnd { time, is_cut_short }, out)?;
    read?;
    match only {
        Some(id) if !is_found => Err(TraceError::UnknownConnection(id)),
        _ => Ok(()),
    }
}
