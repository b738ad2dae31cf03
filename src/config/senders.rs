//! The addresses that each user may send from: `[senders]` in a configuration file.

use core::fmt;

use super::rows::{Form, Row, SENDERS};
use super::text::Quoted;
use crate::exit::Failed;
use crate::smtp::senders::{self, Senders};

pub(super) const SENDER: Form = Form {
    example: "\"ann\" = [\"ann@example.org\", \"@example.net\"]",
    dotted_example: "\"first.last\" = \"ann@example.org\"",
    wanted: "write an address, as ann@example.org, or all those of a domain, as @example.org",
};

/// The table, each user with the line of the file.
#[derive(Clone, Debug, Default)]
pub(super) struct SenderTable {
    lines: Vec<SenderLine>,
    senders: Senders,
}

#[derive(Clone, Debug)]
struct SenderLine {
    number: usize,
    user: String,
}

impl SenderTable {
    /// Reads a row below the head of the table.
    pub(super) fn read(&mut self, row: Row<'_, '_>) -> Result<(), Failed> {
        row.refuse_option()?;
        let name = row.name();
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err(row.wrong_key("write the name of a user, as ann"));
        }
        let owned = row.one_or_more(&SENDER)?.into_iter();
        if !self
            .senders
            .add(name, owned.map(|entry| entry.value).collect())
        {
            return Err(row.wrong_key("this user stands there twice: write one line for both"));
        }
        self.lines.push(SenderLine {
            number: row.line(),
            user: senders::plain(name),
        });
        Ok(())
    }

    pub(super) fn senders(&self) -> Senders {
        self.senders.clone()
    }

    /// Writes the table as it may stand in the file that messages call `file`.
    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>, file: &str) -> fmt::Result {
        if !self.lines.is_empty() {
            writeln!(f, "\n[{SENDERS}]")?;
        }
        for SenderLine { number, user } in &self.lines {
            let owned = self.senders.of(user).unwrap_or_default().iter();
            let owned = owned.map(|sender| Quoted(&sender.to_string()).to_string());
            let (user, owned) = (Quoted(user), owned.collect::<Vec<_>>().join(", "));
            writeln!(f, "{user} = [{owned}]  # {file}:{number}")?;
        }
        Ok(())
    }
}
