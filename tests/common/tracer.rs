//! strace, which plants faults in the system calls of a running server.

use std::fs::{self, File};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::program::foreign;
use super::{files, wait_until};

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
            assert!(ended.is_none(), "strace: {ended:?}\n{}", tracer.said());
            tracer.said().matches(" attached").count() >= processes.len()
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

    fn end(&mut self) {
        // It has ended already if nobody is left to trace.
        let _ = kill_process(Pid::from_child(&self.strace), Signal::INT);
        let _ = self.strace.wait();
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        self.end();
    }
}
