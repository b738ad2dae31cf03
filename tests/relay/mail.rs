//! Messages, and clients that give them to a server.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::common::client::Client;

/// A client that has said hello.
pub(crate) fn client(address: &str) -> Client<TcpStream> {
    let mut client = Client::connect(address);
    client.hello();
    client
}

/// Gives a message to a server, and returns its queue id.
#[track_caller]
pub(crate) fn send(address: &str, from: &str, to: &[&str], text: &[u8]) -> String {
    let mut client = client(address);
    let id = give(&mut client, from, to, text);
    client.ask("QUIT", "221");
    id
}

/// The same by a client that goes on. The text is in CRLF.
#[track_caller]
pub(crate) fn give<S: Read + Write>(
    client: &mut Client<S>,
    from: &str,
    to: &[&str],
    text: &[u8],
) -> String {
    client.ask(&format!("MAIL FROM:<{from}> BODY=8BITMIME"), "250");
    for to in to {
        client.ask(&format!("RCPT TO:<{to}>"), "250");
    }
    client.ask("DATA", "354");
    client.stream.get_mut().write_all(&stuffed(text)).unwrap();
    client.say(".\r\n");
    let reply = client.hear();
    let id = reply.strip_prefix("250 2.0.0 Ok: queued as ");
    id.unwrap_or_else(|| panic!("not taken: {reply}"))
        .to_owned()
}

/// A text with the dots of the transport.
fn stuffed(text: &[u8]) -> Vec<u8> {
    let mut stuffed = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if line.first() == Some(&b'.') {
            stuffed.push(b'.');
        }
        stuffed.extend_from_slice(line);
    }
    stuffed
}

/// A message with all that is delicate: dots, octets beyond ASCII, a long line, blanks at the end, an empty line last.
pub(crate) fn delicate() -> Vec<u8> {
    let mut text = b"Subject: delicate\r\nX-Folded: a\r\n\tb\r\n\r\n.\r\n..\r\n.dot\r\n".to_vec();
    text.extend(b"blanks \t \r\n\xC3\xA9\xFF\x80\r\nFrom here on\r\n");
    text.extend(std::iter::repeat_n(b'x', 5000));
    text.extend(b"\r\n\r\n");
    text
}

/// A message of about so many octets.
pub(crate) fn long(octets: usize) -> Vec<u8> {
    let mut text = b"Subject: long\r\n\r\n".to_vec();
    let mut number = 0_u64;
    while text.len() < octets {
        let line = format!(".{number:08} and some more of it, to be a line of usual length\r\n");
        text.extend(line.as_bytes());
        number += 1;
    }
    text
}

/// With the line ends of a stored message.
pub(crate) fn with_lf(text: &[u8]) -> Vec<u8> {
    let mut lf = text.to_vec();
    lf.retain(|byte| *byte != b'\r');
    lf
}
