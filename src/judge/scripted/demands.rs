//! What has to be true of a client in the end, and what was seen of it.

use super::ClientExit;
use super::script::is_like;
use crate::judge::check::{CheckAction, CheckPlace, CheckStep, ClientDemand, DemandedExit};
use crate::judge::reply::{Quoted8Bit, fits};
use crate::judge::verdict::{CheckFailure, CheckFailureKind, CheckVerdict};

/// The most octets of commands, and of text, that are kept.
const SEEN_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The most lines of a message that are shown.
const SHOWN_LINES_MAX: usize = 5;

/// What was seen of a client, on all its connections.
#[derive(Default)]
pub(super) struct ClientEvidence {
    /// Its commands, and the lines that ended a message.
    commands: Vec<Vec<u8>>,
    /// The lines of its messages, as they came.
    text: Vec<Vec<u8>>,
    octets: usize,
    /// The first line that did not end in CR LF.
    bare_line: Option<Vec<u8>>,
    pub(super) exit: Option<ClientExit>,
    pub(super) has_connected: bool,
}

impl ClientEvidence {
    pub(super) fn saw_end(&mut self, line: &[u8]) {
        if self.bare_line.is_none() && !line.ends_with(b"\r\n") {
            self.bare_line = Some(line.to_vec());
        }
    }

    pub(super) fn saw_command(&mut self, line: &[u8]) {
        if self.has_room_for(line) {
            self.commands.push(line.to_vec());
        }
    }

    pub(super) fn saw_text(&mut self, line: &[u8]) {
        if self.has_room_for(line) {
            self.text.push(line.to_vec());
        }
    }

    fn has_room_for(&mut self, line: &[u8]) -> bool {
        self.octets += line.len() + size_of::<Vec<u8>>();
        self.octets <= SEEN_BYTES_MAX
    }

    /// The verdict on a client of which nothing more is to come: the first demand that is not met. A check that does not apply
    /// is no fault.
    pub(super) fn verdict(&self, demands: &[CheckStep], place: &CheckPlace) -> CheckVerdict {
        let wrong = |place: &CheckPlace, (expected, came): (String, String)| {
            CheckVerdict::Failed(CheckFailure {
                place: place.clone(),
                expected,
                came,
                kind: CheckFailureKind::Wrong,
            })
        };
        if !self.has_connected {
            let expected = "a connection of the client".to_owned();
            return wrong(place, (expected, format!("none: {}", self.exit_told())));
        }
        let skipped = demands.iter().find_map(|step| self.does_not_apply(step));
        if let Some(why) = skipped {
            return CheckVerdict::Skipped(why);
        }
        let unmet = demands
            .iter()
            .find_map(|step| Some(wrong(&step.place, self.unmet(step)?)));
        unmet.unwrap_or(CheckVerdict::Passed)
    }

    /// Why a check is not for this client, if it needs what it does not do.
    fn does_not_apply(&self, step: &CheckStep) -> Option<String> {
        let CheckAction::Demand(demand) = &step.action else {
            return None;
        };
        match demand {
            ClientDemand::Needs(count, pattern) => {
                let said = self.commands.iter().filter(|line| is_like(pattern, line));
                (said.count() < *count)
                    .then(|| format!("only for a client that says {pattern} {count} times"))
            }
            ClientDemand::NeedsText(pattern) => (!self.has_text(pattern)).then(|| {
                "only for a client that sends the message on its standard input".to_owned()
            }),
            _ => None,
        }
    }

    /// What had to be true and what is, where a demand is not met.
    fn unmet(&self, step: &CheckStep) -> Option<(String, String)> {
        let CheckAction::Demand(demand) = &step.action else {
            let line = Quoted8Bit(self.bare_line.as_ref()?).to_string();
            let expected = "CR LF at the end of each line".to_owned();
            return Some((expected, format!("the line {line}")));
        };
        let said = |pattern: &str| self.commands.iter().find(|line| is_like(pattern, line));
        match demand {
            ClientDemand::Comes(pattern) if said(pattern).is_none() => {
                let last = self.commands.last().map(|line| Quoted8Bit(line));
                let came = match last {
                    Some(last) => format!("none; the last line was {last}"),
                    None => "no command at all".to_owned(),
                };
                Some((format!("the command {}", shown(pattern)), came))
            }
            ClientDemand::Never(pattern) => {
                let line = Quoted8Bit(said(pattern)?);
                let expected = format!("no line {}", shown(pattern));
                Some((expected, format!("the line {line}")))
            }
            ClientDemand::Text(pattern) if !self.has_text(pattern) => {
                let expected = format!("the line {} in the message", shown(pattern));
                Some((expected, self.text_told()))
            }
            ClientDemand::Exits(exit) => {
                let is_zero = self.exit == Some(ClientExit::Code(0));
                let (is_met, expected) = match exit {
                    DemandedExit::Zero => (is_zero, "exit code 0"),
                    DemandedExit::Other => (!is_zero, "an exit code that is not 0"),
                };
                (!is_met).then(|| (expected.to_owned(), self.exit_told()))
            }
            _ => None,
        }
    }

    fn has_text(&self, pattern: &str) -> bool {
        self.text.iter().any(|line| fits(pattern, line))
    }

    fn text_told(&self) -> String {
        let lines = self.text.iter().rev().take(SHOWN_LINES_MAX).rev();
        let lines: Vec<_> = lines.map(|line| Quoted8Bit(line).to_string()).collect();
        match lines.is_empty() {
            true => "no text".to_owned(),
            false => format!("… {}", lines.join(", ")),
        }
    }

    fn exit_told(&self) -> String {
        let exit = self.exit.map(|exit| exit.to_string());
        exit.unwrap_or_else(|| "the command still runs".to_owned())
    }
}

/// A pattern as it is told: its alternatives in words.
fn shown(pattern: &str) -> String {
    let all: Vec<_> = pattern.split('|').map(|one| format!("\"{one}\"")).collect();
    all.join(" or ")
}
