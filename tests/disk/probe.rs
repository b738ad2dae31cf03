//! Clients that ask by the clock and note how long the server takes.

use std::fmt::{self, Display};
use std::io::{ErrorKind, Write};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use mio::net::UnixStream;
use mio::{Events, Interest, Poll, Token};

use crate::common::client::Client;

/// What one question took, each time it was asked.
pub struct Latencies {
    question: &'static str,
    every: Duration,
    due: Instant,
    times: Vec<Duration>,
}

impl Latencies {
    /// Of a question that is asked every so often.
    pub fn new(question: &'static str, every: Duration) -> Self {
        Self {
            question,
            every,
            due: Instant::now(),
            times: Vec::new(),
        }
    }

    /// Asks when it is time to, and notes how long that takes.
    ///
    /// The clock tells when a question is due, not the answer to the one before, and its time counts from then: a
    /// server that stands still for half a second is late for all that was due in it, not for one.
    pub fn note(&mut self, ask: impl FnOnce()) {
        self.due += self.every;
        thread::sleep(self.due.saturating_duration_since(Instant::now()));
        ask();
        self.times.push(self.due.elapsed());
    }

    /// The time within which so many of a hundred were answered.
    pub fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.times.clone();
        sorted.sort_unstable();
        sorted[(sorted.len() * percent).div_ceil(100) - 1]
    }
}

impl Display for Latencies {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [half, most, all] = [50, 99, 100].map(|percent| {
            let milliseconds = self.percentile(percent).as_secs_f64() * 1000.0;
            format!("p{percent} {milliseconds:7.2} ms")
        });
        let (question, count) = (self.question, self.times.len());
        write!(
            formatter,
            "{question:22} {count:3} times: {half}, {most}, {all}"
        )
    }
}

/// A message that comes in line by line and has no end.
pub struct Trickle {
    stream: UnixStream,
    poll: Poll,
    events: Events,
}

impl Trickle {
    const LINE: &[u8] =
        b"This is one line of a message that somebody types without ever coming to its end\r\n";

    pub fn begin(socket: &Path, to: &str) -> Self {
        let mut client = Client::new(StdUnixStream::connect(socket).unwrap());
        client.begin_message(to);
        let stream = client.stream.into_inner();
        stream.set_nonblocking(true).unwrap();
        let mut stream = UnixStream::from_std(stream);
        let poll = Poll::new().unwrap();
        let registry = poll.registry();
        registry
            .register(&mut stream, Token(0), Interest::WRITABLE)
            .unwrap();
        let mut trickle = Self {
            stream,
            poll,
            events: Events::with_capacity(1),
        };
        // The first edge says that the socket is new.
        trickle.wait();
        trickle
    }

    /// Sends a line and waits until the server has read it.
    pub fn send_line(&mut self) {
        self.stream.write_all(Self::LINE).unwrap();
        self.wait();
    }

    /// A unix socket has no buffer on the way: what is sent counts as the sender's until the other side reads it,
    /// and each time the other does, there is an edge of writability.
    fn wait(&mut self) {
        let limit = Some(Duration::from_secs(60));
        // It is begun anew where this process was halted meanwhile (signal(7)).
        while let Err(error) = self.poll.poll(&mut self.events, limit) {
            assert_eq!(error.kind(), ErrorKind::Interrupted, "{error}");
        }
        let event = self.events.iter().next().expect("the server does not read");
        assert!(event.is_writable() && !event.is_write_closed(), "{event:?}");
    }
}
