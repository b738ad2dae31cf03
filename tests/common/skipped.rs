//! Tests that cannot run on this machine: each says so at once, and the last test program tells the sum.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::thread;

use rustix::process::getppid;

/// What tests may want, a row each: its name, who has it, and what it is called there.
const PROGRAMS: &str = include_str!("../programs");

/// Says that the test that runs is skipped for want of these, and has it counted. Returns whether it can run: no.
pub(crate) fn note(wanted: &[&str]) -> bool {
    let test = thread::current().name().unwrap_or_default().to_owned();
    let wanted = wanted.join(" ");
    // Written past the test harness, which shows nothing of a test that passes; in one piece, beside other tests.
    let said = format!("skipped: {test} wants {wanted}\n");
    io::stderr().write_all(said.as_bytes()).unwrap();
    // Where it cannot be counted the closing line says so.
    if let Ok(mut notes) = open_notes() {
        notes.write_all(format!("{wanted}\n").as_bytes()).unwrap();
    }
    false
}

/// Fails if nobody would know how to get this program.
pub(crate) fn assert_known(program: &str) {
    let known = rows().any(|[name, ..]| name == program);
    assert!(known, "{program} is not in tests/programs");
}

/// What was skipped since `cargo test` began, and how to have it run, in a few lines. This is told once.
pub(crate) fn sum() -> String {
    let path = notes_path();
    if let Err(error) = open_notes() {
        return format!("skipped tests are not counted: {}: {error}", path.display());
    }
    let notes = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();
    summary(&notes)
}

/// The sum of these notes, a line a test.
pub(crate) fn summary(notes: &str) -> String {
    let tests = notes.lines().count();
    if tests == 0 {
        return "skipped: no test".to_owned();
    }
    let mut wanted = BTreeMap::<_, usize>::new();
    for name in notes.split_whitespace() {
        *wanted.entry(name).or_default() += 1;
    }
    let mut sources = BTreeMap::<_, Vec<_>>::new();
    for [name, source, package] in rows().filter(|[name, ..]| wanted.contains_key(name)) {
        let command = match source {
            "apt" => "apt-get install",
            "deb" => "apt-get download and dpkg -x",
            "npm" => "npm install -g",
            "pip" => "pip install",
            _ => panic!("{name}: what is {source}?"),
        };
        let packages = sources.entry(command).or_default();
        if !packages.contains(&package) {
            packages.push(package);
        }
    }
    let remedies = sources.into_iter();
    let mut remedies: Vec<_> = remedies
        .map(|(command, packages)| format!("{command} {}", packages.join(" ")))
        .collect();
    for (name, remedy) in BEYOND_PROGRAMS {
        if wanted.contains_key(name) {
            remedies.push(remedy.to_owned());
        }
    }
    let wanted: Vec<_> = wanted
        .iter()
        .map(|(name, count)| format!("{name} ({count})"))
        .collect();
    let (wanted, remedies) = (wanted.join(", "), remedies.join("; "));
    let tests = if tests == 1 {
        "1 test"
    } else {
        &format!("{tests} tests")
    };
    format!("skipped: {tests}, for want of {wanted}\nto run them: {remedies}")
}

/// What tests may want beside programs, and how to have it.
pub(crate) const ROOT: &str = "root";
pub(crate) const DEVICES: &str = "/dev/fuse+/dev/loop-control";
pub(crate) const LANDLOCK: &str = "Landlock";
const BEYOND_PROGRAMS: [(&str, &str); 3] = [
    (LANDLOCK, "a kernel that has Landlock"),
    (ROOT, "cargo test as root"),
    (DEVICES, "a machine that lends FUSE and loop devices"),
];

fn rows() -> impl Iterator<Item = [&'static str; 3]> {
    let lines = PROGRAMS.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| {
        // The sum of a package may follow its name, which nobody types.
        let words: Vec<_> = line.split_whitespace().take(3).collect();
        words.try_into().unwrap()
    })
}

fn open_notes() -> io::Result<File> {
    let path = notes_path();
    OpenOptions::new()
        .create(true)
        .append(true)
        .read(true)
        .open(path)
}

/// A file for each `cargo test`, whose child every test program is: it is known by the number of that process and by when
/// that began.
fn notes_path() -> PathBuf {
    let parent = getppid().map_or(0, |parent| parent.as_raw_nonzero().get());
    let stat = fs::read_to_string(format!("/proc/{parent}/stat")).unwrap_or_default();
    // Its name comes before, in parentheses, and may hold anything; the 22nd field is its start (proc(5)).
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let start = fields.split_whitespace().nth(19).unwrap_or_default();
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("skipped-{parent}-{start}"))
}
