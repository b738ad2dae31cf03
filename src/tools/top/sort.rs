//! The order of connections in a picture, by a key that is pressed.

use core::cmp::Ordering;

use super::snapshot::ConnectionRow;

/// The keys that are followed, as help and picture tell of them.
pub const KEYS: &str =
    "q quits; sort: i id p peer s phase a age w wakes r read o wrote u unsent f waits";

/// A column to sort by: the key that chooses it, its place in the picture, and the order of its values. Of numbers the
/// greatest come first.
struct SortColumn {
    key: u8,
    compare: fn(&ConnectionRow, &ConnectionRow) -> Ordering,
}

/// The columns, in their order.
const COLUMNS: [SortColumn; 9] = [
    SortColumn {
        key: b'i',
        compare: |one, other| one.id.cmp(&other.id),
    },
    SortColumn {
        key: b'p',
        compare: |one, other| one.peer.cmp(&other.peer),
    },
    SortColumn {
        key: b's',
        compare: |one, other| one.phase.cmp(&other.phase),
    },
    SortColumn {
        key: b'a',
        compare: |one, other| other.age_ms.cmp(&one.age_ms),
    },
    SortColumn {
        key: b'w',
        compare: |one, other| other.wakes.cmp(&one.wakes),
    },
    SortColumn {
        key: b'r',
        compare: |one, other| other.read.cmp(&one.read),
    },
    SortColumn {
        key: b'o',
        compare: |one, other| other.written.cmp(&one.written),
    },
    SortColumn {
        key: b'u',
        compare: |one, other| other.unsent.cmp(&one.unsent),
    },
    SortColumn {
        key: b'f',
        compare: |one, other| one.waits.cmp(&other.waits),
    },
];

/// The column by number that connections are sorted by, and whether backwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RowOrder {
    pub(super) column: usize,
    pub(super) is_reversed: bool,
}

impl Default for RowOrder {
    /// Those that were woken most often come first.
    fn default() -> Self {
        Self {
            column: 4,
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
            let order = (column.compare)(one, other);
            let order = if self.is_reversed {
                order.reverse()
            } else {
                order
            };
            order.then(one.id.cmp(&other.id))
        });
    }
}
