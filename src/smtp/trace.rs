//! The trace header: the fields that a server puts in front of every message it takes (RFC 5321 §4.4).

use core::fmt::Write;

use bytes::BytesMut;

use super::envelope::{Envelope, Peer, QueueId};
use super::security::Security;

/// Appends `Return-Path` and `Received` to `out`, lines ending in CRLF. `date` is as RFC 5322 §3.3 writes it. They are in
/// ASCII, but for addresses of a message that asked for SMTPUTF8.
pub fn write(out: &mut BytesMut, envelope: &Envelope, id: QueueId, hostname: &str, date: &str) {
    // Writing to a buffer that grows cannot fail.
    let _ = write_fields(out, envelope, id, hostname, date);
}

fn write_fields(
    out: &mut BytesMut,
    envelope: &Envelope,
    id: QueueId,
    hostname: &str,
    date: &str,
) -> core::fmt::Result {
    write!(
        out,
        "Return-Path: {}\r\nReceived: from ",
        envelope.reverse_path
    )?;
    // The client chose this name: only what a name may consist of gets into a header.
    let is_harmful = |character: char| {
        !character.is_ascii_alphanumeric()
            && !matches!(character, '.' | '_' | '-' | '[' | ']' | ':')
    };
    for (number, harmless) in envelope.hello.name.split(is_harmful).enumerate() {
        if number > 0 {
            out.write_char('?')?;
        }
        out.write_str(harmless)?;
    }
    out.write_str(" (")?;
    let proxied = envelope.proxied.as_deref();
    if let Some(name) = proxied.and_then(|proxied| proxied.name.as_ref()) {
        write!(out, "{name} ")?;
    }
    match envelope.peer {
        Peer::Ip(address) if address.is_ipv6() => write!(out, "[IPv6:{address}])")?,
        Peer::Ip(address) => write!(out, "[{address}])")?,
        Peer::Local => out.write_str("local)")?,
        Peer::Unknown => out.write_str("unknown)")?,
    }
    if let Some(security) = &envelope.security {
        let Security {
            version,
            cipher,
            bits,
            ..
        } = **security;
        write!(
            out,
            "\r\n\t(using {version} with cipher {cipher} ({bits}/{bits} bits))"
        )?;
    }
    let protocol = envelope
        .service
        .protocol(envelope.hello.extended, envelope.smtputf8);
    // RFC 3848: there are such names for the extended protocols only.
    let suffix = match (&envelope.security, &envelope.user) {
        _ if !envelope.hello.extended => "",
        (Some(_), Some(_)) => "SA",
        (Some(_), None) => "S",
        (None, Some(_)) => "A",
        (None, None) => "",
    };
    write!(out, "\r\n\tby {hostname} with {protocol}{suffix} id {id}")?;
    // Several recipients must not learn of each other (RFC 5321 §7.6).
    if let [recipient] = &envelope.recipients[..] {
        write!(out, "\r\n\tfor <{}>", recipient.address)?;
    }
    write!(out, ";\r\n\t{date}\r\n")
}
