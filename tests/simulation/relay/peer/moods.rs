//! What a peer says, and what it says in its moods.

use std::time::Duration;

use super::{About, Peer, Said};

impl Peer {
    /// Ends the connection after what it has to say.
    pub(super) fn die(&mut self, resets: bool) {
        self.is_dead = true;
        self.said.push_back(Said {
            closes: !resets,
            resets,
            ..Said::default()
        });
    }

    /// Says this, or something else if it is in the mood. Returns the code of what it says, unless that is none or the last.
    pub(super) fn reply(&mut self, right: &str, about: About) -> Option<u16> {
        let manner = self.host.manner;
        if manner.sluggish && self.rng.one_in(3) {
            let seconds = self.rng.pick(&[1, 3, 20, 110]);
            self.said.push_back(Said {
                due: Some(self.journal.now() + Duration::from_secs(seconds)),
                ..Said::default()
            });
        }
        if self.rng.one_in(manner.moody) {
            return self.misbehave(about);
        }
        self.say(right)
    }

    pub(super) fn say(&mut self, line: &str) -> Option<u16> {
        self.journal
            .trace(|| format!("{} says {line:?}", self.host.name()));
        self.said.push_back(Said {
            octets: format!("{line}\r\n").into_bytes(),
            ..Said::default()
        });
        line.get(..3)?.parse().ok()
    }

    fn misbehave(&mut self, about: About) -> Option<u16> {
        let refusals: &[&str] = match about {
            About::Session | About::Message => &[
                "450 4.3.0 Later",
                "550 5.7.1 No",
                "451-4.7.1 Grey\r\n451 as ever",
                "552 5.3.4 Too large",
                "530 5.7.0 First log in",
            ],
            About::Recipient => &[
                "450 4.2.0 Later",
                "452 4.5.3 Too many",
                "452 Full",
                "550 5.1.1 No such user",
                "550-5.1.1 No\r\n550 at all",
            ],
        };
        match self.rng.below(16) {
            0..=9 => {
                let refusal = self.rng.pick(refusals);
                self.say(refusal)
            }
            10 => self.end_with("421 4.3.2 Away"),
            11 => self.end_with("garbage"),
            12 => self.end_with(&"x".repeat(1500)),
            13 => self.end_with(""),
            14 => {
                self.die(true);
                None
            }
            _ => {
                // It falls silent.
                self.is_dead = true;
                None
            }
        }
    }

    /// Says this, and then nothing more.
    fn end_with(&mut self, line: &str) -> Option<u16> {
        if !line.is_empty() {
            self.say(line);
        }
        let closes = line.is_empty() || self.rng.one_in(2);
        if closes {
            self.die(false);
        }
        self.is_dead = true;
        None
    }
}
