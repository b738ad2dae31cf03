//! Message data on the wire: finding its end and taking out the dots that hide it (RFC 5321 §4.5.2).

use memchr::memchr2;

use super::line::BareNewline;

/// The line that ends a message in the classroom dialect, beside the lone dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndText(Box<str>);

impl EndText {
    /// The most octets of such a line.
    pub const BYTES_MAX: usize = 200;

    /// A line of printable ASCII that does not begin with a dot, so that dot-stuffing cannot touch it; `None`
    /// for any other text.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let fits = (1..=Self::BYTES_MAX).contains(&text.len());
        let printable = text
            .bytes()
            .all(|byte| byte == b' ' || byte.is_ascii_graphic());
        (fits && printable && !text.starts_with('.')).then(|| Self(text.into()))
    }

    /// The line, without its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// A line end of which only one half is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bare {
    /// An LF without its CR.
    Lf,
    /// A CR without its LF.
    Cr,
}

impl Bare {
    /// Applies a rule to it: it is text, or an error.
    pub(super) fn read(self, bare_newline: BareNewline) -> Piece<'static> {
        match (self, bare_newline) {
            (_, BareNewline::Reject) => Piece::Bare(self),
            (Self::Lf, BareNewline::Normalize | BareNewline::Accept) => Piece::Text(CRLF),
            (Self::Cr, BareNewline::Normalize) => Piece::Text(b" "),
            (Self::Cr, BareNewline::Accept) => Piece::Text(b"\r"),
        }
    }
}

/// A decoded piece of the input.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// All input is used.
    NeedInput,
    /// Message text. Its lines end in CRLF, and no CRLF is split over two pieces.
    Text(&'a [u8]),
    /// Half a line end, where that is an error.
    Bare(Bare),
    /// The end of the message; what is left of the input is the next command.
    End,
}

/// The rules by which data is decoded.
#[derive(Clone, Copy, Debug)]
pub struct DataRules<'a> {
    /// The meaning of a bare LF. A bare CR is an error where a bare LF is one.
    pub bare_newline: BareNewline,
    /// Another line that ends the message.
    pub end_text: Option<&'a EndText>,
}

/// Decodes one message from input that may be split anywhere. There is this one end detector for every
/// message, kept or refused: its places do not depend on what becomes of the text.
#[derive(Debug)]
pub struct DataDecoder {
    state: DataState,
    has_bare_dot: bool,
}

/// The position of the next octet in the message. Octets already taken that may yet turn out to be an end are known
/// from the state, so none is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DataState {
    /// Behind a CRLF or at the very start: only here a dot is no text.
    LineStart,
    /// Anywhere else in a line.
    InLine,
    /// Behind a bare LF that is no end of a line by which a message could end.
    AfterBareLf,
    /// Behind a dot there. Both are passed on as text.
    AfterBareDot,
    /// Behind a CR not yet passed on.
    AfterCr,
    /// Behind the dot at the start of a line.
    AfterDot,
    /// Behind that dot and a CR.
    AfterDotCr,
    /// Behind the first so many octets of the end text, at the start of a line.
    InEndText(usize),
    /// Behind the whole end text and a CR.
    AfterEndTextCr,
}

pub(super) const CRLF: &[u8] = b"\r\n";

impl DataDecoder {
    /// A decoder at the start of a message, which is the start of a line.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: DataState::LineStart,
            has_bare_dot: false,
        }
    }

    /// Whether a dot has come alone between bare LFs. It ends no message, yet whoever types one waits for a reply.
    #[must_use]
    pub fn has_bare_dot(&self) -> bool {
        self.has_bare_dot
    }

    /// Takes the next piece off `input`.
    pub fn next<'a, 'i: 'a>(&mut self, input: &mut &'i [u8], rules: DataRules<'a>) -> Piece<'a> {
        let lf_ends_line = rules.bare_newline == BareNewline::Accept;
        while let Some(&byte) = input.first() {
            let take = |input: &mut &'i [u8]| *input = &input[1..];
            match (self.state, byte) {
                (DataState::LineStart, b'.') => {
                    take(input);
                    self.state = DataState::AfterDot;
                }
                (DataState::LineStart, _)
                    if rules.end_text.is_some_and(|text| text.bytes()[0] == byte) =>
                {
                    take(input);
                    self.state = DataState::InEndText(1);
                }
                (DataState::AfterBareLf, b'.') => {
                    take(input);
                    self.state = DataState::AfterBareDot;
                    return Piece::Text(b".");
                }
                (DataState::AfterBareDot, b'\n') => {
                    take(input);
                    self.has_bare_dot = true;
                    return self.bare_lf(rules);
                }
                (
                    DataState::LineStart
                    | DataState::InLine
                    | DataState::AfterBareLf
                    | DataState::AfterBareDot,
                    _,
                ) => match self.text(input, rules) {
                    Piece::NeedInput => {}
                    piece => return piece,
                },
                (DataState::AfterCr, b'\n') => {
                    take(input);
                    self.state = DataState::LineStart;
                    return Piece::Text(CRLF);
                }
                (DataState::AfterDot, b'\r') => {
                    take(input);
                    self.state = DataState::AfterDotCr;
                }
                (DataState::AfterDotCr | DataState::AfterEndTextCr, b'\n') => {
                    take(input);
                    return Piece::End;
                }
                (DataState::AfterDot, b'\n') if lf_ends_line => {
                    take(input);
                    return Piece::End;
                }
                // RFC 5321 §4.5.2: a dot followed by other characters on its line is deleted.
                (DataState::AfterDot, _) => self.state = DataState::InLine,
                (DataState::AfterCr | DataState::AfterDotCr, _) => return self.bare_cr(rules),
                (DataState::InEndText(_) | DataState::AfterEndTextCr, _) => {
                    if let Some(piece) = self.end_text(input, byte, rules) {
                        return piece;
                    }
                }
            }
        }
        Piece::NeedInput
    }

    /// The longest run of text at the start of `input`, over as many lines as are plain.
    fn text<'a, 'i: 'a>(&mut self, input: &mut &'i [u8], rules: DataRules<'a>) -> Piece<'a> {
        let bytes = *input;
        let mut from = 0;
        let (length, state) = loop {
            let Some(found) = memchr2(b'\r', b'\n', &bytes[from..]) else {
                break (bytes.len(), DataState::InLine);
            };
            let at = from + found;
            let behind = bytes.get(at + 1);
            if bytes[at] == b'\r' && behind == Some(&b'\n') {
                from = at + CRLF.len();
                match bytes.get(from) {
                    Some(b'.') | None => break (from, DataState::LineStart),
                    Some(_) if rules.end_text.is_some() => break (from, DataState::LineStart),
                    Some(_) => {
                        from += plain_run(&bytes[from..]);
                        continue;
                    }
                }
            }
            if at > 0 {
                break (at, DataState::InLine);
            }
            *input = &bytes[1..];
            if bytes[at] == b'\n' {
                return self.bare_lf(rules);
            }
            self.state = DataState::AfterCr;
            return Piece::NeedInput;
        };
        let (text, rest) = bytes.split_at(length);
        *input = rest;
        self.state = state;
        Piece::Text(text)
    }

    fn bare_lf(&mut self, rules: DataRules<'_>) -> Piece<'static> {
        self.state = match rules.bare_newline {
            BareNewline::Accept => DataState::LineStart,
            // The line behind it does not begin behind a CRLF: a dot there is text and ends nothing.
            BareNewline::Normalize | BareNewline::Reject => DataState::AfterBareLf,
        };
        Bare::Lf.read(rules.bare_newline)
    }

    fn bare_cr(&mut self, rules: DataRules<'_>) -> Piece<'static> {
        self.state = DataState::InLine;
        Bare::Cr.read(rules.bare_newline)
    }

    /// Goes on with a line that has been the end text so far; if it is not, what was held back is text.
    fn end_text<'a, 'i: 'a>(
        &mut self,
        input: &mut &'i [u8],
        byte: u8,
        rules: DataRules<'a>,
    ) -> Option<Piece<'a>> {
        let text = rules.end_text.map_or(&[][..], EndText::bytes);
        match self.state {
            DataState::InEndText(matched) if text.get(matched) == Some(&byte) => {
                self.state = DataState::InEndText(matched + 1);
            }
            DataState::InEndText(matched) if matched == text.len() && byte == b'\r' => {
                self.state = DataState::AfterEndTextCr;
            }
            DataState::InEndText(matched) if matched == text.len() && byte == b'\n' => {
                *input = &input[1..];
                return Some(Piece::End);
            }
            DataState::InEndText(matched) => {
                self.state = DataState::InLine;
                return Some(Piece::Text(&text[..matched]));
            }
            _ => {
                self.state = DataState::AfterCr;
                return Some(Piece::Text(text));
            }
        }
        *input = &input[1..];
        None
    }
}

/// The octets that [`plain_run`] looks at together.
const BLOCK_BYTES: usize = 128;

/// Counts the octets of plain text at the start of `bytes`, where a line begins without a dot. It may be fewer than there
/// are, in whole blocks: most messages are little else, and a block takes no branch, however many lines it has.
fn plain_run(bytes: &[u8]) -> usize {
    let mut length = 0;
    while let Some(block) = bytes[length..].first_chunk()
        && is_plain(block)
    {
        // No CRLF is split.
        length += BLOCK_BYTES - usize::from(block[BLOCK_BYTES] == b'\n');
    }
    length
}

/// Whether every CR of a block is followed by an LF, and every LF comes behind a CR and has no dot behind it. The last
/// octet is only looked at for what is before it.
fn is_plain(block: &[u8; BLOCK_BYTES + 1]) -> bool {
    let mut odd = block[0] == b'\n';
    for (byte, behind) in block[..BLOCK_BYTES].iter().zip(&block[1..]) {
        odd |= (*byte == b'\r') != (*behind == b'\n');
        odd |= (*byte == b'\n') & (*behind == b'.');
    }
    !odd
}

impl Default for DataDecoder {
    fn default() -> Self {
        Self::new()
    }
}
