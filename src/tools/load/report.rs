//! What a run came to, for a person and for a program.

use core::fmt;
use std::collections::BTreeMap;
use std::time::Duration;

use super::attack_kind::{AttackEnding, AttackKind};
use super::stats::{FailureKind, LoadStats};
use crate::exit::{ExitCode, Failed};

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Report {
    /// What a transaction is called: `messages`, or `connects` where it was no more than a connection.
    pub unit: &'static str,
    /// From the start to the end of the last transaction.
    pub elapsed: Duration,
    /// Transactions that did what they were to do.
    pub done: u64,
    /// Connections that were greeted.
    pub connections: u64,
    /// Octets of the messages that were accepted, as SIZE counts them (RFC 1870 §5).
    pub message_bytes: u64,
    /// Octets sent and received, all of them.
    pub bytes_out: u64,
    /// As `bytes_out`.
    pub bytes_in: u64,
    /// Of the transactions that are done.
    pub latency: Latency,
    /// How many transactions failed, and how.
    pub failures: BTreeMap<FailureKind, u64>,
    /// What the first failure was, in words.
    pub first_failure: Option<String>,
    /// Recipients that were refused of messages that others got, by the code.
    pub refused_recipients: BTreeMap<u16, u64>,
    /// What the hostile peers did, if there were any: how many there were, and how many of them ended how.
    pub hostile: Option<(AttackKind, u64, BTreeMap<AttackEnding, u64>)>,
}

/// How long transactions took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Latency {
    /// Half of them took no longer.
    pub p50: Duration,
    /// 99 of 100.
    pub p99: Duration,
    /// 999 of 1000.
    pub p999: Duration,
    /// All of them.
    pub max: Duration,
}

impl Latency {
    pub(super) fn read(stats: &LoadStats) -> Self {
        let at = |quantile| Duration::from_nanos(stats.latencies.value_at_quantile(quantile));
        Self {
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
            max: Duration::from_nanos(stats.latencies.max()),
        }
    }
}

impl Report {
    /// How many transactions failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Why the command fails, if it does. A refusal for good outweighs what may work later.
    ///
    /// # Errors
    /// Something failed.
    pub fn verdict(&self) -> Result<(), Failed> {
        let failed = self.failed();
        let refused: u64 = self.refused_recipients.values().sum();
        if failed == 0 && refused == 0 {
            return Ok(());
        }
        let code = if self.is_refused_for_good() {
            ExitCode::Data
        } else if self.failures.contains_key(&FailureKind::Tls) {
            ExitCode::Unavailable
        } else {
            ExitCode::TryAgain
        };
        let first = self.first_failure.as_deref().unwrap_or_default();
        let (all, unit) = (self.done + failed, self.unit);
        let message = match (failed, refused) {
            (0, _) => format!("{refused} recipients were refused; the first: {first}"),
            _ => format!("{failed} of {all} {unit} failed; the first: {first}"),
        };
        Err(Failed::new(code, message))
    }

    fn is_refused_for_good(&self) -> bool {
        let mut recipients = self.refused_recipients.keys();
        let mut failures = self.failures.keys();
        recipients.any(|code| *code >= 500)
            || failures
                .any(|failure| matches!(failure, FailureKind::Reply(500..) | FailureKind::TooLarge))
    }

    /// The report as one JSON object, in one line.
    #[must_use]
    pub fn json(&self) -> String {
        let latency = &self.latency;
        let milliseconds = |time: Duration| format!("{:.3}", time.as_secs_f64() * 1e3);
        let mut fields = vec![
            ("unit", format!("\"{}\"", self.unit)),
            ("seconds", format!("{:.6}", self.elapsed.as_secs_f64())),
            ("done", self.done.to_string()),
            (
                "done_per_second",
                format!("{:.1}", self.per_second(self.done)),
            ),
            ("connections", self.connections.to_string()),
            (
                "connections_per_second",
                format!("{:.1}", self.per_second(self.connections)),
            ),
            ("message_bytes", self.message_bytes.to_string()),
            (
                "message_bytes_per_second",
                format!("{:.1}", self.per_second(self.message_bytes)),
            ),
            ("bytes_out", self.bytes_out.to_string()),
            ("bytes_in", self.bytes_in.to_string()),
            (
                "latency_ms",
                object([
                    ("p50", milliseconds(latency.p50)),
                    ("p99", milliseconds(latency.p99)),
                    ("p99.9", milliseconds(latency.p999)),
                    ("max", milliseconds(latency.max)),
                ]),
            ),
            ("failed", self.failed().to_string()),
            ("failures", counts(&self.failures)),
            ("refused_recipients", counts(&self.refused_recipients)),
        ];
        if let Some((kind, peers, endings)) = &self.hostile {
            let hostile = [
                ("kind", format!("\"{}\"", kind.name())),
                ("peers", peers.to_string()),
                ("endings", counts(endings)),
            ];
            fields.push(("hostile", object(hostile)));
        }
        object(fields)
    }

    fn per_second(&self, count: u64) -> f64 {
        // Good to 2^53, which nobody will see counted.
        #[allow(clippy::cast_precision_loss)]
        let count = count as f64;
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { count / seconds } else { 0.0 }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Latency {
            p50,
            p99,
            p999,
            max,
        } = self.latency;
        writeln!(
            f,
            "{} {} in {:.3} s",
            self.done,
            self.unit,
            self.elapsed.as_secs_f64()
        )?;
        let rate = self.per_second(self.done);
        writeln!(f, "{:<14} {rate:.1}", format!("{}/s", self.unit))?;
        writeln!(f, "connections/s  {:.1}", self.per_second(self.connections))?;
        writeln!(
            f,
            "bytes/s        {:.0}",
            self.per_second(self.message_bytes)
        )?;
        write!(f, "latency        ")?;
        writeln!(
            f,
            "p50 {p50:.3?}, p99 {p99:.3?}, p99.9 {p999:.3?}, max {max:.3?}"
        )?;
        writeln!(f, "failures       {}", Counts(&self.failures))?;
        if !self.refused_recipients.is_empty() {
            let refused = Counts(&self.refused_recipients);
            writeln!(
                f,
                "recipients refused of messages that others got: {refused}"
            )?;
        }
        if let Some((kind, peers, endings)) = &self.hostile {
            let name = kind.name();
            writeln!(
                f,
                "hostile        {peers} peers of {name}; ended: {}",
                Counts(endings)
            )?;
        }
        Ok(())
    }
}

/// How many there were in all, and of each kind.
struct Counts<'a, K>(&'a BTreeMap<K, u64>);

impl<K: fmt::Display> fmt::Display for Counts<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.values().sum::<u64>())?;
        for (place, (kind, count)) in self.0.iter().enumerate() {
            let before = if place == 0 { ": " } else { ", " };
            write!(f, "{before}{kind} ×{count}")?;
        }
        Ok(())
    }
}

fn counts<K: fmt::Display>(counts: &BTreeMap<K, u64>) -> String {
    object(
        counts
            .iter()
            .map(|(kind, count)| (kind.to_string(), count.to_string())),
    )
}

/// A JSON object of these names and values, none of which needs an escape.
fn object<N: fmt::Display>(fields: impl IntoIterator<Item = (N, String)>) -> String {
    let fields: Vec<_> = fields
        .into_iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", fields.join(","))
}
