//! Messages by BDAT.

use mailoop::smtp::reply::{self, Reply};

use super::super::store::Fate;
use super::super::text;
use super::Dialogue;

impl Dialogue {
    /// Sends a message by BDAT, cut anywhere.
    pub fn send_chunks(&mut self, text: &[u8], fate: Fate) -> bool {
        let mut cuts: Vec<usize> = (0..self.rng.below(5))
            .map(|_| self.rng.below(text.len() + 1))
            .collect();
        cuts.push(text.len());
        cuts.sort_unstable();
        let mut start = 0;
        for (index, end) in cuts.iter().copied().enumerate() {
            if index > 0 && self.rng.one_in(8) && !self.aside() {
                return false;
            }
            let is_last = index + 1 == cuts.len();
            let marker = if is_last { " LAST" } else { "" };
            self.send(format!("BDAT {}{marker}\r\n", end - start).as_bytes());
            self.send(&text[start..end]);
            match self.refusal(index, &text[..end], is_last, fate) {
                Some(reply) => {
                    // Only the last chunk is the end of a message, if there is one.
                    let ends = is_last && self.recipients.is_some_and(|accepted| accepted > 0);
                    self.recipients = None;
                    if ends {
                        self.hear_of_message(reply);
                    } else {
                        self.hear(reply);
                    }
                }
                None if is_last => self.hear_end(fate),
                None => {
                    let text = format!("250 2.0.0 Ok: {} octets received\r\n", end - start);
                    self.expect(text, false);
                }
            }
            self.pause();
            if self.over {
                return false;
            }
            start = end;
        }
        true
    }

    /// Why the chunk of this `index` is refused, with which the message has come as far as `text`.
    fn refusal(&self, index: usize, text: &[u8], is_last: bool, fate: Fate) -> Option<Reply> {
        // A CR at the end is looked at with what follows it.
        let whole = text.len() - usize::from(text.ends_with(b"\r"));
        let stored = text::stored(&text[..whole], is_last).len();
        match (self.recipients, fate) {
            (None, _) => Some(reply::MAIL_FIRST),
            (Some(0), _) => Some(reply::RECIPIENT_FIRST),
            (_, Fate::Unopened(fault) | Fate::Untraced(fault)) if index == 0 => Some(fault.reply()),
            (_, Fate::Unwritten(most, fault)) if stored > most => Some(fault.reply()),
            _ if whole as u64 > self.profile.message_bytes_max => Some(reply::TOO_LARGE),
            _ => None,
        }
    }
}
