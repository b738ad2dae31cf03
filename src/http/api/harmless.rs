//! HTML of a message without elements that connect to a server by their mere presence.
//!
//! The policy of a page keeps a browser from asking for what is in it. But Chromium opens a connection for a frame before it looks at the
//! policy, and hints of a `link` may have any browser do so: their server would learn who reads, and when.

/// The elements, by the begin of their names.
const CONNECTING: [&str; 6] = ["iframe", "frame", "fencedframe", "object", "embed", "link"];

/// The HTML, in which such an element has a name that means nothing. A tag begins with `<` and its name, wherever it stands.
pub(super) fn without_connections(html: &str) -> String {
    let mut harmless = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at + 1);
        harmless.push_str(before);
        let begins = |name: &str| {
            let begin = tag.as_bytes().get(..name.len());
            begin.is_some_and(|begin| begin.eq_ignore_ascii_case(name.as_bytes()))
        };
        if CONNECTING.iter().any(|name| begins(name)) {
            harmless.push_str("x-");
        }
        rest = tag;
    }
    harmless + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_and_hints_are_no_such_elements_any_more() {
        for (html, harmless) in [
            ("<p>a < b</p>", "<p>a < b</p>"),
            ("<iframe src=x>", "<x-iframe src=x>"),
            ("<<IFrame/src=x>", "<<x-IFrame/src=x>"),
            ("<a title='<link '>", "<a title='<x-link '>"),
            ("<object><embed>é<", "<x-object><x-embed>é<"),
            ("< iframe>", "< iframe>"),
            ("<é", "<é"),
        ] {
            assert_eq!(without_connections(html), harmless);
        }
    }
}
