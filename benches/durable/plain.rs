//! The calls by which a message is stored, in a plain loop: what the disk allows, without mail, without a second process.
//!
//! A group is created and written; one sync is for its data and for the names of the group before; then it gets its
//! names. With so many sessions, half of their messages are in each of two such groups.

use std::fs::{File, create_dir_all};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, Mode, OFlags, linkat, openat, renameat, syncfs};

use crate::load::{MESSAGE_BYTES, Report, processor_time};

/// What the server puts in front of a message, about.
const TRACE_BYTES: usize = 150;

/// A folder like a mailbox, and how many files are made durable together.
pub(crate) struct Plain {
    tmp: File,
    new: File,
    text: Vec<u8>,
    group: usize,
    count: usize,
}

impl Plain {
    pub(crate) fn new(folder: &Path, sessions: usize) -> Self {
        let open = |name: &str| {
            let folder = folder.join(name);
            create_dir_all(&folder).unwrap();
            File::open(folder).unwrap()
        };
        Self {
            tmp: open("tmp"),
            new: open("new"),
            text: vec![b'x'; MESSAGE_BYTES + TRACE_BYTES],
            group: sessions.div_ceil(2),
            count: 0,
        }
    }

    /// Stores for so long.
    pub(crate) fn turn(&mut self, time: Duration) -> Report {
        let (start, cpu, before) = (Instant::now(), processor_time(), self.count);
        let mut waits = Vec::new();
        while start.elapsed() < time {
            let began = Instant::now();
            self.store_group();
            waits.push(began.elapsed());
        }
        // The names of the last group.
        syncfs(&self.new).unwrap();
        let (elapsed, cpu) = (start.elapsed(), processor_time() - cpu);
        waits.sort_unstable();
        let quantile = |percent: usize| waits[(waits.len() - 1) * percent / 100];
        let stored = (self.count - before) as f64;
        Report {
            messages_per_second: stored / elapsed.as_secs_f64(),
            p50: quantile(50),
            p99: quantile(99),
            cpu_per_message: cpu.div_f64(stored),
        }
    }

    fn store_group(&mut self) {
        let files: Vec<_> = (0..self.group).map(|_| self.write()).collect();
        if let [(_, file, _)] = &files[..] {
            file.sync_data().unwrap();
        } else {
            syncfs(&self.new).unwrap();
        }
        for (name, file, is_named) in &files {
            if *is_named {
                renameat(&self.tmp, name, &self.new, name).unwrap();
            } else {
                linkat(file, "", &self.new, name, AtFlags::EMPTY_PATH).unwrap();
            }
        }
        if self.group == 1 {
            self.new.sync_all().unwrap();
        }
    }

    /// Writes a file, without a name where the file system and our rights let it.
    fn write(&mut self) -> (String, File, bool) {
        self.count += 1;
        let name = format!("1000000000.{:08X}.mx.example.org", self.count);
        let mode = Mode::RUSR | Mode::WUSR;
        let how = OFlags::RDWR | OFlags::CLOEXEC;
        let unnamed = openat(&self.tmp, ".", how | OFlags::TMPFILE, mode);
        let is_named = unnamed.is_err();
        let how = how | OFlags::CREATE | OFlags::EXCL;
        let file = unnamed.or_else(|_| openat(&self.tmp, &name, how, mode));
        let mut file = File::from(file.unwrap());
        file.write_all(&self.text).unwrap();
        (name, file, is_named)
    }
}
