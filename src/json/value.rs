//! The values of a text, bounded in depth and number whatever the text says.

use std::error::Error;
use std::fmt::{self, Display, Formatter};

/// The deepest nesting of arrays and objects: more than any request has, and little of the stack.
const DEPTH_MAX: usize = 32;
/// The largest whole number up to which a double holds each one.
const WHOLE_MAX: f64 = 9_007_199_254_740_991.0;
/// The most values in one text, each of which takes more memory than the two octets that it may have there.
const VALUES_MAX: usize = 100_000;

/// A value (RFC 8259 §3).
#[derive(Clone, Debug, PartialEq)]
pub enum JsonValue {
    /// null.
    Null,
    /// true or false.
    Bool(bool),
    /// A number, as precise as a double is.
    Number(f64),
    /// A string, unescaped.
    Text(String),
    /// An array.
    Array(Vec<JsonValue>),
    /// The members of an object, in their order.
    Object(Vec<(String, JsonValue)>),
}

/// A fault of a text that is no JSON, or too much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// The octet of the text at which it was noticed, counted from 0.
    pub at: usize,
    /// What is wrong there.
    pub what: &'static str,
}

impl Display for JsonError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "no JSON: {} at octet {}", self.what, self.at)
    }
}

impl Error for JsonError {}

impl JsonValue {
    /// Reads a text that is one value.
    ///
    /// # Errors
    /// The text is no JSON, no UTF-8, nested too deep, or has too many values.
    pub fn parse(text: &[u8]) -> Result<Self, JsonError> {
        let text = std::str::from_utf8(text).map_err(|error| JsonError {
            at: error.valid_up_to(),
            what: "no UTF-8",
        })?;
        let mut reader = JsonReader {
            text,
            at: 0,
            values: 0,
        };
        let value = reader.value(0)?;
        reader.skip_blanks();
        match reader.at == text.len() {
            true => Ok(value),
            false => reader.fault("something follows the value"),
        }
    }

    /// A member of an object; the last of several with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else {
            return None;
        };
        let mut from_last = members.iter().rev();
        from_last
            .find(|(known, _)| known == name)
            .map(|(_, value)| value)
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The whole number that is not negative, if it is one that a double holds exactly.
    #[must_use]
    pub fn as_whole(&self) -> Option<u64> {
        match self {
            Self::Number(number) if (0.0..=WHOLE_MAX).contains(number) && number.fract() == 0.0 => {
                // In these bounds no conversion loses anything.
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                Some(*number as u64)
            }
            _ => None,
        }
    }

    /// The elements, if it is an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// The elements, if it is an array of nothing but texts.
    #[must_use]
    pub fn as_texts(&self) -> Option<Vec<&str>> {
        self.as_array()?.iter().map(Self::as_text).collect()
    }
}

/// A text that is read from its start.
struct JsonReader<'a> {
    text: &'a str,
    /// The octet that comes next. It begins a character.
    at: usize,
    /// The number of values so far.
    values: usize,
}

impl JsonReader<'_> {
    fn fault<T>(&self, what: &'static str) -> Result<T, JsonError> {
        Err(JsonError { at: self.at, what })
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Takes this octet, if it comes next after blanks.
    fn take(&mut self, octet: u8) -> bool {
        self.skip_blanks();
        let is_next = self.peek() == Some(octet);
        self.at += usize::from(is_next);
        is_next
    }

    fn value(&mut self, depth: usize) -> Result<JsonValue, JsonError> {
        self.skip_blanks();
        self.values += 1;
        if self.values > VALUES_MAX {
            return self.fault("too many values");
        }
        match self.peek() {
            Some(b'[' | b'{') if depth == DEPTH_MAX => self.fault("nested too deep"),
            Some(b'[') => self.array(depth + 1),
            Some(b'{') => self.object(depth + 1),
            Some(b'"') => self.string().map(JsonValue::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => self.word(),
            None => self.fault("a value is missing"),
        }
    }

    fn word(&mut self) -> Result<JsonValue, JsonError> {
        let rest = &self.text[self.at..];
        for (word, value) in [
            ("null", JsonValue::Null),
            ("true", JsonValue::Bool(true)),
            ("false", JsonValue::Bool(false)),
        ] {
            if rest.starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        self.fault("no value")
    }

    fn array(&mut self, depth: usize) -> Result<JsonValue, JsonError> {
        self.at += 1;
        let mut elements = Vec::new();
        if self.take(b']') {
            return Ok(JsonValue::Array(elements));
        }
        loop {
            elements.push(self.value(depth)?);
            if self.take(b']') {
                return Ok(JsonValue::Array(elements));
            }
            if !self.take(b',') {
                return self.fault("no , or ]");
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<JsonValue, JsonError> {
        self.at += 1;
        let mut members = Vec::new();
        if self.take(b'}') {
            return Ok(JsonValue::Object(members));
        }
        loop {
            self.skip_blanks();
            if self.peek() != Some(b'"') {
                return self.fault("no name of a member");
            }
            let name = self.string()?;
            if !self.take(b':') {
                return self.fault("no :");
            }
            members.push((name, self.value(depth)?));
            if self.take(b'}') {
                return Ok(JsonValue::Object(members));
            }
            if !self.take(b',') {
                return self.fault("no , or }");
            }
        }
    }

    /// Reads a number (RFC 8259 §6), which is stricter than that of Rust: no leading zero, no bare point.
    fn number(&mut self) -> Result<JsonValue, JsonError> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        let has_leading_zero = self.peek() == Some(b'0');
        if self.digits()? > 1 && has_leading_zero {
            return self.fault("a number with a leading 0");
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        match self.text[start..self.at].parse() {
            Ok(number) => Ok(JsonValue::Number(number)),
            Err(_) => self.fault("no number"),
        }
    }

    /// Takes at least one digit, and tells how many.
    fn digits(&mut self) -> Result<usize, JsonError> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        match self.at - start {
            0 => self.fault("a digit is missing"),
            count => Ok(count),
        }
    }

    fn string(&mut self) -> Result<String, JsonError> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.find(|c: char| c < ' ' || matches!(c, '"' | '\\'));
            let plain = plain.unwrap_or(rest.len());
            text.push_str(&rest[..plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    self.at += 1;
                    text.push(self.escaped()?);
                }
                Some(_) => return self.fault("a control character in a string"),
                None => return self.fault("a string without its end"),
            }
        }
    }

    /// Reads what stands after a backslash (RFC 8259 §7).
    fn escaped(&mut self) -> Result<char, JsonError> {
        let escaped = match self.peek() {
            Some(octet @ (b'"' | b'\\' | b'/')) => char::from(octet),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.code_point();
            }
            _ => return self.fault("an unknown escape"),
        };
        self.at += 1;
        Ok(escaped)
    }

    /// Reads the digits of `\u`. What is beyond 16 bits comes as a pair of surrogates.
    fn code_point(&mut self) -> Result<char, JsonError> {
        let first = self.hex()?;
        let is_high = (0xd800..0xdc00).contains(&first);
        let code = if is_high && self.text[self.at..].starts_with("\\u") {
            self.at += 2;
            let second = self.hex()?;
            if !(0xdc00..0xe000).contains(&second) {
                return self.fault("half a pair of surrogates");
            }
            0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
        } else {
            first
        };
        match char::from_u32(code) {
            Some(character) => Ok(character),
            None => self.fault("half a pair of surrogates"),
        }
    }

    fn hex(&mut self) -> Result<u32, JsonError> {
        let digits = self.text.get(self.at..self.at + 4);
        let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let Some(code) = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) else {
            return self.fault("no four hexadecimal digits");
        };
        self.at += 4;
        Ok(code)
    }
}
