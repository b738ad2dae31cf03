//! All checks of one side: those of this program, and those of a teacher.

use std::rc::Rc;

use super::check::{CheckPlace, CheckStep, Dialect, JudgeCheck, JudgedSide};
use super::parse::{CheckFault, checks};

/// The most checks of a set.
const CHECKS_MAX: usize = 1000;

/// The files of checks of servers, in the order in which an assignment goes.
const SERVER_FILES: [(&str, &str); 10] = [
    ("session.txt", include_str!("checks/session.txt")),
    ("greeting.txt", include_str!("checks/greeting.txt")),
    ("order.txt", include_str!("checks/order.txt")),
    ("syntax.txt", include_str!("checks/syntax.txt")),
    ("text.txt", include_str!("checks/text.txt")),
    ("transactions.txt", include_str!("checks/transactions.txt")),
    ("segments.txt", include_str!("checks/segments.txt")),
    ("patience.txt", include_str!("checks/patience.txt")),
    ("clients.txt", include_str!("checks/clients.txt")),
    ("endings.txt", include_str!("checks/endings.txt")),
];

/// The files of checks of clients.
const CLIENT_FILES: [(&str, &str); 5] = [
    (
        "client/session.txt",
        include_str!("checks/client/session.txt"),
    ),
    ("client/text.txt", include_str!("checks/client/text.txt")),
    (
        "client/replies.txt",
        include_str!("checks/client/replies.txt"),
    ),
    (
        "client/refusals.txt",
        include_str!("checks/client/refusals.txt"),
    ),
    (
        "client/endings.txt",
        include_str!("checks/client/endings.txt"),
    ),
];

/// Checks that stand on each other.
#[derive(Clone, Debug)]
pub struct CheckSet {
    checks: Vec<JudgeCheck>,
}

/// A check that is to be played, with the whole of its dialogue.
#[derive(Clone, Debug)]
pub struct SelectedCheck {
    /// The check.
    pub check: JudgeCheck,
    /// The dialogues of those before it, and its own.
    pub steps: Rc<[CheckStep]>,
}

impl CheckSet {
    /// The checks of this program.
    ///
    /// # Errors
    /// None: a test sees to that.
    pub fn built_in(side: JudgedSide) -> Result<Self, CheckFault> {
        let files: &[(&str, &str)] = match side {
            JudgedSide::Server => &SERVER_FILES,
            JudgedSide::Client => &CLIENT_FILES,
        };
        let mut set = Self { checks: Vec::new() };
        for (file, text) in files {
            set.add(checks(file, text, side)?)?;
        }
        Ok(set)
    }

    /// Adds the checks of one more file. One whose name is known takes the place of that check.
    ///
    /// # Errors
    /// There are too many, or two in this file have one name.
    pub fn add(&mut self, checks: Vec<JudgeCheck>) -> Result<(), CheckFault> {
        for check in checks {
            let is_full = self.checks.len() == CHECKS_MAX;
            let mut all = self.checks.iter_mut();
            match all.find(|known| known.name == check.name) {
                Some(known) if known.place.file == check.place.file => {
                    let line = known.place.line;
                    let what = format!(
                        "the name {:?} is taken by the check in line {line}",
                        check.name
                    );
                    return Err(fault(&check, what));
                }
                Some(known) => *known = check,
                None if is_full => {
                    return Err(fault(
                        &check,
                        format!("there are at most {CHECKS_MAX} checks"),
                    ));
                }
                None => self.checks.push(check),
            }
        }
        Ok(())
    }

    /// The checks of a dialect, with their whole dialogues, in their order; only those that one of the words of `only` is for, if
    /// there are any: a name or its beginning, a group, or a step, as `step3`.
    ///
    /// # Errors
    /// A check comes after another one that is not there, or that it cannot go on from.
    pub fn select(
        &self,
        dialect: Dialect,
        only: &[String],
    ) -> Result<Vec<SelectedCheck>, CheckFault> {
        let mut selected = Vec::new();
        for check in &self.checks {
            // What is wrong with a check is told whether it is selected or not.
            let steps = self.whole_dialogue(check)?;
            let is_asked_for = only.is_empty() || only.iter().any(|word| is_for(word, check));
            if is_asked_for && check.dialects.contains(&dialect) {
                selected.push(SelectedCheck {
                    check: check.clone(),
                    steps: steps.into(),
                });
            }
        }
        Ok(selected)
    }

    /// Whether a word of `only` is for any check, of whatever dialect.
    #[must_use]
    pub fn knows(&self, word: &str) -> bool {
        self.checks.iter().any(|check| is_for(word, check))
    }

    fn whole_dialogue(&self, check: &JudgeCheck) -> Result<Vec<CheckStep>, CheckFault> {
        let mut dialogues = vec![&check.steps];
        let mut last = check;
        while let Some(first) = &last.first {
            let found = self.checks.iter().find(|other| other.name == *first);
            let unknown = || fault(last, format!("\"first: {first}\" names no check"));
            let before = found.ok_or_else(unknown)?;
            if before.ends_connection() {
                let what = format!("nothing comes after the check {first:?}: its connection ends");
                return Err(fault(last, what));
            }
            if last
                .dialects
                .iter()
                .any(|dialect| !before.dialects.contains(dialect))
            {
                let what =
                    format!("its dialects must be some of those of the check {first:?} before it");
                return Err(fault(last, what));
            }
            dialogues.push(&before.steps);
            if dialogues.len() > self.checks.len() {
                return Err(fault(
                    check,
                    "it comes after itself by \"first:\"".to_owned(),
                ));
            }
            last = before;
        }
        Ok(dialogues.into_iter().rev().flatten().cloned().collect())
    }
}

fn is_for(word: &str, check: &JudgeCheck) -> bool {
    let step = word.strip_prefix("step").and_then(|step| step.parse().ok());
    check.name.starts_with(word) || check.group == word || step == Some(check.step)
}

fn fault(check: &JudgeCheck, what: String) -> CheckFault {
    let CheckPlace { file, line } = check.place.clone();
    CheckFault {
        place: CheckPlace { file, line },
        what,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn select(text: &str, only: &[&str]) -> Result<Vec<SelectedCheck>, String> {
        let mut set = CheckSet { checks: Vec::new() };
        let only: Vec<String> = only.iter().map(|word| (*word).to_owned()).collect();
        let read = checks("a.txt", text, JudgedSide::Server).unwrap();
        let added = set.add(read);
        let selected = added.and_then(|()| set.select(Dialect::Classroom, &only));
        selected.map_err(|fault| fault.to_string())
    }

    #[test]
    fn a_check_begins_with_the_dialogue_of_the_one_before_it() {
        let text =
            "check: a\nmust: hold.\nS: 220\n\ncheck: b\nmust: hold.\nfirst: a\nstep: 4\nC: NOOP\n";
        let selected = select(text, &["step4"]).unwrap();
        assert_eq!(selected.len(), 1);
        let lines: Vec<usize> = selected[0]
            .steps
            .iter()
            .map(|step| step.place.line)
            .collect();
        assert_eq!(lines, [3, 9]);
        assert_eq!(select(text, &["b"]).unwrap().len(), 1);
        assert_eq!(select(text, &["own"]).unwrap().len(), 2);
    }

    #[test]
    fn checks_that_do_not_fit_together_are_told() {
        for (lines, what) in [
            ("first: x\nS: 1\n", "is no reply"),
            ("first: x\nS: 2\n", "a.txt:5: \"first: x\" names no check"),
            ("first: b\nS: 2\n", "comes after itself"),
            ("first: a\nS: 2\n", "its connection ends"),
        ] {
            let text =
                format!("check: a\nmust: hold.\nS: 220\nclosed\ncheck: b\nmust: hold.\n{lines}");
            let read =
                checks("a.txt", &text, JudgedSide::Server).map_err(|fault| fault.to_string());
            let fault = read.and_then(|_| select(&text, &[])).unwrap_err();
            assert!(fault.contains(what), "{fault}");
        }
        let twice = "check: a\nmust: hold.\nS: 2\ncheck: a\nmust: hold.\nS: 2\n";
        assert!(
            select(twice, &[])
                .unwrap_err()
                .contains("taken by the check in line 1")
        );
        let narrower = "check: a\nmust: hold.\ndialect: rfc5321\nS: 2\ncheck: b\nmust: hold.\nfirst: a\nS: 2\n";
        assert!(select(narrower, &[]).unwrap_err().contains("its dialects"));
    }

    #[test]
    fn the_checks_of_this_program_are_right() {
        for side in [JudgedSide::Server, JudgedSide::Client] {
            let set = CheckSet::built_in(side).unwrap();
            for (_, dialect) in Dialect::ALL {
                set.select(dialect, &[]).unwrap();
            }
        }
    }
}
