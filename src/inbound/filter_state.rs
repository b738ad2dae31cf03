//! What is known of the mail filters of a connection: its session with them, what waits for their verdict, and the message that they
//! are to see.

use std::rc::Rc;

use super::judged::ClientStep;
use crate::filters::requests::FilterSessionId;
use crate::filters::verdict::ChangedText;
use crate::smtp::event::Event;
use crate::smtp::reply::GivenReply;
use crate::store::hold::{HeldText, HeldTexts};
use crate::store::{Draft, Failure, Store, Ticket};

/// All that is known of the filters of a connection, of which most own nothing.
#[derive(Default)]
pub(super) struct Filtering(pub(super) Option<Box<Filtered>>);

/// All that is known of the filters of a connection that has some.
pub(super) struct Filtered {
    pub(super) session: FilterSessionId,
    /// The step that waits for a verdict.
    pub(super) awaited: Option<(Ticket, ClientStep)>,
    /// The mechanism by which its user has logged in.
    pub(super) mechanism: &'static str,
    /// The parameters of the command that is put before the filters next.
    pub(super) parameters: Vec<Box<[u8]>>,
    /// The reply to each sender, where the client was refused for now when it connected.
    pub(super) denied: Option<Rc<GivenReply>>,
    pub(super) transaction: FilteredTransaction,
}

/// What filters know of the present transaction, and have decided.
#[derive(Default)]
pub(super) struct FilteredTransaction {
    /// Whether they were told of its sender.
    pub(super) is_told: bool,
    /// Whether nothing is kept of its message.
    pub(super) is_discarded: bool,
    /// The text of its message, where they are to see it.
    pub(super) held: Option<HeldText>,
    /// The message on its way to the store, after they have seen it.
    pub(super) release: Option<Box<Release>>,
    /// The place of each recipient among those of the store, where filters have changed them; `None` for one that was taken away.
    pub(super) places: Option<Vec<Option<usize>>>,
}

/// A message on its way from its hold to the store.
pub(super) struct Release {
    pub(super) text: HeldText,
    pub(super) changed: Option<ChangedText>,
    /// How much of the text, or of the new body, is in the store.
    pub(super) at: u64,
    /// The read that is awaited, and what came of it.
    pub(super) awaited: Option<Ticket>,
    pub(super) piece: Option<Result<Box<[u8]>, Failure>>,
}

impl Release {
    pub(super) fn drop_texts(self, hold: &mut dyn HeldTexts) {
        hold.drop_text(self.text);
        if let Some(body) = self.changed.and_then(|changed| changed.body) {
            hold.drop_text(body);
        }
    }

    /// What is left of the text is in this, from [`at`](Self::at) on.
    pub(super) fn source(&self) -> &HeldText {
        let body = self.changed.as_ref().and_then(|it| it.body.as_ref());
        body.unwrap_or(&self.text)
    }
}

impl Filtering {
    /// Notes by which mechanism a user has logged in.
    pub(super) fn note_login(&mut self, mechanism: &'static str) {
        if let Some(filtered) = &mut self.0 {
            filtered.mechanism = mechanism;
        }
    }

    /// Notes the parameters of a command, which filters are told as they came.
    pub(super) fn note_parameters(&mut self, event: &Event<'_>, line: &[u8]) {
        if let Some(filtered) = &mut self.0
            && matches!(event, Event::CheckRoom(_) | Event::CheckRecipient(_))
        {
            filtered.parameters = parameters(line);
        }
    }

    /// Whether the text of the message is kept on hold, until the filters have seen it.
    pub(super) fn is_on_hold(&self) -> bool {
        let filtered = self.0.as_ref();
        filtered.is_some_and(|filtered| filtered.transaction.held.is_some())
    }

    /// Appends to the message, on its hold or in the store.
    pub(super) fn write(
        &mut self,
        draft: &mut Draft,
        text: &[u8],
        store: &mut dyn Store,
    ) -> Result<(), Failure> {
        let filtered = self.0.as_mut();
        match filtered.and_then(|filtered| filtered.transaction.held.as_mut()) {
            Some(held) => match store.held_texts() {
                Some(hold) => hold.write(held, text),
                None => Err(Failure::Io("the text of the message is lost".into())),
            },
            None => store.write(draft, text),
        }
    }
}

impl FilteredTransaction {
    pub(super) fn drop_texts(&mut self, store: &mut dyn Store) {
        let Some(hold) = store.held_texts() else {
            return;
        };
        if let Some(held) = self.held.take() {
            hold.drop_text(held);
        }
        if let Some(release) = self.release.take() {
            release.drop_texts(hold);
        }
    }
}

/// The parameters of MAIL or RCPT in this line: all that follows the path, as it came.
fn parameters(line: &[u8]) -> Vec<Box<[u8]>> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let end = line.iter().position(|octet| {
        let is_end = *octet == b'>' && !is_quoted && !is_escaped;
        is_quoted ^= *octet == b'"' && !is_escaped;
        is_escaped = *octet == b'\\' && !is_escaped;
        is_end
    });
    let rest = end.map_or(&[][..], |end| &line[end + 1..]);
    let words = rest.split(u8::is_ascii_whitespace);
    words
        .filter(|word| !word.is_empty())
        .map(Into::into)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::parameters;

    #[test]
    fn parameters_are_what_follows_the_path() {
        let words: [(&[u8], &[&[u8]]); 4] = [
            (
                b"MAIL FROM:<a@b> SIZE=7  BODY=8BITMIME\r\n",
                &[b"SIZE=7", b"BODY=8BITMIME"],
            ),
            (b"MAIL FROM:<\"x> y\\\"> z\"@b> SIZE=7\r\n", &[b"SIZE=7"]),
            (b"RCPT TO:<a@b>\r\n", &[]),
            (b"MAIL FROM:", &[]),
        ];
        for (line, wanted) in words {
            let found = parameters(line);
            let found: Vec<&[u8]> = found.iter().map(|word| &**word).collect();
            assert_eq!(found, wanted);
        }
    }
}
