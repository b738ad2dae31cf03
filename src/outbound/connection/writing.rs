//! The message on its way: its text in parts, its end, and the next message behind that.

use super::text::{TextNeed, TextWriter};
use super::{Relay, RelayTurn};
use crate::net::driver::{Step, Wait};
use crate::outbound::desk::{ConnectionEvent, TextPiece};

impl Relay {
    /// The server waits for the message.
    pub(super) fn send_message(&mut self, turn: &mut RelayTurn<'_>) -> Option<Step<Self>> {
        let Some(delivery) = self.ledger.delivery() else {
            debug_assert!(false, "a transaction has a delivery");
            return Some(self.abandon("there is no message", turn));
        };
        let mut text = TextWriter::new(delivery);
        // An observer is to tell text from commands: what is watched leaves by itself.
        if turn.shared.probe.is_none() && text.write_short(turn.output) {
            return self.end_message(text, turn);
        }
        self.text = Some(text);
        self.write_on(turn)
    }

    /// Goes on with the text, after some of it was written or a piece has come.
    pub(super) fn write_on(&mut self, turn: &mut RelayTurn<'_>) -> Option<Step<Self>> {
        let mut text = self.text.take()?;
        let need = text.need();
        Self::tell_left(&text, turn);
        match need {
            TextNeed::Writing => {}
            TextNeed::Piece(..) if self.ticket.is_some() => {}
            TextNeed::Piece(at, bytes_max) => {
                self.silent_since = turn.now;
                let ticket = turn.shared.next_ticket();
                self.ticket = Some(ticket);
                let (mail, place) = (text.mail, text.place);
                let event = ConnectionEvent::WantsText {
                    ticket,
                    mail,
                    place,
                    at,
                    bytes_max,
                };
                self.tell(event, turn);
            }
            TextNeed::End => return self.end_message(text, turn),
        }
        self.text = Some(text);
        None
    }

    /// Writes the end of the message, and behind it the next one where that may be.
    fn end_message(&mut self, text: TextWriter, turn: &mut RelayTurn<'_>) -> Option<Step<Self>> {
        text.finish(turn.output);
        self.silent_since = turn.now;
        self.session.message_sent();
        self.ledger.dot_sent();
        self.begin(turn)
    }

    /// Takes the piece of text that was asked for.
    pub(super) fn take_piece(&mut self, piece: TextPiece, turn: &mut RelayTurn<'_>) -> Step<Self> {
        let Some(text) = &mut self.text else {
            return self.go_on();
        };
        match piece {
            TextPiece::Octets(octets) if octets.is_empty() => self.miss_text("it ends early", turn),
            TextPiece::Octets(octets) => {
                self.silent_since = turn.now;
                text.give(octets);
                self.write_on(turn).unwrap_or_else(|| self.go_on())
            }
            TextPiece::Unreadable(why) => self.miss_text(&why, turn),
        }
    }

    /// The step that goes on with the text if there is some, and meanwhile lets the server object.
    pub(super) fn go_on(&self) -> Step<Self> {
        match (self.ticket, &self.text) {
            (Some(ticket), _) => Step::Wait(Wait::Completion(ticket)),
            (None, Some(_)) => Step::Write,
            (None, None) => Step::Continue,
        }
    }
}
