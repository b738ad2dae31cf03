//! Text in messages and in TOML: lines, quotes, and words that are nearly right.

use core::fmt;

/// The text in one line: control characters are escaped. A message is a line, whatever somebody wrote.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::new();
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// A string as TOML writes it, in one line.
#[derive(Debug)]
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for character in self.0.chars() {
            match character {
                '"' | '\\' => write!(f, "\\{character}")?,
                _ if character.is_control() => write!(f, "\\u{:04x}", u32::from(character))?,
                _ => write!(f, "{character}")?,
            }
        }
        f.write_str("\"")
    }
}

/// The one of `names` that is `name` but for up to two typing errors.
#[must_use]
pub(crate) fn nearest<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    const TYPOS_MAX: usize = 2;
    let name = name.to_lowercase().replace('_', "-");
    let nearest = names.iter().map(|known| (typos(known, &name), *known));
    let (typos, nearest) = nearest.min_by_key(|(typos, _)| *typos)?;
    (typos <= TYPOS_MAX).then_some(nearest)
}

/// The number of characters to insert, delete or replace to make one word of the other (Levenshtein).
fn typos(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, character) in one.chars().enumerate() {
        let mut diagonal = index;
        row[0] = index + 1;
        for (column, wanted) in other.iter().enumerate() {
            let exchanged = diagonal + usize::from(character != *wanted);
            diagonal = row[column + 1];
            row[column + 1] = exchanged.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}
