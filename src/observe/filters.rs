//! Values of mail filters as a record holds them: steps, macros, changes of an envelope.

use super::codec::RecordValue;
use super::outcome::{StepCode, values};
use crate::filters::requests::{MacroValues, SessionStep};
use crate::filters::settings::FilterTarget;
use crate::filters::verdict::{EnvelopeChange, EnvelopeChanges};

/// Macros whose values tell of the program, and of other connections: a replay by another version, or of one connection alone, has others.
const NOT_COMPARED: [&str; 2] = ["v", "client_connections"];

/// The step; its arguments are put into `arguments`.
pub(crate) fn step_code<'a>(step: &'a SessionStep, arguments: &'a mut Vec<u8>) -> StepCode<'a> {
    match step {
        SessionStep::Connect { name, .. } => StepCode::Connect(name),
        SessionStep::Hello(name) => StepCode::Hello(name),
        SessionStep::Sender(words) => StepCode::Sender(put_words(words, arguments)),
        SessionStep::Recipient(words) => StepCode::Recipient(put_words(words, arguments)),
        SessionStep::Data => StepCode::Data,
        // The line may hold what is hidden elsewhere.
        SessionStep::Unknown(_) => StepCode::Unknown,
        SessionStep::Message(text) => StepCode::Message(text.key()),
    }
}

fn put_words<'a>(words: &[Box<[u8]>], out: &'a mut Vec<u8>) -> &'a [u8] {
    words.iter().for_each(|word| (&**word).put(out));
    out
}

/// The names of macros and their values, by turns.
pub(crate) fn macro_octets(macros: &MacroValues) -> Vec<u8> {
    let mut octets = Vec::new();
    for (name, value) in macros {
        if !NOT_COMPARED.contains(name) {
            name.put(&mut octets);
            (&**value).put(&mut octets);
        }
    }
    octets
}

/// The names of filters, for a person.
pub(crate) fn names<'a>(targets: impl IntoIterator<Item = &'a FilterTarget>) -> String {
    let names: Vec<&str> = targets.into_iter().map(|target| &*target.name).collect();
    names.join(", ")
}

/// The changes of an envelope: the number of the kind and the address, by turns.
pub(crate) fn envelope_octets(changes: &EnvelopeChanges) -> Vec<u8> {
    let mut octets = Vec::new();
    for change in &changes.0 {
        let (kind, address) = match change {
            EnvelopeChange::Sender(address) => (0u8, address),
            EnvelopeChange::AddRecipient(address) => (1, address),
            EnvelopeChange::DeleteRecipient(address) => (2, address),
        };
        kind.put(&mut octets);
        (&**address).put(&mut octets);
    }
    octets
}

/// What [`envelope_octets`] has made octets of.
pub(crate) fn envelope_changes(octets: &[u8]) -> EnvelopeChanges {
    let changes = values::<(u8, &str)>(octets).map(|(kind, address)| match kind {
        0 => EnvelopeChange::Sender(address.into()),
        1 => EnvelopeChange::AddRecipient(address.into()),
        _ => EnvelopeChange::DeleteRecipient(address.into()),
    });
    EnvelopeChanges(changes.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_an_envelope_are_read_as_they_were_written() {
        let changes = EnvelopeChanges(vec![
            EnvelopeChange::Sender("".into()),
            EnvelopeChange::AddRecipient("<a@b>".into()),
            EnvelopeChange::DeleteRecipient("c@d".into()),
        ]);
        let octets = envelope_octets(&changes);
        assert_eq!(envelope_changes(&octets), changes);
    }

    #[test]
    fn macros_that_another_version_has_otherwise_are_not_compared() {
        let macros = vec![("v", "mailoop 1".into()), ("i", "ID".into())];
        let octets = macro_octets(&macros);
        let read: Vec<(&str, &str)> = values(&octets).collect();
        assert_eq!(read, [("i", "ID")]);
    }
}
