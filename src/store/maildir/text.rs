//! The file of a message that is still being written.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;

use memchr::memchr_iter;

/// The most bytes of a message that are held back to be written at once. A power of two, so that a buffer
/// that grows by doubling ends here.
const DRAFT_BUFFER_BYTES: usize = 16 * 1024;

/// A message text on its way to its file. It comes with the line ends of the wire, CRLF, and is kept with
/// those of the system, LF.
#[derive(Debug)]
pub(super) struct TextFile {
    file: File,
    /// What is not written yet.
    buffer: Vec<u8>,
}

impl TextFile {
    pub(super) fn new(file: File) -> Self {
        Self {
            file,
            buffer: Vec::new(),
        }
    }

    /// Appends `text`, which never ends between the CR and the LF of a line end.
    pub(super) fn write(&mut self, text: &[u8]) -> io::Result<()> {
        self.reserve(text.len());
        let mut start = 0;
        for lf in memchr_iter(b'\n', text) {
            if text[..lf].ends_with(b"\r") {
                self.push(&text[start..lf - 1])?;
                start = lf;
            }
        }
        self.push(&text[start..])
    }

    /// Writes what is held back.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// Makes what was flushed durable and closes the file. There is no second try: after a failed sync the
    /// kernel may take the lost pages for written, and the next sync of the same file would succeed.
    pub(super) fn sync(self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Whether its file is on this file system.
    pub(super) fn is_on(&self, device: u64) -> bool {
        self.file.metadata().is_ok_and(|file| file.dev() == device)
    }

    /// Makes room for `more` bytes, as far as they are held back at all: a small message gets a small buffer.
    fn reserve(&mut self, more: usize) {
        let wanted = (self.buffer.len() + more).min(DRAFT_BUFFER_BYTES);
        if wanted > self.buffer.capacity() {
            let capacity = wanted.next_power_of_two();
            self.buffer.reserve_exact(capacity - self.buffer.len());
        }
    }

    fn push(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        loop {
            let room = DRAFT_BUFFER_BYTES - self.buffer.len();
            let Some((fitting, rest)) = bytes.split_at_checked(room) else {
                self.buffer.extend_from_slice(bytes);
                return Ok(());
            };
            self.buffer.extend_from_slice(fitting);
            self.flush()?;
            bytes = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_buffer_follows_need() -> io::Result<()> {
        let mut text = TextFile::new(tempfile::tempfile()?);
        assert_eq!(text.buffer.capacity(), 0);
        text.write(&[b'x'; 100])?;
        assert_eq!(text.buffer.capacity(), 128);
        for _ in 0..1000 {
            text.write(b"a line of text\r\n")?;
        }
        text.write(&[b'x'; 100_000])?;
        assert_eq!(text.buffer.capacity(), DRAFT_BUFFER_BYTES);
        let total = 100 + 1000 * 15 + 100_000;
        assert_eq!(text.buffer.len(), total % DRAFT_BUFFER_BYTES);
        Ok(())
    }
}
