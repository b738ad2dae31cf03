//! The log: lines are gathered and written when somebody flushes, which the loop does once a tick.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use log::LevelFilter;
use simplelog::{ConfigBuilder, WriteLogger};

/// With so many octets gathered they are written at once, so that a busy tick does not hold them all.
const GATHERED_BYTES_MAX: usize = 64 * 1024;
/// A log file tells who writes to whom, which is not everybody's business.
const LOG_FILE_MODE: u32 = 0o640;

/// Where the log goes, which can be changed while it is written.
pub struct Log {
    /// The open log file; without one lines go to standard error. The logger, which `log` keeps for good, has
    /// the other handle.
    file: Arc<Mutex<Option<File>>>,
}

impl Log {
    /// Starts logging to `file`, or else to standard error, from `level` up. Lines bear neither time nor level:
    /// both are the business of what collects them, and a line is to begin with what it is about.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn start(level: LevelFilter, file: Option<&Path>) -> io::Result<Self> {
        let log = Self {
            file: Arc::default(),
        };
        log.reopen(file)?;
        let config = ConfigBuilder::new()
            .set_max_level(LevelFilter::Off)
            .set_time_level(LevelFilter::Off)
            .set_thread_level(LevelFilter::Off)
            .set_target_level(LevelFilter::Off)
            .set_location_level(LevelFilter::Off)
            .add_filter_allow_str("mailoop")
            .build();
        let gathered = Gathered {
            lines: Vec::new(),
            file: Arc::clone(&log.file),
        };
        // It fails only where logging was started before, and then there is a log.
        let _ = WriteLogger::init(LevelFilter::Trace, config, gathered);
        log.set_level(level);
        Ok(log)
    }

    /// Logs from `level` up.
    pub fn set_level(&self, level: LevelFilter) {
        log::set_max_level(level);
    }

    /// Goes on in `file`, or else on standard error. This also lets go of a file that was renamed.
    ///
    /// # Errors
    /// The file cannot be opened; the log then stays where it is.
    pub fn reopen(&self, file: Option<&Path>) -> io::Result<()> {
        log::logger().flush();
        let opened = file.map(|path| {
            let mut options = OpenOptions::new();
            options.append(true).create(true).mode(LOG_FILE_MODE);
            options.open(path)
        });
        let opened = opened.transpose()?;
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = opened;
        Ok(())
    }
}

/// Collects lines until they are written.
struct Gathered {
    lines: Vec<u8>,
    file: Arc<Mutex<Option<File>>>,
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
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let written = match &mut *file {
            Some(file) => file.write_all(&self.lines),
            None => io::stderr().write_all(&self.lines),
        };
        // What could not be written is lost rather than kept: a log nobody reads must not fill the memory.
        self.lines.clear();
        written
    }
}
