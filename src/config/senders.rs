//! Who may send as whom, in a configuration file: `[senders]`.

use core::fmt;

use toml::de::DeValue;

use super::file::Source;
use super::tables::{Item, Key, label, no_option};
use super::values::remedy;
use crate::exit::Failed;
use crate::options::Quoted;
use crate::smtp::senders::{self, Sender, Senders};

/// The key of the table.
pub(super) const SENDERS: &str = "senders";
/// A line of it.
pub(super) const EXAMPLE: &str = "\"ann\" = [\"ann@example.org\", \"@example.net\"]";

const SENDER_WANTED: &str =
    "write an address, as ann@example.org, or all those of a domain, as @example.org";

/// The table, each user with the line of the file.
#[derive(Clone, Debug, Default)]
pub(super) struct SenderTable {
    lines: Vec<Line>,
    senders: Senders,
}

#[derive(Clone, Debug)]
struct Line {
    number: usize,
    user: String,
}

impl SenderTable {
    /// Reads a line below the head of the table.
    pub(super) fn read(
        &mut self,
        source: &Source<'_>,
        key: &Key<'_>,
        value: &Item<'_>,
    ) -> Result<(), Failed> {
        let at = key.span().start;
        let label = label(source, SENDERS, key);
        no_option(source, SENDERS, key)?;
        let name = key.get_ref();
        if name.is_empty() || name.chars().any(char::is_control) {
            let remedy = "write the name of a user, as ann";
            return Err(source.wrong(at, format_args!("{label}: {remedy}")));
        }
        let owned = match value.get_ref() {
            DeValue::Array(items) => {
                let sender = |item| sender(source, &label, item);
                items.iter().map(sender).collect::<Result<Vec<_>, _>>()?
            }
            DeValue::Table(_) => {
                let remedy =
                    "put a name with a dot in quotes, as \"first.last\" = \"ann@example.org\"";
                return Err(source.wrong(at, format_args!("{label}: {remedy}")));
            }
            _ => vec![sender(source, &label, value)?],
        };
        if !self.senders.add(name, owned) {
            let remedy = "this user stands there twice: write one line for both";
            return Err(source.wrong(at, format_args!("{label}: {remedy}")));
        }
        self.lines.push(Line {
            number: source.line(at),
            user: senders::plain(name),
        });
        Ok(())
    }

    /// What the table says.
    pub(super) fn senders(&self) -> Senders {
        self.senders.clone()
    }

    /// Writes the table as it may stand in the file that messages call `file`.
    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>, file: &str) -> fmt::Result {
        if !self.lines.is_empty() {
            writeln!(f, "\n[{SENDERS}]")?;
        }
        for Line { number, user } in &self.lines {
            let owned = self.senders.of(user).unwrap_or_default().iter();
            let owned = owned.map(|sender| Quoted(&sender.to_string()).to_string());
            let (user, owned) = (Quoted(user), owned.collect::<Vec<_>>().join(", "));
            writeln!(f, "{user} = [{owned}]  # {file}:{number}")?;
        }
        Ok(())
    }
}

/// An address or a domain that is a value of `label`.
fn sender(source: &Source<'_>, label: &str, value: &Item<'_>) -> Result<Sender, Failed> {
    let at = value.span().start;
    let written = source.written(label, value);
    let DeValue::String(text) = value.get_ref() else {
        return Err(source.wrong(at, format_args!("{written}: write it as {EXAMPLE}")));
    };
    text.parse().map_err(|error| {
        let remedy = remedy(error, SENDER_WANTED);
        source.wrong(at, format_args!("{written}: {remedy}"))
    })
}
