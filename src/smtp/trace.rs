//! The trace header: the fields that a server puts in front of every message it takes (RFC 5321 §4.4).

use core::fmt::Write;
use core::net::IpAddr;

use bytes::BytesMut;

use super::envelope::{Envelope, Peer, QueueId};
use super::path::ReversePath;

/// Appends `Return-Path` and `Received` to `out`, lines ending in CRLF. `date` is as RFC 5322 §3.3 writes it. They are in
/// ASCII, but for addresses of a message that asked for SMTPUTF8.
///
/// Each message has them, so their parts are copied: formatting them took a sixth of a transaction.
pub fn write(out: &mut BytesMut, envelope: &Envelope, id: QueueId, hostname: &str, date: &str) {
    write_return_path(out, &envelope.reverse_path);
    write_received(out, envelope, id, hostname, date);
}

/// Appends `Return-Path` alone.
pub fn write_return_path(out: &mut BytesMut, path: &ReversePath) {
    let path = match path {
        ReversePath::Null => &[][..],
        ReversePath::Mailbox(mailbox) => mailbox.as_bytes(),
    };
    put(out, &[b"Return-Path: <", path, b">\r\n"]);
}

/// Appends `Received` alone, as to a message that is sent on: only the last server adds `Return-Path` (RFC 5321 §4.4).
pub fn write_received(
    out: &mut BytesMut,
    envelope: &Envelope,
    id: QueueId,
    hostname: &str,
    date: &str,
) {
    put(out, &[b"Received: from "]);
    write_hello(out, envelope.hello.name.as_bytes());
    put(out, &[b" ("]);
    let name = envelope
        .proxied
        .as_deref()
        .and_then(|proxied| proxied.name.as_ref());
    if let Some(name) = name {
        put(out, &[name.as_bytes(), b" "]);
    }
    write_peer(out, envelope.peer);
    put(out, &[b")"]);
    if let Some(security) = &envelope.security {
        let (version, cipher, bits) = (security.version, security.cipher, security.bits);
        // Writing to a buffer that grows cannot fail.
        let _ = write!(
            out,
            "\r\n\t(using {version} with cipher {cipher} ({bits}/{bits} bits))"
        );
    }
    let extended = envelope.hello.extended;
    let protocol = envelope.service.protocol(extended, envelope.smtputf8);
    // RFC 3848: there are such names for the extended protocols only.
    let suffix: &[u8] = match (&envelope.security, &envelope.user) {
        _ if !extended => b"",
        (Some(_), Some(_)) => b"SA",
        (Some(_), None) => b"S",
        (None, Some(_)) => b"A",
        (None, None) => b"",
    };
    put(
        out,
        &[
            b"\r\n\tby ",
            hostname.as_bytes(),
            b" with ",
            protocol.as_bytes(),
            suffix,
        ],
    );
    put(out, &[b" id ", id.as_bytes()]);
    // Several recipients must not learn of each other (RFC 5321 §7.6).
    if let [recipient] = &envelope.recipients[..] {
        put(out, &[b"\r\n\tfor <", recipient.address.as_bytes(), b">"]);
    }
    put(out, &[b";\r\n\t", date.as_bytes(), b"\r\n"]);
}

/// Copies these parts to the end of `out`.
fn put(out: &mut BytesMut, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// Writes the name that the client gave itself. The client chose it: only what a name may consist of gets into a header, and any
/// other character is a question mark.
fn write_hello(out: &mut BytesMut, name: &[u8]) {
    let is_harmless = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-[]:".contains(byte);
    if name.iter().all(is_harmless) {
        return out.extend_from_slice(name);
    }
    // The octets that continue a character are no characters of their own.
    let starts = name.iter().filter(|byte| !matches!(byte, 0x80..=0xBF));
    out.extend(starts.map(|byte| if is_harmless(byte) { *byte } else { b'?' }));
}

/// Writes where the client is.
fn write_peer(out: &mut BytesMut, peer: Peer) {
    // Writing to a buffer that grows cannot fail.
    let _ = match peer {
        Peer::Ip(IpAddr::V4(address)) => {
            let mut before = b'[';
            for octet in address.octets() {
                out.extend_from_slice(&[before]);
                write_decimal(out, octet);
                before = b'.';
            }
            out.write_str("]")
        }
        Peer::Ip(IpAddr::V6(address)) => write!(out, "[IPv6:{address}]"),
        Peer::Local => out.write_str("local"),
        Peer::Unknown => out.write_str("unknown"),
    };
}

fn write_decimal(out: &mut BytesMut, octet: u8) {
    let digits = [octet / 100, octet / 10 % 10, octet % 10].map(|digit| b'0' + digit);
    let unused = usize::from(octet < 100) + usize::from(octet < 10);
    out.extend_from_slice(&digits[unused..]);
}
