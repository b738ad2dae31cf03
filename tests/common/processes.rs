//! Processes, whoever started them.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};

use super::files;

/// The processes whose current folder is this one or below it.
pub fn in_folder(folder: &Path) -> Vec<u32> {
    let processes = files(Path::new("/proc")).into_iter();
    let here = processes.filter(|process| {
        fs::read_link(process.join("cwd")).is_ok_and(|current| current.starts_with(folder))
    });
    let number = |process: PathBuf| process.file_name()?.to_str()?.parse().ok();
    here.filter_map(number).collect()
}

/// The files without a name that a process has open in a folder.
pub fn unnamed_files(process: u32, folder: &Path) -> Vec<PathBuf> {
    let descriptors = files(Path::new(&format!("/proc/{process}/fd")));
    let targets = descriptors.iter().filter_map(|fd| fs::read_link(fd).ok());
    let is_unnamed = |path: &PathBuf| {
        path.to_str()
            .is_some_and(|path| path.ends_with(" (deleted)"))
    };
    targets
        .filter(|target| target.parent() == Some(folder) && is_unnamed(target))
        .collect()
}

/// Whether a process runs: one that has ended may still wait for somebody to ask how.
pub fn is_running(process: u32) -> bool {
    !matches!(state(process), None | Some('Z' | 'X'))
}

/// Whether a signal has stopped a process.
pub fn is_stopped(process: u32) -> bool {
    state(process) == Some('T')
}

/// Whether a process waits for something to happen outside of it.
pub fn is_resting(process: u32) -> bool {
    state(process) == Some('S')
}

/// The letter that `ps` shows for a process.
fn state(process: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // Its name comes before, in parentheses, and may hold anything.
    stat.rsplit(") ").next()?.chars().next()
}

/// Kills a process, unless it has ended.
pub fn kill(process: u32) {
    signal(process, Signal::KILL);
}

/// Sends a process a signal; one that has ended hears none.
pub fn signal(process: u32, signal: Signal) {
    let process = Pid::from_raw(process.try_into().unwrap()).unwrap();
    let _ = kill_process(process, signal);
}
