//! Commands of a client, written.

use core::fmt::{self, Write};

use bytes::BytesMut;

/// Writes one command line.
pub(super) fn command(out: &mut BytesMut, line: fmt::Arguments<'_>) {
    // Writing to a buffer that grows cannot fail.
    let _ = out.write_fmt(line);
    out.extend_from_slice(b"\r\n");
}
