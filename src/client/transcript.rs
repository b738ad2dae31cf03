//! The dialogue as a person reads it: each line behind `C: ` or `S: `.

use std::io;

use crate::smtp::client::{Printable, ServerReply};

/// Writes down what was said, if anybody wants to read it.
pub(super) struct Transcript<'a> {
    reader: Option<&'a mut dyn io::Write>,
    /// The start of a line that is not sent to its end yet.
    line: Vec<u8>,
}

impl<'a> Transcript<'a> {
    pub(super) fn new(reader: Option<&'a mut dyn io::Write>) -> Self {
        let line = Vec::new();
        Self { reader, line }
    }

    /// The client said `bytes`.
    pub(super) fn sent(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(reader) = &mut self.reader else {
            return Ok(());
        };
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.line.extend_from_slice(part);
            if let Some(line) = self.line.strip_suffix(b"\r\n") {
                reader.write_all(if line.is_empty() { b"C:" } else { b"C: " })?;
                reader.write_all(line)?;
                reader.write_all(b"\n")?;
                self.line.clear();
            }
        }
        Ok(())
    }

    /// The server said `reply`.
    pub(super) fn received(&mut self, reply: &ServerReply) -> io::Result<()> {
        let Some(reader) = &mut self.reader else {
            return Ok(());
        };
        for line in reply.lines() {
            writeln!(reader, "S: {}", Printable(line))?;
        }
        reader.flush()
    }
}
