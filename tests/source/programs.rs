//! How tests go about programs of others: they run without anybody's home, and those that are missing are told at the end.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::files;
use crate::common::program::foreign;
use crate::common::skipped::{ROOT, summary};

/// What tests may start by itself: our own program, and what is on every system and knows no home.
const FREELY: [&str; 7] = [
    "env!(\"CARGO_BIN_EXE_mailoop\")",
    "\"/bin/sh\"",
    "\"sh\"",
    "\"/bin/true\"",
    "\"cp\"",
    // Names and programs that come from callers, which name one of the above.
    "program",
    // strace, whose server has no environment at all.
    "wrapper[0]",
];

/// All files of Rust in a folder and below it.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let (folders, files): (Vec<_>, Vec<_>) =
        files(folder).into_iter().partition(|path| path.is_dir());
    let files = files
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "rs"));
    files
        .chain(folders.iter().flat_map(|folder| sources(folder)))
        .collect()
}

#[test]
fn no_test_starts_a_program_of_others_in_the_home_of_the_user() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let sources = sources(&tests);
    assert!(sources.len() > 100, "where are the tests?");
    let mut elsewhere = Vec::new();
    let call = ["Command", "::new("].concat();
    for path in sources
        .iter()
        .filter(|path| !path.ends_with("common/program.rs"))
    {
        let text = fs::read_to_string(path).unwrap();
        for (_, rest) in text
            .match_indices(&call)
            .map(|(at, _)| text[at..].split_at(call.len()))
        {
            let what = rest.split_once(')').unwrap().0;
            if !FREELY.iter().any(|free| rest.starts_with(free)) {
                elsewhere.push(format!("{}: {what}", path.display()));
            }
        }
    }
    assert_eq!(
        elsewhere,
        Vec::<String>::new(),
        "start them by crate::common::program::foreign"
    );
}

#[test]
fn a_program_of_others_finds_no_home_and_no_settings() {
    let output = foreign("sh")
        .args(["-c", "mkdir -p ~/x 2>/dev/null; echo $? $HOME; env"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with("1 /dev/null\n"), "{said}");
    for line in said.lines().skip(1) {
        let name = line.split('=').next().unwrap();
        let known = [
            "HOME",
            "LC_ALL",
            "PATH",
            "PWD",
            "LD_LIBRARY_PATH",
            "PYENV_ROOT",
            "TMPDIR",
            "_",
            "SHLVL",
            "OLDPWD",
        ];
        assert!(known.contains(&name), "{line}");
    }
}

#[test]
fn the_sum_tells_how_many_were_skipped_for_what_and_how_to_get_it() {
    assert_eq!(summary(""), "skipped: no test");
    assert_eq!(
        summary("swaks\n"),
        "skipped: 1 test, for want of swaks (1)\nto run them: apt-get install swaks"
    );
    let notes = format!("mutt\nswaks mutt\nnode nodemailer\n{ROOT}\npostfix sendmail\n");
    assert_eq!(
        summary(&notes),
        "skipped: 5 tests, for want of mutt (2), node (1), nodemailer (1), postfix (1), root (1), sendmail (1), swaks (1)\n\
         to run them: apt-get install mutt nodejs postfix swaks; npm install -g nodemailer@9; cargo test as root"
    );
}
