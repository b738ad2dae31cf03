//! The head of a check: its name, its sentence, and what else is known of it before its dialogue.

use super::dialects;
use crate::judge::check::{CheckLevel, CheckPlace, CheckStep, Dialect, JudgeCheck};

/// The most points of one check.
const POINTS_MAX: u32 = 1000;
/// The keys of a head, for faults.
const KEYS: &str = "check, must, should, rfc, group, step, dialect, points, first, hint";

/// The head of a check, or what a file says of all its checks.
#[derive(Clone, Debug, Default)]
pub(super) struct CheckHead {
    pub(super) name: String,
    group: Option<String>,
    step: Option<u8>,
    dialects: Option<Vec<Dialect>>,
    sentence: Option<(CheckLevel, String)>,
    rfc: Option<String>,
    points: Option<u32>,
    hint: Option<String>,
    first: Option<String>,
}

impl CheckHead {
    pub(super) fn name(&mut self, name: &str) -> Result<(), String> {
        self.name = checked_name(name)?;
        Ok(())
    }

    /// Takes in one line.
    pub(super) fn read(&mut self, key: &str, value: &str) -> Result<(), String> {
        if value.is_empty() {
            return Err(format!("\"{key}:\" has nothing behind it"));
        }
        match key {
            "group" => self.group = Some(value.to_owned()),
            "step" => {
                let step = value.parse().ok().filter(|step| (1..=9).contains(step));
                let wrong = || format!("{value:?} is no step of an assignment: write 1 to 9");
                self.step = Some(step.ok_or_else(wrong)?);
            }
            "dialect" => self.dialects = Some(dialects(value)?),
            "must" => self.sentence = Some((CheckLevel::Must, value.to_owned())),
            "should" => self.sentence = Some((CheckLevel::Should, value.to_owned())),
            "rfc" => self.rfc = Some(value.to_owned()),
            "points" => {
                let points = value.parse().ok().filter(|points| *points <= POINTS_MAX);
                let wrong =
                    || format!("{value:?} are no points: write a whole number up to {POINTS_MAX}");
                self.points = Some(points.ok_or_else(wrong)?);
            }
            "hint" => self.hint = Some(value.to_owned()),
            "first" => self.first = Some(checked_name(value)?),
            _ => {
                return Err(format!(
                    "\"{key}:\" is unknown: the head of a check has {KEYS}"
                ));
            }
        }
        Ok(())
    }

    /// Makes the check, if nothing is missing.
    pub(super) fn into_check(
        self,
        place: CheckPlace,
        steps: Vec<CheckStep>,
    ) -> Result<JudgeCheck, String> {
        let name = self.name;
        let (level, sentence) = self.sentence.ok_or_else(|| {
            format!("the check {name:?} lacks its sentence: write \"must: …\" or \"should: …\" in its head")
        })?;
        let points = match level {
            CheckLevel::Must => 1,
            CheckLevel::Should => 0,
        };
        Ok(JudgeCheck {
            name,
            group: self.group.unwrap_or_else(|| "own".to_owned()),
            step: self.step.unwrap_or(9),
            level,
            sentence,
            rfc: self.rfc.unwrap_or_default(),
            dialects: self
                .dialects
                .unwrap_or_else(|| Dialect::ALL.map(|(_, dialect)| dialect).to_vec()),
            points: self.points.unwrap_or(points),
            hint: self.hint,
            first: self.first,
            steps,
            place,
        })
    }
}

/// A name that can be written on a command line as it is.
fn checked_name(name: &str) -> Result<String, String> {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.is_empty() && name.chars().all(is_part) {
        Ok(name.to_owned())
    } else {
        Err(format!(
            "{name:?} is no name of a check: write small letters, digits and hyphens"
        ))
    }
}
