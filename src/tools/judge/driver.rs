//! One peer of a judged program, as a driver of the engine: octets go from the play of a check to the program, and back.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::mem;
use std::time::Instant;

use crate::judge::play::{CheckPlay, PeerEnd};
use crate::judge::scripted::ScriptedPlay;
use crate::net::connections::Connections;
use crate::net::driver::{Close, ConnectionFailure, ConnectionName, Driver, Step, Turn};
use crate::net::transport::Transport;

/// The play of a check, which is told what its peers meet.
pub(super) trait PeerPlay {
    /// The connection of a peer is there.
    fn connected(&mut self, peer: u8, now: Instant);
    /// These octets came to a peer.
    fn received(&mut self, peer: u8, octets: &[u8], now: Instant);
    /// The connection of a peer has ended, or could not be had.
    fn ended(&mut self, peer: u8, end: PeerEnd, now: Instant);
}

impl PeerPlay for CheckPlay {
    fn connected(&mut self, peer: u8, now: Instant) {
        self.connected(peer, now);
    }

    fn received(&mut self, peer: u8, octets: &[u8], now: Instant) {
        self.received(peer, octets, now);
    }

    fn ended(&mut self, peer: u8, end: PeerEnd, now: Instant) {
        self.ended(peer, end, now);
    }
}

impl PeerPlay for ScriptedPlay {
    fn connected(&mut self, peer: u8, now: Instant) {
        self.connected(peer, now);
    }

    fn received(&mut self, peer: u8, octets: &[u8], now: Instant) {
        self.received(peer, octets, now);
    }

    fn ended(&mut self, peer: u8, end: PeerEnd, now: Instant) {
        self.ended(peer, &end, now);
    }
}

/// Everything that the peers of one check work on.
pub(super) struct PlayDesk<P> {
    pub(super) play: P,
    /// The connections by the numbers of their peers.
    names: BTreeMap<u8, ConnectionName>,
    /// What peers are to do in their next turns.
    errands: BTreeMap<u8, PlayErrand>,
}

/// What a peer is to do in its next turn.
#[derive(Default)]
struct PlayErrand {
    octets: Vec<u8>,
    closes: bool,
}

impl<P> PlayDesk<P> {
    pub(super) fn new(play: P) -> Self {
        Self {
            play,
            names: BTreeMap::new(),
            errands: BTreeMap::new(),
        }
    }
}

/// Has a peer say these octets in its next turn, and perhaps close then.
pub(super) fn send_on_errand<P: PeerPlay, T: Transport>(
    peer: u8,
    octets: Vec<u8>,
    closes: bool,
    connections: &mut Connections<JudgePeer<P>, T>,
) {
    let desk = connections.shared_mut();
    let errand = desk.errands.entry(peer).or_default();
    errand.octets.extend(octets);
    errand.closes |= closes;
    let name = desk.names.get(&peer).copied();
    if let Some(name) = name {
        connections.wake(name);
    }
}

/// One peer.
pub(super) struct JudgePeer<P> {
    number: u8,
    /// Whether its socket ends with a reset, before which there must be no orderly end.
    resets: bool,
    play: PhantomData<P>,
}

type PeerStep<P> = Step<JudgePeer<P>>;

impl<P: PeerPlay> JudgePeer<P> {
    pub(super) fn new(number: u8, resets: bool) -> Self {
        Self {
            number,
            resets,
            play: PhantomData,
        }
    }

    /// Does what there is to do. Whoever closes says nothing more, and reads nothing more.
    fn do_errand(&self, turn: &mut Turn<'_, PlayDesk<P>>) -> PeerStep<P> {
        let Some(errand) = turn.shared.errands.get_mut(&self.number) else {
            return Step::Continue;
        };
        turn.output
            .extend_from_slice(&mem::take(&mut errand.octets));
        match (errand.closes, self.resets) {
            (false, _) => Step::Continue,
            (true, false) => Step::Close(Close::after_eof(())),
            (true, true) => Step::Close(Close::now(())),
        }
    }
}

impl<P: PeerPlay> Driver for JudgePeer<P> {
    type Shared = PlayDesk<P>;
    type Ticket = ();
    type Completion = ();
    type Reason = ();

    const READS_AFTER_FAILED_WRITE: bool = true;

    fn opened(&mut self, turn: &mut Turn<'_, PlayDesk<P>>) -> PeerStep<P> {
        let name = turn.name();
        turn.shared.names.insert(self.number, name);
        turn.shared.play.connected(self.number, turn.now);
        self.do_errand(turn)
    }

    fn input(&mut self, input: &mut &[u8], turn: &mut Turn<'_, PlayDesk<P>>) -> PeerStep<P> {
        if !input.is_empty() {
            turn.shared.play.received(self.number, input, turn.now);
            *input = &[];
        }
        self.do_errand(turn)
    }

    fn eof(&mut self, turn: &mut Turn<'_, PlayDesk<P>>) -> PeerStep<P> {
        turn.shared
            .play
            .ended(self.number, PeerEnd::Closed, turn.now);
        Step::Close(Close::after_eof(()))
    }

    fn failed(&mut self, failure: ConnectionFailure, turn: &mut Turn<'_, PlayDesk<P>>) {
        let end = match failure {
            ConnectionFailure::Dial(error) => PeerEnd::Unreachable(error.to_string()),
            failure => PeerEnd::failed(&failure.into()),
        };
        turn.shared.play.ended(self.number, end, turn.now);
    }
}
