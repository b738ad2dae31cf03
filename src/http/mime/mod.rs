//! MIME (RFC 2045 to 2049), for a message that somebody looks at; nothing here runs when one is received.
//!
//! A [`MimeMessage`] borrows from the text: one pass finds its parts, and a part is decoded only when its content is asked for. All
//! of it is bounded, since whoever sends mail chooses the text: the fields of a section, the parts, their depth, and the lines that
//! may be delimiters. Nothing is an error: a broken message is read as far as it can be.

mod addresses;
mod charset;
pub(crate) mod date;
mod fields;
mod html;
mod parameters;
mod part;
mod transfer;
mod words;

pub(crate) use addresses::{NamedAddress, read as read_addresses};
pub(crate) use fields::{HeaderField, HeaderSection};
pub(crate) use html::text as text_of_html;
pub(crate) use part::MimePart;

/// The most parts of a message; text after them belongs to the last one.
const PARTS_MAX: usize = 1_000;
/// The most multiparts within each other; a deeper one is a part without parts.
const DEPTH_MAX: usize = 20;
/// The most lines that begin as delimiters do, of which most messages have few; text after them belongs to the last part.
const DELIMITERS_MAX: usize = 100_000;
/// The most octets of decoded text, or of HTML, that are shown of a message.
pub(crate) const TEXT_BYTES_MAX: usize = 8 << 20;

/// A message, taken apart.
#[derive(Debug)]
pub(crate) struct MimeMessage<'a> {
    /// All parts that have no parts, in their order.
    parts: Vec<MimePart<'a>>,
    /// Whether the message offers its text in several forms.
    is_alternative: bool,
}

impl<'a> MimeMessage<'a> {
    /// Takes a message apart.
    pub(crate) fn read(text: &'a [u8]) -> Self {
        let (fields, body) = HeaderSection::split(text);
        let root = MimePart::new("0".to_owned(), &fields, text, body);
        let mut message = Self {
            is_alternative: root.media_type == "multipart/alternative",
            parts: Vec::new(),
        };
        match root.boundary() {
            Some(boundary) => PartReader::new(body, boundary, DEPTH_MAX).read(&mut message.parts),
            None => message.parts.push(root),
        }
        message
    }

    /// The part of this id.
    pub(crate) fn part(&self, id: &str) -> Option<&MimePart<'a>> {
        self.parts.iter().find(|part| part.id == id)
    }

    /// The parts that are kept in files.
    pub(crate) fn attachments(&self) -> impl Iterator<Item = &MimePart<'a>> {
        self.parts.iter().filter(|part| part.is_attachment())
    }

    /// The parts that belong into the text, as its images.
    pub(crate) fn inline(&self) -> impl Iterator<Item = &MimePart<'a>> {
        self.parts.iter().filter(|part| part.is_inline())
    }

    /// The images that HTML can name by their content ids.
    pub(crate) fn images(&self) -> impl Iterator<Item = &MimePart<'a>> {
        let parts = self.parts.iter();
        parts.filter(|part| part.media_type.starts_with("image/") && !part.content_id.is_empty())
    }

    /// The plain text, at most so many octets of it; that of the HTML if there is no other.
    pub(crate) fn text(&self, bytes_max: usize) -> String {
        let text = self.plain_text(bytes_max);
        if text.is_empty() {
            return text_of_html(&self.html(bytes_max), bytes_max);
        }
        text
    }

    /// The plain text, at most so many octets of it; empty where there is none.
    pub(crate) fn plain_text(&self, bytes_max: usize) -> String {
        let plain = self.parts.iter().filter(|part| part.is_text("text/plain"));
        let parts = plain.take(if self.is_alternative { 1 } else { PARTS_MAX });
        let mut text = String::new();
        for (position, part) in parts.enumerate() {
            if position > 0 {
                text.push_str("\n--\n");
            }
            text.push_str(&part.text(bytes_max.saturating_sub(text.len())));
        }
        text
    }

    /// The HTML, at most so many octets of it; empty where there is none.
    pub(crate) fn html(&self, bytes_max: usize) -> String {
        let part = self.parts.iter().find(|part| part.is_text("text/html"));
        part.map(|part| part.text(bytes_max)).unwrap_or_default()
    }
}

/// Cuts a text to at most so many octets.
pub(crate) fn truncate(text: &mut String, bytes_max: usize) {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
}

/// The parts of a part, which may be multiparts themselves. `None` for a part that has none.
pub(crate) fn parts_of<'a>(part: &MimePart<'a>) -> Option<Vec<MimePart<'a>>> {
    let mut parts = Vec::new();
    PartReader::new(part.body, part.boundary()?, 1).read(&mut parts);
    Some(parts)
}

/// A multipart that is being read.
struct OpenMultipart {
    /// The text of its delimiters, after the two hyphens.
    boundary: Vec<u8>,
    /// The id, up to where the number of a part follows.
    prefix: String,
    /// The parts so far.
    count: usize,
}

/// Finds the parts of a multipart in one pass over its lines, however deep they are.
struct PartReader<'a> {
    body: &'a [u8],
    /// The multiparts that are open here, the innermost last.
    open: Vec<OpenMultipart>,
    depth_max: usize,
    /// The part whose end is not found yet.
    current: Option<MimePart<'a>>,
}

impl<'a> PartReader<'a> {
    fn new(body: &'a [u8], boundary: Vec<u8>, depth_max: usize) -> Self {
        Self {
            body,
            open: vec![OpenMultipart {
                boundary,
                prefix: String::new(),
                count: 0,
            }],
            depth_max,
            current: None,
        }
    }

    fn read(mut self, parts: &mut Vec<MimePart<'a>>) {
        let mut at = 0;
        for _ in 0..DELIMITERS_MAX {
            let Some(line) = self
                .next_hyphens(at)
                .filter(|_| parts.len() + 1 < PARTS_MAX)
            else {
                break;
            };
            let line_end = memchr::memchr(b'\n', &self.body[line..]);
            let line_end = line_end.map_or(self.body.len(), |end| line + end + 1);
            at = line_end;
            let Some((depth, is_last)) = self.match_delimiter(&self.body[line + 2..line_end])
            else {
                continue;
            };
            self.close_part(line, parts);
            self.open.truncate(depth + 1);
            if is_last {
                self.open.pop();
            } else {
                at = self.open_part(line_end);
            }
            if self.open.is_empty() {
                return;
            }
        }
        self.close_part(self.body.len(), parts);
    }

    /// Finds the next line that begins with two hyphens.
    fn next_hyphens(&self, at: usize) -> Option<usize> {
        if self.body[at..].starts_with(b"--") {
            return Some(at);
        }
        memchr::memmem::find(&self.body[at..], b"\n--").map(|found| at + found + 1)
    }

    /// Finds the open multipart whose delimiter this line is, and whether it is its last.
    fn match_delimiter(&self, line: &[u8]) -> Option<(usize, bool)> {
        let line = line.trim_ascii_end();
        let delimiters = self.open.iter().enumerate().rev();
        let mut found = delimiters.filter_map(|(depth, multipart)| {
            match line.strip_prefix(&*multipart.boundary)? {
                b"" => Some((depth, false)),
                b"--" => Some((depth, true)),
                _ => None,
            }
        });
        found.next()
    }

    /// Begins the next part of the innermost multipart. Returns where its body begins.
    fn open_part(&mut self, start: usize) -> usize {
        let Some(multipart) = self.open.last_mut() else {
            return start;
        };
        multipart.count += 1;
        let id = format!("{}{}", multipart.prefix, multipart.count);
        let source = &self.body[start..];
        let (fields, body) = HeaderSection::split(source);
        let part = MimePart::new(id, &fields, source, body);
        match part.boundary().filter(|_| self.open.len() < self.depth_max) {
            Some(boundary) => self.open.push(OpenMultipart {
                boundary,
                prefix: format!("{}.", part.id),
                count: 0,
            }),
            None => self.current = Some(part),
        }
        self.body.len() - body.len()
    }

    /// Ends the current part before this line. The end of the line before it belongs to the delimiter (RFC 2046 §5.1.1).
    fn close_part(&mut self, line: usize, parts: &mut Vec<MimePart<'a>>) {
        if let Some(mut part) = self.current.take() {
            let length = (part.source.len() + line).saturating_sub(self.body.len());
            let head = part.source.len() - part.body.len();
            let source = &part.source[..length];
            let is_cut = line == self.body.len();
            let source = if is_cut {
                source
            } else {
                without_line_end(source)
            };
            part.body = source.get(head..).unwrap_or_default();
            part.source = source;
            parts.push(part);
        }
    }
}

fn without_line_end(body: &[u8]) -> &[u8] {
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    body.strip_suffix(b"\r").unwrap_or(body)
}

#[cfg(test)]
#[allow(clippy::panic, clippy::unwrap_used)]
mod tests;
