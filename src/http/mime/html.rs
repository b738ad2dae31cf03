//! The text of HTML, for those who look for words in it: tests, searches, and lists of messages.

use std::borrow::Cow;

/// Elements whose content nobody sees.
const HIDDEN: [&str; 5] = ["head", "script", "style", "title", "noscript"];
/// Elements within a line.
const WITHIN_LINES: [&str; 14] = [
    "a", "abbr", "b", "big", "code", "em", "font", "i", "label", "s", "small", "span", "strong",
    "u",
];
/// Characters that have names, as far as mail uses them.
const NAMED: [(&str, &str); 22] = [
    ("amp", "&"),
    ("apos", "'"),
    ("bull", "\u{2022}"),
    ("cent", "\u{a2}"),
    ("copy", "\u{a9}"),
    ("euro", "\u{20ac}"),
    ("gt", ">"),
    ("hellip", "\u{2026}"),
    ("laquo", "\u{ab}"),
    ("ldquo", "\u{201c}"),
    ("lsquo", "\u{2018}"),
    ("lt", "<"),
    ("mdash", "\u{2014}"),
    ("nbsp", " "),
    ("ndash", "\u{2013}"),
    ("pound", "\u{a3}"),
    ("quot", "\""),
    ("raquo", "\u{bb}"),
    ("rdquo", "\u{201d}"),
    ("reg", "\u{ae}"),
    ("rsquo", "\u{2019}"),
    ("zwnj", ""),
];
/// The most octets of a reference to a character, `&` and `;` not counted.
const REFERENCE_BYTES_MAX: usize = 10;

/// The text of HTML: a line for each block, and the address of a link after its text unless it is that. Ends where it has this many octets.
pub(crate) fn text(html: &str, bytes_max: usize) -> String {
    let mut out = HtmlText::default();
    let mut rest = html;
    while let Some(at) = rest.find('<').filter(|_| out.text.len() < bytes_max) {
        out.add(&rest[..at]);
        rest = &rest[at..];
        match HtmlTag::read(rest) {
            Some((tag, after)) => {
                rest = after;
                if HIDDEN.contains(&&*tag.name) && !tag.is_end {
                    rest = after_end_tag(rest, &tag.name);
                } else {
                    out.add_tag(&tag);
                }
            }
            None => {
                out.add("<");
                rest = &rest[1..];
            }
        }
    }
    out.add(rest);
    let mut text = out.text.trim().to_owned();
    super::truncate(&mut text, bytes_max);
    text
}

/// A tag, a comment or a declaration; the latter two have no name.
struct HtmlTag<'a> {
    name: String,
    is_end: bool,
    attributes: &'a str,
}

impl<'a> HtmlTag<'a> {
    /// Reads the tag that begins here. Returns what follows it, too.
    fn read(html: &'a str) -> Option<(Self, &'a str)> {
        if let Some(comment) = html.strip_prefix("<!--") {
            let after = comment.split_once("-->").map_or("", |(_, after)| after);
            return Some((Self::nameless(), after));
        }
        let inner = &html[1..];
        let is_end = inner.starts_with('/');
        let inner = inner.strip_prefix('/').unwrap_or(inner);
        match inner.bytes().next()? {
            b'!' | b'?' => {
                let after = inner.split_once('>').map_or("", |(_, after)| after);
                return Some((Self::nameless(), after));
            }
            first if !first.is_ascii_alphabetic() => return None,
            _ => {}
        }
        let name_end = inner
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(inner.len());
        let (name, rest) = inner.split_at(name_end);
        let mut quote = None;
        let end = rest.bytes().position(|octet| {
            match (quote, octet) {
                (None, b'"' | b'\'') => quote = Some(octet),
                (Some(open), octet) if open == octet => quote = None,
                _ => {}
            }
            octet == b'>' && quote.is_none()
        });
        // A tag without an end hides all that follows, as browsers have it.
        let end = end.unwrap_or(rest.len());
        let tag = Self {
            name: name.to_ascii_lowercase(),
            is_end,
            attributes: &rest[..end],
        };
        Some((tag, rest.get(end + 1..).unwrap_or("")))
    }

    fn nameless() -> Self {
        Self {
            name: String::new(),
            is_end: false,
            attributes: "",
        }
    }

    /// The address that a link leads to.
    fn address(&self) -> Option<String> {
        let lower = self.attributes.to_ascii_lowercase();
        let at = lower.find("href")? + "href".len();
        let value = self.attributes[at..]
            .trim_start()
            .strip_prefix('=')?
            .trim_start();
        let value = match value.bytes().next()? {
            quote @ (b'"' | b'\'') => value[1..].split(char::from(quote)).next()?,
            _ => value.split_ascii_whitespace().next()?,
        };
        let address = decode_references(value).into_owned();
        let is_shown = address.get(..4)?.eq_ignore_ascii_case("http");
        is_shown.then_some(address)
    }
}

/// The text so far.
#[derive(Default)]
struct HtmlText {
    text: String,
    /// The address of the open link, and where in the text it began.
    link: Option<(String, usize)>,
    /// Blanks come before the next word.
    has_blank: bool,
}

impl HtmlText {
    fn add(&mut self, html: &str) {
        let decoded = decode_references(html);
        for piece in decoded.split_inclusive(char::is_whitespace) {
            let word = piece.trim_end();
            if !word.is_empty() {
                if self.has_blank && !self.text.is_empty() && !self.text.ends_with('\n') {
                    self.text.push(' ');
                }
                self.text.push_str(word);
                self.has_blank = false;
            }
            self.has_blank |= word.len() < piece.len();
        }
    }

    fn add_tag(&mut self, tag: &HtmlTag<'_>) {
        match &*tag.name {
            "" => {}
            "a" if tag.is_end => self.end_link(),
            "a" => self.link = tag.address().map(|address| (address, self.text.len())),
            "td" | "th" | "img" => self.has_blank = true,
            name if WITHIN_LINES.contains(&name) => {}
            _ if self.text.is_empty() || self.text.ends_with('\n') => {}
            _ => self.text.push('\n'),
        }
    }

    fn end_link(&mut self) {
        if let Some((address, start)) = self.link.take()
            && self.text.get(start..).map(str::trim) != Some(&*address)
        {
            self.text.push_str(&format!(" ( {address} )"));
        }
    }
}

/// Replaces references to characters, as `&amp;`, `&#233;` and `&#xe9;`. An unknown one stays.
fn decode_references(html: &str) -> Cow<'_, str> {
    if !html.contains('&') {
        return Cow::Borrowed(html);
    }
    let mut decoded = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find('&') {
        decoded.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let end = rest
            .bytes()
            .take(REFERENCE_BYTES_MAX + 1)
            .position(|octet| octet == b';');
        match end.and_then(|end| decode_reference(&rest[..end]).zip(rest.get(end + 1..))) {
            Some((character, after)) => {
                decoded.push_str(&character);
                rest = after;
            }
            None => decoded.push('&'),
        }
    }
    decoded.push_str(rest);
    Cow::Owned(decoded)
}

fn decode_reference(name: &str) -> Option<String> {
    let Some(number) = name.strip_prefix('#') else {
        let named = NAMED.iter().find(|(known, _)| *known == name)?;
        return Some(named.1.to_owned());
    };
    let code = match number.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => number.parse(),
    };
    char::from_u32(code.ok()?).map(String::from)
}

/// What follows the end tag of this name; nothing if there is none.
fn after_end_tag<'a>(html: &'a str, name: &str) -> &'a str {
    let mut rest = html;
    while let Some(at) = rest.find("</") {
        rest = &rest[at + 2..];
        if rest
            .get(..name.len())
            .is_some_and(|found| found.eq_ignore_ascii_case(name))
        {
            return rest.split_once('>').map_or("", |(_, after)| after);
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_becomes_lines_of_text() {
        for (html, expected) in [
            (
                "<p>Hello <b>W</b>orld</p>\r\n<p>and   you</p>",
                "Hello World\nand you",
            ),
            (
                "<html><head><title>T</title></head><body>x<br>y</body></html>",
                "x\ny",
            ),
            (
                "<style>p { a > b }</style><script>if (a<b) \"</p>\"</script>z",
                "z",
            ),
            ("<!-- > <p> -->a<!doctype html>b", "ab"),
            (
                "a &amp; b &lt;c&gt; &#233;&#xE9;&nbsp;d &unknown; &",
                "a & b <c> \u{e9}\u{e9} d &unknown; &",
            ),
            (
                "<a href=\"https://x/?a=1&amp;b\">click</a> now",
                "click ( https://x/?a=1&b ) now",
            ),
            ("<a href='https://x/'>https://x/</a>", "https://x/"),
            ("<A class=c HREF=https://x/>y</A>", "y ( https://x/ )"),
            ("<a href=\"mailto:a@x\">mail</a>", "mail"),
            ("<td>1</td><td>2</td>", "1 2"),
            ("1 < 2 <3", "1 < 2 <3"),
            ("a <img alt=\"x > y\"> b <p title='", "a b"),
            ("<script>open", ""),
        ] {
            assert_eq!(text(html, 1000), expected, "{html}");
        }
        assert_eq!(text("<p>caf\u{e9} au lait</p>", 4), "caf");
    }
}
