//! Aliases and mailboxes in a configuration file, where alone they stand: `[aliases]`, `[mailboxes]`, `catch-all`; and
//! beside them `[senders]`.

use core::fmt;

use toml::de::DeValue;

use super::rows::{ALIASES, CATCH_ALL, Form, MAILBOXES, Row, SENDERS, TableEntry, entry};
use super::senders::{SENDER, SenderTable};
use super::source::{Source, TomlKey, TomlValue};
use super::text::{Quoted, one_line};
use crate::exit::{ExitCode, Failed, Mistakes};
use crate::smtp::directory::{AddressName, Directory, Tables};
use crate::smtp::path::Mailbox;
use crate::smtp::route::Routes;
use crate::smtp::senders::Senders;

const ALIAS: Form = Form {
    example: "\"sales\" = [\"ann@example.org\", \"bob\"]",
    dotted_example: "\"first.last\" = \"ann\"",
    wanted: NAME_WANTED,
};
const MAILBOX: Form = Form {
    example: "names = [\"ann\", \"bob@example.org\"]",
    ..ALIAS
};
const CATCHER: Form = Form {
    example: "catch-all = \"ann@example.org\"",
    ..ALIAS
};
const NAME_WANTED: &str = "write a user, as sales, or an address, as sales@example.org";

/// The aliases, mailboxes and senders of a file, each name with its line.
#[derive(Clone, Debug, Default)]
pub struct AddressTables {
    /// The file, as messages name it.
    file: String,
    aliases: Vec<Alias>,
    mailboxes: Vec<TableEntry<AddressName>>,
    /// Whether there are no other mailboxes, and the line that says so.
    closed: Option<(usize, bool)>,
    catch_all: Option<TableEntry<AddressName>>,
    senders: SenderTable,
}

#[derive(Clone, Debug)]
struct Alias {
    alias: TableEntry<AddressName>,
    targets: Vec<TableEntry<AddressName>>,
}

impl AddressTables {
    /// No tables yet, in the file that messages call `file`.
    #[must_use]
    pub fn new(file: &str) -> Self {
        Self {
            file: one_line(file),
            ..Self::default()
        }
    }

    /// Reads the value of one of the [`KEYS`](super::rows::KEYS), and notes mistakes in it.
    pub(super) fn read(
        &mut self,
        source: &Source<'_>,
        key: &TomlKey<'_>,
        value: &TomlValue<'_>,
        mistakes: &mut Mistakes,
    ) {
        let form = match &**key.get_ref() {
            ALIASES => &ALIAS,
            MAILBOXES => &MAILBOX,
            SENDERS => &SENDER,
            _ => {
                mistakes.note(self.read_catch_all(source, key, value));
                return;
            }
        };
        match Row::all(source, key, value, form) {
            Ok(rows) => rows.for_each(|row| mistakes.note(self.read_row(row))),
            Err(mistake) => mistakes.0.push(mistake),
        }
    }

    fn read_row(&mut self, row: Row<'_, '_>) -> Result<(), Failed> {
        match row.table {
            ALIASES => self.read_alias(row),
            MAILBOXES => self.read_mailboxes(row),
            _ => self.senders.read(row),
        }
    }

    fn read_alias(&mut self, row: Row<'_, '_>) -> Result<(), Failed> {
        row.refuse_option()?;
        let alias = row.key_as(&ALIAS)?;
        let targets = row.one_or_more(&ALIAS)?;
        if targets.is_empty() {
            return Err(row.wrong_key("it leads to nobody: name somebody, or leave it out"));
        }
        self.aliases.push(Alias { alias, targets });
        Ok(())
    }

    fn read_mailboxes(&mut self, row: Row<'_, '_>) -> Result<(), Failed> {
        match (row.name(), row.value.get_ref()) {
            ("closed", DeValue::Boolean(closed)) => {
                self.closed = Some((row.line(), *closed));
                Ok(())
            }
            ("closed", _) => Err(row.wrong_value("write true or false")),
            ("names", _) => {
                self.mailboxes = row.entries(&MAILBOX)?;
                Ok(())
            }
            (CATCH_ALL, _) => self.read_catch_all(row.source, row.key, row.value),
            _ => {
                row.refuse_option()?;
                Err(row.wrong_key("there is no such key; it has closed, names and catch-all"))
            }
        }
    }

    fn read_catch_all(
        &mut self,
        source: &Source<'_>,
        key: &TomlKey<'_>,
        value: &TomlValue<'_>,
    ) -> Result<(), Failed> {
        if let Some(first) = &self.catch_all {
            let remedy = format!("{CATCH_ALL}: it stands in line {} already", first.line);
            return Err(source.wrong(key.span().start, remedy));
        }
        self.catch_all = Some(entry(source, CATCH_ALL, value, &CATCHER)?);
        Ok(())
    }

    /// The directory that these tables make for a server that is called `hostname`, has these `domains`, or any if there are
    /// none, and sends mail on by these `routes`, if it does. What an alias or the catch-all leads to may be elsewhere then.
    ///
    /// # Errors
    /// A name in a domain that is not ours; an alias that leads nowhere, or too far, or to where no route leads.
    pub fn directory(
        &self,
        hostname: &str,
        domains: &[String],
        routes: Option<&Routes>,
    ) -> Result<Directory, Failed> {
        let ours = OurDomains {
            hostname,
            domains,
            any: domains.is_empty() && routes.is_none(),
        };
        let is_ours = |mailbox: &Mailbox| ours.has(mailbox.domain());
        let name = |table: &str, entry: &TableEntry<AddressName>| match &entry.value {
            AddressName::Mailbox(mailbox) if !is_ours(mailbox) => {
                let fault = "is none of our domains: write";
                Err(self.not_ours(table, entry.line, mailbox, fault))
            }
            _ => Ok(()),
        };
        let target = |table: &str, entry: &TableEntry<AddressName>| match (&entry.value, routes) {
            (AddressName::Mailbox(mailbox), Some(routes)) if !is_ours(mailbox) => {
                let route = routes.find(mailbox).map(|_| ());
                let fault = "is none of our domains, and no route leads there: add a route, write";
                route.ok_or_else(|| self.not_ours(table, entry.line, mailbox, fault))
            }
            (AddressName::Mailbox(mailbox), None) if !is_ours(mailbox) => {
                let fault = "is none of our domains, and without a route no mail is sent on: add a route, write";
                Err(self.not_ours(table, entry.line, mailbox, fault))
            }
            _ => Ok(()),
        };
        let mut mistakes = Mistakes::default();
        for Alias { alias, targets } in &self.aliases {
            mistakes.note(name("[aliases] ", alias));
            let table = format!("[aliases] {} = ", alias.value);
            for entry in targets {
                mistakes.note(target(&table, entry));
            }
        }
        for entry in &self.mailboxes {
            mistakes.note(name("[mailboxes] ", entry));
        }
        if let Some(entry) = &self.catch_all {
            mistakes.note(target("catch-all = ", entry));
        }
        mistakes.told()?;
        Directory::new(self.tables(&is_ours)).map_err(|bad| {
            let TableEntry { line, value: name } = &self.aliases[bad.index].alias;
            self.wrong(*line, format_args!("[aliases] {name}: {}", bad.reason))
        })
    }

    /// The addresses that each user may send from.
    #[must_use]
    pub fn senders(&self) -> Senders {
        self.senders.senders()
    }

    /// A failure about an address in a domain that is not ours.
    fn not_ours(&self, table: &str, line: usize, mailbox: &Mailbox, fault: &str) -> Failed {
        let domain = mailbox.domain();
        self.wrong(
            line,
            format_args!(
                "{table}{mailbox}: {domain} {fault} an address in one of ours, or add it with domain"
            ),
        )
    }

    /// The tables, in which targets say whether they are ours.
    fn tables(&self, is_ours: &dyn Fn(&Mailbox) -> bool) -> Tables {
        let name = |entry: &TableEntry<AddressName>| entry.value.clone();
        let target = |entry: &TableEntry<AddressName>| match &entry.value {
            AddressName::Mailbox(mailbox) if !is_ours(mailbox) => {
                AddressName::Elsewhere(mailbox.clone())
            }
            name => name.clone(),
        };
        let alias = |Alias { alias, targets }: &Alias| {
            let targets = targets.iter().map(target).collect();
            (name(alias), targets)
        };
        Tables {
            aliases: self.aliases.iter().map(alias).collect(),
            mailboxes: self.mailboxes.iter().map(name).collect(),
            closed: self.closed.is_some_and(|(_, closed)| closed),
            catch_all: self.catch_all.as_ref().map(target),
        }
    }

    fn wrong(&self, line: usize, what: impl fmt::Display) -> Failed {
        let place = format_args!("{}:{line}", self.file);
        Failed::new(ExitCode::Configuration, format_args!("{place}: {what}"))
    }
}

/// The domains of ours, where the postmaster without a domain is at home as well.
struct OurDomains<'a> {
    hostname: &'a str,
    domains: &'a [String],
    /// Whether every domain is.
    any: bool,
}

impl OurDomains<'_> {
    fn has(&self, domain: &str) -> bool {
        let mut ours = self
            .domains
            .iter()
            .map(String::as_str)
            .chain([self.hostname]);
        self.any || ours.any(|ours| ours.eq_ignore_ascii_case(domain))
    }
}

/// Written as the end of a configuration file that says the same.
impl fmt::Display for AddressTables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = &self.file;
        let quoted = |entry: &TableEntry<AddressName>| Quoted(&entry.value.to_string()).to_string();
        let list = |entries: &[TableEntry<AddressName>]| {
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
