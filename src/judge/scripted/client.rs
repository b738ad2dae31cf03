//! One connection of a client that is judged.

use std::collections::VecDeque;
use std::time::{Duration, Instant};
use std::vec;

use super::demands::ClientEvidence;
use super::script::{END_OF_TEXT, ServerScript};
use super::session::{KnownVerb, SessionStage, greeting, stage_after, usual_reply};
use crate::judge::check::{CheckAction, CheckPlace, CheckStep};
use crate::judge::play::PlayOrder;
use crate::judge::reply::Quoted8Bit;
use crate::judge::verdict::{CheckFailure, CheckFailureKind};

/// The most octets that are kept unread: a line is far shorter, and what comes too early is soon found.
const UNREAD_BYTES_MAX: usize = 256 * 1024;

/// One connection.
pub(super) struct ScriptedClient {
    is_there: bool,
    unread: Vec<u8>,
    stage: SessionStage,
    /// What the judge does before it looks at the next line.
    tasks: VecDeque<ServerTask>,
    /// The instant at which the first of them goes on, if it has begun.
    pub(super) next_at: Option<Instant>,
}

/// Something that the judge does.
enum ServerTask {
    /// It says these segments, with pauses between them.
    Say(vec::IntoIter<Vec<u8>>, Duration),
    /// The client has to be silent for so long.
    Quiet(CheckPlace, Duration),
    Pause(Duration),
    Close,
    /// It has answered, with a reply that begins with this digit.
    Answered(KnownVerb, Option<u8>),
}

/// What came of going on.
pub(super) enum ClientProgress {
    Waits,
    Done,
    Order(PlayOrder),
    Failed(CheckFailure),
}

impl ScriptedClient {
    /// A client that has just connected.
    pub(super) fn new(opening: &[CheckStep]) -> Self {
        let mut client = Self {
            is_there: true,
            unread: Vec::new(),
            stage: SessionStage::New,
            tasks: VecDeque::new(),
            next_at: None,
        };
        client.answer(opening, KnownVerb::Other, greeting());
        client
    }

    pub(super) fn is_there(&self) -> bool {
        self.is_there
    }

    pub(super) fn end(&mut self) {
        self.is_there = false;
    }

    pub(super) fn received(&mut self, octets: &[u8]) {
        let room = UNREAD_BYTES_MAX.saturating_sub(self.unread.len());
        self.unread
            .extend_from_slice(&octets[..octets.len().min(room)]);
    }

    /// Goes on with what is to be done, or with the next line.
    pub(super) fn go_on(
        &mut self,
        number: u8,
        script: &mut ServerScript,
        evidence: &mut ClientEvidence,
        now: Instant,
    ) -> ClientProgress {
        let Some(task) = self.tasks.pop_front() else {
            return match self.take_line(script, evidence) {
                true => ClientProgress::Done,
                false => ClientProgress::Waits,
            };
        };
        self.perform(task, number, now)
    }

    fn perform(&mut self, mut task: ServerTask, number: u8, now: Instant) -> ClientProgress {
        let is_first = self.next_at.is_none();
        let is_time = self.next_at.is_some_and(|at| now >= at);
        match &mut task {
            ServerTask::Answered(verb, digit) => {
                self.stage = stage_after(self.stage, *verb, *digit);
                return ClientProgress::Done;
            }
            ServerTask::Quiet(place, time) => {
                if let Some(came) = self.noise() {
                    return ClientProgress::Failed(CheckFailure {
                        place: place.clone(),
                        expected: format!("silence for {} ms", time.as_millis()),
                        came,
                        kind: CheckFailureKind::Wrong,
                    });
                }
                if is_first {
                    self.next_at = Some(now + *time);
                }
            }
            // Whoever is gone is not waited for, and hears nothing.
            _ if !self.is_there => return self.done(),
            ServerTask::Close => {
                self.is_there = false;
                return ClientProgress::Order(PlayOrder::Close { peer: number });
            }
            ServerTask::Pause(time) if is_first => self.next_at = Some(now + *time),
            ServerTask::Pause(_) => {}
            ServerTask::Say(segments, pause) if is_first || is_time => {
                let Some(octets) = segments.next() else {
                    return self.done();
                };
                self.next_at = Some(now + *pause);
                if segments.len() == 0 {
                    self.next_at = None;
                } else {
                    self.tasks.push_front(task);
                }
                return ClientProgress::Order(PlayOrder::Send {
                    peer: number,
                    octets,
                });
            }
            ServerTask::Say(..) => {}
        }
        if is_time && !is_first {
            return self.done();
        }
        self.tasks.push_front(task);
        ClientProgress::Waits
    }

    fn done(&mut self) -> ClientProgress {
        self.next_at = None;
        ClientProgress::Done
    }

    /// What came while nothing had to.
    fn noise(&self) -> Option<String> {
        if !self.unread.is_empty() {
            let came = Quoted8Bit(&self.unread);
            return Some(format!("{came}, which is too early"));
        }
        (!self.is_there).then(|| "the client closed the connection".to_owned())
    }

    /// Takes the next line, if a whole one is there. Whether one was.
    fn take_line(&mut self, script: &mut ServerScript, evidence: &mut ClientEvidence) -> bool {
        let Some(end) = memchr::memchr(b'\n', &self.unread) else {
            return false;
        };
        let line: Vec<u8> = self.unread.drain(..=end).collect();
        evidence.saw_end(&line);
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let is_text = self.stage == SessionStage::Text;
        let ends_text = is_text && text == END_OF_TEXT.as_bytes();
        if is_text && !ends_text {
            evidence.saw_text(text);
            return true;
        }
        evidence.saw_command(text);
        let verb = match ends_text {
            true => KnownVerb::EndOfText,
            false => KnownVerb::of(text),
        };
        let usual = usual_reply(self.stage, verb);
        let steps = script.steps_for(text, ends_text).unwrap_or_default();
        self.answer(steps, verb, usual);
        true
    }

    /// Plans what a script has for a line. Unless it says something itself, or closes, the usual answer comes after it.
    fn answer(&mut self, steps: &[CheckStep], verb: KnownVerb, usual: Vec<u8>) {
        let mut digit = None;
        let mut is_cut_off = false;
        for step in steps {
            let task = match &step.action {
                CheckAction::Say(saying) => {
                    let segments = saying.segments(|_| "");
                    let first = segments.first().and_then(|octets| octets.first());
                    digit = digit.or(first.copied());
                    ServerTask::Say(segments.into_iter(), saying.pause())
                }
                CheckAction::Quiet(time) => ServerTask::Quiet(step.place.clone(), *time),
                CheckAction::Pause(time) => ServerTask::Pause(*time),
                CheckAction::Close | CheckAction::Abort => {
                    is_cut_off = true;
                    break;
                }
                _ => continue,
            };
            self.tasks.push_back(task);
        }
        if digit.is_none() && !is_cut_off {
            digit = usual.first().copied();
            let said = vec![usual].into_iter();
            self.tasks.push_back(ServerTask::Say(said, Duration::ZERO));
        }
        self.tasks.push_back(ServerTask::Answered(verb, digit));
        if is_cut_off || verb == KnownVerb::Quit {
            self.tasks.push_back(ServerTask::Close);
        }
    }

    /// What has to come next, and what came instead.
    pub(super) fn missing(&self) -> (String, String) {
        let expected = match self.stage {
            SessionStage::Text => "the end of the message: a line with nothing but a dot",
            _ => "the next command, or QUIT",
        };
        let came = match self.unread.is_empty() {
            true => "nothing".to_owned(),
            false => format!(
                "{} without the end of a line, and nothing more",
                Quoted8Bit(&self.unread)
            ),
        };
        (expected.to_owned(), came)
    }
}
