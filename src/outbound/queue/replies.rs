//! The last replies to recipients, each text once: a site that is down says the same of all.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::types::KEPT_REPLY_BYTES_MAX;

/// Different texts that are kept; of the others only the code.
const TEXTS_MAX: usize = 16_384;
/// Octets of all texts that are kept.
const TEXT_BYTES_MAX: usize = 4 << 20;
/// Octets of a reply's code.
const CODE_BYTES: usize = 3;

/// A reply that is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct KeptReply(u16);

impl KeptReply {
    /// No reply.
    pub(super) const NONE: Self = Self(0);
}

/// Replies, each with the count of recipients that had it last.
#[derive(Debug, Default)]
pub(super) struct Replies {
    /// Texts and their counts; a text without a count is empty. Number 0 is never used.
    texts: Vec<(Rc<str>, u32)>,
    numbers: BTreeMap<Rc<str>, u16>,
    free: Vec<u16>,
    bytes: usize,
}

impl Replies {
    /// Keeps a reply for one more recipient.
    pub(super) fn keep(&mut self, text: &str) -> KeptReply {
        let mut ends = (0..=text.len().min(KEPT_REPLY_BYTES_MAX)).rev();
        let end = ends.find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        let text = &text[..end];
        if text.is_empty() {
            return KeptReply::NONE;
        }
        if let Some(number) = self.numbers.get(text) {
            self.texts[usize::from(*number)].1 += 1;
            return KeptReply(*number);
        }
        let is_full = self.numbers.len() >= TEXTS_MAX || self.bytes + text.len() > TEXT_BYTES_MAX;
        // Codes are so few that there is always room for them.
        let is_code = text.len() == CODE_BYTES && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_full && !is_code {
            let code = text.get(..CODE_BYTES).unwrap_or_default();
            let is_code = code.bytes().all(|byte| byte.is_ascii_digit());
            return self.keep(if is_code { code } else { "" });
        }
        self.add(text)
    }

    fn add(&mut self, text: &str) -> KeptReply {
        if self.texts.is_empty() {
            self.texts.push((Rc::from(""), 0));
        }
        let number = self.free.pop().unwrap_or_else(|| {
            self.texts.push((Rc::from(""), 0));
            u16::try_from(self.texts.len() - 1).unwrap_or(u16::MAX)
        });
        let text: Rc<str> = text.into();
        self.bytes += text.len();
        self.numbers.insert(Rc::clone(&text), number);
        self.texts[usize::from(number)] = (text, 1);
        KeptReply(number)
    }

    /// Forgets a reply for one recipient.
    pub(super) fn forget(&mut self, reply: KeptReply) {
        if reply == KeptReply::NONE {
            return;
        }
        let (text, count) = &mut self.texts[usize::from(reply.0)];
        *count -= 1;
        if *count == 0 {
            let text = core::mem::replace(text, Rc::from(""));
            self.bytes -= text.len();
            self.numbers.remove(&text);
            self.free.push(reply.0);
        }
    }

    /// The text of a reply; empty for none.
    pub(super) fn text(&self, reply: KeptReply) -> &str {
        let entry = self.texts.get(usize::from(reply.0));
        entry.map_or("", |(text, _)| text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_once_and_as_long_as_anybody_has_it() {
        let mut replies = Replies::default();
        let reply = replies.keep("450 4.2.0 Later");
        assert_eq!(replies.keep("450 4.2.0 Later"), reply);
        let long = "é".repeat(300);
        let other = replies.keep(&long);
        assert_eq!(replies.text(other), "é".repeat(256));
        replies.forget(reply);
        assert_eq!(replies.text(reply), "450 4.2.0 Later");
        replies.forget(reply);
        assert_eq!(replies.keep("451"), reply);
        assert_eq!(replies.keep(""), KeptReply::NONE);
        replies.forget(KeptReply::NONE);
        assert_eq!((replies.text(KeptReply::NONE), replies.bytes), ("", 515));
    }

    #[test]
    fn where_there_are_too_many_only_their_codes_are_kept() {
        let mut replies = Replies::default();
        let kept: Vec<KeptReply> = (0..50_000)
            .map(|number| replies.keep(&format!("450 4.2.0 Come back later, number {number}")))
            .collect();
        assert_eq!(replies.text(kept[0]), "450 4.2.0 Come back later, number 0");
        assert_eq!(replies.text(kept[49_999]), "450");
        let nonsense = replies.keep("no reply at all");
        assert_eq!(nonsense, KeptReply::NONE);
        assert!(replies.numbers.len() <= TEXTS_MAX + 1 && replies.bytes <= TEXT_BYTES_MAX);
        for reply in kept {
            replies.forget(reply);
        }
        assert_eq!((replies.bytes, replies.numbers.len()), (0, 0));
    }
}
