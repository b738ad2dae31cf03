//! Files of checks, read. Every fault names its file and line, and what would be right.

mod demand;
mod head;
mod speech;

use core::fmt;
use std::time::Duration;

use super::check::{CheckAction, CheckPlace, CheckStep, Dialect, JudgeCheck, JudgedSide, Peers};
use demand::{DEMANDS, demand};
use head::CheckHead;
use speech::SpeechLine;

/// The most octets of one file.
pub const CHECK_FILE_BYTES_MAX: usize = 1024 * 1024;
/// The most steps of one check.
const STEPS_MAX: usize = 1000;
/// The most peers of one check.
pub const PEERS_MAX: u8 = 100;
/// The longest time that a step may ask for.
const STEP_TIME_MAX: Duration = Duration::from_secs(60);

/// A fault of a file of checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckFault {
    /// The place of the fault.
    pub place: CheckPlace,
    /// What is wrong, and what would be right.
    pub what: String,
}

impl fmt::Display for CheckFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CheckPlace { file, line } = &self.place;
        write!(f, "{file}:{line}: {}", self.what)
    }
}

impl core::error::Error for CheckFault {}

/// Reads the checks of one file.
///
/// # Errors
/// The first line that is wrong.
pub fn checks(file: &str, text: &str, side: JudgedSide) -> Result<Vec<JudgeCheck>, CheckFault> {
    let mut reader = CheckReader::new(file, side);
    if text.len() > CHECK_FILE_BYTES_MAX {
        return Err(reader.fault("a file of checks has at most 1 MiB".to_owned()));
    }
    for line in text.lines() {
        reader.place.line += 1;
        reader.line(line).map_err(|what| reader.fault(what))?;
    }
    reader.place.line += 1;
    reader.end_check().map_err(|what| reader.fault(what))?;
    Ok(reader.checks)
}

/// A file that is read line by line.
struct CheckReader {
    side: JudgedSide,
    place: CheckPlace,
    /// What the head of the file says of all its checks.
    defaults: CheckHead,
    current: Option<CheckDraft>,
    checks: Vec<JudgeCheck>,
}

/// A check that is being read.
struct CheckDraft {
    head: CheckHead,
    place: CheckPlace,
    steps: Vec<CheckStep>,
    /// Whether the line before said something, so that one more line goes with it.
    is_saying: bool,
    /// The time that the next answer has.
    within: Option<Duration>,
    /// Whether the next words go octet by octet.
    octet_by_octet: bool,
}

impl CheckReader {
    fn new(file: &str, side: JudgedSide) -> Self {
        Self {
            side,
            place: CheckPlace {
                file: file.to_owned(),
                line: 0,
            },
            defaults: CheckHead::default(),
            current: None,
            checks: Vec::new(),
        }
    }

    fn fault(&self, what: String) -> CheckFault {
        let place = self.place.clone();
        CheckFault { place, what }
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        if line.trim().is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if let Some(speech) = SpeechLine::split(line)? {
            let (side, at) = (self.side, self.place.clone());
            return self.draft("a line of a dialogue")?.speak(&speech, side, at);
        }
        if let Some((key, value)) = line.split_once(':')
            && !key.contains(' ')
        {
            return self.head_line(key, value.trim());
        }
        let at = self.place.clone();
        let side = self.side;
        let draft = self.draft("a step of a dialogue")?;
        draft.word(line.trim(), side, at)
    }

    /// The check that is being read, for a line that belongs to one.
    fn draft(&mut self, what: &str) -> Result<&mut CheckDraft, String> {
        let missing = || format!("{what} belongs to a check: begin one with \"check: NAME\" above");
        self.current.as_mut().ok_or_else(missing)
    }

    fn head_line(&mut self, key: &str, value: &str) -> Result<(), String> {
        if key == "check" {
            self.end_check()?;
            let mut head = self.defaults.clone();
            head.name(value)?;
            self.current = Some(CheckDraft {
                head,
                place: self.place.clone(),
                steps: Vec::new(),
                is_saying: false,
                within: None,
                octet_by_octet: false,
            });
            return Ok(());
        }
        match &mut self.current {
            Some(draft) if !draft.steps.is_empty() => Err(format!(
                "\"{key}:\" stands before the dialogue of its check; a step of a dialogue is one of {STEPS}"
            )),
            Some(draft) => draft.head.read(key, value),
            None => self.defaults.read(key, value),
        }
    }

    fn end_check(&mut self) -> Result<(), String> {
        let Some(draft) = self.current.take() else {
            return Ok(());
        };
        let CheckPlace { line, .. } = self.place;
        // What a check lacks is told where it begins.
        self.place.line = draft.place.line;
        draft
            .is_finished()
            .map_err(|what| format!("the check \"{}\" {what}", draft.head.name))?;
        let check = draft.head.into_check(draft.place, draft.steps)?;
        self.checks.push(check);
        self.place.line = line;
        Ok(())
    }
}

/// The steps of a dialogue beside what is said, for faults.
const STEPS: &str = "C:, S:, quiet TIME, pause TIME, within TIME, octet by octet, closed, close, abort, offers KEYWORD, crlf";

/// The steps of a check in which a client is judged, beside what has to be true of it.
const CLIENT_STEPS: &str = "C:, S:, I:, quiet TIME, pause TIME, octet by octet, close, abort, crlf";

impl CheckDraft {
    fn is_finished(&self) -> Result<(), String> {
        if self.within.is_some() || self.octet_by_octet {
            return Err(
                "ends with \"within\" or \"octet by octet\", which are for a line after them"
                    .to_owned(),
            );
        }
        if self.steps.is_empty() {
            return Err("has no dialogue: write what is said, as \"C: NOOP\", and what is to come, as \"S: 250\"".to_owned());
        }
        Ok(())
    }

    fn push(&mut self, place: CheckPlace, peers: Peers, action: CheckAction) -> Result<(), String> {
        if self.steps.len() == STEPS_MAX {
            return Err(format!("a check has at most {STEPS_MAX} steps"));
        }
        self.steps.push(CheckStep {
            place,
            peers,
            action,
        });
        Ok(())
    }

    fn speak(
        &mut self,
        speech: &SpeechLine<'_>,
        side: JudgedSide,
        at: CheckPlace,
    ) -> Result<(), String> {
        if speech.is_input() {
            let given = speech.given(side)?;
            self.is_saying = false;
            return self.push(at, Peers::FIRST, CheckAction::Give(given));
        }
        if speech.is_of_judge(side) {
            let said = speech.said(self.octet_by_octet)?;
            if self.is_saying
                && let Some(last) = self.steps.last_mut()
                && last.peers == speech.peers
                && let CheckAction::Say(saying) = &mut last.action
            {
                saying.parts.extend(said.parts);
                return Ok(());
            }
            if self.within.is_some() {
                return Err(
                    "\"within\" is for the line that has to come, so it stands right before that"
                        .to_owned(),
                );
            }
            self.octet_by_octet = false;
            self.is_saying = true;
            return self.push(at, speech.peers, CheckAction::Say(said));
        }
        self.is_saying = false;
        let heard = speech.heard(side, self.within.take())?;
        self.push(at, speech.peers, CheckAction::Hear(heard))
    }

    fn word(&mut self, line: &str, side: JudgedSide, at: CheckPlace) -> Result<(), String> {
        self.is_saying = false;
        if side == JudgedSide::Client {
            return self.client_word(line, at);
        }
        if line == "octet by octet" {
            self.octet_by_octet = true;
            return Ok(());
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let unknown = || format!("{line:?} is no step of a dialogue: write one of {STEPS}");
        let (action, rest) = match &words[..] {
            ["within", time] => {
                self.within = Some(duration(time)?);
                return Ok(());
            }
            ["quiet", time, rest @ ..] => (CheckAction::Quiet(duration(time)?), rest),
            ["pause", time] => (CheckAction::Pause(duration(time)?), &[][..]),
            ["closed", rest @ ..] => {
                let within = self.within.take();
                (CheckAction::Closed { within }, rest)
            }
            ["close", rest @ ..] => (CheckAction::Close, rest),
            ["abort", rest @ ..] => (CheckAction::Abort, rest),
            ["offers", keyword] => (CheckAction::Offers((*keyword).to_owned()), &[][..]),
            ["crlf", rest @ ..] => (CheckAction::CrLf, rest),
            _ => return Err(unknown()),
        };
        let peers = match rest {
            [] => Peers::FIRST,
            [peers] => speech::peers(peers)?,
            _ => return Err(unknown()),
        };
        self.push(at, peers, action)
    }
}

impl CheckDraft {
    /// Reads a step of the script of a server, or what has to be true of its client.
    fn client_word(&mut self, line: &str, at: CheckPlace) -> Result<(), String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let action = match &words[..] {
            ["octet", "by", "octet"] => {
                self.octet_by_octet = true;
                return Ok(());
            }
            ["quiet", time] => CheckAction::Quiet(duration(time)?),
            ["pause", time] => CheckAction::Pause(duration(time)?),
            ["close"] => CheckAction::Close,
            ["abort"] => CheckAction::Abort,
            ["crlf"] => CheckAction::CrLf,
            _ => demand(line).ok_or_else(|| {
                format!("{line:?} is no step of the script of a server: write one of {CLIENT_STEPS}, {DEMANDS}")
            })?,
        };
        self.push(at, Peers::FIRST, action)
    }
}

/// Reads a time, as `300ms` or `2s`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time: write it as 300ms or 2s, at most 60s");
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?);
    let number: u32 = number.parse().map_err(|_| wrong())?;
    let time = match unit {
        "ms" => Duration::from_millis(number.into()),
        "s" => Duration::from_secs(number.into()),
        _ => return Err(wrong()),
    };
    if time.is_zero() || time > STEP_TIME_MAX {
        return Err(wrong());
    }
    Ok(time)
}

/// The dialects of this name.
fn dialects(name: &str) -> Result<Vec<Dialect>, String> {
    if name == "both" {
        return Ok(Dialect::ALL.map(|(_, dialect)| dialect).to_vec());
    }
    let found = Dialect::ALL.iter().find(|(known, _)| *known == name);
    found
        .map(|(_, dialect)| vec![*dialect])
        .ok_or_else(|| format!("{name:?} is no dialect: write rfc5321, classroom or both"))
}

#[cfg(test)]
mod tests;
