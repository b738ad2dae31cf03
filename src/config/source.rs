//! The text of a configuration file, with the lines that messages name.

use core::fmt;
use core::ops::Range;
use std::borrow::Cow;

use memchr::memchr_iter;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::text::one_line;
use crate::exit::{ExitCode, Failed};

/// A value longer than this is not repeated in a message.
const SHOWN_CHARACTERS_MAX: usize = 60;

/// A key in the file.
pub(super) type TomlKey<'a> = Spanned<Cow<'a, str>>;
/// A value in the file.
pub(super) type TomlValue<'a> = Spanned<DeValue<'a>>;

/// A file that is read.
pub(super) struct Source<'a> {
    /// The file, as messages name it.
    name: &'a str,
    text: &'a str,
    /// The offsets of line ends. There may be many lines, and each name in a table asks for its own.
    line_ends: Vec<usize>,
}

impl<'a> Source<'a> {
    pub(super) fn new(name: &'a str, text: &'a str) -> Self {
        let line_ends = memchr_iter(b'\n', text.as_bytes()).collect();
        Self {
            name,
            text,
            line_ends,
        }
    }
}

impl Source<'_> {
    /// The contents of a table in the order of the file, in which mistakes are told.
    pub(super) fn entries<'t, 'a>(
        table: &'t DeTable<'a>,
    ) -> Vec<(&'t TomlKey<'a>, &'t TomlValue<'a>)> {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_unstable_by_key(|(key, _)| key.span().start);
        entries
    }

    /// The first of these mistakes of syntax; others are often a consequence of it.
    pub(super) fn first_of(&self, errors: &[toml::de::Error]) -> Option<Failed> {
        let place = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
        let error = errors.iter().min_by_key(|error| place(error))?;
        let at = place(error);
        let message = error.message().replace('\n', ", ");
        let line = self.text.lines().nth(self.line(at) - 1);
        let line = one_line(line.unwrap_or_default().trim());
        Some(
            if line.is_empty() || line.chars().count() > SHOWN_CHARACTERS_MAX {
                self.wrong(at, message)
            } else {
                self.wrong(at, format_args!("{line}: {message}"))
            },
        )
    }

    /// A value with its name, as it stands in the file if it is short.
    pub(super) fn written(&self, name: &str, value: &TomlValue<'_>) -> String {
        match self.shown(value) {
            Some(shown) => format!("{name} = {shown}"),
            None => name.to_owned(),
        }
    }

    /// A value as it stands in the file, if it is short and on one line.
    pub(super) fn shown(&self, value: &TomlValue<'_>) -> Option<&str> {
        let is_table = matches!(value.get_ref(), DeValue::Table(_));
        self.text_at(value.span()).filter(|_| !is_table)
    }

    /// The text of a place, if it is short and on one line.
    pub(super) fn text_at(&self, place: Range<usize>) -> Option<&str> {
        let text = self.text.get(place)?;
        let short = !text.contains(['\n', '\r']) && text.chars().count() <= SHOWN_CHARACTERS_MAX;
        short.then_some(text)
    }

    pub(super) fn line(&self, at: usize) -> usize {
        1 + self.line_ends.partition_point(|end| *end < at)
    }

    /// The file and the line.
    pub(super) fn place(&self, at: usize) -> String {
        format!("{}:{}", self.name, self.line(at))
    }

    /// A failure that names the place.
    pub(super) fn wrong(&self, at: usize, what: impl fmt::Display) -> Failed {
        Failed::new(
            ExitCode::Configuration,
            format_args!("{}: {what}", self.place(at)),
        )
    }
}
