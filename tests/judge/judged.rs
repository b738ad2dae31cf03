//! Runs of the judge, and what they told.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::json::Json;
use crate::common::pauses::holds_undisturbed;
use crate::common::program::foreign;

/// A fault of a program that is judged: its name, the check that finds it, and words of that check's sentence.
pub(crate) type Fault = (&'static str, &'static str, &'static str);

/// What a run told.
pub(crate) struct Told {
    pub(crate) code: Option<i32>,
    pub(crate) text: String,
    pub(crate) errors: String,
}

/// Runs the judge with these arguments, in no home.
pub(crate) fn judge(arguments: &[&str]) -> Told {
    let mut judge = foreign(env!("CARGO_BIN_EXE_mailoop"));
    let output = judge
        .arg("judge")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Told {
        code: output.status.code(),
        text: String::from_utf8(output.stdout).unwrap(),
        errors: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A whole run, and the checks that it fails.
pub(crate) struct WholeRun {
    pub(crate) told: Told,
    pub(crate) failed: Vec<String>,
}

/// Runs all checks. Most of them have their times: what fails is run once more alone, and counts if it fails while the machine does
/// not pause. `run` has more arguments for a run.
#[track_caller]
pub(crate) fn whole_run(run: impl Fn(&[&str]) -> Told) -> WholeRun {
    let told = run(&[]);
    let mut failed = told.with_result("failed");
    let not_run = told.with_result("not-run");
    assert!(failed.len() + not_run.len() > 0 || told.code == Some(0));
    failed.extend(not_run);
    failed.retain(|check| {
        !holds_undisturbed(|| run(&["--only", check]).with_result("passed") == [check.as_str()])
    });
    WholeRun { told, failed }
}

impl Told {
    pub(crate) fn json(&self) -> Json {
        assert!(self.text.starts_with('{'), "{}{}", self.text, self.errors);
        Json::parse(&self.text)
    }

    /// The checks with this result, in their order.
    pub(crate) fn with_result(&self, result: &str) -> Vec<String> {
        let json = self.json();
        let Some(Json::List(checks)) = json.get("checks") else {
            panic!("{}", self.text);
        };
        let found = checks
            .iter()
            .filter(|check| check.text("result") == Some(result));
        found
            .map(|check| check.text("name").unwrap().to_owned())
            .collect()
    }

    /// The only check of the run has failed, with a sentence that has these words.
    #[track_caller]
    pub(crate) fn assert_fails_with(&self, (fault, check, words): Fault) {
        let json = self.json();
        let Some(Json::List(checks)) = json.get("checks") else {
            panic!("{}", self.text);
        };
        let of_name = checks
            .iter()
            .find(|found| found.text("name") == Some(check));
        let found = of_name.unwrap_or_else(|| panic!("{fault}: no check {check}"));
        let (result, sentence) = (found.text("result"), found.text("sentence"));
        assert_eq!(result, Some("failed"), "{fault}: {check}: {}", self.text);
        let sentence = sentence.unwrap();
        assert!(sentence.contains(words), "{fault}: {sentence}");
    }
}

/// A file of the student's.
pub(crate) fn student(side: &str) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judge");
    tests.join(side).join("student.py")
}

/// A program of the student's.
pub(crate) fn python(side: &str) -> Command {
    let mut command = foreign("python3");
    command.args(["-B", "-E", "-s"]).arg(student(side));
    command
}

/// A table has each fault that a program of the student's knows.
pub(crate) fn assert_complete(side: &str, faults: &[Fault]) {
    let output = python(side).arg("--list").output().unwrap();
    let known = String::from_utf8(output.stdout).unwrap();
    let tested: Vec<_> = faults.iter().map(|(fault, ..)| *fault).collect();
    assert_eq!(tested, known.lines().collect::<Vec<_>>());
}
