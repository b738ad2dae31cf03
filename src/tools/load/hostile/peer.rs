//! One hostile peer: a client as any other up to a point, and what it does then.

use std::io;
use std::rc::Rc;

use bytes::{Buf, BytesMut};

use super::Ending;
use crate::net::channel::{Channel, Readiness};
use crate::net::socket::Socket;
use crate::net::transport::Read;
use crate::smtp::client::{ClientEvent, ClientSession, Outgoing, Pace as ClientPace};
use crate::smtp::envelope::Hello;

/// What a peer does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Behaviour {
    /// How far it behaves.
    pub(super) stage: Stage,
    /// What it says then.
    pub(super) says: &'static [u8],
    pub(super) pace: Pace,
    /// Whether it reads what it is told.
    pub(super) reads: bool,
}

/// How far a dialogue has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// There is a connection.
    AtOnce,
    /// The server has greeted.
    Greeted,
    /// The server waits for the message.
    InMessage,
}

/// How a peer says what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// Once, and waits.
    Once,
    /// Once, and leaves if there is an answer and not an end.
    Ask,
    /// Once, and resets the connection.
    Abort,
    /// Over and over, an octet at a time.
    Slow,
    /// Over and over.
    Fast,
}

/// What came of a turn.
#[derive(Debug)]
pub(super) enum Turn {
    /// Only an event, or time, brings it on.
    Waiting,
    /// There is more to do.
    Unfinished,
    Over(Ending),
}

pub(super) struct Peer {
    channel: Channel<Socket>,
    behaviour: Behaviour,
    /// The dialogue, while it behaves.
    session: Option<ClientSession>,
    commands: BytesMut,
    /// How much of what it says it has said; for a fast peer, of a block.
    said: usize,
    /// How many octets a slow one may have said.
    allowed: usize,
    last_code: Option<u16>,
}

impl Peer {
    pub(super) fn new(stream: Socket, behaviour: Behaviour, hello: Hello) -> Self {
        let session = match behaviour.stage {
            Stage::AtOnce => None,
            Stage::Greeted => Some(ClientSession::new(None, ClientPace::Lockstep)),
            Stage::InMessage => Some(ClientSession::new(Some(hello), ClientPace::Lockstep)),
        };
        if behaviour.pace == Pace::Abort {
            // At worst it closes as others do.
            let _ = stream.reset_on_close();
        }
        Self {
            channel: Channel::connecting(stream),
            behaviour,
            session,
            commands: BytesMut::new(),
            said: 0,
            allowed: 1,
            last_code: None,
        }
    }

    pub(super) fn note(&mut self, readiness: Readiness) {
        self.channel.note(readiness);
    }

    /// Allows a slow peer one more octet; whether it is one that misbehaves by now.
    pub(super) fn may_say_an_octet(&mut self) -> bool {
        let slow = self.behaviour.pace == Pace::Slow && self.session.is_none();
        self.allowed = self.said + usize::from(slow);
        slow
    }

    /// Reads once and writes once. A fast peer says `block` over and over.
    pub(super) fn turn(&mut self, buffer: &mut [u8], block: &[u8], mail: &Rc<Outgoing>) -> Turn {
        let turn = self.try_turn(buffer, block, mail);
        turn.unwrap_or_else(|_| Turn::Over(self.last_word()))
    }

    fn try_turn(
        &mut self,
        buffer: &mut [u8],
        block: &[u8],
        mail: &Rc<Outgoing>,
    ) -> io::Result<Turn> {
        let mut unfinished = false;
        if self.channel.is_readable() && (self.behaviour.reads || self.session.is_some()) {
            let read = self.channel.read(buffer)?;
            self.hear(&buffer[..read.count()], mail)?;
            if read == Read::Eof {
                return Ok(Turn::Over(self.last_word()));
            }
            unfinished = self.channel.is_readable();
        }
        let written = self.channel.write(&self.commands)?;
        self.commands.advance(written);
        if self.session.is_none() {
            unfinished |= self.misbehave(block)?;
            if self.leaves() {
                return Ok(Turn::Over(Ending::Left));
            }
        }
        Ok(if unfinished {
            Turn::Unfinished
        } else {
            Turn::Waiting
        })
    }

    /// Says what is to be said next. Returns whether more could be said at once.
    fn misbehave(&mut self, block: &[u8]) -> io::Result<bool> {
        let says = self.behaviour.says;
        match self.behaviour.pace {
            Pace::Once | Pace::Ask | Pace::Abort => {
                self.said += self.channel.write(&says[self.said..])?;
                Ok(false)
            }
            Pace::Slow => {
                if self.said < self.allowed {
                    let at = self.said % says.len().max(1);
                    self.said += self.channel.write(&says[at..=at])?;
                }
                Ok(false)
            }
            Pace::Fast => {
                let written = self.channel.write(&block[self.said..])?;
                let all = self.said + written == block.len();
                self.said = if all { 0 } else { self.said + written };
                Ok(all)
            }
        }
    }

    /// Whether it has done what it came for.
    fn leaves(&self) -> bool {
        match self.behaviour.pace {
            Pace::Abort => self.said == self.behaviour.says.len(),
            Pace::Ask => self.last_code.is_some_and(|code| code < 400),
            Pace::Once | Pace::Slow | Pace::Fast => false,
        }
    }

    /// Goes on with the dialogue, as far as it is to go, or only notes what the server says.
    fn hear(&mut self, mut input: &[u8], mail: &Rc<Outgoing>) -> io::Result<()> {
        self.last_code = last_code(input).or(self.last_code);
        while let Some(session) = &mut self.session {
            let event = session
                .next(&mut input, &mut self.commands)
                .map_err(io::Error::other)?;
            match event {
                ClientEvent::NeedInput => break,
                ClientEvent::Replied | ClientEvent::StartTls => {}
                ClientEvent::Ready if self.behaviour.stage == Stage::InMessage => session
                    .begin(Rc::clone(mail), &mut self.commands)
                    .map_err(|_| io::ErrorKind::FileTooLarge)?,
                ClientEvent::Ready | ClientEvent::SendMessage => self.session = None,
                ClientEvent::Accepted
                | ClientEvent::Refused
                | ClientEvent::Unacceptable(_)
                | ClientEvent::Closed => {
                    return Err(io::ErrorKind::ConnectionRefused.into());
                }
            }
        }
        Ok(())
    }

    fn last_word(&self) -> Ending {
        self.last_code.map_or(Ending::Closed, Ending::Reply)
    }
}

/// The code of the last reply line in `input`, if that line begins there.
fn last_code(input: &[u8]) -> Option<u16> {
    let line = input
        .trim_ascii_end()
        .rsplit(|octet| *octet == b'\n')
        .next()?;
    str::from_utf8(line.get(..3)?).ok()?.parse().ok()
}
