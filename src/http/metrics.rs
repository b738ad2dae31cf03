//! Metrics in the text format of OpenMetrics 1.0, as Prometheus and others scrape it.

use core::fmt::{Display, Write};
use std::cell::Cell;

use super::response::HttpResponse;

/// The media type of the format.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The most buckets of a histogram, without the one for all.
const BUCKETS_MAX: usize = 16;

/// The kinds of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// A number that only grows, from 0 at the start. Its samples end in `_total`.
    Counter,
    /// A number that comes and goes.
    Gauge,
    /// Facts about the program, as labels of a sample of 1. It ends in `_info`.
    Info,
}

/// Metrics as they are written.
#[derive(Debug, Default)]
pub struct MetricsText(String);

impl MetricsText {
    /// Begins a family of metrics, whose samples follow.
    pub fn family(&mut self, kind: MetricKind, name: &str, help: &str) {
        let kind = match kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Info => "info",
        };
        self.put(format_args!("# TYPE {name} {kind}\n# HELP {name} {help}\n"));
    }

    /// Adds a sample without a label.
    pub fn sample(&mut self, name: &str, value: impl Display) {
        self.put(format_args!("{name} {value}\n"));
    }

    /// Adds a sample with a label, whose value needs no escape.
    pub fn labelled(&mut self, name: &str, label: &str, of: &str, value: impl Display) {
        self.put(format_args!("{name}{{{label}=\"{of}\"}} {value}\n"));
    }

    /// Adds a sample with two labels, whose values need no escape.
    pub fn labelled_twice(&mut self, name: &str, labels: [(&str, &str); 2], value: impl Display) {
        let [(one, of_one), (other, of_other)] = labels;
        self.put(format_args!(
            "{name}{{{one}=\"{of_one}\",{other}=\"{of_other}\"}} {value}\n"
        ));
    }

    /// Adds a histogram, whose name ends in its unit, if it has one.
    pub fn histogram(&mut self, name: &str, unit: &str, help: &str, histogram: &Histogram) {
        self.put(format_args!("# TYPE {name} histogram\n"));
        if !unit.is_empty() {
            self.put(format_args!("# UNIT {name} {unit}\n"));
        }
        self.put(format_args!("# HELP {name} {help}\n"));
        let mut count = 0;
        let scale = histogram.scale;
        for (bound, bucket) in scale.bounds.iter().zip(&histogram.counts) {
            count += bucket.get();
            let bound = scale.decimal(*bound);
            self.put(format_args!("{name}_bucket{{le=\"{bound}\"}} {count}\n"));
        }
        count += histogram.above.get();
        let sum = scale.decimal(histogram.sum.get());
        self.put(format_args!("{name}_bucket{{le=\"+Inf\"}} {count}\n"));
        self.put(format_args!("{name}_count {count}\n{name}_sum {sum}\n"));
    }

    /// The response with all of it.
    #[must_use]
    pub fn into_response(mut self) -> HttpResponse {
        self.0 += "# EOF\n";
        HttpResponse::new(200, CONTENT_TYPE, self.0)
    }

    fn put(&mut self, text: core::fmt::Arguments<'_>) {
        // Memory takes all that is written.
        let _ = self.0.write_fmt(text);
    }
}

/// The buckets of a histogram: the greatest value of each, and how many of its units make one of what is shown.
#[derive(Debug)]
pub struct HistogramScale {
    /// The greatest value of each bucket, in order: at most 16.
    pub bounds: &'static [u64],
    /// The number of units in one of what is shown: a million, for microseconds that are shown as seconds.
    pub units: u64,
}

impl HistogramScale {
    /// A value as a decimal number with at least one digit after the point, as the format has bounds.
    fn decimal(&self, value: u64) -> String {
        let (whole, rest) = (value / self.units, value % self.units);
        let digits = self.units.ilog10() as usize;
        let rest = format!("{rest:0digits$}");
        let rest = rest.trim_end_matches('0');
        format!("{whole}.{}", if rest.is_empty() { "0" } else { rest })
    }
}

/// Durations of ticks and waits, in microseconds, shown as seconds: from a tenth of a millisecond to half a minute.
pub static SECONDS: HistogramScale = HistogramScale {
    bounds: &[
        100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
        1_000_000, 2_500_000, 10_000_000, 30_000_000,
    ],
    units: 1_000_000,
};

/// Numbers of messages in a group.
pub static MESSAGES: HistogramScale = HistogramScale {
    bounds: &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024],
    units: 1,
};

/// How often a value was at most the bound of each bucket.
#[derive(Debug)]
pub struct Histogram {
    scale: &'static HistogramScale,
    counts: [Cell<u64>; BUCKETS_MAX],
    above: Cell<u64>,
    sum: Cell<u64>,
}

impl Histogram {
    /// A histogram of nothing yet.
    #[must_use]
    pub fn new(scale: &'static HistogramScale) -> Self {
        debug_assert!(scale.bounds.len() <= BUCKETS_MAX, "it has as many buckets");
        Self {
            scale,
            counts: Default::default(),
            above: Cell::default(),
            sum: Cell::default(),
        }
    }

    /// Counts a value.
    pub fn add(&self, value: u64) {
        let index = self.scale.bounds.partition_point(|bound| *bound < value);
        let is_above = index == self.scale.bounds.len();
        let bucket = self.counts.get(index).filter(|_| !is_above);
        let bucket = bucket.unwrap_or(&self.above);
        bucket.set(bucket.get() + 1);
        self.sum.set(self.sum.get().saturating_add(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_what_is_at_most_each_bound() {
        let histogram = Histogram::new(&SECONDS);
        for microseconds in [0, 100, 101, 2_000_000, 90_000_000] {
            histogram.add(microseconds);
        }
        let mut text = MetricsText::default();
        text.histogram("x_seconds", "seconds", "An x.", &histogram);
        for line in [
            "# TYPE x_seconds histogram\n# UNIT x_seconds seconds\n# HELP x_seconds An x.\n",
            "x_seconds_bucket{le=\"0.0001\"} 2\n",
            "x_seconds_bucket{le=\"0.00025\"} 3\n",
            "x_seconds_bucket{le=\"1.0\"} 3\n",
            "x_seconds_bucket{le=\"2.5\"} 4\n",
            "x_seconds_bucket{le=\"30.0\"} 4\n",
            "x_seconds_bucket{le=\"+Inf\"} 5\nx_seconds_count 5\nx_seconds_sum 92.000201\n",
        ] {
            assert!(text.0.contains(line), "{line} is not in {}", text.0);
        }
        let groups = Histogram::new(&MESSAGES);
        groups.add(1);
        text.histogram("x_messages", "", "Some x.", &groups);
        assert!(
            text.0.contains("x_messages_bucket{le=\"1024.0\"} 1\n"),
            "{}",
            text.0
        );
    }
}
