//! The load: sessions that keep their connections and send message after message, each of them waiting for every
//! reply. All of them live in one thread around one poll, so that they take little from the server they measure.
//!
//! It comes in turns, so that two servers can have it by turns: at the end of one every session finishes its message,
//! and the server has nothing left to do.

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

/// The size of a message as it is on the wire, without the dot that ends it.
pub(crate) const MESSAGE_BYTES: usize = 1024;
/// More than the longest reply, the one to EHLO.
const REPLY_BYTES_MAX: usize = 1024;
/// So long may a server be silent towards all sessions.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// What came of a turn.
pub(crate) struct Report {
    pub(crate) messages_per_second: f64,
    /// From the end of a message to the reply that it is stored, half of them and 99 of 100.
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// Processor time that this program took for each message.
    pub(crate) cpu_per_message: Duration,
}

/// Where a session is: what it said last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Nothing,
    Ehlo,
    Mail,
    Rcpt,
    Data,
    Message,
}

/// A message as it is sent, with the dot that ends it.
fn message() -> Vec<u8> {
    let mut message = b"From: <sender@example.org>\r\nSubject: load\r\n\r\n".to_vec();
    while message.len() < MESSAGE_BYTES - 80 {
        message.extend_from_slice(&[b'x'; 70]);
        message.extend_from_slice(b"\r\n");
    }
    message.resize(MESSAGE_BYTES - 2, b'x');
    message.extend_from_slice(b"\r\n.\r\n");
    message
}

struct Session {
    stream: TcpStream,
    said: Said,
    /// Its command that names the recipient.
    rcpt: String,
    /// When the last message ended.
    ended: Instant,
    /// The reply, as far as it is here.
    reply: Vec<u8>,
}

impl Session {
    /// The code of the reply that is awaited.
    fn awaited(&self) -> &'static [u8] {
        match self.said {
            Said::Nothing => b"220",
            Said::Data => b"354",
            _ => b"250",
        }
    }

    /// Says what follows, now that the reply is here.
    fn go_on(&mut self, message: &[u8], now: Instant) {
        let (said, words): (_, &[u8]) = match self.said {
            Said::Nothing => (Said::Ehlo, b"EHLO client.example.org\r\n"),
            Said::Ehlo | Said::Message => (Said::Mail, b"MAIL FROM:<sender@example.org>\r\n"),
            Said::Mail => (Said::Rcpt, self.rcpt.as_bytes()),
            Said::Rcpt => (Said::Data, b"DATA\r\n"),
            Said::Data => (Said::Message, message),
        };
        // All that is ever said between two replies fits into an empty socket buffer.
        let written = self.stream.write(words).expect("the server reads");
        assert_eq!(written, words.len(), "the socket buffer is small");
        self.said = said;
        if said == Said::Message {
            self.ended = now;
        }
    }

    /// Reads once. A shorter read than could have been has emptied the socket: whatever comes then is a new event.
    /// Returns whether the reply is complete.
    fn hear(&mut self, buffer: &mut [u8]) -> bool {
        let heard = match self.stream.read(buffer) {
            Ok(0) => panic!("the server closed after {:?}", self.said),
            Ok(length) => &buffer[..length],
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return false,
            Err(error) => panic!("{error} after {:?}", self.said),
        };
        assert!(heard.len() < buffer.len(), "a reply is too long");
        // Nearly always the reply comes in one piece.
        if self.reply.is_empty() && is_complete(heard) {
            self.expect(heard);
            return true;
        }
        self.reply.extend_from_slice(heard);
        if !is_complete(&self.reply) {
            return false;
        }
        self.expect(&self.reply);
        self.reply.clear();
        true
    }

    fn expect(&self, reply: &[u8]) {
        let shown = String::from_utf8_lossy(reply);
        assert!(
            reply.starts_with(self.awaited()),
            "{shown} after {:?}",
            self.said
        );
    }
}

/// Several lines have a hyphen behind the code of all but the last one (RFC 5321 §4.2.1).
fn is_complete(reply: &[u8]) -> bool {
    let Some(lines) = reply.strip_suffix(b"\r\n") else {
        return false;
    };
    let start = lines.iter().rposition(|octet| *octet == b'\n');
    lines[start.map_or(0, |lf| lf + 1)..].get(3) == Some(&b' ')
}

/// The sessions with one server.
pub(crate) struct Load {
    poll: Poll,
    events: Events,
    sessions: Vec<Session>,
    message: Vec<u8>,
}

impl Load {
    /// Opens so many sessions, one behind the other since a backlog may be short, and has all of them greeted. They
    /// send to so many mailboxes.
    pub(crate) fn connect(server: SocketAddr, sessions: usize, mailboxes: usize) -> Self {
        let poll = Poll::new().unwrap();
        let connect = |number| {
            let stream = std::net::TcpStream::connect(server).expect("the server accepts");
            stream.set_nodelay(true).unwrap();
            stream.set_nonblocking(true).unwrap();
            let mut stream = TcpStream::from_std(stream);
            poll.registry()
                .register(&mut stream, Token(number), Interest::READABLE)
                .unwrap();
            Session {
                stream,
                said: Said::Nothing,
                rcpt: format!("RCPT TO:<recipient{}@example.org>\r\n", number % mailboxes),
                ended: Instant::now(),
                reply: Vec::new(),
            }
        };
        let mut load = Self {
            sessions: (0..sessions).map(connect).collect(),
            events: Events::with_capacity(sessions),
            message: message(),
            poll,
        };
        let mut waiting = sessions;
        while waiting > 0 {
            load.each_reply(|session, message, now| match session.said {
                Said::Ehlo => waiting -= 1,
                _ => session.go_on(message, now),
            });
        }
        load
    }

    /// Has all sessions send messages for so long, and finish the last.
    pub(crate) fn turn(&mut self, time: Duration) -> Report {
        let (start, cpu) = (Instant::now(), processor_time());
        for session in &mut self.sessions {
            session.go_on(&self.message, start);
        }
        let mut waits = Vec::new();
        let mut sending = self.sessions.len();
        while sending > 0 {
            self.each_reply(|session, message, now| {
                let stored = session.said == Said::Message;
                if stored {
                    waits.push(now - session.ended);
                }
                if stored && now - start >= time {
                    sending -= 1;
                } else {
                    session.go_on(message, now);
                }
            });
        }
        let (elapsed, cpu) = (start.elapsed(), processor_time() - cpu);
        waits.sort_unstable();
        let quantile = |percent: usize| waits[(waits.len() - 1) * percent / 100];
        Report {
            messages_per_second: waits.len() as f64 / elapsed.as_secs_f64(),
            p50: quantile(50),
            p99: quantile(99),
            cpu_per_message: cpu.div_f64(waits.len() as f64),
        }
    }

    /// Waits for replies, and shows each session whose reply is complete, and when that was read.
    fn each_reply(&mut self, mut show: impl FnMut(&mut Session, &[u8], Instant)) {
        let mut buffer = [0; REPLY_BYTES_MAX];
        self.poll.poll(&mut self.events, Some(SILENCE_MAX)).unwrap();
        assert!(!self.events.is_empty(), "the server is silent");
        for event in &self.events {
            let session = &mut self.sessions[event.token().0];
            if session.hear(&mut buffer) {
                show(session, &self.message, Instant::now());
            }
        }
    }
}

/// Processor time of this program's only thread so far.
pub(crate) fn processor_time() -> Duration {
    let times = fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanoseconds = times.split(' ').next().and_then(|time| time.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}
