//! The log: lines are gathered and written when somebody flushes, which the loop does once a tick.

use std::io::{self, Write};

use log::LevelFilter;
use simplelog::{ConfigBuilder, WriteLogger};

/// With so many octets gathered they are written at once, so that a busy tick does not hold them all.
const GATHERED_BYTES_MAX: usize = 64 * 1024;

/// Starts logging to standard error, from `level` up. Lines bear neither time nor level: both are the business
/// of what collects them, and a line is to begin with what it is about.
pub fn start(level: LevelFilter) {
    let config = ConfigBuilder::new()
        .set_max_level(LevelFilter::Off)
        .set_time_level(LevelFilter::Off)
        .set_thread_level(LevelFilter::Off)
        .set_target_level(LevelFilter::Off)
        .set_location_level(LevelFilter::Off)
        .add_filter_allow_str("mailoop")
        .build();
    // It fails only where logging was started before, and then there is a log.
    let _ = WriteLogger::init(level, config, Gathered::default());
}

/// Collects lines for standard error.
#[derive(Default)]
struct Gathered {
    lines: Vec<u8>,
}

impl Write for Gathered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lines.extend_from_slice(bytes);
        if self.lines.len() >= GATHERED_BYTES_MAX {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let written = io::stderr().write_all(&self.lines);
        // What could not be written is lost rather than kept: a log nobody reads must not fill the memory.
        self.lines.clear();
        written
    }
}
