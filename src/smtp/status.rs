//! Enhanced status codes (RFC 3463), as replies begin with them and reports tell them.

use core::fmt;

/// An enhanced status code: a class, a subject and a detail, as in `5.1.1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnhancedStatus {
    class: u8,
    subject: u16,
    detail: u16,
}

impl EnhancedStatus {
    /// The code of these three numbers.
    #[must_use]
    pub const fn new(class: u8, subject: u16, detail: u16) -> Self {
        Self {
            class,
            subject,
            detail,
        }
    }

    /// The code that says no more than a reply code does by its first digit.
    #[must_use]
    pub fn of_reply_code(code: u16) -> Self {
        let class = match code {
            ..400 => 2,
            400..500 => 4,
            500.. => 5,
        };
        Self::new(class, 0, 0)
    }

    /// Reads the code that begins `text`, up to a blank or the end; `None` if there is none.
    #[must_use]
    pub fn at_start_of(text: &[u8]) -> Option<Self> {
        let end = text.iter().position(u8::is_ascii_whitespace);
        let word = str::from_utf8(&text[..end.unwrap_or(text.len())]).ok()?;
        let mut numbers = word.split('.');
        let class = number(numbers.next()?)?;
        let (subject, detail) = (number(numbers.next()?)?, number(numbers.next()?)?);
        let class = u8::try_from(class).ok()?;
        let is_code = matches!(class, 2 | 4 | 5) && numbers.next().is_none();
        is_code.then(|| Self::new(class, subject, detail))
    }

    /// Its class: 2 for success, 4 for a failure that may pass, 5 for one that will not.
    #[must_use]
    pub fn class(self) -> u8 {
        self.class
    }

    /// Its subject: 1 for an address, 2 for a mailbox, 5 for the protocol, and so on (RFC 3463 §3).
    #[must_use]
    pub fn subject(self) -> u16 {
        self.subject
    }

    /// Its detail within the subject.
    #[must_use]
    pub fn detail(self) -> u16 {
        self.detail
    }

    /// The code with another class: a failure for good that is to be tried again, or the reverse.
    #[must_use]
    pub fn with_class(self, class: u8) -> Self {
        Self { class, ..self }
    }
}

/// One to three digits, without zeros before the others.
fn number(digits: &str) -> Option<u16> {
    let is_number = matches!(digits.len(), 1..=3)
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits.len() == 1 || !digits.starts_with('0'));
    is_number.then(|| digits.parse().ok()).flatten()
}

impl fmt::Display for EnhancedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_rfc_3463_writes_them() {
        for (text, code) in [
            ("5.1.1 No such user", Some("5.1.1")),
            ("2.0.0", Some("2.0.0")),
            ("4.999.12 x", Some("4.999.12")),
            ("3.0.0 x", None),
            ("5.1 x", None),
            ("5.1.1.1 x", None),
            ("5.01.1 x", None),
            ("5.1000.1 x", None),
            ("5.1.1, x", None),
            ("55.1.1 x", None),
            ("5..1 x", None),
            (" 5.1.1", None),
            ("", None),
        ] {
            let read = EnhancedStatus::at_start_of(text.as_bytes());
            assert_eq!(read.map(|it| it.to_string()).as_deref(), code, "{text}");
        }
    }
}
