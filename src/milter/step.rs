//! The steps of a session, as they are told to a filter.

use core::net::SocketAddr;

use bytes::BytesMut;

use super::commands::StepKind;
use super::wire::PacketWriter;

/// The most octets of a body that are told at once.
pub const BODY_CHUNK_BYTES_MAX: usize = 65_535;
/// The most octets of the name of a header field that a filter sees.
const FIELD_NAME_BYTES_MAX: usize = 1_000;

/// A step of a session. Texts hold no NUL: one that does has a space in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterStep<'a> {
    /// A client has connected.
    Connect {
        /// Its name, or its address in brackets.
        name: &'a [u8],
        /// Its address.
        address: ClientAddress<'a>,
    },
    /// HELO or EHLO, with the name that the client gives itself.
    Hello(&'a [u8]),
    /// MAIL: the sender in angle brackets, then the parameters.
    Mail(&'a [&'a [u8]]),
    /// RCPT: the recipient in angle brackets, then the parameters.
    Recipient(&'a [&'a [u8]]),
    /// DATA, or the first BDAT.
    Data,
    /// A header field.
    Header {
        /// The name.
        name: &'a [u8],
        /// All that follows the colon, as it came, with or without the last line end.
        value: &'a [u8],
    },
    /// The empty line after the header.
    EndOfHeader,
    /// A part of the body, with CRLF, of up to [`BODY_CHUNK_BYTES_MAX`] octets.
    Body(&'a [u8]),
    /// The end of the message. Only now the filter may change it.
    EndOfMessage,
    /// A command that is unknown or not implemented, whole.
    Unknown(&'a [u8]),
    /// The transaction is given up. Has no reply; those that are still to come count for nothing.
    Abort,
    /// The client has gone, and the next step is that of another one. Has no reply.
    QuitNewConnection,
    /// Nothing more comes. Has no reply.
    Quit,
}

/// The address of a client, as a filter is told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAddress<'a> {
    /// An address of IPv4 or IPv6, and a port.
    Ip(SocketAddr),
    /// The path of a socket on this machine.
    Unix(&'a [u8]),
    /// Nobody knows.
    Unknown,
}

impl FilterStep<'_> {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> StepKind {
        match self {
            Self::Connect { .. } => StepKind::Connect,
            Self::Hello(_) => StepKind::Hello,
            Self::Mail(_) => StepKind::Mail,
            Self::Recipient(_) => StepKind::Recipient,
            Self::Data => StepKind::Data,
            Self::Header { .. } => StepKind::Header,
            Self::EndOfHeader => StepKind::EndOfHeader,
            Self::Body(_) => StepKind::Body,
            Self::EndOfMessage => StepKind::EndOfMessage,
            Self::Unknown(_) => StepKind::Unknown,
            Self::Abort => StepKind::Abort,
            Self::QuitNewConnection => StepKind::QuitNewConnection,
            Self::Quit => StepKind::Quit,
        }
    }

    /// Appends its packet to `out`. With `has_leading_space` a value keeps the space after the colon.
    pub(super) fn write(&self, has_leading_space: bool, out: &mut BytesMut) {
        let mut packet = PacketWriter::new(self.kind().command(), out);
        match *self {
            Self::Connect { name, address } => write_client(&mut packet, name, address),
            Self::Hello(text) | Self::Unknown(text) => packet.text(text),
            Self::Mail(arguments) | Self::Recipient(arguments) => {
                for argument in arguments {
                    packet.text(argument);
                }
            }
            Self::Header { name, value } => {
                let name = name.trim_ascii_end();
                packet.text(&name[..name.len().min(FIELD_NAME_BYTES_MAX)]);
                write_value(&mut packet, value, has_leading_space);
            }
            Self::Body(chunk) => {
                debug_assert!(chunk.len() <= BODY_CHUNK_BYTES_MAX, "a chunk is too long");
                packet.octets(chunk);
            }
            Self::Data
            | Self::EndOfHeader
            | Self::EndOfMessage
            | Self::Abort
            | Self::QuitNewConnection
            | Self::Quit => {}
        }
        packet.end();
    }
}

/// Writes who the client is. The port of a path is none.
fn write_client(packet: &mut PacketWriter<'_>, name: &[u8], address: ClientAddress<'_>) {
    packet.text(name);
    match address {
        ClientAddress::Ip(address) => {
            packet.octets(if address.is_ipv4() { b"4" } else { b"6" });
            packet.octets(&address.port().to_be_bytes());
            packet.text(address.ip().to_string().as_bytes());
        }
        ClientAddress::Unix(path) => {
            packet.octets(b"L\0\0");
            packet.text(path);
        }
        ClientAddress::Unknown => packet.octets(b"U"),
    }
}

/// Writes the value of a field: lines end in LF there, as filters expect, and the last one in none.
fn write_value(packet: &mut PacketWriter<'_>, value: &[u8], has_leading_space: bool) {
    let value = value.strip_suffix(b"\n").unwrap_or(value);
    let value = value.strip_suffix(b"\r").unwrap_or(value);
    let value = match value {
        [b' ', rest @ ..] if !has_leading_space => rest,
        _ => value,
    };
    for line in value.split_inclusive(|octet| *octet == b'\n') {
        match line.strip_suffix(b"\r\n") {
            Some(text) => {
                packet.part(text);
                packet.part(b"\n");
            }
            None => packet.part(line),
        }
    }
    packet.text(b"");
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
