//! The rules of edge-triggered I/O: what a channel believes of its socket after each read, write and event.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};

use bytes::BytesMut;
use mailoop::net::channel::{Channel, Readiness};
use mailoop::net::transport::{Read, Transport};

/// What a socket says, call by call.
#[derive(Default)]
struct Script {
    reads: VecDeque<Result<&'static [u8], ErrorKind>>,
    /// How many octets each write takes.
    writes: VecDeque<Result<usize, ErrorKind>>,
    written: Vec<u8>,
}

/// A socket that plays a script, on a system where a short read means that the socket is empty.
struct Scripted<'a>(&'a mut Script);

impl Transport for Scripted<'_> {
    fn short_read_drains(&self) -> bool {
        true
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.0.reads.pop_front().unwrap()?;
        buffer[..bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.0.writes.pop_front().unwrap()?.min(bytes.len());
        self.0.written.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const NOTHING: Readiness = Readiness {
    readable: false,
    writable: false,
    read_on: false,
};

/// What one read into four octets tells, and whether another one is worth a try then.
fn fill(channel: &mut Channel<Scripted<'_>>) -> (Read, bool) {
    let read = channel.read(&mut [0; 4]).unwrap();
    (read, channel.is_readable())
}

#[test]
fn a_read_tells_whether_there_may_be_more() {
    let mut script = Script {
        reads: [
            Ok(&b"full"[..]),
            Ok(b"abc"),
            Err(ErrorKind::Interrupted),
            Ok(b"x"),
            Err(ErrorKind::WouldBlock),
            Ok(b""),
        ]
        .into(),
        ..Script::default()
    };
    let mut channel = Channel::new(Scripted(&mut script));
    assert!(channel.is_readable(), "a new socket is worth a try");
    assert_eq!(fill(&mut channel), (Read::Data(4), true));
    assert_eq!(fill(&mut channel), (Read::Drained(3), false));
    assert_eq!(fill(&mut channel).0, Read::Progress);
    assert_eq!(fill(&mut channel), (Read::Drained(1), false));
    channel.note(Readiness {
        readable: true,
        ..NOTHING
    });
    assert_eq!(fill(&mut channel), (Read::WouldBlock, false));
    assert_eq!(fill(&mut channel).0, Read::Eof);
    assert_eq!(channel.bytes_in(), 8);
}

#[test]
fn a_short_read_is_not_the_last_where_the_peer_has_closed_its_side() {
    let mut script = Script {
        reads: [Ok(&b"a"[..]), Ok(b"b"), Ok(b"")].into(),
        ..Script::default()
    };
    let mut channel = Channel::new(Scripted(&mut script));
    channel.note(Readiness {
        read_on: true,
        ..NOTHING
    });
    assert!(channel.is_readable(), "there is an end to be read");
    assert_eq!(fill(&mut channel), (Read::Data(1), true));
    // The edge told once: a later event that does not repeat it takes nothing back.
    channel.note(NOTHING);
    assert_eq!(fill(&mut channel), (Read::Data(1), true));
    assert_eq!(fill(&mut channel).0, Read::Eof);
}

#[test]
fn the_end_of_the_peers_side_makes_a_drained_channel_readable() {
    let mut script = Script {
        reads: [Err(ErrorKind::WouldBlock), Ok(&b""[..])].into(),
        ..Script::default()
    };
    let mut channel = Channel::new(Scripted(&mut script));
    assert_eq!(fill(&mut channel), (Read::WouldBlock, false));
    channel.note(Readiness {
        read_on: true,
        ..NOTHING
    });
    assert!(channel.is_readable());
    assert_eq!(fill(&mut channel).0, Read::Eof);
}

#[test]
fn what_an_event_told_stays_true_until_the_socket_says_otherwise() {
    let mut script = Script {
        writes: [Ok(usize::MAX)].into(),
        ..Script::default()
    };
    let mut channel = Channel::new(Scripted(&mut script));
    channel.note(Readiness {
        writable: true,
        ..NOTHING
    });
    assert!(
        channel.is_readable(),
        "an event of room says nothing of input"
    );
    channel.note(Readiness {
        readable: true,
        ..NOTHING
    });
    channel.send(&mut BytesMut::from("a")).unwrap();
    assert_eq!(
        channel.unsent(),
        0,
        "an event of input says nothing of room"
    );
}

#[test]
fn output_waits_for_room_and_keeps_its_order() {
    let mut script = Script {
        writes: [
            Ok(1),
            Err(ErrorKind::Interrupted),
            Ok(1),
            Err(ErrorKind::WouldBlock),
            Ok(4),
            Err(ErrorKind::WouldBlock),
            Ok(usize::MAX),
        ]
        .into(),
        ..Script::default()
    };
    let mut channel = Channel::new(Scripted(&mut script));
    let mut replies = BytesMut::from("first ");
    channel.send(&mut replies).unwrap();
    assert_eq!((channel.unsent(), channel.bytes_out()), (4, 2));
    assert!(replies.is_empty());
    // Nobody tries before an event has told of room: the script would notice.
    replies.extend_from_slice(b"second ");
    channel.send(&mut replies).unwrap();
    assert_eq!((channel.unsent(), channel.bytes_out()), (11, 2));
    assert!(replies.is_empty());
    let room = Readiness {
        writable: true,
        ..NOTHING
    };
    channel.note(room);
    replies.extend_from_slice(b"third");
    channel.send(&mut replies).unwrap();
    assert_eq!((channel.unsent(), channel.bytes_out()), (12, 6));
    channel.note(room);
    channel.send(&mut replies).unwrap();
    assert_eq!((channel.unsent(), channel.bytes_out()), (0, 18));
    assert_eq!(script.written, b"first second third");
}

#[test]
fn a_fault_of_the_socket_is_told() {
    let mut script = Script {
        reads: [Err(ErrorKind::ConnectionReset)].into(),
        writes: [Ok(0), Err(ErrorKind::BrokenPipe)].into(),
        ..Script::default()
    };
    let mut channel = Channel::new(Scripted(&mut script));
    let kinds = [
        channel.read(&mut [0; 4]).unwrap_err().kind(),
        channel.send(&mut BytesMut::from("a")).unwrap_err().kind(),
        channel.send(&mut BytesMut::from("a")).unwrap_err().kind(),
    ];
    assert_eq!(
        kinds,
        [
            ErrorKind::ConnectionReset,
            ErrorKind::WriteZero,
            ErrorKind::BrokenPipe
        ]
    );
}
