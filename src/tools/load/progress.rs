//! How far a run is, for whoever watches it on a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::Instant;

use rustix::termios::tcgetwinsize;

use super::schedule::Extent;
use super::stats::LoadStats;

/// Goes to the start of the line and erases it (ECMA-48).
const ERASE_LINE: &str = "\r\x1b[K";

/// A bar on standard error, if that is a terminal.
pub(super) struct Progress {
    is_watched: bool,
    extent: Extent,
    start: Instant,
}

impl Progress {
    pub(super) fn new(extent: Extent, start: Instant, is_wanted: bool) -> Self {
        Self {
            is_watched: is_wanted && io::stderr().is_terminal(),
            extent,
            start,
        }
    }

    /// Shows how far it is.
    pub(super) fn show(&self, stats: &LoadStats, now: Instant) {
        if !self.is_watched {
            return;
        }
        let percent = match self.extent {
            Extent::Count(count) => percent(stats.ended().into(), count.into()),
            Extent::Time(time) => {
                let elapsed = now.saturating_duration_since(self.start);
                percent(elapsed.as_nanos(), time.as_nanos())
            }
        };
        let failed = stats.ended() - stats.done;
        let words = format!("{percent}% {} done, {failed} failed", stats.done);
        let columns = tcgetwinsize(io::stderr()).map_or(0, |size| size.ws_col.into());
        write(&line(percent, &words, columns));
    }

    /// Takes the bar away.
    pub(super) fn clear(&self) {
        if self.is_watched {
            write("");
        }
    }
}

fn percent(part: u128, whole: u128) -> usize {
    let percent = part.saturating_mul(100) / whole.max(1);
    usize::try_from(percent).map_or(100, |percent| percent.min(100))
}

/// A bar with `words` behind it, as wide as a terminal of so many `columns` shows without a line break.
fn line(percent: usize, words: &str, columns: usize) -> String {
    let width = columns.saturating_sub(words.len() + 2);
    let done = width * percent / 100;
    format!("{}{} {words}", "#".repeat(done), "-".repeat(width - done))
}

/// Writes in place of what was there before. If nobody sees it, the load goes on all the same.
fn write(line: &str) {
    let _ = write!(io::stderr(), "{ERASE_LINE}{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_the_work_is_done() {
        assert_eq!(line(0, "0%", 14), "---------- 0%");
        assert_eq!(line(45, "45%", 15), "####------ 45%");
        assert_eq!(line(100, "100%", 16), "########## 100%");
        assert_eq!(line(50, "50%", 0), " 50%", "where there is no room for it");
    }

    #[test]
    fn what_is_done_is_told_in_hundredths_and_never_more_than_all() {
        assert_eq!(percent(0, 3), 0);
        assert_eq!(percent(2, 3), 66);
        assert_eq!(percent(3, 3), 100);
        assert_eq!(percent(4, 3), 100);
        assert_eq!(percent(0, 0), 0);
        assert_eq!(percent(u128::MAX, 1), 100);
    }
}
