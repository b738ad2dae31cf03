//! Rows of the tables in a configuration file, as `"sales" = ["ann", "bob"]` below `[aliases]`.

use core::fmt;
use core::str::FromStr;

use toml::de::{DeTable, DeValue};

use super::options;
use super::source::{Source, TomlKey, TomlValue};
use super::values::remedy;
use crate::exit::Failed;
use crate::smtp::path::PathError;

/// The keys of a file that are no options, but tables of addresses.
pub(super) const KEYS: [&str; 4] = [ALIASES, MAILBOXES, CATCH_ALL, SENDERS];

pub(super) const ALIASES: &str = "aliases";
pub(super) const MAILBOXES: &str = "mailboxes";
pub(super) const CATCH_ALL: &str = "catch-all";
pub(super) const SENDERS: &str = "senders";
/// The table that says in rows what the option `route` says in a list.
pub(super) const ROUTES: &str = "routes";
/// The tables that say what the option `rule` says in a list.
pub(super) const RULES: &str = "rules";

/// The form of the entries of a table, as messages explain it.
pub(super) struct Form {
    /// A row that is right.
    pub(super) example: &'static str,
    /// A row whose name has a dot.
    pub(super) dotted_example: &'static str,
    /// The remedy for an entry that is no address.
    pub(super) wanted: &'static str,
}

/// An entry of a list, with its line in the file.
#[derive(Clone, Debug)]
pub(super) struct TableEntry<T> {
    pub(super) line: usize,
    pub(super) value: T,
}

/// A row below the head of a table.
#[derive(Clone, Copy)]
pub(super) struct Row<'r, 'a> {
    pub(super) source: &'r Source<'r>,
    /// The name of the table.
    pub(super) table: &'r str,
    pub(super) key: &'r TomlKey<'a>,
    pub(super) value: &'r TomlValue<'a>,
}

impl<'r, 'a> Row<'r, 'a> {
    /// The rows below the head `key`, in the order of the file.
    ///
    /// # Errors
    /// The value of the key is no table.
    pub(super) fn all(
        source: &'r Source<'r>,
        key: &'r TomlKey<'a>,
        value: &'r TomlValue<'a>,
        form: &Form,
    ) -> Result<impl Iterator<Item = Self>, Failed> {
        let name = &**key.get_ref();
        let table: &DeTable<'_> = match value.get_ref() {
            DeValue::Table(table) => table,
            _ => {
                let remedy = format_args!("write [{name}] and below it lines as {}", form.example);
                return Err(source.wrong(key.span().start, format_args!("{name}: {remedy}")));
            }
        };
        let rows = Source::entries(table).into_iter();
        Ok(rows.map(move |(key, value)| Self {
            source,
            table: name,
            key,
            value,
        }))
    }

    /// The key.
    pub(super) fn name(&self) -> &'r str {
        self.key.get_ref()
    }

    pub(super) fn line(&self) -> usize {
        self.source.line(self.key.span().start)
    }

    /// The key with its table, as messages name it.
    fn label(&self) -> String {
        let written = self.source.text_at(self.key.span()).unwrap_or_default();
        format!("[{}] {written}", self.table)
    }

    /// The row, as messages name it.
    pub(super) fn written(&self) -> String {
        self.source.written(&self.label(), self.value)
    }

    /// A failure about the key.
    pub(super) fn wrong_key(&self, remedy: impl fmt::Display) -> Failed {
        self.wrong(format_args!("{}: {remedy}", self.label()))
    }

    /// A failure about the value.
    pub(super) fn wrong_value(&self, remedy: impl fmt::Display) -> Failed {
        self.wrong(format_args!("{}: {remedy}", self.written()))
    }

    fn wrong(&self, what: impl fmt::Display) -> Failed {
        self.source.wrong(self.key.span().start, what)
    }

    /// Refuses a key that is an option, or another key of a file: below the head of a table it would be a name, and no
    /// option. A person who means a name writes it in quotes.
    pub(super) fn refuse_option(&self) -> Result<(), Failed> {
        let name = self.name();
        let is_bare = self.source.text_at(self.key.span()) == Some(name);
        let is_key = options::named(name).is_some()
            || KEYS.contains(&name)
            || [ROUTES, RULES].contains(&name);
        if !is_bare || !is_key {
            return Ok(());
        }
        Err(if self.table == MAILBOXES {
            self.wrong_key("this is no key of a table: move it above all tables")
        } else {
            self.wrong_key(format_args!(
                "this is no name here: move it above all tables, or write \"{name}\" if it is one"
            ))
        })
    }

    /// The address that the key is.
    pub(super) fn key_as<T: FromStr<Err = PathError>>(
        &self,
        form: &Form,
    ) -> Result<TableEntry<T>, Failed> {
        let value = self.name().parse();
        let value = value.map_err(|error| self.wrong_key(remedy(error, form.wanted)))?;
        let line = self.line();
        Ok(TableEntry { line, value })
    }

    /// The entries of an array.
    pub(super) fn entries<T: FromStr<Err = PathError>>(
        &self,
        form: &Form,
    ) -> Result<Vec<TableEntry<T>>, Failed> {
        let DeValue::Array(items) = self.value.get_ref() else {
            return Err(self.wrong_value(format_args!("write it as {}", form.example)));
        };
        let label = self.label();
        let read = |item| entry(self.source, &label, item, form);
        items.iter().map(read).collect()
    }

    /// The entries of an array, or the one that stands alone.
    pub(super) fn one_or_more<T: FromStr<Err = PathError>>(
        &self,
        form: &Form,
    ) -> Result<Vec<TableEntry<T>>, Failed> {
        match self.value.get_ref() {
            DeValue::Array(_) => self.entries(form),
            DeValue::Table(_) => Err(self.wrong_key(format_args!(
                "put a name with a dot in quotes, as {}",
                form.dotted_example
            ))),
            _ => Ok(vec![entry(self.source, &self.label(), self.value, form)?]),
        }
    }
}

/// An entry that is a value of `label`.
pub(super) fn entry<T: FromStr<Err = PathError>>(
    source: &Source<'_>,
    label: &str,
    value: &TomlValue<'_>,
    form: &Form,
) -> Result<TableEntry<T>, Failed> {
    let at = value.span().start;
    let wrong = |remedy: fmt::Arguments<'_>| {
        let written = source.written(label, value);
        source.wrong(at, format_args!("{written}: {remedy}"))
    };
    let DeValue::String(text) = value.get_ref() else {
        return Err(wrong(format_args!("write it as {}", form.example)));
    };
    let read = text.parse();
    let value = read.map_err(|error| wrong(format_args!("{}", remedy(error, form.wanted))))?;
    let line = source.line(at);
    Ok(TableEntry { line, value })
}
