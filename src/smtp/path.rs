//! Addresses on the wire: reverse-path, forward-path and mailbox (RFC 5321 §4.1.2, in UTF-8 RFC 6531 §3.3), with their
//! limits (RFC 5321 §4.5.3.1). A local-part has no limit of its own: addresses that name another within them (VERP, SRS)
//! are longer than 64 octets, and RFC 5321 §4.5.3.1 asks to take what is longer where that can be done.

mod domain;
mod grammar;
mod mailbox;
mod text;

use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

pub(super) use domain::A_LABELS;
pub use grammar::{DOMAIN_BYTES_MAX, PATH_BYTES_MAX, PathError};
use grammar::{ends_line, is_printable, is_unquoted};
pub use mailbox::Mailbox;
pub(super) use mailbox::quoted_if_needed;
use text::AddressText;

impl FromStr for Mailbox {
    type Err = PathError;

    /// Reads a bare address, no brackets around it. A dot at the end of its domain, which means the root of the DNS, is taken
    /// off.
    fn from_str(text: &str) -> Result<Self, PathError> {
        let mut cursor = Cursor {
            bytes: text.as_bytes(),
            at: 0,
        };
        let mailbox = cursor.mailbox()?;
        if cursor.peek().is_some() {
            Err(cursor.error())
        } else {
            Ok(mailbox)
        }
    }
}

/// The reverse-path of a message, the argument of MAIL (RFC 5321 §4.1.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReversePath {
    /// `<>`, of a message to which no report must be sent (RFC 5321 §4.5.5).
    Null,
    /// An address.
    Mailbox(Mailbox),
}

impl ReversePath {
    /// Whether it needs no SMTPUTF8.
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Mailbox(mailbox) => mailbox.is_ascii(),
        }
    }
}

impl fmt::Display for ReversePath {
    /// The address in its angle brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<>"),
            Self::Mailbox(mailbox) => write!(f, "<{mailbox}>"),
        }
    }
}

/// The forward-path of a recipient, the argument of RCPT (RFC 5321 §4.1.1.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForwardPath {
    /// `<Postmaster>`, the one address that needs no domain (RFC 5321 §4.5.1).
    Postmaster,
    /// An address.
    Mailbox(Mailbox),
    /// A local-part alone. It is no address, but a person at a terminal can be told what is missing.
    WithoutDomain(Box<str>),
}

/// Reads the reverse-path at the start of `argument` and returns it with what follows: nothing, or a space
/// and parameters. Angle brackets may be missing, as most servers allow.
///
/// # Errors
/// The first [`PathError`] met.
pub fn reverse_path(argument: &[u8]) -> Result<(ReversePath, &[u8]), PathError> {
    if let Some(rest) = argument.strip_prefix(b"<>") {
        let end = Cursor { bytes: rest, at: 0 };
        return Ok((ReversePath::Null, end.parameters()?));
    }
    let (mailbox, rest) = path(argument)?;
    Ok((ReversePath::Mailbox(mailbox), rest))
}

/// Reads the forward-path at the start of `argument` and returns it with what follows, as [`reverse_path`].
///
/// # Errors
/// The first [`PathError`] met.
pub fn forward_path(argument: &[u8]) -> Result<(ForwardPath, &[u8]), PathError> {
    const POSTMASTER: &[u8] = b"postmaster";
    let bracketed = argument.first() == Some(&b'<');
    let start = usize::from(bracketed);
    let end = start + POSTMASTER.len();
    if argument
        .get(start..end)
        .is_some_and(|name| name.eq_ignore_ascii_case(POSTMASTER))
    {
        let mut cursor = Cursor {
            bytes: argument,
            at: end,
        };
        let closed = !bracketed || cursor.eat(b'>');
        if closed && let Ok(rest) = cursor.parameters() {
            return Ok((ForwardPath::Postmaster, rest));
        }
    }
    let error = match path(argument) {
        Ok((mailbox, rest)) => return Ok((ForwardPath::Mailbox(mailbox), rest)),
        Err(error) => error,
    };
    match local_part_alone(argument) {
        Some((local_part, rest)) if error == PathError::Syntax => {
            Ok((ForwardPath::WithoutDomain(local_part.into()), rest))
        }
        _ => Err(error),
    }
}

/// `"<" Local-part ">"`, or nothing but a local-part without brackets.
fn local_part_alone(argument: &[u8]) -> Option<(&str, &[u8])> {
    let mut cursor = Cursor {
        bytes: argument,
        at: 0,
    };
    let bracketed = cursor.eat(b'<');
    let start = cursor.at;
    cursor.local_part().ok()?;
    let local_part = str::from_utf8(&argument[start..cursor.at]).ok()?;
    let closed = !bracketed || cursor.eat(b'>');
    let rest = cursor.parameters().ok()?;
    let is_alone = closed && (bracketed || rest.is_empty());
    (is_alone && !local_part.chars().any(ends_line)).then_some((local_part, rest))
}

/// `Path = "<" [ A-d-l ":" ] Mailbox ">"`, or a mailbox without brackets.
fn path(argument: &[u8]) -> Result<(Mailbox, &[u8]), PathError> {
    let mut cursor = Cursor {
        bytes: argument,
        at: 0,
    };
    let bracketed = cursor.eat(b'<');
    if bracketed && cursor.peek() == Some(b'@') {
        cursor.source_route()?;
    }
    let mailbox = cursor.mailbox()?;
    if bracketed {
        cursor.require(b'>')?;
    }
    let unwritten_brackets = if bracketed { 0 } else { 2 };
    // As A-labels, by which it is known here, it must not be longer than anybody may write it. In ASCII it is as written.
    let is_too_long_with_a_labels = !mailbox.is_ascii()
        && "<@>".len() + mailbox.at + mailbox.ascii_domain().len() > PATH_BYTES_MAX;
    if cursor.at + unwritten_brackets > PATH_BYTES_MAX || is_too_long_with_a_labels {
        return Err(PathError::TooLong);
    }
    let rest = cursor.parameters()?;
    Ok((mailbox, rest))
}

/// A place in an address that is being read.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn eat_while(&mut self, accepted: fn(u8) -> bool) -> &'a [u8] {
        let start = self.at;
        while self.peek().is_some_and(accepted) {
            self.at += 1;
        }
        &self.bytes[start..self.at]
    }

    fn require(&mut self, byte: u8) -> Result<(), PathError> {
        if self.eat(byte) {
            Ok(())
        } else {
            Err(self.error())
        }
    }

    /// The fault at this place.
    fn error(&self) -> PathError {
        if self.peek().is_some_and(|byte| !byte.is_ascii()) {
            PathError::NonAscii
        } else {
            PathError::Syntax
        }
    }

    /// Takes what follows a path: the end of the command, or a space and parameters.
    fn parameters(&self) -> Result<&'a [u8], PathError> {
        match self.peek() {
            None | Some(b' ') => Ok(&self.bytes[self.at..]),
            Some(_) => Err(self.error()),
        }
    }

    /// `A-d-l ":"`, as in `<@a,@b:c@d>`. It must be read, and should be ignored (RFC 5321 §3.6.1).
    fn source_route(&mut self) -> Result<(), PathError> {
        loop {
            self.require(b'@')?;
            // It is long obsolete: nobody writes one in UTF-8, and it is not kept to be looked at later.
            if !self.domain()?.is_ascii() {
                return Err(PathError::NonAscii);
            }
            if !self.eat(b',') {
                return self.require(b':');
            }
        }
    }

    fn mailbox(&mut self) -> Result<Mailbox, PathError> {
        let start = self.at;
        self.local_part()?;
        let at = self.at - start;
        self.require(b'@')?;
        let domain_start = self.at;
        let domain_bytes = self.domain()?.len();
        if domain_bytes > DOMAIN_BYTES_MAX {
            return Err(PathError::TooLong);
        }
        let bytes = &self.bytes[start..domain_start + domain_bytes];
        // What the grammar takes of ASCII ends no line.
        if let Some(text) = AddressText::from_ascii(bytes) {
            return Ok(Mailbox { text, at });
        }
        let text = str::from_utf8(bytes).map_err(|_| PathError::NonAscii)?;
        if text.chars().any(ends_line) {
            return Err(PathError::NonAscii);
        }
        let text = text.into();
        Ok(Mailbox { text, at })
    }

    /// `Local-part = Dot-string / Quoted-string`. Dots may stand anywhere, also where a Dot-string has none: there are such
    /// addresses, and most servers take them.
    fn local_part(&mut self) -> Result<(), PathError> {
        if self.eat(b'"') {
            return self.quoted_string();
        }
        if self.eat_while(is_unquoted).is_empty() {
            return Err(self.error());
        }
        Ok(())
    }

    /// The rest of a quoted-string whose opening quote was read: `qtextSMTP`, and `quoted-pairSMTP`, which is printable
    /// ASCII or a space.
    fn quoted_string(&mut self) -> Result<(), PathError> {
        loop {
            self.eat_while(|byte| {
                !byte.is_ascii() || is_printable(byte) && byte != b'"' && byte != b'\\'
            });
            if self.eat(b'"') {
                return Ok(());
            }
            self.require(b'\\')?;
            if !self.peek().is_some_and(is_printable) {
                return Err(self.error());
            }
            self.at += 1;
        }
    }

    /// `Domain / address-literal`, without the dot that may end a domain.
    fn domain(&mut self) -> Result<&'a [u8], PathError> {
        let start = self.at;
        if self.eat(b'[') {
            self.address_literal()?;
        } else {
            self.eat_while(|byte| !byte.is_ascii() || domain::is_ascii_octet(byte));
        }
        let domain = &self.bytes[start..self.at];
        if domain.starts_with(b"[") {
            return Ok(domain);
        }
        if domain.is_ascii() {
            let domain = domain.strip_suffix(b".").unwrap_or(domain);
            domain::check_ascii(domain)?;
            return Ok(domain);
        }
        let domain = str::from_utf8(domain).map_err(|_| PathError::NonAscii)?;
        let domain = domain::without_root(domain);
        domain::check(domain)?;
        Ok(domain.as_bytes())
    }

    /// The rest of an address literal whose opening bracket was read (RFC 5321 §4.1.3).
    fn address_literal(&mut self) -> Result<(), PathError> {
        let is_dcontent =
            |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'[' | b'\\' | b']');
        let literal = self.eat_while(is_dcontent);
        if !self.eat(b']') {
            return Err(self.error());
        }
        let text = str::from_utf8(literal).map_err(|_| PathError::Syntax)?;
        if is_address(text) {
            Ok(())
        } else {
            Err(PathError::Syntax)
        }
    }
}

/// `IPv4-address-literal / IPv6-address-literal / General-address-literal`, without the brackets.
fn is_address(literal: &str) -> bool {
    match literal.split_once(':') {
        None => literal.parse::<Ipv4Addr>().is_ok(),
        Some((tag, address)) if tag.eq_ignore_ascii_case("IPv6") => {
            address.parse::<Ipv6Addr>().is_ok()
        }
        Some((tag, content)) => {
            let ldh = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            !tag.is_empty() && tag.bytes().all(ldh) && !tag.ends_with('-') && !content.is_empty()
        }
    }
}
