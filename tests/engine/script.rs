//! A driver that does what a test tells it, call by call.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use mailoop::net::driver::{Close, ConnectionFailure, Driver, Ending, Step, Summary, Turn};
use mailoop::net::link::TlsFacts;
use std::time::Duration;

/// What the drivers of a test work on.
#[derive(Debug, Default)]
pub struct Board {
    /// The deadline of every driver.
    pub deadline: Option<Instant>,
    /// Whether a drain ends handshakes and dials.
    pub drains: bool,
    /// Whether what all share has room.
    pub has_room: bool,
    /// The names of calls, in order.
    pub calls: Vec<&'static str>,
    /// The reasons of connections that are closed, in order.
    pub closed: Vec<String>,
}

/// A call of the engine that the script answers.
pub enum Call<'c, 'i> {
    Opened,
    Input(&'c mut &'i [u8]),
    Eof,
    Secured,
    Completed(u32),
    Wrote(usize),
    Expired,
}

type Act = Box<dyn FnMut(Call<'_, '_>, &mut Turn<'_, Board>) -> Step<Script>>;

pub struct Script {
    act: Act,
    pub outstanding: Rc<Cell<Option<u32>>>,
    text: Rc<[u8]>,
    /// How much of the text was written.
    written: usize,
}

impl Script {
    pub fn new(
        act: impl FnMut(Call<'_, '_>, &mut Turn<'_, Board>) -> Step<Script> + 'static,
    ) -> Self {
        Self {
            act: Box::new(act),
            outstanding: Rc::default(),
            text: Rc::default(),
            written: 0,
        }
    }

    /// The same with a text to be written from its place.
    pub fn with_text(self, text: &Rc<[u8]>) -> Self {
        let text = Rc::clone(text);
        Self { text, ..self }
    }

    fn call(
        &mut self,
        name: &'static str,
        call: Call<'_, '_>,
        turn: &mut Turn<'_, Board>,
    ) -> Step<Self> {
        turn.shared.calls.push(name);
        (self.act)(call, turn)
    }
}

/// The end, of this kind; the last output has ten seconds.
pub fn close(ending: Ending) -> Step<Script> {
    Step::Close(Close {
        reason: format!("{ending:?}"),
        ending,
        flush_timeout: Duration::from_secs(10),
    })
}

impl Driver for Script {
    type Shared = Board;
    type Ticket = u32;
    type Completion = u32;
    type Reason = String;

    fn opened(&mut self, turn: &mut Turn<'_, Board>) -> Step<Self> {
        self.call("opened", Call::Opened, turn)
    }

    fn input(&mut self, input: &mut &[u8], turn: &mut Turn<'_, Board>) -> Step<Self> {
        self.call("input", Call::Input(input), turn)
    }

    fn eof(&mut self, turn: &mut Turn<'_, Board>) -> Step<Self> {
        self.call("eof", Call::Eof, turn)
    }

    fn secured(&mut self, _: &TlsFacts, turn: &mut Turn<'_, Board>) -> Step<Self> {
        self.call("secured", Call::Secured, turn)
    }

    fn completed(&mut self, completion: u32, turn: &mut Turn<'_, Board>) -> Step<Self> {
        self.call("completed", Call::Completed(completion), turn)
    }

    fn unwritten(&self) -> &[u8] {
        &self.text[self.written..]
    }

    fn wrote(&mut self, count: usize, turn: &mut Turn<'_, Board>) -> Step<Self> {
        self.written += count;
        self.call("wrote", Call::Wrote(count), turn)
    }

    fn deadline(&self, board: &Board) -> Option<Instant> {
        board.deadline
    }

    fn expired(&mut self, turn: &mut Turn<'_, Board>) -> Option<Step<Self>> {
        Some(self.call("expired", Call::Expired, turn))
    }

    fn drained(&mut self, turn: &mut Turn<'_, Board>) -> Option<String> {
        turn.shared.drains.then(|| "drained".to_owned())
    }

    fn outstanding(&self) -> Option<u32> {
        self.outstanding.get()
    }

    fn failed(&mut self, failure: ConnectionFailure, _: &mut Turn<'_, Board>) -> String {
        match failure {
            ConnectionFailure::Dial(error) => format!("dial: {:?}", error.kind()),
            ConnectionFailure::Handshake(error) => format!("handshake: {:?}", error.kind()),
            ConnectionFailure::HandshakeTimeout => "handshake: timeout".to_owned(),
            ConnectionFailure::Socket(error) => format!("socket: {:?}", error.kind()),
        }
    }

    fn closed(&mut self, reason: &String, _: &Summary, board: &mut Board) {
        board.closed.push(reason.clone());
    }
}
