//! One connection of the load: transactions through a client session, one behind the other.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::schedule::Schedule;
use super::tally::{Failure, Tally};
use crate::net::channel::{Channel, Readiness};
use crate::net::endpoint::Endpoint;
use crate::net::socket::Socket;
use crate::net::transport::Read;
use crate::smtp::client::{ClientEvent, ClientSession, Outgoing, ProtocolError, Subject};
use crate::tools::encryption::ServerTrust;

/// How long a server may take to close behind its good-bye, on which nothing depends any more.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);

/// What all connections work on.
pub(super) struct Work<'a> {
    /// Who the server is, as it was asked for.
    pub(super) server: &'a Endpoint,
    /// Whom the connections trust, where they are under TLS.
    pub(super) trust: Option<&'a dyn ServerTrust>,
    pub(super) mail: Rc<Outgoing>,
    /// The message as it goes over the wire, the same one every time.
    pub(super) message: &'a [u8],
    /// Whether a connection has more than one transaction.
    pub(super) keep: bool,
    /// Whether a transaction is no more than a connection.
    pub(super) connect_only: bool,
    pub(super) schedule: Schedule,
    pub(super) tally: Tally,
}

/// What a connection is about. The instants are since when its transaction counts.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// The socket does not say yet whether there is a server.
    Connecting(Instant),
    /// Greeting and hello, for the first transaction.
    Opening(Instant),
    Transaction(Instant),
    /// There is nothing to do for now.
    Idle,
    /// Good-bye was said, or the server said it.
    Leaving,
}

/// How a connection is after a turn.
#[derive(Debug)]
pub(super) enum Status {
    /// It is as it was, or waits for its server.
    Busy,
    /// From now on it waits for a transaction.
    Idle,
    /// It is done with.
    Over,
    /// There is no server, for this reason. Its transaction is still to be counted.
    Unreachable(io::Error),
}

/// Why a connection is no use any more.
enum Broken {
    Socket(io::Error),
    Protocol(ProtocolError),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Socket(error)
    }
}

/// A connection, from the moment it is asked for.
pub(super) struct Connection {
    channel: Channel<Socket>,
    session: ClientSession,
    phase: Phase,
    /// Commands that are to be written, and how much of them was.
    commands: BytesMut,
    commands_written: usize,
    /// How much of the message was written, while that goes on.
    message_written: Option<usize>,
    last_event: Instant,
}

impl Connection {
    /// A connection for the transaction that counts since `since`.
    pub(super) fn new(
        channel: Channel<Socket>,
        session: ClientSession,
        since: Instant,
        now: Instant,
    ) -> Self {
        Self {
            channel,
            session,
            phase: Phase::Connecting(since),
            commands: BytesMut::new(),
            commands_written: 0,
            message_written: None,
            last_event: now,
        }
    }

    /// Octets read and written so far.
    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.channel.bytes_in(), self.channel.bytes_out())
    }

    /// Whether it waits for a transaction.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle)
    }

    /// Goes on after an event of the socket. `buffer` is for what is read.
    pub(super) fn on_event(
        &mut self,
        readiness: Readiness,
        now: Instant,
        buffer: &mut [u8],
        work: &mut Work<'_>,
    ) -> Status {
        let was_idle = self.is_idle();
        self.channel.note(readiness);
        self.last_event = now;
        let open = self.converse(buffer, work);
        match self.status(open, work) {
            Status::Idle if was_idle => Status::Busy,
            status => status,
        }
    }

    /// Takes up a transaction; only an idle connection does.
    pub(super) fn take_up(&mut self, since: Instant, now: Instant, work: &mut Work<'_>) -> Status {
        self.last_event = now;
        self.begin(since, work);
        let written = self.write(work.message);
        self.status(written.map(|()| true).map_err(Broken::Socket), work)
    }

    /// Leaves a server that is not needed any more; only an idle connection does.
    pub(super) fn leave(&mut self, now: Instant, work: &mut Work<'_>) -> Status {
        self.last_event = now;
        self.say_goodbye();
        let written = self.write(work.message);
        self.status(written.map(|()| true).map_err(Broken::Socket), work)
    }

    /// Gives up a server that was silent for `timeout`.
    pub(super) fn expire(
        &mut self,
        timeout: Duration,
        now: Instant,
        work: &mut Work<'_>,
    ) -> Status {
        let silent = now.saturating_duration_since(self.last_event);
        match self.phase {
            Phase::Connecting(_) if silent >= timeout => {
                Status::Unreachable(io::ErrorKind::TimedOut.into())
            }
            Phase::Opening(_) | Phase::Transaction(_) if silent >= timeout => {
                let why = format_args!("no progress for {} s", timeout.as_secs());
                work.tally.failed(Failure::Timeout, why, now);
                Status::Over
            }
            Phase::Leaving if silent >= timeout.min(GOODBYE_TIMEOUT) => Status::Over,
            _ => Status::Busy,
        }
    }

    /// What a turn came to. Whoever leaves has nothing left to lose.
    fn status(&mut self, open: Result<bool, Broken>, work: &mut Work<'_>) -> Status {
        let now = self.last_event;
        let (failure, why) = match (open, self.phase) {
            (Ok(true), Phase::Idle) => return Status::Idle,
            (Ok(true), _) => return Status::Busy,
            (_, Phase::Idle | Phase::Leaving) => return Status::Over,
            (Err(Broken::Socket(error)), Phase::Connecting(_)) if !is_from_server(&error) => {
                return Status::Unreachable(error);
            }
            (Ok(false), _) => (Failure::Lost, "the server closed the connection".to_owned()),
            (Err(Broken::Socket(error)), _) => {
                let trust = work.trust;
                match trust.and_then(|trust| trust.explain(&error, work.server)) {
                    Some(why) => (Failure::Tls, why),
                    None => (Failure::Lost, error.to_string()),
                }
            }
            (Err(Broken::Protocol(error)), _) => (Failure::Protocol, error.to_string()),
        };
        work.tally.failed(failure, why, now);
        Status::Over
    }

    /// Writes, reads and reacts until the socket has no more. Returns whether more may come.
    fn converse(&mut self, buffer: &mut [u8], work: &mut Work<'_>) -> Result<bool, Broken> {
        let mut written = self.write(work.message);
        while self.channel.is_readable() {
            let read = self.channel.read(buffer)?;
            self.react(&buffer[..read.count()], work)
                .map_err(Broken::Protocol)?;
            if written.is_ok() {
                written = self.write(work.message);
            }
            if read == Read::Eof {
                return Ok(false);
            }
        }
        written?;
        if let Phase::Connecting(since) = self.phase {
            self.phase = Phase::Opening(since);
        }
        Ok(true)
    }

    /// Writes what is to be written, until the socket takes no more.
    fn write(&mut self, message: &[u8]) -> io::Result<()> {
        let written = self.try_write(message);
        if written.is_err() {
            // The server may have said why before it hung up.
            self.channel.note(Readiness {
                readable: true,
                writable: false,
                read_on: true,
            });
        }
        written
    }

    fn try_write(&mut self, message: &[u8]) -> io::Result<()> {
        if self.channel.unsent() > 0 {
            // TLS has something to say of its own, or what there was no room for.
            self.channel.write(&[])?;
        }
        if self.commands_written < self.commands.len() {
            self.commands_written += self
                .channel
                .write(&self.commands[self.commands_written..])?;
            if self.commands_written < self.commands.len() {
                return Ok(());
            }
            self.commands.clear();
            self.commands_written = 0;
        }
        if let Some(written) = &mut self.message_written {
            *written += self.channel.write(&message[*written..])?;
            if *written == message.len() {
                self.message_written = None;
                self.session.message_sent();
            }
        }
        Ok(())
    }

    /// Hands what was read to the session and does what it says.
    fn react(&mut self, mut input: &[u8], work: &mut Work<'_>) -> Result<(), ProtocolError> {
        loop {
            match self.session.next(&mut input, &mut self.commands)? {
                ClientEvent::NeedInput => return Ok(()),
                // Nobody asks for STARTTLS.
                ClientEvent::Replied | ClientEvent::StartTls => {}
                ClientEvent::SendMessage => self.message_written = Some(0),
                ClientEvent::Ready => self.on_opened(work),
                ClientEvent::Accepted => self.on_accepted(work),
                ClientEvent::Refused | ClientEvent::Unacceptable(_) => self.on_refused(work),
                ClientEvent::Closed => {
                    self.on_closed(work);
                    return Ok(());
                }
            }
        }
    }

    fn on_opened(&mut self, work: &mut Work<'_>) {
        work.tally.connections += 1;
        let (Phase::Connecting(since) | Phase::Opening(since)) = self.phase else {
            return;
        };
        if work.connect_only {
            self.session.quit(&mut self.commands);
            self.phase = Phase::Transaction(since);
        } else if work.keep && !work.schedule.is_by_clock() {
            // All transactions of this connection shall count alike.
            self.begin(Instant::now(), work);
        } else {
            self.begin(since, work);
        }
    }

    fn on_accepted(&mut self, work: &mut Work<'_>) {
        let now = Instant::now();
        for refusal in self.session.refusals() {
            work.tally.refused_recipient(&refusal.reply);
        }
        if let Phase::Transaction(since) = self.phase {
            work.tally.done(since, now);
        }
        self.go_on(now, work);
    }

    fn on_refused(&mut self, work: &mut Work<'_>) {
        let now = Instant::now();
        let Some(first) = self.session.refusals().first() else {
            return self.say_goodbye();
        };
        work.tally
            .failed(Failure::Reply(first.reply.code()), &first.reply, now);
        if first.subject == Subject::Session {
            self.say_goodbye();
        } else {
            self.go_on(now, work);
        }
    }

    /// The server has said its last word.
    fn on_closed(&mut self, work: &mut Work<'_>) {
        let now = Instant::now();
        let reply = self.session.reply();
        match self.phase {
            Phase::Transaction(since) if work.connect_only && reply.code() < 400 => {
                work.tally.done(since, now);
            }
            Phase::Connecting(_) | Phase::Opening(_) | Phase::Transaction(_) => {
                work.tally.failed(Failure::Reply(reply.code()), reply, now);
            }
            Phase::Idle | Phase::Leaving => {}
        }
        self.phase = Phase::Leaving;
        // A good-bye that cannot be said changes nothing any more.
        let _ = self.channel.close_notify();
    }

    /// Goes on to the next transaction, or leaves.
    fn go_on(&mut self, now: Instant, work: &mut Work<'_>) {
        if !work.keep || work.schedule.is_over(now) {
            self.say_goodbye();
        } else if let Some(since) = work.schedule.take(now) {
            self.begin(since, work);
        } else {
            self.phase = Phase::Idle;
        }
    }

    fn begin(&mut self, since: Instant, work: &mut Work<'_>) {
        match self
            .session
            .begin(Rc::clone(&work.mail), &mut self.commands)
        {
            Ok(()) => self.phase = Phase::Transaction(since),
            Err(too_large) => {
                let (size, limit) = (work.mail.size, too_large.limit);
                let why =
                    format_args!("the message has {size} octets, the server takes {limit} at most");
                work.tally.failed(Failure::TooLarge, why, self.last_event);
                self.say_goodbye();
            }
        }
    }

    fn say_goodbye(&mut self) {
        self.session.quit(&mut self.commands);
        self.phase = Phase::Leaving;
    }
}

/// Whether only a server that is there can be the reason.
fn is_from_server(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::InvalidData
            | io::ErrorKind::UnexpectedEof
    )
}
