//! The server's side of the protocol between the server and a store process, without I/O (sans-IO).

use std::io;

use bytes::{Buf, BytesMut};

/// Backpressure: with so many octets that wait for room in the pipe, no more message text is taken, and complete messages
/// wait. One turn may go past it: an envelope, or the text of one read.
pub(crate) const OUTPUT_HIGH_WATER_BYTES: usize = 256 * 1024;
/// The most memory that the output holds on to when it is empty.
const OUTPUT_KEPT_BYTES: usize = 64 * 1024;

/// The server's side of a store process.
///
/// The owner of the pipes carries the octets: it writes what [`output`](Self::output) holds and takes off by
/// [`sent`](Self::sent) what the pipe took, hands over by [`received`](Self::received) what it read, and calls
/// [`disconnected`](Self::disconnected) once either pipe fails. None of these calls blocks, and none does I/O.
pub trait StoreClient {
    /// Requests that are to be written to the store process.
    #[must_use]
    fn output(&self) -> &[u8];

    /// Takes octets off the output that were written.
    fn sent(&mut self, octets: usize);

    /// Takes what the store process has written.
    ///
    /// # Errors
    /// `InvalidData` if that is no report: the process does not speak this protocol, and is as good as gone.
    fn received(&mut self, octets: &[u8]) -> io::Result<()>;

    /// Notes that the store process cannot be reached any more. The next commit settles what it had.
    fn disconnected(&mut self, why: io::Error);

    /// Takes what came of the start of the process, once that is known.
    fn take_start(&mut self) -> Option<io::Result<()>>;
}

/// Requests that wait for room in the pipe.
#[derive(Debug, Default)]
pub(crate) struct RequestOutput(BytesMut);

impl RequestOutput {
    /// The octets that are to be written.
    pub(crate) fn octets(&self) -> &[u8] {
        &self.0
    }

    /// The end, where requests are appended.
    pub(crate) fn end(&mut self) -> &mut BytesMut {
        &mut self.0
    }

    /// Takes octets off that were written. An empty output keeps little memory.
    pub(crate) fn sent(&mut self, octets: usize) {
        self.0.advance(octets);
        if self.0.is_empty() && self.0.capacity() > OUTPUT_KEPT_BYTES {
            self.0 = BytesMut::new();
        }
    }

    /// Whether the bound is reached.
    pub(crate) fn is_congested(&self) -> bool {
        self.0.len() >= OUTPUT_HIGH_WATER_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_kept_until_it_was_sent_and_has_a_bound() {
        let mut output = RequestOutput::default();
        let text = [b'x'; 16 * 1024];
        let mut requests = 0;
        while !output.is_congested() {
            output.end().extend_from_slice(&text);
            requests += 1;
        }
        assert_eq!(requests, OUTPUT_HIGH_WATER_BYTES / text.len());
        output.sent(1);
        assert!(!output.is_congested());
        output.sent(output.octets().len());
        assert!(output.octets().is_empty());
        assert!(output.end().capacity() <= OUTPUT_KEPT_BYTES);
    }
}
