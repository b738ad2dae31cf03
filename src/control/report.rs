//! The lines of answers: `key=value` after a word that says what the line is about. Values hold no space, so they are read
//! as they are written, by this module on both sides.

use core::fmt;

/// The word of a line about a connection.
const CONNECTION: &str = "connection";
/// The word of the line about the loop.
const LOOP: &str = "loop";

/// The line about one connection. Words are texts of one side, and strings on the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionReport<P, W> {
    /// The id, as `conn=` in the log.
    pub id: u64,
    /// The address of the peer.
    pub peer: P,
    /// The state of its session, or the stage of its life.
    pub phase: W,
    /// The age in milliseconds.
    pub age_ms: u64,
    /// Turns that it has had: how often something woke it.
    pub wakes: u32,
    /// Octets read.
    pub read: u64,
    /// Octets written.
    pub written: u64,
    /// Octets that its peer has not taken.
    pub unsent: usize,
    /// What it waits for.
    pub waits: W,
}

/// The line about the loop. What changes with each tick is counted while somebody watches, over the last second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoopReport {
    /// Milliseconds since the start of the server.
    pub uptime_ms: u64,
    /// Connections that are being served.
    pub connections: usize,
    /// Connections in the run queue.
    pub runnable: usize,
    /// Connections that wait for an answer of the store.
    pub waiting: usize,
    /// Messages stored since the start.
    pub messages: u64,
    /// Microseconds over which the rest was counted; 0 where nothing was.
    pub over_us: u64,
    /// Ticks.
    pub ticks: u64,
    /// Microseconds that 99 of 100 ticks took at most.
    pub tick_p99_us: u64,
    /// Events that the poll has told of.
    pub events: u64,
    /// Group commits that became durable.
    pub groups: u64,
    /// Messages in these groups.
    pub grouped: u64,
    /// Answers of the store, for messages and questions.
    pub answers: u64,
    /// Microseconds that all those which wait for the store have waited together.
    pub waited_us: u64,
}

impl<P: fmt::Display, W: fmt::Display> fmt::Display for ConnectionReport<P, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id,
            peer,
            phase,
            age_ms,
            wakes,
            read,
            written,
            unsent,
            waits,
        } = self;
        write!(
            f,
            "{CONNECTION} id={id} peer={peer} phase={phase} age_ms={age_ms} wakes={wakes} read={read} written={written} unsent={unsent} waits={waits}"
        )
    }
}

impl ConnectionReport<String, String> {
    /// Reads a line; `None` for one that is about something else.
    #[must_use]
    pub fn read(line: &str) -> Option<Self> {
        let fields = line.strip_prefix(CONNECTION)?.strip_prefix(' ')?;
        Some(Self {
            id: number(fields, "id")?,
            peer: value(fields, "peer")?.to_owned(),
            phase: value(fields, "phase")?.to_owned(),
            age_ms: number(fields, "age_ms")?,
            wakes: number(fields, "wakes")?,
            read: number(fields, "read")?,
            written: number(fields, "written")?,
            unsent: number(fields, "unsent")?,
            waits: value(fields, "waits")?.to_owned(),
        })
    }
}

impl fmt::Display for LoopReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            uptime_ms,
            connections,
            runnable,
            waiting,
            messages,
            over_us,
            ticks,
            tick_p99_us,
            events,
            groups,
            grouped,
            answers,
            waited_us,
        } = self;
        write!(
            f,
            "{LOOP} uptime_ms={uptime_ms} connections={connections} runnable={runnable} waiting={waiting} messages={messages}"
        )?;
        write!(
            f,
            " over_us={over_us} ticks={ticks} tick_p99_us={tick_p99_us} events={events}"
        )?;
        write!(
            f,
            " groups={groups} grouped={grouped} answers={answers} waited_us={waited_us}"
        )
    }
}

impl LoopReport {
    /// Reads a line; `None` for one that is about something else.
    #[must_use]
    pub fn read(line: &str) -> Option<Self> {
        let fields = line.strip_prefix(LOOP)?.strip_prefix(' ')?;
        Some(Self {
            uptime_ms: number(fields, "uptime_ms")?,
            connections: number(fields, "connections")?,
            runnable: number(fields, "runnable")?,
            waiting: number(fields, "waiting")?,
            messages: number(fields, "messages")?,
            over_us: number(fields, "over_us")?,
            ticks: number(fields, "ticks")?,
            tick_p99_us: number(fields, "tick_p99_us")?,
            events: number(fields, "events")?,
            groups: number(fields, "groups")?,
            grouped: number(fields, "grouped")?,
            answers: number(fields, "answers")?,
            waited_us: number(fields, "waited_us")?,
        })
    }
}

/// The value of a field. Others may stand beside it: a newer server says more.
pub(super) fn value<'a>(fields: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = fields.split(' ');
    fields.find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
}

/// The number in a field.
pub(super) fn number<T: core::str::FromStr>(fields: &str, name: &str) -> Option<T> {
    value(fields, name)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let connection = ConnectionReport {
            id: 17,
            peer: "[2001:db8::1]:25".to_owned(),
            phase: "AwaitingMail".to_owned(),
            age_ms: 1234,
            wakes: 5,
            read: 812,
            written: 301,
            unsent: 0,
            waits: "client".to_owned(),
        };
        let line = connection.to_string();
        assert_eq!(ConnectionReport::read(&line), Some(connection));
        assert_eq!(LoopReport::read(&line), None);
        let about_loop = LoopReport {
            uptime_ms: 1,
            connections: 2,
            runnable: 3,
            waiting: 4,
            messages: 5,
            over_us: 6,
            ticks: 7,
            tick_p99_us: 8,
            events: 9,
            groups: 10,
            grouped: 11,
            answers: 12,
            waited_us: 13,
        };
        let line = format!("{about_loop} more=1");
        assert_eq!(LoopReport::read(&line), Some(about_loop));
        assert_eq!(LoopReport::read("loop ticks=1"), None);
    }
}
