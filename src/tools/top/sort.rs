//! The order of connections in a picture, by a key that is pressed.

use super::column::{COLUMNS, WAKES};
use super::snapshot::ConnectionRow;

/// The keys that are followed, as help and picture tell of them.
pub const KEYS: &str =
    "q quits; sort: i id p peer s phase a age w wakes r read o wrote u unsent f waits";

/// The place of the column that connections are sorted by, and whether backwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RowOrder {
    pub(super) column: usize,
    pub(super) is_reversed: bool,
}

impl Default for RowOrder {
    /// The connections that were woken most often come first.
    fn default() -> Self {
        Self {
            column: WAKES,
            is_reversed: false,
        }
    }
}

impl RowOrder {
    /// Follows a key; whether it is one of those. The key of the present column turns the order round.
    pub(super) fn choose(&mut self, key: u8) -> bool {
        let key = key.to_ascii_lowercase();
        let Some(column) = COLUMNS.iter().position(|column| column.key == key) else {
            return false;
        };
        self.is_reversed = column == self.column && !self.is_reversed;
        self.column = column;
        true
    }

    /// Sorts connections; those that are alike by their ids.
    pub(super) fn sort(self, rows: &mut [ConnectionRow]) {
        let Some(column) = COLUMNS.get(self.column) else {
            return;
        };
        rows.sort_unstable_by(|one, other| {
            let order = column.compare(one, other);
            let order = if self.is_reversed {
                order.reverse()
            } else {
                order
            };
            order.then(one.id.cmp(&other.id))
        });
    }
}
