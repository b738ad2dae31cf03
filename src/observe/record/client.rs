//! The recorder of a client: what its dialogues begin with, and the world around its loop.

use std::io;
use std::rc::Rc;
use std::time::{Instant, SystemTime};

use super::client_login::RecordedCredentials;
use super::tls::RecordedTls;
use super::{Output, Recorder};
use crate::net::channel::Readiness;
use crate::net::connections::TickStep;
use crate::net::epoch::Nanoseconds;
use crate::net::peer::PeerAddress;
use crate::net::probe::Probe;
use crate::net::token::Token;
use crate::net::transport::Transport;
use crate::observe::frame::ClientFrame;
use crate::observe::mask::{DecisiveText, HiddenText};
use crate::smtp::client::Pace;
use crate::smtp::path::Mailbox;
use crate::tools::encryption::Start;
use crate::tools::opening::Opening;
use crate::tools::world::{ATTACKER, CONNECTION, Call, Dialed, World};

/// Octets of the message that are in one frame.
const MESSAGE_BYTES: usize = 32 * 1024;
/// What the key of an event of each further kind is counted from.
const KEYS_OF_KIND: usize = 1_000_000_000;

/// The world around the loop of a client, recorded.
struct RecordedWorld {
    inner: Rc<dyn World>,
    recorder: Rc<Recorder>,
}

impl Recorder {
    /// Hands frames to the sink, and waits until it has taken them.
    fn flush_all(&self) {
        let mut output = self.output.borrow_mut();
        let Output { sink, buffer, .. } = &mut *output;
        let flushed = sink.wait(buffer);
        output.note(flushed);
    }
}

/// The key in a record of what has this token.
#[must_use]
pub fn key_of(token: Token) -> usize {
    usize::from(token.kind - CONNECTION) * KEYS_OF_KIND + token.key
}

/// The token of what has this key in a record; `None` if nothing has.
#[must_use]
pub fn token_of(key: usize) -> Option<Token> {
    let kind = [CONNECTION, ATTACKER].into_iter().nth(key / KEYS_OF_KIND)?;
    Some(Token::new(kind, key % KEYS_OF_KIND))
}

/// Records a client that begins with this `opening`, and the world around it. A load has terms besides.
pub fn watch(
    recorder: &Rc<Recorder>,
    opening: &mut Opening,
    terms: Option<ClientFrame<'_>>,
    world: Rc<dyn World>,
) -> Rc<dyn World> {
    recorder.begin(world.now());
    put_opening(recorder, opening);
    if let Some(terms) = terms {
        recorder.put(&terms.into());
    }
    put_message(recorder, &opening.message);
    if let Some(tls) = &mut opening.tls {
        let inner = Rc::clone(&tls.connector);
        let recorder = Rc::clone(recorder);
        tls.connector = Rc::new(RecordedTls { inner, recorder });
    }
    if let Some(inner) = opening.login.take() {
        let recorder = Rc::clone(recorder);
        opening.login = Some(Rc::new(RecordedCredentials { inner, recorder }));
    }
    Rc::new(RecordedWorld {
        inner: world,
        recorder: Rc::clone(recorder),
    })
}

fn put_opening(recorder: &Recorder, opening: &Opening) {
    let login = opening.login.as_ref();
    let timeout = opening.timeout.as_nanos();
    let begun = ClientFrame::Begun {
        server: &opening.server.to_string(),
        hello: &opening.hello.name,
        extended: opening.hello.extended,
        says_hello: opening.says_hello,
        pipelined: opening.pace == Pace::Pipelined,
        from: &opening.mail.from.to_string(),
        size: opening.mail.size,
        eight_bit: opening.mail.eight_bit,
        tls_at_once: opening.tls.as_ref().map(|tls| tls.start == Start::AtOnce),
        login: login.map(|login| login.user()),
        timeout: Nanoseconds::try_from(timeout).unwrap_or(Nanoseconds::MAX),
    };
    recorder.put(&begun.into());
    for address in opening.mail.to.iter().map(Mailbox::as_str) {
        recorder.put(&ClientFrame::Recipient { address }.into());
    }
}

/// Records the message. Nobody is served yet, so the file may be waited for.
fn put_message(recorder: &Recorder, message: &[u8]) {
    let mut mask = HiddenText::new();
    for octets in message.chunks(MESSAGE_BYTES) {
        let hidden;
        let octets = if recorder.options.with_text {
            octets
        } else {
            hidden = mask.hide(octets, &DecisiveText::default());
            &hidden
        };
        recorder.put(&ClientFrame::Message { octets }.into());
        recorder.flush_all();
    }
}

impl World for RecordedWorld {
    fn now(&self) -> Instant {
        let now = self.inner.now();
        let frame = ClientFrame::Clock {
            now: self.recorder.since_start(now),
        };
        self.recorder.put(&frame.into());
        now
    }

    fn poll(&self, wake: Option<Instant>) -> io::Result<Instant> {
        let recorder = &self.recorder;
        recorder.saw_tick_end(wake);
        recorder.flush();
        let retry = recorder.next_wake(Instant::now());
        let now = self.inner.poll(wake.into_iter().chain(retry).min())?;
        recorder.saw_tick(now, SystemTime::now());
        Ok(now)
    }

    fn events(&self, tell: &mut dyn FnMut(Token, Readiness)) {
        self.inner.events(&mut |token, readiness| {
            self.recorder.saw_event(key_of(token), readiness);
            tell(token, readiness);
        });
    }

    fn dial(&self, call: Call) -> io::Result<Dialed> {
        let Call {
            token,
            connection,
            resets_on_close,
        } = call;
        let dialed = self.inner.dial(call);
        let begun = dialed.as_ref().ok();
        let short_read_drains = begun.is_some_and(|begun| begun.transport.short_read_drains());
        let frame = ClientFrame::Dialed {
            key: key_of(token),
            connection,
            resets_on_close,
            peer: begun.map_or(PeerAddress::Unknown, |begun| begun.peer),
            short_read_drains,
            result: dialed.as_ref().map(drop).map_err(Into::into),
        };
        self.recorder.put(&frame.into());
        let Dialed { transport, peer } = dialed?;
        self.recorder.connections.borrow_mut().add(connection);
        let transport = self.recorder.carry(transport, connection);
        Ok(Dialed { transport, peer })
    }

    fn next_address(&self) -> bool {
        let is_there = self.inner.next_address();
        self.recorder
            .put(&ClientFrame::NextAddress { is_there }.into());
        is_there
    }

    fn signals(&self) -> u32 {
        let count = self.inner.signals();
        if count > 0 {
            self.recorder.put(&ClientFrame::Signals { count }.into());
        }
        count
    }

    fn step(&self, step: TickStep) {
        self.recorder.saw_step(step);
    }

    fn probe(&self) -> Option<Rc<dyn Probe>> {
        Some(Rc::clone(&self.recorder) as Rc<dyn Probe>)
    }
}

impl Drop for RecordedWorld {
    fn drop(&mut self) {
        self.recorder.end();
    }
}
