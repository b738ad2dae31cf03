//! The picture of a snapshot: lines of plain text, as many and as wide as there is room.

use super::column::{COLUMNS, TableColumn};
use super::snapshot::{ConnectionRow, Snapshot};
use super::sort::{KEYS, RowOrder};
use crate::control::report::LoopReport;

/// The bounds of the width of a peer: the longest is an IPv6 address with its port.
const PEER_WIDTH: (usize, usize) = (12, 47);

/// The lines of a picture.
pub(super) struct Picture {
    pub(super) lines: Vec<String>,
    /// The line with the headings.
    pub(super) head: usize,
}

impl Picture {
    /// All of a snapshot, for a file or another program.
    pub(super) fn plain(title: &str, snapshot: &Snapshot, order: RowOrder) -> Self {
        let longest = snapshot.rows.iter().map(|row| row.peer.len()).max();
        let mut picture = Self::summary(title, snapshot);
        picture.add_rows(&snapshot.rows, longest.unwrap_or(0), order);
        if snapshot.left_out > 0 {
            let line = format!("and {} more", snapshot.left_out);
            picture.lines.push(line);
        }
        picture
    }

    /// As much of a snapshot as fits into so many columns and lines.
    pub(super) fn fitting(
        title: &str,
        snapshot: &Snapshot,
        order: RowOrder,
        (columns, height): (usize, usize),
    ) -> Self {
        let widths = COLUMNS.iter().map(|column| column.width.unwrap_or(0));
        let fixed: usize = widths.map(|width| width + 1).sum();
        let mut picture = Self::summary(title, snapshot);
        let room = height.saturating_sub(picture.lines.len() + 2);
        let rows = &snapshot.rows[..snapshot.rows.len().min(room)];
        picture.add_rows(rows, columns.saturating_sub(fixed), order);
        picture
            .lines
            .resize(height.saturating_sub(1), String::new());
        picture.lines.push(KEYS.to_owned());
        picture.lines.truncate(height);
        for line in &mut picture.lines {
            // The lines are ASCII, so a column is an octet.
            line.truncate(columns);
        }
        picture
    }

    /// The lines above those of connections.
    fn summary(title: &str, snapshot: &Snapshot) -> Self {
        let about = &snapshot.about_loop;
        // The path of a socket may hold anything.
        let title = printable(title.as_bytes());
        let up = about.uptime_ms / 1000;
        let (hours, minutes, seconds) = (up / 3600, up / 60 % 60, up % 60);
        let phases = snapshot.phases.iter();
        let phases: Vec<_> = phases
            .map(|(phase, count)| format!("{phase} {count}"))
            .collect();
        let lines = vec![
            format!(
                "mailoop top   up {hours}:{minutes:02}:{seconds:02}   connections {}   messages {}   {title}",
                about.connections, about.messages
            ),
            loop_line(about),
            store_line(about),
            format!("phases   {}", phases.join("   ")),
            String::new(),
        ];
        let head = lines.len();
        Self { lines, head }
    }

    /// Adds the headings and these connections.
    fn add_rows(&mut self, rows: &[ConnectionRow], peer_width: usize, order: RowOrder) {
        let width = peer_width.clamp(PEER_WIDTH.0, PEER_WIDTH.1);
        let mark = if order.is_reversed { "^" } else { "*" };
        let heading = |place, column: &TableColumn| {
            let mark = if place == order.column { mark } else { "" };
            format!("{mark}{}", column.heading)
        };
        self.lines.push(line(heading, width));
        let cells = |row| line(|_, column| column.cell(row), width);
        self.lines.extend(rows.iter().map(cells));
    }

    /// The lines as one text.
    pub(super) fn text(&self) -> String {
        let lines = self.lines.iter();
        lines.map(|line| format!("{}\n", line.trim_end())).collect()
    }
}

/// The line about the loop: what was counted, for each second and tick.
fn loop_line(about: &LoopReport) -> String {
    format!(
        "loop     {} ticks/s   p99 {}   {} events/tick   run queue {}",
        ratio(about.ticks.saturating_mul(1_000_000), about.over_us),
        milliseconds(about.tick_p99_us),
        ratio(about.events, about.ticks),
        about.runnable
    )
}

/// The line about the store: messages in a group commit, and how long an answer takes.
fn store_line(about: &LoopReport) -> String {
    let wait = about.waited_us.checked_div(about.answers);
    format!(
        "store    {} messages/group   wait {}   waiting {}",
        ratio(about.grouped, about.groups),
        wait.map_or("-".to_owned(), milliseconds),
        about.waiting
    )
}

/// So many for each of those; a dash where there was none.
fn ratio(count: u64, of: u64) -> String {
    match of {
        0 => "-".to_owned(),
        of => format!("{:.1}", count as f64 / of as f64),
    }
}

fn milliseconds(microseconds: u64) -> String {
    format!("{:.2} ms", microseconds as f64 / 1000.0)
}

/// A line of a cell for each column.
fn line(cell: impl Fn(usize, &TableColumn) -> String, peer_width: usize) -> String {
    let columns = COLUMNS.iter().enumerate();
    let cells = columns.map(|(place, column)| column.align(&cell(place, column), peer_width));
    cells.collect::<Vec<_>>().join(" ")
}

/// The text as a terminal may show it, whoever wrote it: what is no plain character is a question mark.
pub(super) fn printable(text: &[u8]) -> String {
    let plain = |octet: &u8| match octet {
        b' '..=b'~' => char::from(*octet),
        _ => '?',
    };
    text.iter().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_fits_whatever_the_terminal() {
        let mut snapshot = Snapshot::default();
        for id in 0..100 {
            snapshot.add_line(&format!(
                "connection id={id} peer=[2001:db8:1234:5678:9abc:def0:1234:5678]:65535 phase=AwaitingProxyHeader \
                 age_ms=12345678 wakes=4294967295 read=18446744073709551615 written=1 unsent=16384 waits=client"
            ));
        }
        for size in [(80, 24), (200, 50), (10, 3), (1, 1), (300, 200)] {
            let title = "unix:/\u{202e}\x1b[2Jü";
            let picture = Picture::fitting(title, &snapshot, RowOrder::default(), size);
            assert_eq!(picture.lines.len(), size.1, "{size:?}");
            for line in &picture.lines {
                let is_plain = line.bytes().all(|octet| matches!(octet, b' '..=b'~'));
                assert!(is_plain && line.len() <= size.0, "{size:?}: {line}");
            }
        }
        let mut order = RowOrder::default();
        assert!(order.choose(b'i') && order.choose(b'i') && !order.choose(b'z'));
        order.sort(&mut snapshot.rows);
        let lines = Picture::fitting("unix:/x", &snapshot, order, (120, 24)).lines;
        assert!(lines[5].trim_start().starts_with("^ID "), "{lines:#?}");
        assert!(lines[6].trim_start().starts_with("99 "), "{lines:#?}");
        assert_eq!(lines[23], KEYS);
        let plain = Picture::plain("unix:/x", &snapshot, order).text();
        assert_eq!(plain.lines().count(), 106);
    }
}
