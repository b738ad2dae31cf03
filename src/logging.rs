//! The log: lines are gathered, and written when somebody flushes, which the loop does once a tick.
//!
//! Nobody waits for the log. What its reader does not take now is kept, up to a bound, and offered again at the next
//! flush; lines beyond the bound are dropped and counted, and a line tells how many once it flows again. An error of the
//! file (ENOSPC, EFBIG, EIO) costs lines likewise, and nothing else.

mod sink;
mod stamp;

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use log::LevelFilter;
use rustix::io::Errno;
use simplelog::{ConfigBuilder, WriteLogger};

use self::sink::Sink;
use self::stamp::Stamp;

/// With so many octets gathered they are written at once, so that a busy tick does not hold them all; while so many wait
/// for the reader of the log, further lines are dropped.
const GATHERED_BYTES_MAX: usize = 64 * 1024;
/// The longest time that the end of the program waits for the reader of its last lines.
const FINISH_TIMEOUT: Duration = Duration::from_secs(1);

/// Whether lines wait for the reader of the log.
static BACKLOG: AtomicBool = AtomicBool::new(false);
/// Whether the program ends, so that nobody will flush again.
static ENDING: AtomicBool = AtomicBool::new(false);

/// Tells whether lines wait for the reader of the log. Then somebody should flush again soon, though nothing else happens.
#[must_use]
pub fn has_backlog() -> bool {
    BACKLOG.load(Ordering::Relaxed)
}

/// Writes what is left of the log, and waits a bounded time for its reader: the program ends.
pub fn finish() {
    ENDING.store(true, Ordering::Relaxed);
    log::logger().flush();
}

/// Writes `text` to standard error, and waits a bounded time for its reader. What ends a program must not keep it.
pub fn write_to_stderr(text: &str) {
    // If not even this can be written there is nobody left to tell.
    let Ok(sink) = Sink::stderr() else { return };
    let deadline = Instant::now() + FINISH_TIMEOUT;
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match sink.write(rest) {
            Ok(written) => rest = &rest[written..],
            Err(Errno::AGAIN) if sink.await_room(deadline) => {}
            Err(_) => return,
        }
    }
}

/// The log, whose destination can be changed while it is written.
pub struct Log {
    /// The logger, which the crate `log` keeps for good, has the other handle.
    target: Arc<Mutex<Destination>>,
}

/// The destination of lines.
struct Destination {
    sink: Sink,
    /// Whether each line begins with the time: what reads it does not add one.
    stamped: bool,
    /// Whether the end of a line was dropped whose start was written.
    is_torn: bool,
}

impl Destination {
    /// Opens `file`, or else takes standard error.
    fn open(file: Option<&Path>) -> io::Result<Self> {
        let (sink, stamped) = match file {
            Some(path) => (Sink::file(path)?, true),
            None => {
                let sink = Sink::stderr()?;
                let stamped = !sink.is_the_journal();
                (sink, stamped)
            }
        };
        Ok(Self {
            sink,
            stamped,
            is_torn: false,
        })
    }

    /// Writes `lines` as far as they are taken, with a `deadline` until then, and takes off what is written.
    ///
    /// # Errors
    /// `Errno::AGAIN` if nothing more is taken now; anything else if it never will be.
    fn write(&mut self, lines: &mut Vec<u8>, deadline: Option<Instant>) -> Result<(), Errno> {
        if self.is_torn {
            self.sink.write(b"\n")?;
            self.is_torn = false;
        }
        let mut written = 0;
        let result = loop {
            match self.sink.write(&lines[written..]) {
                Ok(more) => written += more,
                Err(Errno::AGAIN) if deadline.is_some_and(|until| self.sink.await_room(until)) => {}
                Err(error) => break Err(error),
            }
            if written == lines.len() {
                break Ok(());
            }
        };
        let is_cut = written > 0 && lines[written - 1] != b'\n';
        self.is_torn = is_cut && !matches!(result, Err(Errno::AGAIN));
        lines.drain(..written);
        result
    }
}

impl Log {
    /// Starts logging to `file`, or else to standard error, from `level` up. Lines bear no level, and a time only where the
    /// journal does not add one: a line is to begin with what it is about. Lines that are `for_a_file`, which is yet to be
    /// opened, wait for [`reopen`](Self::reopen) unless somebody flushes.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn start(level: LevelFilter, file: Option<&Path>, for_a_file: bool) -> io::Result<Self> {
        let mut target = Destination::open(file)?;
        target.stamped |= for_a_file;
        let target = Arc::new(Mutex::new(target));
        let config = ConfigBuilder::new()
            .set_max_level(LevelFilter::Off)
            .set_time_level(LevelFilter::Off)
            .set_thread_level(LevelFilter::Off)
            .set_target_level(LevelFilter::Off)
            .set_location_level(LevelFilter::Off)
            .add_filter_allow_str("mailoop")
            .build();
        let gathered = Gathered::new(Arc::clone(&target));
        // It fails only where logging was started before, and then there is a log.
        let _ = WriteLogger::init(LevelFilter::Trace, config, gathered);
        let log = Self { target };
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
        let target = Destination::open(file)?;
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
        Ok(())
    }
}

/// Collects lines until they are written.
struct Gathered {
    /// Whole lines, of the first of which a part may be written already, and the line that is being made.
    lines: Vec<u8>,
    /// The offset at which the line that is being made begins.
    line_start: usize,
    stamp: Stamp,
    /// Lines that were dropped and not told of yet.
    dropped: u64,
    target: Arc<Mutex<Destination>>,
}

impl Gathered {
    fn new(target: Arc<Mutex<Destination>>) -> Self {
        Self {
            lines: Vec::new(),
            line_start: 0,
            stamp: Stamp::default(),
            dropped: 0,
            target,
        }
    }

    /// Takes the line that was made, or drops it where too many wait already.
    fn end_line(&mut self) {
        if self.line_start >= GATHERED_BYTES_MAX {
            self.lines.truncate(self.line_start);
            self.dropped += 1;
            return;
        }
        self.line_start = self.lines.len();
        if self.line_start >= GATHERED_BYTES_MAX {
            self.pass_on();
        }
    }

    /// Writes as much as is taken without waiting.
    fn pass_on(&mut self) {
        let target = Arc::clone(&self.target);
        let mut target = target.lock().unwrap_or_else(PoisonError::into_inner);
        let deadline = ENDING
            .load(Ordering::Relaxed)
            .then(|| Instant::now() + FINISH_TIMEOUT);
        while !self.lines.is_empty() {
            match target.write(&mut self.lines, deadline) {
                Ok(()) if self.dropped > 0 => {
                    let dropped = std::mem::take(&mut self.dropped);
                    if target.stamped {
                        let stamp = self.stamp.at(SystemTime::now());
                        self.lines.extend_from_slice(stamp);
                    }
                    let told = "warning=\"the log could not be written\" lines_dropped=";
                    self.lines
                        .extend_from_slice(format!("{told}{dropped}\n").as_bytes());
                }
                Ok(()) | Err(Errno::AGAIN) => break,
                Err(_) => {
                    // Nor would it be written later: a log on a full disk must not fill the memory.
                    let lines = self.lines.iter().filter(|byte| **byte == b'\n');
                    self.dropped += lines.count() as u64;
                    self.lines.clear();
                }
            }
        }
        self.line_start = self.lines.len();
        BACKLOG.store(!self.lines.is_empty(), Ordering::Relaxed);
    }
}

/// The end of a line that is being made.
struct LineEnd<'a>(&'a mut Vec<u8>);

impl fmt::Write for LineEnd<'_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.0.extend_from_slice(part.as_bytes());
        Ok(())
    }
}

impl Gathered {
    /// Begins a line, unless one is being made.
    fn begin_line(&mut self) {
        if self.lines.len() == self.line_start {
            let target = self.target.lock().unwrap_or_else(PoisonError::into_inner);
            if target.stamped {
                let stamp = self.stamp.at(SystemTime::now());
                self.lines.extend_from_slice(stamp);
            }
        }
    }
}

impl Write for Gathered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.begin_line();
        self.lines.extend_from_slice(bytes);
        if bytes.ends_with(b"\n") {
            self.end_line();
        }
        Ok(bytes.len())
    }

    /// Writes a whole line, as the logger does. Its many short parts go straight to where it is made.
    fn write_fmt(&mut self, line: fmt::Arguments<'_>) -> io::Result<()> {
        self.begin_line();
        // It fails only where a value cannot be written: what could be is the line then.
        let _ = fmt::write(&mut LineEnd(&mut self.lines), line);
        if self.lines.ends_with(b"\n") {
            self.end_line();
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.lines.is_empty() {
            self.pass_on();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
