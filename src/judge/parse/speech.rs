//! Lines of a dialogue: whose they are, and what they say or await.

use std::time::Duration;

use super::PEERS_MAX;
use crate::judge::check::{
    CheckValue, Expectation, ExpectedAnswer, JudgedSide, Peers, Saying, SayingPart,
};

/// The most octets that are said in one step.
const SAID_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The most times that a line is repeated which has a value, and that an answer is awaited.
const REPEATS_MAX: usize = 1000;

/// A line of a dialogue, taken apart.
pub(super) struct SpeechLine<'a> {
    /// `C` or `S`, or `I` for the standard input of a client.
    speaker: char,
    pub(super) peers: Peers,
    /// `:` for a line, `~` for exactly these octets, `|` the same with cuts, `*` for a repeated line.
    mark: char,
    text: &'a str,
}

impl<'a> SpeechLine<'a> {
    /// Takes a line apart, if it is one of a dialogue.
    pub(super) fn split(line: &'a str) -> Result<Option<Self>, String> {
        let Some(speaker @ ('C' | 'S' | 'I')) = line.chars().next() else {
            return Ok(None);
        };
        let is_number = |c: char| c.is_ascii_digit() || c == '-';
        let rest = &line[1..];
        let (number, rest) = rest.split_at(rest.find(|c| !is_number(c)).unwrap_or(rest.len()));
        let Some(mark @ (':' | '~' | '*' | '|')) = rest.chars().next() else {
            return Ok(None);
        };
        let text = &rest[1..];
        Ok(Some(Self {
            speaker,
            peers: if number.is_empty() {
                Peers::FIRST
            } else {
                peers(number)?
            },
            mark,
            text: text.strip_prefix(' ').unwrap_or(text),
        }))
    }

    /// Whether the judge says it.
    pub(super) fn is_of_judge(&self, side: JudgedSide) -> bool {
        match side {
            JudgedSide::Server => self.speaker == 'C',
            JudgedSide::Client => self.speaker == 'S',
        }
    }

    /// Whether it is for the standard input of a client's command.
    pub(super) fn is_input(&self) -> bool {
        self.speaker == 'I'
    }

    /// What a command finds on its standard input, where a line ends in a bare LF.
    pub(super) fn given(&self, side: JudgedSide) -> Result<Saying, String> {
        if side == JudgedSide::Server {
            return Err("\"I:\" is for the standard input of a client".to_owned());
        }
        let mut given = self.said(false)?;
        if self.mark == ':'
            && let Some(SayingPart::Octets(end, 1)) = given.parts.last_mut()
        {
            *end = b"\n".to_vec();
        }
        Ok(given)
    }

    /// What is said.
    pub(super) fn said(&self, octet_by_octet: bool) -> Result<Saying, String> {
        let parts = match self.mark {
            ':' => {
                let mut parts = said(self.text, false)?;
                parts.push(SayingPart::Octets(b"\r\n".to_vec(), 1));
                parts
            }
            '*' => {
                let (count, text) = repeated(self.text)?;
                times(&said(text, false)?, count)?
            }
            mark => said(self.text, mark == '|')?,
        };
        Ok(Saying {
            parts,
            octet_by_octet,
        })
    }

    /// What has to come.
    pub(super) fn heard(
        &self,
        side: JudgedSide,
        within: Option<Duration>,
    ) -> Result<Expectation, String> {
        let (count, text) = match self.mark {
            // A line of a script holds for any number of lines that fit.
            ':' => (usize::from(side == JudgedSide::Server), self.text),
            '*' => repeated(self.text)?,
            _ => return Err("what has to come is written with a colon, as \"S: 250\"".to_owned()),
        };
        if count > REPEATS_MAX {
            return Err(format!(
                "at most {REPEATS_MAX} answers are awaited in one step"
            ));
        }
        let (any, pattern) = match side {
            JudgedSide::Server => reply(text)?,
            JudgedSide::Client => (vec![ExpectedAnswer::Line], Some(text.to_owned())),
        };
        Ok(Expectation {
            any,
            text: pattern,
            within,
            count,
            shown: text.to_owned(),
        })
    }
}

/// Reads the number of a peer, as `2`, or of several, as `2-50`.
pub(super) fn peers(text: &str) -> Result<Peers, String> {
    let wrong =
        || format!("{text:?} are no peers: write 2 for the second, or 2-50; at most {PEERS_MAX}");
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.parse().map_err(|_| wrong());
    let peers = Peers {
        from: number(from)?,
        to: number(to)?,
    };
    if peers.from == 0 || peers.to < peers.from || peers.to > PEERS_MAX {
        return Err(wrong());
    }
    Ok(peers)
}

/// The reply that is awaited: codes, or the end of the connection, and a pattern for the text.
fn reply(text: &str) -> Result<(Vec<ExpectedAnswer>, Option<String>), String> {
    let (codes, pattern) = text.split_once(' ').unwrap_or((text, ""));
    let any: Option<Vec<_>> = codes.split('|').map(answer).collect();
    let any = any.ok_or_else(|| {
        format!("{codes:?} is no reply: write a code as 250, its first digits as 5, several as 250|251, or 500|closed")
    })?;
    let pattern = pattern.trim();
    Ok((any, (!pattern.is_empty()).then(|| pattern.to_owned())))
}

fn answer(code: &str) -> Option<ExpectedAnswer> {
    if code == "closed" {
        return Some(ExpectedAnswer::Closed);
    }
    let begins = matches!(code.as_bytes().first(), Some(b'2'..=b'5'));
    let is_code = begins && code.len() <= 3 && code.bytes().all(|octet| octet.is_ascii_digit());
    is_code.then(|| ExpectedAnswer::Code(code.to_owned()))
}

/// Takes `3 text` for three times the text.
fn repeated(text: &str) -> Result<(usize, &str), String> {
    let parts = text.split_once(' ');
    let parts = parts.and_then(|(count, text)| Some((count.parse().ok()?, text)));
    parts.filter(|(count, _)| *count > 0).ok_or_else(|| {
        format!("{text:?} repeats nothing: write how often, a space, and what, as \"C* 100 x\"")
    })
}

fn times(parts: &[SayingPart], count: usize) -> Result<Vec<SayingPart>, String> {
    if let [SayingPart::Octets(octets, 1)] = parts {
        if octets.len().saturating_mul(count) > SAID_BYTES_MAX {
            return Err("at most 16 MiB are said in one line".to_owned());
        }
        return Ok(vec![SayingPart::Octets(octets.clone(), count)]);
    }
    if count > REPEATS_MAX {
        return Err(format!(
            "a line with a value in it is repeated at most {REPEATS_MAX} times"
        ));
    }
    Ok(parts
        .iter()
        .cycle()
        .take(parts.len() * count)
        .cloned()
        .collect())
}

/// Reads what is said: escapes, values, and cuts where those are marked.
fn said(text: &str, has_cuts: bool) -> Result<Vec<SayingPart>, String> {
    let (mut parts, mut octets) = (Vec::new(), Vec::new());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let mut length = c.len_utf8();
        let part = match c {
            '\\' => {
                let (octet, escape) = escaped(&rest[1..])?;
                octets.push(octet);
                length += escape;
                None
            }
            '|' if has_cuts => Some(SayingPart::Cut),
            '{' => {
                let (value, name) = value(&rest[1..])?;
                length += name;
                Some(SayingPart::Value(value))
            }
            c => {
                octets.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                None
            }
        };
        if let Some(part) = part {
            if !octets.is_empty() {
                parts.push(SayingPart::Octets(std::mem::take(&mut octets), 1));
            }
            parts.push(part);
        }
        rest = &rest[length..];
    }
    if !octets.is_empty() {
        parts.push(SayingPart::Octets(octets, 1));
    }
    Ok(parts)
}

/// The octet of an escape, and how long that is behind its backslash.
fn escaped(text: &str) -> Result<(u8, usize), String> {
    let wrong = || "a backslash begins \\r, \\n, \\t, \\\\ or two digits as \\x1B".to_owned();
    match text.chars().next().ok_or_else(wrong)? {
        'r' => Ok((b'\r', 1)),
        'n' => Ok((b'\n', 1)),
        't' => Ok((b'\t', 1)),
        '\\' => Ok((b'\\', 1)),
        'x' => {
            let digits = text.get(1..3).ok_or_else(wrong)?;
            let octet = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
            Ok((octet, 3))
        }
        _ => Err(wrong()),
    }
}

/// The value whose name and closing brace come next, and how long they are.
fn value(text: &str) -> Result<(CheckValue, usize), String> {
    let wrong =
        || "a brace begins {from}, {to}, {to2} or {end}; the character itself is \\x7B".to_owned();
    let (name, _) = text.split_once('}').ok_or_else(wrong)?;
    let found = CheckValue::ALL.iter().find(|(known, _)| *known == name);
    let (_, value) = found.ok_or_else(wrong)?;
    Ok((*value, name.len() + 1))
}
