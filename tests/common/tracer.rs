//! strace, which plants faults in the system calls of a running server.

use std::fs::{self, File};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::program::foreign;
use super::{files, wait_until};

/// How often a strace is looked at for whether it has left, a millisecond each, before it is killed, which makes the system let go of
/// whom it traces. Looks are counted, not time: a machine that pauses takes nothing from it.
const DETACH_LOOKS_MAX: usize = 2000;

/// A strace at work on some processes.
pub struct Tracer {
    strace: Child,
    /// What it says itself, and a file of calls for each process: in one file they would run into each other.
    output: TempDir,
}

impl Tracer {
    /// Has `what`, an expression of strace's, done at those of these `calls` that it says. Each process counts its
    /// own.
    pub fn attach(processes: &[u32], calls: &str, what: &str) -> Self {
        let output = tempfile::tempdir().unwrap();
        let mut strace = foreign("strace");
        strace.args(["-ff", "-y", "-o", "calls", "-e"]);
        strace.args([&format!("trace={calls}"), "-e"]);
        strace.arg(format!("inject={calls}:{what}"));
        for process in processes {
            strace.args(["-p", &process.to_string()]);
        }
        let strace = strace
            .current_dir(&output)
            .stderr(File::create(output.path().join("strace")).unwrap())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut tracer = Self { strace, output };
        wait_until("strace to attach", || {
            let ended = tracer.strace.try_wait().unwrap();
            // A process that is killed at the call in which it was found ends at once, and its tracer with it.
            let is_attached = tracer.said().matches(" attached").count() >= processes.len();
            assert!(
                is_attached || ended.is_none(),
                "strace: {ended:?}\n{}",
                tracer.said()
            );
            is_attached
        });
        tracer
    }

    fn said(&self) -> String {
        fs::read_to_string(self.output.path().join("strace")).unwrap()
    }

    /// Ends it, and returns the calls that were made to fail, with the paths of their descriptors.
    pub fn detach(mut self) -> Vec<String> {
        self.end();
        let mut failed = Vec::new();
        for file in files(self.output.path()) {
            let calls = fs::read(file).unwrap();
            let calls = String::from_utf8_lossy(&calls);
            let calls = calls.lines().filter(|call| call.ends_with("(INJECTED)"));
            failed.extend(calls.map(str::to_owned));
        }
        failed
    }

    /// Whether any process that it traces was killed, also one that a traced process has started.
    pub fn has_killed(&self) -> bool {
        self.has_written("+++ killed by SIGKILL +++")
    }

    /// Whether any call was made to fail.
    pub fn has_failed(&self) -> bool {
        self.has_written("(INJECTED)")
    }

    fn has_written(&self, words: &str) -> bool {
        let mut outputs = files(self.output.path()).into_iter();
        outputs.any(|file| {
            let written = fs::read(file).unwrap_or_default();
            String::from_utf8_lossy(&written).contains(words)
        })
    }

    fn end(&mut self) {
        // It has ended already if nobody is left to trace.
        let _ = kill_process(Pid::from_child(&self.strace), Signal::INT);
        // It waits forever for a process that waits for its child to run a program (vfork), where it has stopped that child.
        let mut looks = 0;
        while matches!(self.strace.try_wait(), Ok(None)) {
            looks += 1;
            if looks > DETACH_LOOKS_MAX {
                let _ = self.strace.kill();
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        self.end();
    }
}
