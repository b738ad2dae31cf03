//! How far a run is, for whoever watches it on a terminal.

use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use super::schedule::Extent;
use super::tally::Tally;

/// A bar on standard error, if that is a terminal.
pub(super) struct Progress {
    bar: ProgressBar,
    extent: Extent,
    start: Instant,
}

impl Progress {
    pub(super) fn new(extent: Extent, start: Instant) -> Self {
        let length = match extent {
            Extent::Count(count) => count,
            // In milliseconds.
            Extent::Time(time) => u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
        };
        let bar = ProgressBar::new(length);
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {percent}% {msg}") {
            bar.set_style(style);
        }
        Self { bar, extent, start }
    }

    /// Shows how far it is.
    pub(super) fn show(&self, tally: &Tally, now: Instant) {
        if self.bar.is_hidden() {
            return;
        }
        let elapsed = now.saturating_duration_since(self.start);
        self.bar.set_position(match self.extent {
            Extent::Count(_) => tally.ended(),
            Extent::Time(_) => u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        });
        let failed = tally.ended() - tally.done;
        self.bar
            .set_message(format!("{} done, {failed} failed", tally.done));
    }

    /// Takes the bar away.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
