//! What a simulated filter does at a step: by the seed it decides, changes, dawdles, or misbehaves.

use std::time::Duration;

use mailoop::milter::changes::FilterChange;
use mailoop::milter::reply::FilterReply;
use mailoop::milter::terms::{
    ACTION_ADD_HEADER, ACTION_ADD_RECIPIENT, ACTION_CHANGE_BODY, ACTION_CHANGE_HEADER,
    ACTION_CHANGE_SENDER, ACTION_DELETE_RECIPIENT, ACTION_QUARANTINE,
};

use crate::prng::Prng;

/// A verdict of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Continue,
    Accept,
    Discard,
    Skip,
    /// It refuses with this reply to the client, given here as its code and the text after that.
    Refuse(u16, String),
    /// It ends the connection of the client.
    Shutdown,
}

/// All that comes of a reply.
#[derive(Clone, Debug)]
pub enum Outcome {
    Verdict(Verdict),
    /// The filter cannot be relied on any more.
    Fault,
    /// It says more than it was asked, and nobody can tell what that belongs to.
    Unasked,
}

/// What a filter does when it was told a step.
#[derive(Clone, Debug)]
pub struct Act {
    /// What it says, each after so long a time.
    pub says: Vec<(Duration, Vec<u8>)>,
    /// How it ends the connection after that: with a reset, or without.
    pub ends: Option<bool>,
    /// Changes and pieces of a body.
    pub changes: Vec<FilterReply>,
    pub quarantines: bool,
    pub outcome: Outcome,
}

/// The temper of a filter. Chances are one in so many replies; 0 is never.
#[derive(Clone, Copy, Debug)]
pub struct Temper {
    pub misbehaves: usize,
    pub decides: usize,
    pub dawdles: usize,
    pub changes: usize,
}

/// A packet with this letter.
pub fn packet(letter: u8, data: &[u8]) -> Vec<u8> {
    let length = data.len() as u32 + 1;
    [&length.to_be_bytes()[..], &[letter], data].concat()
}

fn texts(texts: &[&[u8]]) -> Vec<u8> {
    texts
        .iter()
        .flat_map(|it| [it, &b"\0"[..]].concat())
        .collect()
}

/// The packet of a change or a piece of a body.
fn change_packet(reply: &FilterReply) -> Vec<u8> {
    let indexed = |index: &u32, name: &[u8], value: &[u8]| {
        [&index.to_be_bytes()[..], &texts(&[name, value])].concat()
    };
    let change = match reply {
        FilterReply::Change(change) => change,
        FilterReply::ReplaceBody(piece) => return packet(b'b', piece),
        reply => panic!("{reply:?} is no change"),
    };
    match change {
        FilterChange::AddHeader { name, value } => packet(b'h', &texts(&[name, value])),
        FilterChange::InsertHeader { index, name, value } => {
            packet(b'i', &indexed(index, name, value))
        }
        FilterChange::ChangeHeader { index, name, value } => {
            packet(b'm', &indexed(index, name, value))
        }
        FilterChange::AddRecipient { address, .. } => packet(b'+', &texts(&[address])),
        FilterChange::DeleteRecipient(address) => packet(b'-', &texts(&[address])),
        FilterChange::ChangeSender { address, .. } => packet(b'e', &texts(&[address])),
    }
}

fn change(rng: &mut Prng, action: u32) -> FilterReply {
    let name = rng
        .pick(&[&b"Subject"[..], b"X-Seen", b"to", b"No Name:"])
        .into();
    let value = rng
        .pick(&[&b""[..], b"one", b"one\ntwo", b"one\r\n\ttwo\n three"])
        .into();
    let index = rng.below(5) as u32;
    let address = format!("<r{}@example.org>", rng.below(4))
        .into_bytes()
        .into();
    let arguments = Box::default();
    FilterReply::Change(match action {
        ACTION_ADD_HEADER if rng.one_in(2) => FilterChange::AddHeader { name, value },
        ACTION_ADD_HEADER => FilterChange::InsertHeader { index, name, value },
        ACTION_CHANGE_HEADER => FilterChange::ChangeHeader { index, name, value },
        ACTION_ADD_RECIPIENT => FilterChange::AddRecipient { address, arguments },
        ACTION_DELETE_RECIPIENT => FilterChange::DeleteRecipient(address),
        ACTION_CHANGE_SENDER => FilterChange::ChangeSender { address, arguments },
        _ => {
            let line = rng.pick(&[
                &b"new\r\n"[..],
                b"new\n",
                b"\r",
                b"a line of some length\r\n",
            ]);
            return FilterReply::ReplaceBody(line.repeat(rng.size(2000)));
        }
    })
}

/// Actions of which a change is made.
const CHANGES: [u32; 6] = [
    ACTION_ADD_HEADER,
    ACTION_CHANGE_BODY,
    ACTION_ADD_RECIPIENT,
    ACTION_DELETE_RECIPIENT,
    ACTION_CHANGE_HEADER,
    ACTION_CHANGE_SENDER,
];

fn verdict(rng: &mut Prng, letter: u8) -> (Verdict, Vec<u8>) {
    let is_of_client = matches!(letter, b'C' | b'H');
    match rng.below(8) {
        0 => {
            let text = "5.7.1 Command rejected".to_owned();
            (Verdict::Refuse(550, text), packet(b'r', b""))
        }
        1 => {
            let text = "4.7.1 Service unavailable - try again later".to_owned();
            (Verdict::Refuse(451, text), packet(b't', b""))
        }
        2 => {
            let code = rng.pick(&[450, 554]);
            let text = format!("{}.7.1 it said so", code / 100);
            let data = format!("{code} {text}\0");
            (Verdict::Refuse(code, text), packet(b'y', data.as_bytes()))
        }
        3 if !is_of_client => (Verdict::Discard, packet(b'd', b"")),
        4 if letter != b'E' => (Verdict::Skip, packet(b's', b"")),
        5 if rng.one_in(3) => (Verdict::Shutdown, packet(b'4', b"")),
        _ => (Verdict::Accept, packet(b'a', b"")),
    }
}

/// What a filter does that is told the step with this letter, may do this, and has so long a time.
pub fn act(rng: &mut Prng, temper: Temper, letter: u8, actions: u32, timeout: Duration) -> Act {
    let mut act = Act {
        says: Vec::new(),
        ends: None,
        changes: Vec::new(),
        quarantines: false,
        outcome: Outcome::Fault,
    };
    // The end, at which most can go wrong, is told less often than any other step.
    let misbehaves = match letter {
        b'E' => temper.misbehaves.div_ceil(4),
        _ => temper.misbehaves,
    };
    if rng.one_in(misbehaves) {
        misbehave(rng, &mut act, letter, timeout);
        return act;
    }
    let mut said = Vec::new();
    if letter == b'E' && rng.one_in(temper.changes) {
        for _ in 0..rng.size(6) {
            let action = rng.pick(&CHANGES);
            if actions & action != 0 {
                act.changes.push(change(rng, action));
            }
        }
        said.extend(act.changes.iter().map(change_packet));
        act.quarantines = actions & ACTION_QUARANTINE != 0 && rng.one_in(10);
        if act.quarantines {
            said.push(packet(b'q', b"looks bad\0"));
        }
    }
    let (verdict, last) = match rng.one_in(temper.decides) {
        true => verdict(rng, letter),
        false => (Verdict::Continue, packet(b'c', b"")),
    };
    act.outcome = Outcome::Verdict(verdict);
    said.push(last);
    act.says.push((Duration::ZERO, said.concat()));
    if rng.one_in(temper.dawdles) {
        dawdle(rng, &mut act, &said, timeout);
    }
    act
}

/// Says all in time, but in pieces, or with progress between them.
fn dawdle(rng: &mut Prng, act: &mut Act, said: &[Vec<u8>], timeout: Duration) {
    let octets = said.concat();
    act.says.clear();
    if rng.one_in(2) {
        // Each progress begins the time anew.
        for _ in 0..rng.size(5) {
            act.says.push((timeout * 4 / 5, packet(b'p', b"")));
        }
        act.says.push((timeout * 4 / 5, octets));
        return;
    }
    let cut = rng.below(octets.len());
    act.says.push((timeout / 3, octets[..cut].to_vec()));
    act.says.push((timeout / 3, octets[cut..].to_vec()));
}

fn misbehave(rng: &mut Prng, act: &mut Act, letter: u8, timeout: Duration) {
    let soon = Duration::ZERO;
    let what = match letter {
        b'E' if rng.one_in(2) => 4,
        _ => rng.below(9),
    };
    match what {
        // It says nothing, ever.
        0 => {}
        1 => act.says.push((timeout * 3 / 2, packet(b'c', b""))),
        2 => act.ends = Some(rng.one_in(2)),
        3 => {
            let cut = rng.pick(&[&[0, 0][..], &[0, 0, 0, 9, b'y', b'5'], &[0, 0, 0, 1]]);
            act.says.push((soon, cut.to_vec()));
            act.ends = rng.one_in(2).then(|| rng.one_in(2));
        }
        4 => {
            // It changes something, and then is lost.
            let changes = [packet(b'h', b"X-Lost\0yes\0"), packet(b'b', b"lost\n")];
            let changes = changes.concat();
            act.says.push((soon, changes));
            act.ends = rng.one_in(2).then_some(false);
        }
        5 => {
            let twice = [packet(b'c', b""), packet(b'c', b"")].concat();
            act.says.push((soon, twice));
            act.outcome = Outcome::Unasked;
        }
        6 if letter != b'E' => act.says.push((soon, packet(b'h', b"X-Early\0yes\0"))),
        7 => {
            let wrong = rng.pick(&[&b"250 no reply\0"[..], b"554 4.7.1 what\0", b"5\0", b""]);
            act.says.push((soon, packet(b'y', wrong)));
        }
        _ => {
            let nonsense = rng.pick(&[
                &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
                &[0, 0, 0, 0],
                &[0, 0, 0, 1, b'!'],
                &[0xff, 0xff, 0xff, 0xff, b'y'],
                &[0, 0, 0, 2, b'c', 0],
                &[0, 0, 0, 1, b'm'],
            ]);
            act.says.push((soon, nonsense.to_vec()));
        }
    }
}
