//! Lines of text for what a client began with, and for what came in to its loop beside events.

use std::io::Write;

use super::{TEXT_BYTES_MAX, put_octets, put_time};
use crate::observe::frame::{ClientFrame, Frame};

/// Appends what a frame of a client tells; whether it is one that is shown.
pub(super) fn put(frame: &Frame<'_>, line: &mut Vec<u8>) -> bool {
    let Frame::Client { frame } = frame else {
        return false;
    };
    let _ = match *frame {
        ClientFrame::Begun {
            server, from, size, ..
        } => {
            let (server, from) = (server.escape_debug(), from.escape_debug());
            write!(line, "a message of {size} octets from {from} for {server}")
        }
        ClientFrame::Recipient { address } => write!(line, "to {}", address.escape_debug()),
        ClientFrame::Load {
            sessions, hostile, ..
        } => {
            let _ = write!(line, "load by {sessions} connections at most");
            match hostile {
                Some(kind) => write!(line, ", and an attack: {}", kind.escape_debug()),
                None => Ok(()),
            }
        }
        ClientFrame::Message { octets } => {
            let _ = write!(line, "message {}: ", octets.len());
            put_octets(octets, TEXT_BYTES_MAX, line);
            return true;
        }
        ClientFrame::Clock { now } => {
            let _ = line.write_all(b"clock");
            put_time(now, line);
            return true;
        }
        ClientFrame::Dialed { peer, result, .. } => match result {
            Ok(()) => write!(line, "dials {peer}"),
            Err(error) => write!(line, "dial: {error}"),
        },
        ClientFrame::NextAddress { is_there } => {
            let next = if is_there { "the next one" } else { "no other" };
            write!(line, "the address is given up, there is {next}")
        }
        ClientFrame::Signals { count } => write!(line, "signals to end: {count}"),
        ClientFrame::Connected { result, .. } => match result {
            Ok(true) => line.write_all(b"connected"),
            Ok(false) => line.write_all(b"not connected yet"),
            Err(error) => write!(line, "connect: {error}"),
        },
        ClientFrame::OwnText { left, .. } => write!(line, "{left} octets of the message are left"),
        ClientFrame::LoginBegun { result, .. } => match result {
            Ok(_) => line.write_all(b"login begins"),
            Err(fault) => write!(line, "login: {fault:?}"),
        },
        ClientFrame::LoginResponse { result, .. } => match result {
            Ok(octets) => write!(line, "login: a response of {octets} octets"),
            Err(fault) => write!(line, "login: {fault:?}"),
        },
        ClientFrame::LoginMaySucceed { may_succeed, .. } => {
            let may = if may_succeed { "may" } else { "must not" };
            write!(line, "login: it {may} succeed now")
        }
    };
    true
}
