//! A snapshot of a server, as the lines of its control socket tell it.

use std::collections::BTreeMap;

use crate::control::report::{ConnectionReport, LoopReport};

/// The most connections that are kept; others are counted.
const ROWS_MAX: usize = 20_000;
/// The most phases that are counted by name: there are fewer.
const PHASES_MAX: usize = 64;

/// A connection, as the server tells of it.
pub(super) type ConnectionRow = ConnectionReport<String, String>;

/// The loop of a server and its connections.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    pub(super) about_loop: LoopReport,
    pub(super) rows: Vec<ConnectionRow>,
    /// Connections in each phase.
    pub(super) phases: BTreeMap<String, usize>,
    /// Connections that are not among the rows.
    pub(super) left_out: usize,
}

impl Snapshot {
    /// Takes a line. One that is about something else is of a newer server.
    pub(super) fn add_line(&mut self, line: &str) {
        if let Some(row) = ConnectionRow::read(line) {
            self.add(row);
        } else if let Some(about_loop) = LoopReport::read(line) {
            self.about_loop = about_loop;
        }
    }

    fn add(&mut self, row: ConnectionRow) {
        if let Some(count) = self.phases.get_mut(&row.phase) {
            *count += 1;
        } else if self.phases.len() < PHASES_MAX {
            self.phases.insert(row.phase.clone(), 1);
        }
        if self.rows.len() < ROWS_MAX {
            self.rows.push(row);
        } else {
            self.left_out += 1;
        }
    }

    /// Forgets all of it, but for the memory.
    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.phases.clear();
        self.left_out = 0;
    }
}
