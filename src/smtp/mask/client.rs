//! Masks of what a client hears and says in a login.

use super::FILLER;
#[cfg(feature = "record")]
use super::{hide_command, hide_response};

/// The replies that carry challenges.
const CHALLENGE: [u8; 3] = *b"334";

/// The position in the replies of a server, whose challenges are hidden, piece by piece.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HiddenReplies {
    /// Octets of the present line, as far as they matter.
    column: usize,
    /// Octets of the code of a challenge with which the line begins.
    challenge: usize,
}

impl HiddenReplies {
    /// Hides the next piece.
    pub(crate) fn hide(&mut self, octets: &[u8]) -> Vec<u8> {
        octets.iter().map(|octet| self.hide_octet(*octet)).collect()
    }

    fn hide_octet(&mut self, octet: u8) -> u8 {
        match octet {
            b'\n' => {
                *self = Self::default();
                octet
            }
            b'\r' => octet,
            _ if self.column > CHALLENGE.len() && self.challenge == CHALLENGE.len() => FILLER,
            _ => {
                let begins = CHALLENGE.get(self.column) == Some(&octet);
                self.challenge += usize::from(begins);
                self.column = (self.column + 1).min(CHALLENGE.len() + 1);
                octet
            }
        }
    }
}

/// Hides the lines in which a client shows who it is: its responses, and that of its command.
#[cfg(feature = "record")]
pub(crate) fn hide_said_credentials(said: &[u8]) -> Vec<u8> {
    let lines = said.split_inclusive(|octet| *octet == b'\n');
    let hidden = lines.map(|line| match line.starts_with(b"AUTH ") {
        true => hide_command(line, &mut false).into_owned(),
        false => hide_response(line),
    });
    hidden.collect::<Vec<_>>().concat()
}

#[cfg(all(test, feature = "record"))]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_hidden_however_the_replies_are_cut() {
        const SAID: &[u8] =
            b"250-AUTH LOGIN\r\n334 cj1hYmM=\r\n334\r\n33 334 a\r\n334-a b\r\n235 ok\r\n";
        const HIDDEN: &[u8] =
            b"250-AUTH LOGIN\r\n334 xxxxxxxx\r\n334\r\n33 334 a\r\n334-xxx\r\n235 ok\r\n";
        for piece in 1..SAID.len() {
            let mut mask = HiddenReplies::default();
            let hidden: Vec<_> = SAID.chunks(piece).map(|piece| mask.hide(piece)).collect();
            assert_eq!(
                hidden.concat().escape_ascii().to_string(),
                HIDDEN.escape_ascii().to_string(),
                "by {piece}"
            );
        }
    }

    #[test]
    fn of_a_login_only_the_command_with_its_mechanism_is_shown() {
        for (said, hidden) in [
            ("AUTH PLAIN AGEAYg==\r\n", "AUTH PLAIN xxxxxxxx\r\n"),
            ("AUTH LOGIN\r\n", "AUTH LOGIN\r\n"),
            ("DATA\r\n", "xxxx\r\n"),
            ("\r\n", "\r\n"),
            ("*\r\n", "*\r\n"),
        ] {
            let got = hide_said_credentials(said.as_bytes());
            assert_eq!(String::from_utf8_lossy(&got), hidden);
        }
    }
}
