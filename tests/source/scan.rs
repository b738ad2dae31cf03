//! Rust's text, as far as these tests read it: comments and literals are blanked, tests are left out.

use std::fs;
use std::path::{Path, PathBuf};

/// One file of `src`.
pub(crate) struct Source {
    /// Its path below `src`, such as `net/channel.rs`.
    pub(crate) name: String,
    pub(crate) text: String,
    /// The text without comments, literals and tests; lines are where they were.
    pub(crate) code: String,
}

/// All files of `src`.
pub(crate) fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    paths.sort();
    let sources: Vec<Source> = paths
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path).unwrap();
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
            let code = if path.file_name().is_some_and(|name| name == "tests.rs") {
                String::new()
            } else {
                without_tests(&mask(&text))
            };
            Source {
                name: name.to_owned(),
                text,
                code,
            }
        })
        .collect();
    assert!(sources.len() > 50, "where are the sources?");
    sources
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// Blanks comments, strings and characters, so that braces and words in them count for nothing.
fn mask(text: &str) -> String {
    let octets = text.as_bytes();
    let mut masked = octets.to_vec();
    let mut at = 0;
    while at < octets.len() {
        let end = literal_end(octets, at);
        for octet in &mut masked[at..end] {
            if *octet != b'\n' {
                *octet = b' ';
            }
        }
        at = end.max(at + 1);
    }
    String::from_utf8(masked).unwrap()
}

/// The end of the comment or literal that begins at `at`; `at` itself where none does.
fn literal_end(octets: &[u8], at: usize) -> usize {
    let rest = &octets[at..];
    let find = |needle: &[u8], from: usize| {
        let found = rest[from..]
            .windows(needle.len())
            .position(|window| window == needle);
        found.map_or(octets.len(), |found| at + from + found + needle.len())
    };
    if rest.starts_with(b"//") {
        return find(b"\n", 0).saturating_sub(1);
    }
    if rest.starts_with(b"/*") {
        return find(b"*/", 2);
    }
    if rest.starts_with(b"r#\"") {
        return find(b"\"#", 3);
    }
    match rest {
        [b'"', ..] => {
            let mut end = at + 1;
            while end < octets.len() && octets[end] != b'"' {
                end += 1 + usize::from(octets[end] == b'\\');
            }
            end + 1
        }
        [b'\'', b'\\', _, ..] => find(b"'", 3),
        [b'\'', _, b'\'', ..] => at + 3,
        [b'\'', first, ..] if !first.is_ascii() => find(b"'", 1),
        _ => at,
    }
}

/// Blanks the items below `#[cfg(test)]`.
fn without_tests(masked: &str) -> String {
    let mut code = masked.to_owned();
    for marker in ["#[cfg(test)]", "#[cfg(all(test"] {
        while let Some(start) = code.find(marker) {
            let end = item_end(&code, start);
            let blank: String = code[start..end]
                .chars()
                .map(|c| if c == '\n' { '\n' } else { ' ' })
                .collect();
            code.replace_range(start..end, &blank);
        }
    }
    code
}

/// The end of the item that begins at `start`: its semicolon, or its closing brace.
fn item_end(code: &str, start: usize) -> usize {
    let mut depth = 0;
    for (offset, c) in code[start..].char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' => depth -= 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return start + offset + 1;
                }
            }
            ';' if depth == 0 => return start + offset + 1,
            _ => {}
        }
    }
    code.len()
}

/// A function with a body.
pub(crate) struct Function {
    pub(crate) name: String,
    /// The line of its `fn`, counted from 1.
    pub(crate) line: usize,
    /// Lines from its `fn` to its closing brace.
    pub(crate) lines: usize,
}

/// The functions of a source, outside of tests.
pub(crate) fn functions(source: &Source) -> Vec<Function> {
    let code = &source.code;
    let mut functions = Vec::new();
    for (start, _) in code.match_indices("fn ") {
        let is_word = code[..start].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let name: String = code[start + 3..]
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        if is_word || name.is_empty() {
            continue;
        }
        let end = item_end(code, start);
        if code[..end].ends_with('}') {
            let lines = code[start..end].matches('\n').count() + 1;
            let line = code[..start].matches('\n').count() + 1;
            functions.push(Function { name, line, lines });
        }
    }
    functions
}

/// The first lines of doc comments, each with its line number.
pub(crate) fn doc_blocks(source: &Source) -> Vec<(usize, &str)> {
    let mut blocks = Vec::new();
    let mut before = None;
    for (number, line) in source.text.lines().enumerate() {
        let line = line.trim_start();
        let kind = ["///", "//!"]
            .into_iter()
            .find(|kind| line.starts_with(kind));
        if let Some(kind) = kind
            && before != Some(kind)
        {
            blocks.push((number + 1, line[kind.len()..].trim()));
        }
        before = kind;
    }
    blocks
}
