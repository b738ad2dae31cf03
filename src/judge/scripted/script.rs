//! The script of a server that judges a client, made of the steps of a check.

use crate::judge::check::{CheckAction, CheckStep, Saying, SayingPart};
use crate::judge::reply::fits;

/// The text on the standard input of a command whose check says nothing of it.
const USUAL_INPUT: &[u8] = b"From: <judge@example.com>\nTo: <judge@example.org>\nSubject: the judge\n\nThis is the body of the message.\n";
/// The line that ends a message.
pub(super) const END_OF_TEXT: &str = ".";

/// A server's part of a check: what it says, and when.
pub(super) struct ServerScript {
    /// What comes before any line of the client; without a word of it the usual greeting.
    pub(super) opening: Vec<CheckStep>,
    pub(super) entries: Vec<ScriptEntry>,
    /// What has to be true of the client in the end.
    pub(super) demands: Vec<CheckStep>,
    /// What the command finds on its standard input.
    pub(super) input: Vec<u8>,
}

/// What the server does when a line comes that fits.
pub(super) struct ScriptEntry {
    pattern: String,
    /// The number of times for which it holds; 0 is any.
    times: usize,
    used: usize,
    pub(super) steps: Vec<CheckStep>,
}

impl ServerScript {
    pub(super) fn new(steps: &[CheckStep]) -> Self {
        let mut script = Self {
            opening: Vec::new(),
            entries: Vec::new(),
            demands: Vec::new(),
            input: Vec::new(),
        };
        for step in steps {
            script.add(step);
        }
        if script.input.is_empty() {
            script.input = USUAL_INPUT.to_vec();
        }
        script
    }

    fn add(&mut self, step: &CheckStep) {
        match &step.action {
            CheckAction::Hear(awaited) => self.entries.push(ScriptEntry {
                pattern: awaited.shown.clone(),
                times: awaited.count,
                used: 0,
                steps: Vec::new(),
            }),
            CheckAction::Give(given) => self.input.extend(octets_of(given)),
            CheckAction::Demand(_) | CheckAction::CrLf => self.demands.push(step.clone()),
            _ => match self.entries.last_mut() {
                Some(entry) => entry.steps.push(step.clone()),
                None => self.opening.push(step.clone()),
            },
        }
    }

    /// Whether a connection is to end with a reset.
    pub(super) fn resets(&self) -> bool {
        let entries = self.entries.iter().flat_map(|entry| &entry.steps);
        let mut steps = self.opening.iter().chain(entries);
        steps.any(|step| step.action == CheckAction::Abort)
    }

    /// The steps for a command, or for the line that ends a message, if the script has some. They are used by that.
    pub(super) fn steps_for(&mut self, line: &[u8], ends_text: bool) -> Option<&[CheckStep]> {
        let found = self.entries.iter_mut().find(|entry| {
            let holds = entry.times == 0 || entry.used < entry.times;
            holds && ends_text == (entry.pattern == END_OF_TEXT) && is_like(&entry.pattern, line)
        });
        let entry = found?;
        entry.used += 1;
        Some(&entry.steps)
    }
}

/// Whether a line fits a pattern, or one of several with a `|` between them.
pub(super) fn is_like(pattern: &str, line: &[u8]) -> bool {
    pattern.split('|').any(|pattern| fits(pattern, line))
}

/// The octets of what is said, whatever their segments.
pub(super) fn octets_of(saying: &Saying) -> Vec<u8> {
    let parts = saying.parts.iter().map(|part| match part {
        SayingPart::Octets(octets, times) => octets.repeat(*times),
        SayingPart::Value(_) | SayingPart::Cut => Vec::new(),
    });
    parts.flatten().collect()
}
