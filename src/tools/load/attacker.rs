//! One hostile peer: a client as any other up to a point, and what it does then.

use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::attack_kind::{AttackEnding, AttackPace, AttackStage, Behaviour};
use crate::net::budget::TurnBudget;
use crate::net::driver::{
    Close, ConnectionFailure, ConnectionId, Driver, Step, Summary, Turn, Wait,
};
use crate::net::lifecycle::Lifecycle;
use crate::net::probe::{Content, Probe, Seen};
use crate::smtp::client::{ClientEvent, ClientSession, Outgoing, Pace};
use crate::smtp::envelope::Hello;

/// How long a slow peer rests after every octet.
const SLOW_PAUSE: Duration = Duration::from_secs(1);
/// How much a fast peer says at once.
const BLOCK_BYTES: usize = 16 * 1024;

type AttackerStep = Step<Attacker>;

/// Everything that all hostile peers work on.
pub(super) struct AttackShared {
    mail: Rc<Outgoing>,
    /// What fast peers say, over and over.
    block: Vec<u8>,
    /// How many peers there are.
    pub(super) present: usize,
    /// How many there were.
    pub(super) begun: u64,
    pub(super) endings: BTreeMap<AttackEnding, u64>,
    probe: Option<Rc<dyn Probe>>,
}

impl AttackShared {
    pub(super) fn new(says: &[u8], mail: Rc<Outgoing>, probe: Option<Rc<dyn Probe>>) -> Self {
        Self {
            mail,
            block: says.repeat(BLOCK_BYTES / says.len().max(1)),
            present: 0,
            begun: 0,
            endings: BTreeMap::new(),
            probe,
        }
    }

    fn tell(&self, id: ConnectionId, step: Seen<'_>) {
        if let Some(probe) = &self.probe {
            probe.saw(id, step);
        }
    }
}

/// One peer.
pub(super) struct Attacker {
    behaviour: Behaviour,
    /// The dialogue, while it behaves.
    session: Option<ClientSession>,
    /// Whether it has said what it says once.
    has_said: bool,
    /// When a slow one says its next octet.
    next_octet: Instant,
    /// How many octets a slow one has said.
    octets: usize,
    last_code: Option<u16>,
}

impl Attacker {
    pub(super) fn new(behaviour: Behaviour, hello: &Hello, now: Instant) -> Self {
        let session = |hello| Some(ClientSession::new(hello, Pace::Lockstep));
        Self {
            behaviour,
            session: match behaviour.stage {
                AttackStage::AtOnce => None,
                AttackStage::Greeted => session(None),
                AttackStage::InMessage => session(Some(hello.clone())),
            },
            has_said: false,
            next_octet: now,
            octets: 0,
            last_code: None,
        }
    }

    /// Goes on with the dialogue, as far as it is to go.
    fn converse(&mut self, input: &mut &[u8], turn: &mut Turn<'_, AttackShared>) -> io::Result<()> {
        while let Some(session) = &mut self.session {
            let event = session.next(input, turn.output).map_err(io::Error::other)?;
            match event {
                ClientEvent::NeedInput => break,
                ClientEvent::Replied | ClientEvent::StartTls => {}
                ClientEvent::Ready if self.behaviour.stage == AttackStage::InMessage => session
                    .begin(Rc::clone(&turn.shared.mail), turn.output)
                    .map_err(|_| io::ErrorKind::FileTooLarge)?,
                ClientEvent::Ready | ClientEvent::SendMessage => {
                    self.session = None;
                    self.next_octet = turn.now;
                }
                ClientEvent::Accepted
                | ClientEvent::Refused
                | ClientEvent::Unacceptable(_)
                | ClientEvent::Closed => return Err(io::ErrorKind::ConnectionRefused.into()),
            }
        }
        Ok(())
    }

    /// Says what is to be said next.
    fn misbehave(&mut self, turn: &mut Turn<'_, AttackShared>) -> AttackerStep {
        let is_written = turn.unsent + turn.output.len() == 0;
        match self.behaviour.pace {
            // The octets come one by one, when its deadline has passed.
            AttackPace::Slow => Step::Continue,
            AttackPace::Fast => {
                if is_written {
                    turn.output.extend_from_slice(&turn.shared.block);
                }
                if self.behaviour.reads {
                    Step::Flush
                } else {
                    Step::Wait(Wait::Output)
                }
            }
            AttackPace::Once | AttackPace::Ask | AttackPace::Abort => {
                if !self.has_said {
                    self.has_said = true;
                    turn.output.extend_from_slice(self.behaviour.says);
                    return Step::Flush;
                }
                if self.leaves(is_written) {
                    return close(AttackEnding::Left);
                }
                Step::Continue
            }
        }
    }

    /// Whether it has done what it came for.
    fn leaves(&self, is_written: bool) -> bool {
        match self.behaviour.pace {
            AttackPace::Abort => is_written,
            AttackPace::Ask => self.last_code.is_some_and(|code| code < 400),
            AttackPace::Once | AttackPace::Slow | AttackPace::Fast => false,
        }
    }

    fn last_word(&self) -> AttackEnding {
        self.last_code
            .map_or(AttackEnding::Closed, AttackEnding::Reply)
    }
}

/// Closes the socket as it is.
fn close(reason: AttackEnding) -> AttackerStep {
    Step::Close(Close::abort(reason))
}

impl Driver for Attacker {
    type Shared = AttackShared;
    type Ticket = ();
    type Completion = ();
    type Reason = AttackEnding;

    const READS_AFTER_FAILED_WRITE: bool = true;

    fn opened(&mut self, turn: &mut Turn<'_, AttackShared>) -> AttackerStep {
        self.input(&mut &[][..], turn)
    }

    fn input(&mut self, input: &mut &[u8], turn: &mut Turn<'_, AttackShared>) -> AttackerStep {
        self.last_code = last_code(input).or(self.last_code);
        let received = *input;
        let is_over = self.converse(input, turn).is_err();
        if self.session.is_none() && !is_over {
            *input = &[];
        }
        let used = &received[..received.len() - input.len()];
        if !used.is_empty() {
            turn.shared.tell(turn.id, Seen::Used(Content::Reply, used));
        }
        if is_over {
            return close(self.last_word());
        }
        if self.session.is_some() {
            return Step::Continue;
        }
        self.misbehave(turn)
    }

    fn eof(&mut self, _: &mut Turn<'_, AttackShared>) -> AttackerStep {
        close(self.last_word())
    }

    fn deadline(&self, _: &AttackShared) -> Option<Instant> {
        let is_slow = self.behaviour.pace == AttackPace::Slow && self.session.is_none();
        is_slow.then_some(self.next_octet)
    }

    fn expired(&mut self, turn: &mut Turn<'_, AttackShared>) -> Option<AttackerStep> {
        self.next_octet = turn.now + SLOW_PAUSE;
        let says = self.behaviour.says;
        if turn.unsent == 0
            && let Some(octet) = says.get(self.octets % says.len().max(1))
        {
            turn.output.extend_from_slice(&[*octet]);
            self.octets += 1;
        }
        Some(Step::Continue)
    }

    fn failed(&mut self, _: ConnectionFailure, _: &mut Turn<'_, AttackShared>) -> AttackEnding {
        self.last_word()
    }

    fn begins_turn(
        &self,
        id: ConnectionId,
        budget: TurnBudget,
        shared: &AttackShared,
    ) -> TurnBudget {
        shared.tell(id, Seen::Served);
        budget
    }

    fn said(&self, id: ConnectionId, octets: &[u8], shared: &AttackShared) {
        shared.tell(id, Seen::Said(octets));
    }

    fn entered(
        &mut self,
        id: ConnectionId,
        _: Lifecycle,
        now: Lifecycle,
        shared: &mut AttackShared,
    ) {
        shared.tell(id, Seen::Entered(now));
    }

    fn closed(&mut self, ending: &AttackEnding, summary: &Summary, shared: &mut AttackShared) {
        let closed = Seen::Closed(ending.word(), summary.bytes_in, summary.bytes_out);
        shared.tell(summary.id, closed);
        shared.present -= 1;
        *shared.endings.entry(*ending).or_default() += 1;
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
