//! The columns of connections, in one table: how each is called, drawn, and sorted by.

use core::cmp::Ordering;

use self::ColumnValues::{Age, Count, Id, Text};
use super::snapshot::ConnectionRow;

/// A column of the picture.
pub(super) struct TableColumn {
    /// The key that sorts by it.
    pub(super) key: u8,
    pub(super) heading: &'static str,
    /// The width in characters; the column without one takes what is left.
    pub(super) width: Option<usize>,
    values: ColumnValues,
}

/// The values of a column, by what they are.
enum ColumnValues {
    Id(fn(&ConnectionRow) -> u64),
    Text(fn(&ConnectionRow) -> &str),
    Count(fn(&ConnectionRow) -> u64),
    /// Ages in milliseconds.
    Age(fn(&ConnectionRow) -> u64),
}

/// The columns, from left to right.
pub(super) const COLUMNS: [TableColumn; 9] = [
    column(b'i', "ID", Some(6), Id(|row| row.id)),
    column(b'p', "PEER", None, Text(|row| &row.peer)),
    column(b's', "PHASE", Some(14), Text(|row| &row.phase)),
    column(b'a', "AGE", Some(5), Age(|row| row.age_ms)),
    column(b'w', "WAKES", Some(6), Count(|row| row.wakes.into())),
    column(b'r', "READ", Some(6), Count(|row| row.read)),
    column(b'o', "WROTE", Some(6), Count(|row| row.written)),
    column(b'u', "UNSENT", Some(6), Count(|row| row.unsent as u64)),
    column(b'f', "WAITS", Some(6), Text(|row| &row.waits)),
];
/// The place of the column of wakes.
pub(super) const WAKES: usize = 4;

const fn column(
    key: u8,
    heading: &'static str,
    width: Option<usize>,
    values: ColumnValues,
) -> TableColumn {
    TableColumn {
        key,
        heading,
        width,
        values,
    }
}

impl TableColumn {
    /// The order of two connections by this column: of counts and ages the greatest comes first.
    pub(super) fn compare(&self, one: &ConnectionRow, other: &ConnectionRow) -> Ordering {
        match self.values {
            Id(id) => id(one).cmp(&id(other)),
            Text(text) => text(one).cmp(text(other)),
            Count(number) | Age(number) => number(other).cmp(&number(one)),
        }
    }

    /// The value of a connection as the picture shows it.
    pub(super) fn cell(&self, row: &ConnectionRow) -> String {
        match self.values {
            Id(id) => id(row).to_string(),
            Text(text) => text(row).to_owned(),
            Count(number) => short(number(row)),
            Age(milliseconds) => age(milliseconds(row)),
        }
    }

    /// A heading or a value, as wide as the column or so wide. Text begins at the left, numbers end at the right.
    pub(super) fn align(&self, cell: &str, width_left: usize) -> String {
        let width = self.width.unwrap_or(width_left);
        let cell = cell.get(..width).unwrap_or(cell);
        match self.values {
            Text(_) => format!("{cell:<width$}"),
            Id(_) | Count(_) | Age(_) => format!("{cell:>width$}"),
        }
    }
}

/// A number in at most five characters: `812`, `4.2k`, `17M`.
fn short(number: u64) -> String {
    const UNITS: [&str; 6] = ["k", "M", "G", "T", "P", "E"];
    if number < 1000 {
        return number.to_string();
    }
    let mut tenths = number / 100;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while tenths >= 10_000 {
        tenths /= 1000;
        unit = units.next();
    }
    let unit = unit.unwrap_or(&"");
    match tenths {
        ..100 => format!("{}.{}{unit}", tenths / 10, tenths % 10),
        _ => format!("{}{unit}", tenths / 10),
    }
}

/// A time in at most five characters, in the unit that tells it best.
fn age(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        ..10 => format!("{seconds}.{}s", milliseconds / 100 % 10),
        10..100 => format!("{seconds}s"),
        100..6000 => format!("{}m", seconds / 60),
        6000..360_000 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_short() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1.0k"),
            (9999, "9.9k"),
            (10_000, "10k"),
            (999_999, "999k"),
            (1_000_000, "1.0M"),
            (u64::MAX, "18E"),
        ] {
            assert_eq!(short(number), text, "{number}");
        }
        for (milliseconds, text) in [
            (0, "0.0s"),
            (4240, "4.2s"),
            (99_999, "99s"),
            (100_000, "1m"),
            (5_999_999, "99m"),
            (6_000_000, "1h"),
            (360_000_000, "4d"),
        ] {
            assert_eq!(age(milliseconds), text, "{milliseconds}");
        }
    }
}
