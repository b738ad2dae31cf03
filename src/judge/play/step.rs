//! One step of a check: what it does, what it waits for, and when it has failed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::failure::{described, failure, is_expected, nothing_more, over};
use super::peer::PeerEnd;
use super::{CheckPlay, PlayOrder, StepProgress};
use crate::judge::check::{CheckAction, CheckStep, Expectation, ExpectedAnswer, Saying};
use crate::judge::reply::{HeardFront, HeardReply, Quoted8Bit};
use crate::judge::verdict::{CheckFailure, CheckFailureKind, CheckVerdict};

/// A step that is being played.
pub(super) struct StepState {
    since: Instant,
    /// When it is to be looked at again.
    pub(super) next_at: Instant,
    /// What is still to be said.
    segments: Option<std::vec::IntoIter<Vec<u8>>>,
    /// The answers that each peer has had.
    heard: BTreeMap<u8, usize>,
}

impl CheckPlay {
    /// Goes on with the present step.
    pub(super) fn play_step(&mut self, now: Instant) -> StepProgress {
        let steps = self.steps.clone();
        let Some(step) = steps.get(self.at) else {
            return StepProgress::Over(CheckVerdict::Passed);
        };
        let timeout = self.terms.timeout;
        let mut state = self.state.take().unwrap_or_else(|| StepState {
            since: now,
            next_at: now + timeout,
            segments: None,
            heard: BTreeMap::new(),
        });
        // Those who are heard connect one after the other, each when the one before it was greeted: a crowd at once would only
        // fill the backlog of the server, and the kernel drops whom it has no room for.
        let progress = match &step.action {
            CheckAction::Hear(expectation) => self.hear(step, expectation, &mut state, now),
            _ => match self.connect(step, &state, now) {
                StepProgress::Done => self.act(step, &mut state, now),
                progress => progress,
            },
        };
        self.state = Some(state);
        progress
    }

    /// The end of a check that goes on for too long.
    pub(super) fn out_of_time(&mut self) -> StepProgress {
        let steps = self.steps.clone();
        let Some(step) = steps.get(self.at) else {
            return StepProgress::Over(CheckVerdict::Passed);
        };
        let expected = "the whole dialogue in its time".to_owned();
        let came = "a server that is slow at each step".to_owned();
        over(failure(step, expected, 1, came), CheckFailureKind::Timeout)
    }

    /// Has the peers of a step connected.
    fn connect(&mut self, step: &CheckStep, state: &StepState, now: Instant) -> StepProgress {
        let mut progress = StepProgress::Done;
        for number in step.peers.numbers() {
            match self.reach(step, number, state, now) {
                StepProgress::Done => {}
                StepProgress::Waits => progress = StepProgress::Waits,
                over @ StepProgress::Over(_) => return over,
            }
        }
        progress
    }

    /// Has one peer connected.
    fn reach(
        &mut self,
        step: &CheckStep,
        number: u8,
        state: &StepState,
        now: Instant,
    ) -> StepProgress {
        let resets_on_close = self.resets(number);
        let peer = self.peer(number);
        if peer.is_new() {
            peer.connects();
            self.orders.push_back(PlayOrder::Connect {
                peer: number,
                resets_on_close,
            });
            return StepProgress::Waits;
        }
        let came = match peer.end() {
            Some(PeerEnd::Unreachable(error)) => error.clone(),
            _ if peer.is_connecting() && now >= state.next_at => "no connection in time".to_owned(),
            _ => return done_if(!peer.is_connecting()),
        };
        let failure = failure(step, "a connection".to_owned(), number, came);
        over(failure, CheckFailureKind::Unreachable)
    }

    fn act(&mut self, step: &CheckStep, state: &mut StepState, now: Instant) -> StepProgress {
        match &step.action {
            CheckAction::Say(saying) => self.say(step, saying, state, now),
            CheckAction::Hear(_) => StepProgress::Done,
            CheckAction::Quiet(time) => self.keep_quiet(step, *time, state, now),
            CheckAction::Pause(time) => {
                state.next_at = state.since + *time;
                done_if(now >= state.next_at)
            }
            CheckAction::Closed { within } => self.closed(step, *within, state, now),
            CheckAction::Close | CheckAction::Abort => {
                for peer in step.peers.numbers() {
                    if self.peer(peer).is_there() {
                        self.peer(peer).leaves();
                        self.orders.push_back(PlayOrder::Close { peer });
                    }
                }
                StepProgress::Done
            }
            CheckAction::Offers(keyword) => {
                let last = self.peer(step.peers.from).last.as_ref();
                match last.is_some_and(|reply| reply.offers(keyword)) {
                    true => StepProgress::Done,
                    false => {
                        let why = format!("the server does not offer {keyword}");
                        StepProgress::Over(CheckVerdict::Skipped(why))
                    }
                }
            }
            // Only clients are judged by these.
            CheckAction::Give(_) | CheckAction::Demand(_) => StepProgress::Done,
            CheckAction::CrLf => {
                for number in step.peers.numbers() {
                    if let Some(line) = &self.peer(number).bare_line {
                        let came = format!("the line {}", Quoted8Bit(line));
                        let expected = "CR LF at the end of each line".to_owned();
                        let failure = failure(step, expected, number, came);
                        return over(failure, CheckFailureKind::Wrong);
                    }
                }
                StepProgress::Done
            }
        }
    }

    fn say(
        &mut self,
        step: &CheckStep,
        saying: &Saying,
        state: &mut StepState,
        now: Instant,
    ) -> StepProgress {
        if state.segments.is_none() {
            if let Some(failure) = self.unasked(step) {
                return over(failure, CheckFailureKind::Wrong);
            }
            state.next_at = now;
        }
        if now < state.next_at {
            return StepProgress::Waits;
        }
        let segments = &mut state.segments;
        let segments = segments.get_or_insert_with(|| {
            let segments = saying.segments(|value| self.value(value));
            segments.into_iter()
        });
        let segment = segments.next().unwrap_or_default();
        let is_last = segments.len() == 0;
        for number in step.peers.numbers() {
            let peer = self.peer(number);
            // Whether the server may have closed the connection is for the next answer to say.
            if peer.is_excused || !peer.is_there() {
                continue;
            }
            peer.has_been_heard = false;
            self.orders.push_back(PlayOrder::Send {
                peer: number,
                octets: segment.clone(),
            });
        }
        state.next_at = now + saying.pause();
        done_if(is_last)
    }

    /// A reply that came before anything was said that it could be for.
    fn unasked(&mut self, step: &CheckStep) -> Option<CheckFailure> {
        step.peers.numbers().find_map(|number| {
            let peer = self.peer(number);
            let is_unasked = peer.has_been_heard && !peer.is_excused && !peer.unread().is_empty();
            is_unasked.then(|| {
                let came = format!("{} as well", Quoted8Bit(peer.unread()));
                let expected = "one reply to each command, and no other".to_owned();
                failure(step, expected, number, came)
            })
        })
    }

    fn hear(
        &mut self,
        step: &CheckStep,
        expectation: &Expectation,
        state: &mut StepState,
        now: Instant,
    ) -> StepProgress {
        let time = expectation.within.unwrap_or(self.terms.timeout);
        state.next_at = state.since + time;
        let is_late = now >= state.next_at;
        let mut progress = StepProgress::Done;
        for number in step.peers.numbers() {
            if matches!(progress, StepProgress::Waits) && self.peer(number).is_new() {
                break;
            }
            match self.reach(step, number, state, now) {
                StepProgress::Done => {}
                StepProgress::Waits => {
                    progress = StepProgress::Waits;
                    continue;
                }
                over @ StepProgress::Over(_) => return over,
            }
            let heard = state.heard.entry(number).or_default();
            while *heard < expectation.count && !self.peer(number).is_excused {
                match self.hear_one(step, expectation, number) {
                    StepProgress::Done => *heard += 1,
                    StepProgress::Waits if is_late => {
                        let peer = self.peer(number);
                        let came = nothing_more(peer.unread(), time);
                        let failure = failure(step, described(expectation), number, came);
                        return over(failure, CheckFailureKind::Timeout);
                    }
                    StepProgress::Waits => {
                        progress = StepProgress::Waits;
                        break;
                    }
                    over @ StepProgress::Over(_) => return over,
                }
            }
            self.peer(number).has_been_heard = true;
        }
        progress
    }

    /// Takes one answer of one peer.
    fn hear_one(
        &mut self,
        step: &CheckStep,
        expectation: &Expectation,
        number: u8,
    ) -> StepProgress {
        let may_close = expectation.any.contains(&ExpectedAnswer::Closed);
        let peer = self.peer(number);
        let came = match peer.take_reply() {
            HeardFront::Reply(reply, _) if is_expected(expectation, &reply) => {
                // RFC 5321 §3.8: whoever says 421 closes the connection.
                peer.is_excused = reply.code() == "421";
                self.learn_end(&reply);
                return StepProgress::Done;
            }
            HeardFront::Reply(reply, _) => {
                format!("the reply {}", Quoted8Bit(&reply.lines.concat()))
            }
            HeardFront::NoReply(line, why) => format!("{}: {why}", Quoted8Bit(&line)),
            HeardFront::Unfinished => match peer.end() {
                None => return StepProgress::Waits,
                Some(_) if may_close => {
                    peer.is_excused = true;
                    return StepProgress::Done;
                }
                Some(end) => end.to_string(),
            },
        };
        let failure = failure(step, described(expectation), number, came);
        over(failure, CheckFailureKind::Wrong)
    }

    /// Learns from the reply to DATA which line ends a message.
    fn learn_end(&mut self, reply: &HeardReply) {
        if !self.terms.learns_end || reply.code() != "354" {
            return;
        }
        let text = String::from_utf8_lossy(reply.text()).replace(['“', '”', '\''], "\"");
        let named = text.split('"').nth(1);
        if let Some(named) = named.filter(|named| !named.is_empty() && text.contains("end")) {
            self.end = Some(named.to_owned());
        }
    }

    fn keep_quiet(
        &mut self,
        step: &CheckStep,
        time: Duration,
        state: &mut StepState,
        now: Instant,
    ) -> StepProgress {
        state.next_at = state.since + time;
        for number in step.peers.numbers() {
            let peer = self.peer(number);
            let came = match peer.end() {
                _ if !peer.unread().is_empty() => {
                    format!("{}, which nobody asked for yet", Quoted8Bit(peer.unread()))
                }
                Some(end) => end.to_string(),
                None => continue,
            };
            let expected = format!("silence for {} ms", time.as_millis());
            return over(
                failure(step, expected, number, came),
                CheckFailureKind::Wrong,
            );
        }
        done_if(now >= state.next_at)
    }

    fn closed(
        &mut self,
        step: &CheckStep,
        within: Option<Duration>,
        state: &mut StepState,
        now: Instant,
    ) -> StepProgress {
        let time = within.unwrap_or(self.terms.timeout);
        state.next_at = state.since + time;
        let mut progress = StepProgress::Done;
        for number in step.peers.numbers() {
            let peer = self.peer(number);
            let (came, kind) = if !peer.unread().is_empty() {
                (
                    Quoted8Bit(peer.unread()).to_string(),
                    CheckFailureKind::Wrong,
                )
            } else if peer.end().is_some() {
                continue;
            } else if now < state.next_at {
                progress = StepProgress::Waits;
                continue;
            } else {
                (nothing_more(&[], time), CheckFailureKind::Timeout)
            };
            let expected = "the end of the connection".to_owned();
            return over(failure(step, expected, number, came), kind);
        }
        progress
    }
}

fn done_if(is_done: bool) -> StepProgress {
    match is_done {
        true => StepProgress::Done,
        false => StepProgress::Waits,
    }
}
