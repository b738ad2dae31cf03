//! One message in two ways: behind DATA, and by BDAT.

pub const ENVELOPE: &str = "MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\n";

/// `message` as it is sent behind DATA (RFC 5321 §4.5.2).
pub fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    for line in message.split_inclusive(|octet| *octet == b'\n') {
        if line.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
    }
    wire.extend_from_slice(b".\r\n");
    wire
}

/// `message` by BDAT, in chunks of these sizes.
pub fn in_chunks(message: &[u8], sizes: &[usize]) -> Vec<u8> {
    let mut wire = Vec::new();
    let mut rest = message;
    for (index, size) in sizes.iter().enumerate() {
        let last = if index + 1 == sizes.len() {
            " LAST"
        } else {
            ""
        };
        let (chunk, behind) = rest.split_at(*size);
        wire.extend(format!("BDAT {size}{last}\r\n").bytes());
        wire.extend_from_slice(chunk);
        rest = behind;
    }
    wire
}
