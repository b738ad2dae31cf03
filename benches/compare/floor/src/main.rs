//! The floor: what the kernel and a poll loop cost for an SMTP dialogue if nobody understands a word of it.
//!
//! It answers by counting. Outside of a message each line gets the next canned reply, inside of one only a chunk
//! that ends like a message does. So it takes no client but one that waits for its replies, as the load generator
//! does. No command is read, no address checked, no octet of a message looked at but the last five.

use std::env;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use socket2::{Domain, Socket, Type};

const GREETING: &[u8] = b"220 floor ESMTP\r\n";
const HELLO: &[u8] = b"250-floor\r\n250 PIPELINING\r\n";
const OK: &[u8] = b"250 2.0.0 Ok\r\n";
const START: &[u8] = b"354 Go on\r\n";
const BYE: &[u8] = b"221 2.0.0 Bye\r\n";
const END_OF_MESSAGE: [u8; 5] = *b"\r\n.\r\n";
/// MAIL, RCPT, DATA.
const COMMANDS: u8 = 3;
const LISTENER: Token = Token(usize::MAX);
const BACKLOG: i32 = 1024;
const READ_BYTES: usize = 64 * 1024;

enum Awaited {
    Hello,
    /// So many commands up to DATA.
    Commands(u8),
    /// The end of a message, of which these were the last octets.
    Message([u8; 5]),
}

struct Connection {
    stream: TcpStream,
    awaited: Awaited,
}

fn main() -> io::Result<()> {
    let address: SocketAddr = env::args()
        .nth(1)
        .and_then(|argument| argument.parse().ok())
        .ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "usage: floor ADDRESS"))?;
    let mut poll = Poll::new()?;
    let mut listener = listen(address)?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(1024);
    let mut connections = Slab::new();
    let mut buffer = vec![0; READ_BYTES];
    let mut replies = Vec::new();
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            polled => polled?,
        }
        for event in &events {
            if event.token() == LISTENER {
                accept(&listener, &poll, &mut connections)?;
                continue;
            }
            let key = event.token().0;
            let goes_on = connections
                .get_mut(key)
                .is_some_and(|connection| serve(connection, event, &mut buffer, &mut replies));
            if !goes_on {
                connections.try_remove(key);
            }
        }
    }
}

/// The queue is as long as the others' are: whoever finds it full would wait for a greeting in vain.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

fn accept(
    listener: &TcpListener,
    poll: &Poll,
    connections: &mut Slab<Connection>,
) -> io::Result<()> {
    loop {
        let mut stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        let entry = connections.vacant_entry();
        poll.registry()
            .register(&mut stream, Token(entry.key()), Interest::READABLE)?;
        if stream.write_all(GREETING).is_ok() {
            let awaited = Awaited::Hello;
            entry.insert(Connection { stream, awaited });
        }
    }
}

/// Reads what there is and answers it. Returns whether the connection goes on.
fn serve(
    connection: &mut Connection,
    event: &Event,
    buffer: &mut [u8],
    replies: &mut Vec<u8>,
) -> bool {
    loop {
        let bytes = match connection.stream.read(buffer) {
            Ok(0) => return false,
            Ok(bytes) => bytes,
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        };
        replies.clear();
        let goes_on = answer(&mut connection.awaited, &buffer[..bytes], replies);
        if !replies.is_empty() && connection.stream.write_all(replies).is_err() || !goes_on {
            return false;
        }
        // A read that did not fill the buffer emptied the socket.
        if bytes < buffer.len() && !event.is_read_closed() {
            return true;
        }
    }
}

/// Adds what a chunk has coming to `replies`. Returns whether the connection goes on.
fn answer(awaited: &mut Awaited, chunk: &[u8], replies: &mut Vec<u8>) -> bool {
    if let Awaited::Message(last) = awaited {
        let new = chunk.len().min(last.len());
        last.rotate_left(new);
        let kept = last.len() - new;
        last[kept..].copy_from_slice(&chunk[chunk.len() - new..]);
        if *last == END_OF_MESSAGE {
            replies.extend(OK);
            *awaited = Awaited::Commands(COMMANDS);
        }
        return true;
    }
    // The first letter of QUIT, and of nothing else that is sent here.
    if chunk.first() == Some(&b'Q') {
        replies.extend(BYE);
        return false;
    }
    for _ in chunk.iter().filter(|octet| **octet == b'\n') {
        *awaited = match awaited {
            Awaited::Hello => {
                replies.extend(HELLO);
                Awaited::Commands(COMMANDS)
            }
            Awaited::Commands(1) | Awaited::Message(_) => {
                replies.extend(START);
                // So that a dot in the first line ends a message too.
                Awaited::Message(*b"\0\0\0\r\n")
            }
            Awaited::Commands(left) => {
                replies.extend(OK);
                Awaited::Commands(*left - 1)
            }
        };
    }
    true
}
