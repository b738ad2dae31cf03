//! The report of a run, while it goes on and in the end.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use super::ReportForm;
use super::files::write_report;
use crate::exit::{ExitCode, Failed};
use crate::judge::report::{JudgedCheck, JudgedRun, TextReport, gradescope, json, tap};
use crate::judge::set::SelectedCheck;
use crate::judge::verdict::{CheckFailureKind, CheckOutcome, CheckVerdict};

/// The longest time of a whole run.
const RUN_MAX: Duration = Duration::from_secs(150);
/// So many checks of a group may end in silence; the others of it are not run.
const GROUP_TIMEOUTS_MAX: usize = 3;

/// The report of a run.
pub(super) struct RunReport {
    form: ReportForm,
    text: TextReport,
    begun: Instant,
    pub(super) run: JudgedRun,
    /// Why no further check is run.
    pub(super) over: Option<String>,
}

impl RunReport {
    /// The report on checks of these names, by which this is judged.
    pub(super) fn new<'a>(
        names: impl Iterator<Item = &'a str>,
        subject: String,
        dialect: &'static str,
        form: ReportForm,
    ) -> Self {
        let is_coloured = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self {
            form,
            text: TextReport::new(names, is_coloured),
            begun: Instant::now(),
            run: JudgedRun {
                subject,
                dialect,
                checks: Vec::new(),
                died_in: None,
            },
            over: None,
        }
    }

    /// The outcome of a check that is not to be run.
    pub(super) fn obstacle(
        &mut self,
        selected: &SelectedCheck,
        now: Instant,
    ) -> Option<CheckOutcome> {
        if self.over.is_none() && now >= self.begun + RUN_MAX {
            self.over = Some("the time of the whole run is up".to_owned());
        }
        if let Some(why) = &self.over {
            return Some(CheckOutcome::not_run(why.clone()));
        }
        let before = |name: &String| {
            let mut checks = self.run.checks.iter();
            checks.find(|judged| judged.check.name == *name)
        };
        if let Some(name) = &selected.check.first
            && let Some(judged) = before(name)
        {
            let why = match &judged.outcome.verdict {
                CheckVerdict::Passed => None,
                CheckVerdict::Skipped(why) => {
                    let verdict = CheckVerdict::Skipped(why.clone());
                    return Some(CheckOutcome {
                        verdict,
                        ..CheckOutcome::not_run("")
                    });
                }
                CheckVerdict::Failed(_) => Some(format!("it goes on from {name}, which failed")),
                CheckVerdict::NotRun(_) => {
                    Some(format!("it goes on from {name}, which was not run"))
                }
            };
            if let Some(why) = why {
                return Some(CheckOutcome::not_run(why));
            }
        }
        let timeouts = self.run.checks.iter().filter(|judged| {
            judged.check.group == selected.check.group
                && judged.outcome.has_failed_by(CheckFailureKind::Timeout)
        });
        let is_silent = timeouts.count() >= GROUP_TIMEOUTS_MAX;
        is_silent.then(|| {
            CheckOutcome::not_run(format!(
                "{GROUP_TIMEOUTS_MAX} checks of this group ended in silence"
            ))
        })
    }

    /// Adds what came of a check, and tells it to people at once.
    pub(super) fn add(
        &mut self,
        selected: &SelectedCheck,
        outcome: CheckOutcome,
    ) -> Result<(), Failed> {
        let check = selected.check.clone();
        if self.form == ReportForm::Text {
            let line = self.text.check(&check, &outcome);
            let out = &mut io::stdout().lock();
            out.write_all(line.as_bytes())
                .and_then(|()| out.flush())
                .map_err(|error| Failed::new(ExitCode::Io, error))?;
        }
        self.run.checks.push(JudgedCheck { check, outcome });
        Ok(())
    }

    /// Tells all that is left, and whether every must passed.
    pub(super) fn finish(&self, gradescope_file: Option<&Path>) -> Result<(), Failed> {
        let report = match self.form {
            ReportForm::Text => self.text.end(&self.run).into_bytes(),
            ReportForm::Json => json(&self.run),
            ReportForm::Tap => tap(&self.run).into_bytes(),
        };
        let written = io::stdout().lock().write_all(&report);
        written.map_err(|error| Failed::new(ExitCode::Io, error))?;
        if let Some(path) = gradescope_file {
            write_report(path, &gradescope(&self.run))?;
        }
        match self.run.is_right() {
            true => Ok(()),
            false => Err(Failed::new(ExitCode::Different, "")),
        }
    }
}
