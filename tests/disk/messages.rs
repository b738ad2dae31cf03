//! Messages that are known by their number: whoever finds one can tell whether it is whole.

#[cfg(feature = "milter")]
use crate::common::filter::{ADD_HEADER, ADD_RECIPIENT, Act, CONTINUE, FilterScript, texts};
use crate::prng::Prng;

const OCTETS_MIN: usize = 512;
const OCTETS_MAX: usize = 40 * 1024;
/// What the number of a message stands behind, in its first line.
const FIELD: &[u8] = b"Subject: message ";

/// One message.
pub struct Message {
    pub recipients: Vec<String>,
    /// As it is stored, lines ending in LF. No line begins with a dot.
    pub text: Vec<u8>,
}

/// All messages of a run; a message's number is its place among them.
pub struct Messages {
    all: Vec<Message>,
    /// Whether a filter changes them on their way to the store.
    are_changed: bool,
}

/// One in so many of those that a filter changes is longer than what the server has in memory meanwhile.
#[cfg(feature = "milter")]
const LONG: u64 = 4;
#[cfg(feature = "milter")]
const LONG_OCTETS: usize = 80 * 1024;
/// The field that a filter adds, and the recipient.
const ADDED_FIELD: &str = "X-Changed: yes\n";
const ADDED: &str = "added@example.org";

impl Messages {
    /// So many, made from this seed.
    pub fn new(seed: u64, count: u64) -> Self {
        let mut prng = Prng::new(seed);
        let all = (0..count).map(|number| message(number, OCTETS_MIN, &mut prng));
        Self {
            all: all.collect(),
            are_changed: false,
        }
    }

    /// So many that a filter changes, as [`changes`] has it.
    #[cfg(feature = "milter")]
    pub fn changed(seed: u64, count: u64) -> Self {
        let mut prng = Prng::new(seed);
        let octets_min = |number: u64| match number % LONG {
            0 => LONG_OCTETS,
            _ => OCTETS_MIN,
        };
        let all = (0..count).map(|number| message(number, octets_min(number), &mut prng));
        Self {
            all: all.collect(),
            are_changed: true,
        }
    }

    pub fn get(&self, number: u64) -> Option<&Message> {
        self.all.get(number as usize)
    }

    /// The recipients who have a message in the end.
    pub fn recipients(&self, number: u64) -> Vec<String> {
        let message = self.get(number);
        let mut recipients = message.map_or(Vec::new(), |message| message.recipients.clone());
        recipients.extend(self.are_changed.then(|| ADDED.to_owned()));
        recipients
    }

    /// The text of a message in the end.
    fn text(&self, number: u64) -> Option<Vec<u8>> {
        let text = &self.get(number)?.text;
        if !self.are_changed {
            return Some(text.clone());
        }
        let end = text.iter().position(|octet| *octet == b'\n')? + 1;
        let (field, body) = text.split_at(end);
        Some([field, ADDED_FIELD.as_bytes(), &body.to_ascii_uppercase()].concat())
    }

    /// Which message was stored, if it is whole.
    pub fn find(&self, stored: &[u8]) -> Option<u64> {
        let place = stored.windows(FIELD.len()).position(|part| part == FIELD)?;
        let (trace, text) = stored.split_at(place);
        let digits = text[FIELD.len()..].split(|&octet| octet == b'\n').next()?;
        let number = str::from_utf8(digits).ok()?.parse().ok()?;
        let traced =
            trace.starts_with(b"Return-Path: <") && trace.ends_with(b"\n") && !trace.contains(&0);
        (traced && text == self.text(number)?).then_some(number)
    }
}

/// What a filter does to each message: it writes the body in capitals.
#[cfg(feature = "milter")]
pub fn changes() -> FilterScript {
    let (name, value) = ADDED_FIELD.trim_end().split_once(": ").unwrap();
    let packets = vec![
        (ADD_HEADER, texts(&[name, value])),
        (ADD_RECIPIENT, texts(&[ADDED])),
        (CONTINUE, Vec::new()),
    ];
    FilterScript {
        acts: vec![(b'E', Act::Rewrite(<[u8]>::to_ascii_uppercase, packets))],
        ..FilterScript::default()
    }
}

fn message(number: u64, octets_min: usize, prng: &mut Prng) -> Message {
    let mut text = [FIELD, format!("{number}\n\n").as_bytes()].concat();
    let octets = prng.size(OCTETS_MAX).max(octets_min);
    while text.len() < octets {
        let line = prng.between(1, 76);
        text.extend((0..line).map(|_| prng.pick(b"abcdefghijklmnopqrstuvwxyz ")));
        text.push(b'\n');
    }
    Message {
        recipients: recipients(number, prng),
        text,
    }
}

/// One to three mailboxes: old ones, ones that come into being with a few messages at about the same time, and ones
/// whose domain does.
fn recipients(number: u64, prng: &mut Prng) -> Vec<String> {
    let mut recipients = Vec::new();
    for _ in 0..prng.between(1, 3) {
        let recipient = match prng.below(8) {
            0 => format!("new{}@example.org", number / 8),
            1 => format!("user{}@new{}.example", number / 8, number / 24),
            _ => format!("old{}@example.org", prng.below(4)),
        };
        if !recipients.contains(&recipient) {
            recipients.push(recipient);
        }
    }
    recipients
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_found_only_if_it_is_whole() {
        let messages = Messages::new(1, 20);
        for (number, message) in (0..).zip(&messages.all) {
            let stored = [b"Return-Path: <>\nReceived: from c\n", &*message.text].concat();
            assert_eq!(messages.find(&stored), Some(number));
            for length in (0..600.min(stored.len())).chain([stored.len() - 1]) {
                assert_eq!(messages.find(&stored[..length]), None);
            }
            for sector in 0..stored.len() / 512 {
                let mut torn = stored.clone();
                torn[sector * 512..][..512].fill(0);
                assert_eq!(messages.find(&torn), None);
            }
        }
    }
}
