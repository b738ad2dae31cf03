//! Lines of text for what came in: events, clients, results of calls of a transport and of TLS.

use std::io::Write;

use crate::inbound::Rejection;
use crate::net::channel::Readiness;
use crate::net::transport::Read;
use crate::observe::frame::Frame;
use crate::observe::outcome::{ErrorCode, HandshakeCode};
use crate::trace::writer::Traced;

/// Appends what a frame of input tells; whether it is one.
pub(super) fn put(traced: &Traced<'_>, line: &mut Vec<u8>) -> bool {
    let ends = traced.connection.and_then(|id| traced.connections.get(id));
    let (bytes_in, bytes_out) = ends.map_or((0, 0), |one| (one.bytes_in, one.bytes_out));
    let _ = match *traced.frame {
        Frame::Event { readiness, .. } => return put_event(readiness, line),
        Frame::Added { service, peer, .. } => write!(line, "accepted by {service} from {peer}"),
        Frame::Refused {
            service, peer, why, ..
        } => write!(line, "refused by {service}, from {peer}: {}", why_of(why)),
        Frame::Read {
            result: Ok(octets), ..
        } => return put_read(octets, bytes_in, line),
        Frame::TlsRead {
            result: Ok(read), ..
        } => match read {
            Read::Data(octets) | Read::Drained(octets) => return put_read(octets, bytes_in, line),
            Read::Eof => return put_read(0, bytes_in, line),
            Read::Progress => line.write_all(b"read: nothing but TLS"),
            Read::WouldBlock => line.write_all(b"read: WouldBlock"),
        },
        Frame::Read {
            result: Err(error), ..
        }
        | Frame::TlsRead {
            result: Err(error), ..
        } => write!(line, "read: {error}"),
        Frame::Write {
            offered, result, ..
        }
        | Frame::TlsWrite {
            offered, result, ..
        } => match result {
            Ok(octets) => {
                let from = bytes_out.saturating_sub(octets as u64);
                write!(line, "wrote {octets} of {offered} [{from},{bytes_out})")
            }
            Err(error) => write!(line, "write {offered}: {error}"),
        },
        Frame::ShutdownWrite { result, .. } => {
            return put_done("output ended", "shutdown", result, line);
        }
        Frame::TlsStarted { result, .. } => return put_done("TLS begins", "TLS", result, line),
        Frame::CloseNotify { result, .. } => {
            return put_done("close_notify", "close_notify", result, line);
        }
        Frame::TlsFlush { result, held, .. } => match result {
            Ok(()) => write!(line, "flush: TLS holds {held}"),
            Err(error) => write!(line, "flush: {error}"),
        },
        Frame::Handshake { result, .. } => match result {
            Ok(HandshakeCode::Progress) => line.write_all(b"handshake goes on"),
            Ok(HandshakeCode::WouldBlock) => line.write_all(b"handshake: WouldBlock"),
            Ok(HandshakeCode::Done(facts)) => {
                write!(line, "handshake done: {} {}", facts.version, facts.cipher)
            }
            Err(error) => write!(line, "handshake: {error}"),
        },
        _ => return false,
    };
    true
}

pub(super) fn put_event(readiness: Readiness, line: &mut Vec<u8>) -> bool {
    for (is_told, name) in [
        (readiness.readable, &b"readable "[..]),
        (readiness.writable, b"writable "),
        (readiness.read_on, b"to be read on "),
    ] {
        if is_told {
            line.extend_from_slice(name);
        }
    }
    line.truncate(line.trim_ascii_end().len());
    true
}

fn put_read(octets: usize, bytes_in: u64, line: &mut Vec<u8>) -> bool {
    let from = bytes_in.saturating_sub(octets as u64);
    let _ = match octets {
        0 => line.write_all(b"read: the end"),
        _ => write!(line, "read {octets} [{from},{bytes_in})"),
    };
    true
}

fn put_done(done: &str, what: &str, result: Result<(), ErrorCode>, line: &mut Vec<u8>) -> bool {
    let _ = match result {
        Ok(()) => line.write_all(done.as_bytes()),
        Err(error) => write!(line, "{what}: {error}"),
    };
    true
}

fn why_of(why: Rejection) -> String {
    why.to_string()
}
