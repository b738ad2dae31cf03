//! Arrows between modules, computed from `use` and `crate::` paths: one way only, and only those that are allowed.

use std::collections::{BTreeMap, BTreeSet};

use super::scan::{Source, sources};

/// The folders and files just below the crate that each may name. `main`, `lib`, `serve` and `cli` put everything together.
const ALLOWED: &[(&str, &[&str])] = &[
    ("net", &[]),
    ("smtp", &[]),
    ("store", &["json", "smtp"]),
    ("stream", &["json", "net", "outbound", "smtp", "store"]),
    ("inbound", &["filters", "net", "smtp", "store"]),
    ("outbound", &["net", "smtp", "store"]),
    ("control", &["net", "smtp", "store"]),
    ("http", &["json", "net", "smtp", "store"]),
    ("json", &[]),
    ("judge", &["json", "smtp"]),
    ("filters", &["milter", "net", "smtp", "store"]),
    ("milter", &["smtp"]),
    (
        "server",
        &[
            "control", "filters", "http", "inbound", "logging", "net", "outbound", "smtp", "store",
            "stream",
        ],
    ),
    (
        "tools",
        &[
            "control", "exit", "json", "judge", "machine", "net", "smtp", "store", "terminal",
        ],
    ),
    (
        "trace",
        &["exit", "inbound", "json", "net", "observe", "smtp"],
    ),
    ("logging", &[]),
    ("exit", &[]),
];

/// The module of a file: its path without `mod`, as in `net::channel`.
fn module_of(name: &str) -> String {
    let name = name.trim_end_matches(".rs").trim_end_matches("/mod");
    name.replace('/', "::")
}

/// The paths that code names, from `use` trees and in expressions, seen from `module`; without those of other crates.
fn paths(code: &str, module: &str) -> Vec<String> {
    let mut found = Vec::new();
    for prefix in ["crate::", "super::", "self::"] {
        for (start, _) in code.match_indices(prefix) {
            let before = code[..start].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '$')) {
                continue;
            }
            for path in tree(&code[start..]) {
                found.push(absolute(&path, module));
            }
        }
    }
    found
}

/// The paths of a use tree, or the one path, at the start of `text`.
fn tree(text: &str) -> Vec<String> {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':');
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    let path = text[..end].to_owned();
    if !path.ends_with("::") || !text[end..].starts_with('{') {
        return vec![path];
    }
    let mut depth = 0;
    let mut start = end + 1;
    let mut paths = Vec::new();
    for (offset, c) in text[end..].char_indices() {
        let at = end + offset;
        match c {
            '{' => depth += 1,
            ',' | '}' if depth == 1 => {
                let inner = text[start..at].trim();
                paths.extend(tree(inner).iter().map(|inner| format!("{path}{inner}")));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    paths
}

/// A path from the crate's root.
fn absolute(path: &str, module: &str) -> String {
    let mut at: Vec<&str> = module.split("::").collect();
    let mut parts: Vec<&str> = path.split("::").filter(|part| !part.is_empty()).collect();
    while let Some(first) = parts.first() {
        match *first {
            "crate" => at.clear(),
            "super" => drop(at.pop()),
            "self" => {}
            _ => break,
        }
        parts.remove(0);
    }
    at.extend(parts);
    at.join("::")
}

/// The modules that each module names. A child that names something of the modules it is a part of makes no arrow.
fn arrows(sources: &[Source]) -> BTreeMap<String, BTreeSet<String>> {
    let modules: BTreeSet<String> = sources
        .iter()
        .map(|source| module_of(&source.name))
        .collect();
    let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources {
        let module = module_of(&source.name);
        for path in paths(&source.code, &module) {
            let mut to = path.as_str();
            while !modules.contains(to) {
                let Some((parent, _)) = to.rsplit_once("::") else {
                    to = "";
                    break;
                };
                to = parent;
            }
            let is_part_of = module == to || module.starts_with(&format!("{to}::"));
            if !to.is_empty() && !is_part_of {
                arrows
                    .entry(module.clone())
                    .or_default()
                    .insert(to.to_owned());
            }
        }
    }
    arrows
}

#[test]
fn no_two_modules_import_each_other_directly_or_around() {
    let arrows = arrows(&sources());
    assert!(arrows.len() > 50, "where are the arrows? {arrows:?}");
    let mut cycles = Vec::new();
    for start in arrows.keys() {
        let mut reached: BTreeSet<&str> = BTreeSet::new();
        let mut open: Vec<&str> = vec![start];
        while let Some(module) = open.pop() {
            for next in arrows.get(module).into_iter().flatten() {
                if reached.insert(next) {
                    open.push(next);
                }
            }
        }
        if reached.contains(start.as_str()) {
            cycles.push(start);
        }
    }
    assert!(cycles.is_empty(), "these reach themselves: {cycles:?}");
}

#[test]
fn each_part_names_only_what_is_below_it() {
    let arrows = arrows(&sources());
    let top = |module: &str| module.split("::").next().unwrap_or_default().to_owned();
    let mut wrong = Vec::new();
    for (from, to) in &arrows {
        let Some((_, allowed)) = ALLOWED.iter().find(|(part, _)| *part == top(from)) else {
            continue;
        };
        for to in to.iter().filter(|to| top(to) != top(from)) {
            if !allowed.contains(&top(to).as_str()) {
                wrong.push(format!("{from} → {to}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
