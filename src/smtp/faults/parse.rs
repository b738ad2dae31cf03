//! The language of rules, read.

use core::str::FromStr;
use core::time::Duration;
use std::rc::Rc;

use super::error::FaultError;
use super::glob::Glob;
use super::place::{FaultKey, FaultPlace};
use super::reply::{FaultReply, usual};
use super::rule::{FaultOutcome, FaultPace, FaultRule};

/// The longest rule: with the longest address and the longest reply it is shorter.
const RULE_BYTES_MAX: usize = 1024;
/// The longest line of a reply with its code, without CRLF (RFC 5321 §4.5.3.1.5).
const REPLY_BYTES_MAX: usize = 510;
/// The longest delay: clients wait for ten minutes at most, after the end of a message (RFC 5321 §4.5.3.2.6).
const DELAY_MAX: Duration = Duration::from_secs(600);

const FORM: &str = "write WHERE [PATTERN] [#N|#N+|N/min] [by ip|from|rcpt] = WHAT";

impl FromStr for FaultRule {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let end = text.trim_end();
        let mut words = Words { text: end, at: 0 };
        if text.len() > RULE_BYTES_MAX {
            return words.fault(format!("a rule has at most {RULE_BYTES_MAX} octets"));
        }
        let place = place(&mut words)?;
        let pattern = match words.peek() {
            Some(word) if !begins_condition(word, place) => {
                words.next();
                Some(Glob::new(word))
            }
            _ => None,
        };
        let pace = pace(&mut words, place)?;
        let key = key(&mut words, place)?;
        match words.peek() {
            Some("=") => words.next(),
            Some(word) => return words.fault(format!("`{word}` is out of place: {FORM}")),
            None => return words.fault(format!("` = ` is missing: {FORM}")),
        };
        let (delay, outcome) = outcome(&mut words, place)?;
        Ok(Self {
            text: end.trim_start().to_owned(),
            place,
            pattern,
            pace,
            key,
            delay,
            outcome,
        })
    }
}

/// The words of a rule, which blanks separate.
struct Words<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Words<'a> {
    fn skip_blanks(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    /// The next word, which is still to come.
    fn peek(&mut self) -> Option<&'a str> {
        self.skip_blanks();
        self.text[self.at..].split_whitespace().next()
    }

    fn next(&mut self) -> Option<&'a str> {
        let word = self.peek()?;
        self.at += word.len();
        Some(word)
    }

    /// All that is left.
    fn rest(&mut self) -> &'a str {
        self.skip_blanks();
        &self.text[self.at..]
    }

    /// A fault at what comes next.
    fn fault<T>(&self, what: String) -> Result<T, FaultError> {
        let column = 1 + self.text[..self.at].chars().count();
        Err(FaultError { column, what })
    }
}

/// Whether a word is no pattern, but what stands after one.
fn begins_condition(word: &str, place: FaultPlace) -> bool {
    matches!(word, "=" | "by") || is_like_count(word, place)
}

/// Whether a word is meant as a count or a rate, right or not: `#3`, `3/min`, `3/hour`, `3+`, `3`. As a pattern it would fit nothing; only a
/// host or a user may be called by a number.
fn is_like_count(word: &str, place: FaultPlace) -> bool {
    if word.starts_with('#') || word.ends_with("/min") {
        return true;
    }
    let rest = word.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_named_by_numbers = matches!(place, FaultPlace::Hello | FaultPlace::Auth);
    let is_count = match rest.chars().next() {
        None => !is_named_by_numbers,
        Some('/') => !rest.contains(['@', '*', '?']),
        Some('+' | '#' | '%') => rest.len() == 1,
        Some(_) => false,
    };
    is_count && rest.len() < word.len()
}

fn place(words: &mut Words<'_>) -> Result<FaultPlace, FaultError> {
    let Some(word) = words.peek() else {
        return words.fault(format!("an empty rule: {FORM}"));
    };
    let named = |place: &FaultPlace| place.name().eq_ignore_ascii_case(word);
    let Some(place) = FaultPlace::ALL.into_iter().find(named) else {
        if word.contains('=') {
            return words.fault(format!("`{word}`: a blank is missing at `=`: {FORM}"));
        }
        return words.fault(format!(
            "`{word}` is no place: write connect, hello, auth, mail, rcpt, data or end"
        ));
    };
    words.next();
    Ok(place)
}

fn pace(words: &mut Words<'_>, place: FaultPlace) -> Result<FaultPace, FaultError> {
    let Some(word) = words.peek() else {
        return Ok(FaultPace::Always);
    };
    let (count, pace): (&str, fn(u64) -> FaultPace) = if let Some(count) = word.strip_suffix("/min")
    {
        (count, FaultPace::PerMinute)
    } else if let Some(count) = word.strip_prefix('#') {
        match count.strip_suffix('+') {
            Some(count) => (count, FaultPace::From),
            None => (count, FaultPace::Nth),
        }
    } else if is_like_count(word, place) {
        ("", FaultPace::Nth)
    } else {
        return Ok(FaultPace::Always);
    };
    match number(count) {
        Some(count @ 1..) => {
            words.next();
            Ok(pace(count))
        }
        _ => words.fault(format!(
            "`{word}` is no count: write #3 for the third, #3+ from the third on, 3/min beyond three a minute"
        )),
    }
}

/// A number of digits only.
fn number(text: &str) -> Option<u64> {
    let is_digits = text.bytes().all(|octet| octet.is_ascii_digit());
    text.parse().ok().filter(|_| is_digits)
}

fn key(words: &mut Words<'_>, place: FaultPlace) -> Result<Option<FaultKey>, FaultError> {
    if words.peek() != Some("by") {
        return Ok(None);
    }
    words.next();
    let word = words.peek().unwrap_or_default();
    let Some(key) = FaultKey::ALL.into_iter().find(|key| key.name() == word) else {
        return words.fault(format!("`by {word}`: write by ip, by from or by rcpt"));
    };
    if !key.is_known_at(place) {
        let at = FaultPlace::ALL
            .into_iter()
            .filter(|at| key.is_known_at(*at));
        let at: Vec<_> = at.map(FaultPlace::name).collect();
        let (place, at) = (place.name(), at.join(", "));
        return words.fault(format!("`by {word}` is not known at {place}, but at {at}"));
    }
    words.next();
    Ok(Some(key))
}

/// Reads what stands after ` = `: at most one delay, then at most one thing that happens.
fn outcome(
    words: &mut Words<'_>,
    place: FaultPlace,
) -> Result<(Duration, FaultOutcome), FaultError> {
    let mut delay = Duration::ZERO;
    if words.peek() == Some("delay") {
        delay = read_delay(words)?;
        if words.rest().is_empty() {
            return Ok((delay, FaultOutcome::Proceed));
        }
    }
    let rest = words.rest();
    let outcome = match rest {
        "" => {
            return words.fault(
                "what is to happen is missing: a reply as 450 4.2.1 busy, delay 3s, close or drop"
                    .to_owned(),
            );
        }
        "close" => FaultOutcome::Close,
        "drop" => FaultOutcome::Drop,
        _ => read_reply(words, place)?,
    };
    Ok((delay, outcome))
}

/// Reads `delay 3s`, and the comma after it if one follows.
fn read_delay(words: &mut Words<'_>) -> Result<Duration, FaultError> {
    words.next();
    let word = words.peek().unwrap_or_default();
    let (time, has_more) = match word.strip_suffix(',') {
        Some(time) => (time, true),
        None => (word, false),
    };
    let Some(delay) = duration(time) else {
        return words.fault(format!("`{time}` is no time: write 500ms, 3s or 2m"));
    };
    if delay > DELAY_MAX {
        return words.fault(format!("`{time}` is too long: a delay has at most 10m"));
    }
    words.next();
    if has_more == words.rest().is_empty() {
        let what = match has_more {
            true => "nothing comes after the comma",
            false => "after a delay comes a comma, as in `delay 1s, 451 later`",
        };
        return words.fault(what.to_owned());
    }
    Ok(delay)
}

/// A time with its unit: ms, s or m.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (count, unit) = text.split_at(digits);
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        _ => return None,
    };
    let count: u64 = count.parse().ok()?;
    count.checked_mul(milliseconds).map(Duration::from_millis)
}

/// Reads a reply, whose text goes to the end of the rule, but for a `, close`.
fn read_reply(words: &mut Words<'_>, place: FaultPlace) -> Result<FaultOutcome, FaultError> {
    let word = words.peek().unwrap_or_default();
    let (word, is_code_alone) = match word.strip_suffix(',') {
        Some(code) => (code, true),
        None => (word, false),
    };
    let code = match number(word).and_then(|code| u16::try_from(code).ok()) {
        Some(code @ 400..600) if word.len() == 3 && code / 10 % 10 < 6 => code,
        Some(100..400) if word.len() == 3 => {
            return words.fault(format!("{word} refuses nothing: a reply is 4yz or 5yz"));
        }
        Some(_) => return words.fault(format!("{word} is no code of a reply: write 4yz or 5yz")),
        None => return words.fault(no_outcome(word)),
    };
    words.at += word.len();
    if is_code_alone && words.text[words.at..].trim_start_matches(',').trim() != "close" {
        return words.fault("only `close` comes after the comma behind a reply".to_owned());
    }
    let status = match words.peek() {
        Some(word) if is_status(word.trim_end_matches(',')) => {
            let status = word.trim_end_matches(',');
            if !status.starts_with(if code < 500 { '4' } else { '5' }) {
                return words.fault(format!("{status} does not go with {code}"));
            }
            words.at += status.len();
            Some(status)
        }
        _ => None,
    };
    let rest = words.rest();
    let (text, closes) = match rest.strip_suffix("close").map(str::trim_end) {
        Some(before) if before.ends_with(',') => (before.trim_end_matches(',').trim_end(), true),
        _ => (rest, false),
    };
    if let Some(at) = ["delay", "drop"]
        .iter()
        .find_map(|deed| position_of(deed, text))
    {
        words.at += at;
        return words.fault("a delay stands before a reply, and drop goes with none".to_owned());
    }
    if let Some(at) = text.find(|c: char| !matches!(c, ' '..='~')) {
        words.at += at;
        return words.fault("the text of a reply is printable ASCII".to_owned());
    }
    let (usual_status, usual_text) = usual(code, place);
    let text = if text.is_empty() { usual_text } else { text };
    let status = status.unwrap_or(usual_status);
    if text.len() + status.len() + "450  ".len() > REPLY_BYTES_MAX {
        return words.fault(format!("a reply has at most {REPLY_BYTES_MAX} octets"));
    }
    let reply = FaultReply {
        code,
        text: text.to_owned(),
        status: status.to_owned(),
    };
    Ok(FaultOutcome::Reply {
        closes: closes || reply.closes(),
        reply: Rc::new(reply),
    })
}

/// Why a word is nothing that can happen.
fn no_outcome(word: &str) -> String {
    let (first, has_comma) = match word.split_once(',') {
        Some((first, _)) => (first, true),
        None => (word, false),
    };
    match first {
        "close" | "delay" | "drop" => format!(
            "`{first}` cannot be joined so: one delay may stand before another thing, as in `delay 1s, drop`, and close behind a reply, as in `450 busy, close`"
        ),
        code if has_comma && number(code).is_some() => {
            format!("`{word}`: a blank is missing behind the comma")
        }
        _ => format!(
            "`{word}` is nothing that can happen: a reply as 450 4.2.1 busy, delay 3s, close or drop"
        ),
    }
}

/// The place of `, delay 3s` or `, drop` at the end of a text, where somebody means that and no words.
fn position_of(deed: &str, text: &str) -> Option<usize> {
    let comma = text.rfind(',')?;
    let last = text[comma + 1..].trim_start();
    let is_deed = match last.strip_prefix(deed)?.trim() {
        "" => true,
        time => duration(time).is_some(),
    };
    is_deed.then_some(text.len() - last.len())
}

/// Whether a word has the form of an enhanced status code (RFC 3463 §2).
fn is_status(word: &str) -> bool {
    let mut parts = word.split('.');
    let mut has = |digits: usize| {
        parts.next().is_some_and(|part| {
            (1..=digits).contains(&part.len()) && part.bytes().all(|octet| octet.is_ascii_digit())
        })
    };
    has(1) && has(3) && has(3) && parts.next().is_none()
}
