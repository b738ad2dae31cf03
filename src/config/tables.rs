//! Aliases and mailboxes in a configuration file, where alone they stand: `[aliases]`, `[mailboxes]`, `catch-all`; and
//! beside them `[senders]`.

use core::fmt;
use std::borrow::Cow;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::file::Source;
use super::senders::{self, SENDERS, SenderTable};
use super::settings::one_line;
use super::values::remedy;
use crate::exit::{ExitCode, Failed, Mistakes};
use crate::options::{Quoted, ServeOption};
use crate::smtp::directory::{Directory, Name, Tables};
use crate::smtp::senders::Senders;

/// The keys of a file that are no options.
pub const KEYS: [&str; 4] = [ALIASES, MAILBOXES, CATCH_ALL, SENDERS];

const ALIASES: &str = "aliases";
const MAILBOXES: &str = "mailboxes";
const CATCH_ALL: &str = "catch-all";

const ALIAS_EXAMPLE: &str = "\"sales\" = [\"ann@example.org\", \"bob\"]";
const NAMES_EXAMPLE: &str = "names = [\"ann\", \"bob@example.org\"]";
const CATCH_ALL_EXAMPLE: &str = "catch-all = \"ann@example.org\"";

/// What a file says of aliases, mailboxes and senders, each name with its line.
#[derive(Clone, Debug, Default)]
pub struct AddressTables {
    /// What messages call the file.
    file: String,
    aliases: Vec<Alias>,
    mailboxes: Vec<Entry>,
    /// Whether there are no other mailboxes, and the line that says so.
    closed: Option<(usize, bool)>,
    catch_all: Option<Entry>,
    senders: SenderTable,
}

/// A name in a file.
#[derive(Clone, Debug)]
struct Entry {
    line: usize,
    name: Name,
}

#[derive(Clone, Debug)]
struct Alias {
    alias: Entry,
    targets: Vec<Entry>,
}

pub(super) type Key<'a> = Spanned<Cow<'a, str>>;
pub(super) type Item<'a> = Spanned<DeValue<'a>>;

impl AddressTables {
    /// No tables yet, in the file that messages call `file`.
    #[must_use]
    pub fn new(file: &str) -> Self {
        Self {
            file: one_line(file),
            ..Self::default()
        }
    }

    /// Reads what stands behind one of the [`KEYS`], and notes what is wrong there.
    pub(super) fn read(
        &mut self,
        source: &Source<'_>,
        key: &Key<'_>,
        value: &Item<'_>,
        mistakes: &mut Mistakes,
    ) {
        let name = &**key.get_ref();
        if name == CATCH_ALL {
            mistakes.note(self.read_catch_all(source, key, value));
            return;
        }
        let Some(table) = mistakes.note(table(source, key, value).map(Some)) else {
            return;
        };
        for (key, value) in Source::entries(table) {
            mistakes.note(match name {
                ALIASES => self.read_alias(source, key, value),
                MAILBOXES => self.read_mailboxes(source, key, value),
                _ => self.senders.read(source, key, value),
            });
        }
    }

    fn read_alias(
        &mut self,
        source: &Source<'_>,
        key: &Key<'_>,
        value: &Item<'_>,
    ) -> Result<(), Failed> {
        let at = key.span().start;
        let label = label(source, ALIASES, key);
        no_option(source, ALIASES, key)?;
        let name = name(source, at, &label, key.get_ref())?;
        let targets = match value.get_ref() {
            DeValue::Array(items) => {
                let entry = |item| entry(source, &label, item, ALIAS_EXAMPLE);
                items.iter().map(entry).collect::<Result<Vec<_>, _>>()?
            }
            DeValue::Table(_) => {
                let remedy = "put a name with a dot in quotes, as \"first.last\" = \"ann\"";
                return Err(source.wrong(at, format_args!("{label}: {remedy}")));
            }
            _ => vec![entry(source, &label, value, ALIAS_EXAMPLE)?],
        };
        if targets.is_empty() {
            let remedy = "it leads to nobody: name somebody, or leave it out";
            return Err(source.wrong(at, format_args!("{label}: {remedy}")));
        }
        let line = source.line(at);
        let alias = Entry { line, name };
        self.aliases.push(Alias { alias, targets });
        Ok(())
    }

    fn read_mailboxes(
        &mut self,
        source: &Source<'_>,
        key: &Key<'_>,
        value: &Item<'_>,
    ) -> Result<(), Failed> {
        let at = key.span().start;
        let label = label(source, MAILBOXES, key);
        let written = source.written(&label, value);
        match (&**key.get_ref(), value.get_ref()) {
            ("closed", DeValue::Boolean(closed)) => {
                self.closed = Some((source.line(at), *closed));
                Ok(())
            }
            ("closed", _) => Err(source.wrong(at, format_args!("{written}: write true or false"))),
            ("names", DeValue::Array(items)) => {
                let entry = |item| entry(source, &label, item, NAMES_EXAMPLE);
                self.mailboxes = items.iter().map(entry).collect::<Result<_, _>>()?;
                Ok(())
            }
            ("names", _) => {
                let remedy = format_args!("{written}: write it as {NAMES_EXAMPLE}");
                Err(source.wrong(at, remedy))
            }
            (CATCH_ALL, _) => self.read_catch_all(source, key, value),
            _ => {
                no_option(source, MAILBOXES, key)?;
                let remedy = "there is no such key; it has closed, names and catch-all";
                Err(source.wrong(at, format_args!("{label}: {remedy}")))
            }
        }
    }

    fn read_catch_all(
        &mut self,
        source: &Source<'_>,
        key: &Key<'_>,
        value: &Item<'_>,
    ) -> Result<(), Failed> {
        if let Some(first) = &self.catch_all {
            let remedy = format!("{CATCH_ALL}: it stands in line {} already", first.line);
            return Err(source.wrong(key.span().start, remedy));
        }
        self.catch_all = Some(entry(source, CATCH_ALL, value, CATCH_ALL_EXAMPLE)?);
        Ok(())
    }

    /// The directory that these tables make for a server that is called `hostname` and has these `domains`, or
    /// any if there are none.
    ///
    /// # Errors
    /// A name in a domain that is not ours; an alias that leads nowhere, or too far.
    pub fn directory(&self, hostname: &str, domains: &[String]) -> Result<Directory, Failed> {
        let check = |table: &str, entry: &Entry| match &entry.name {
            Name::Mailbox(mailbox) if !is_ours(mailbox.domain(), hostname, domains) => {
                let domain = mailbox.domain();
                Err(self.wrong(
                    entry.line,
                    format_args!(
                        "{table}{mailbox}: {domain} is none of our domains, and mail is not relayed: \
                         write an address in one of them, or add it with domain"
                    ),
                ))
            }
            _ => Ok(()),
        };
        let mut mistakes = Mistakes::default();
        for Alias { alias, targets } in &self.aliases {
            mistakes.note(check("[aliases] ", alias));
            let table = format!("[aliases] {} = ", alias.name);
            for target in targets {
                mistakes.note(check(&table, target));
            }
        }
        for entry in &self.mailboxes {
            mistakes.note(check("[mailboxes] ", entry));
        }
        if let Some(entry) = &self.catch_all {
            mistakes.note(check("catch-all = ", entry));
        }
        mistakes.told()?;
        Directory::new(self.tables()).map_err(|bad| {
            let Entry { line, name } = &self.aliases[bad.index].alias;
            self.wrong(*line, format_args!("[aliases] {name}: {}", bad.reason))
        })
    }

    /// Who may send as whom.
    #[must_use]
    pub fn senders(&self) -> Senders {
        self.senders.senders()
    }

    fn tables(&self) -> Tables {
        let names = |entries: &[Entry]| entries.iter().map(|entry| entry.name.clone()).collect();
        let aliases = self.aliases.iter();
        Tables {
            aliases: aliases
                .map(|Alias { alias, targets }| (alias.name.clone(), names(targets)))
                .collect(),
            mailboxes: names(&self.mailboxes),
            closed: self.closed.is_some_and(|(_, closed)| closed),
            catch_all: self.catch_all.as_ref().map(|entry| entry.name.clone()),
        }
    }

    fn wrong(&self, line: usize, what: impl fmt::Display) -> Failed {
        let place = format_args!("{}:{line}", self.file);
        Failed::new(ExitCode::Configuration, format_args!("{place}: {what}"))
    }
}

const NAME_WANTED: &str = "write a user, as sales, or an address, as sales@example.org";

/// A domain of ours, where the postmaster without a domain is at home as well.
fn is_ours(domain: &str, hostname: &str, domains: &[String]) -> bool {
    let mut ours = domains.iter().map(String::as_str).chain([hostname]);
    domains.is_empty() || ours.any(|ours| ours.eq_ignore_ascii_case(domain))
}

/// Refuses a key that is an option, or another key of a file: below the head of a table it would be a name, and no option.
/// Who means a name writes it in quotes.
pub(super) fn no_option(source: &Source<'_>, table: &str, key: &Key<'_>) -> Result<(), Failed> {
    let name = &**key.get_ref();
    let is_bare = source.text_at(key.span()) == Some(name);
    if !is_bare || (ServeOption::named(name).is_none() && !KEYS.contains(&name)) {
        return Ok(());
    }
    let label = label(source, table, key);
    let remedy = match table {
        MAILBOXES => "this is no key of a table: move it above all tables".to_owned(),
        _ => format!(
            "this is no name here: move it above all tables, or write \"{name}\" if it is one"
        ),
    };
    Err(source.wrong(key.span().start, format_args!("{label}: {remedy}")))
}

/// A key of a table, as messages call it.
pub(super) fn label(source: &Source<'_>, table: &str, key: &Key<'_>) -> String {
    let written = source.text_at(key.span()).unwrap_or_default();
    format!("[{table}] {written}")
}

fn table<'t, 'a>(
    source: &Source<'_>,
    key: &Key<'_>,
    value: &'t Item<'a>,
) -> Result<&'t DeTable<'a>, Failed> {
    if let DeValue::Table(table) = value.get_ref() {
        return Ok(table);
    }
    let name = key.get_ref();
    let example = match &**name {
        ALIASES => ALIAS_EXAMPLE,
        SENDERS => senders::EXAMPLE,
        _ => NAMES_EXAMPLE,
    };
    Err(source.wrong(
        key.span().start,
        format_args!("{name}: write [{name}] and below it lines as {example}"),
    ))
}

/// A name that is a value of `label`.
fn entry(
    source: &Source<'_>,
    label: &str,
    value: &Item<'_>,
    example: &str,
) -> Result<Entry, Failed> {
    let at = value.span().start;
    let written = source.written(label, value);
    let DeValue::String(text) = value.get_ref() else {
        return Err(source.wrong(at, format_args!("{written}: write it as {example}")));
    };
    let name = name(source, at, &written, text)?;
    let line = source.line(at);
    Ok(Entry { line, name })
}

/// The name that is this text at `at`, which messages call `label`.
fn name(source: &Source<'_>, at: usize, label: &str, text: &str) -> Result<Name, Failed> {
    text.parse().map_err(|error| {
        let remedy = remedy(error, NAME_WANTED);
        source.wrong(at, format_args!("{label}: {remedy}"))
    })
}

/// Written as the end of a configuration file that says the same.
impl fmt::Display for AddressTables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = &self.file;
        let quoted = |entry: &Entry| Quoted(&entry.name.to_string()).to_string();
        let list = |entries: &[Entry]| {
            let entries: Vec<_> = entries.iter().map(quoted).collect();
            entries.join(", ")
        };
        if let Some(entry) = &self.catch_all {
            writeln!(
                f,
                "{CATCH_ALL} = {}  # {file}:{}",
                quoted(entry),
                entry.line
            )?;
        }
        if !self.aliases.is_empty() {
            writeln!(f, "\n[{ALIASES}]")?;
        }
        for Alias { alias, targets } in &self.aliases {
            let (name, targets, line) = (quoted(alias), list(targets), alias.line);
            writeln!(f, "{name} = [{targets}]  # {file}:{line}")?;
        }
        if self.closed.is_some() || !self.mailboxes.is_empty() {
            writeln!(f, "\n[{MAILBOXES}]")?;
        }
        if let Some((line, closed)) = self.closed {
            writeln!(f, "closed = {closed}  # {file}:{line}")?;
        }
        if let Some(first) = self.mailboxes.first() {
            let names = list(&self.mailboxes);
            writeln!(f, "names = [{names}]  # {file}:{}", first.line)?;
        }
        self.senders.write(f, file)
    }
}
