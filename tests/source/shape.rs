//! The shape of the source: how long functions and files are, how docs begin, and that a type's name is used once.

use std::collections::BTreeMap;

use super::scan::{doc_blocks, functions, sources};

const FUNCTION_LINES_MAX: usize = 70;
const FUNCTION_LINES_P99_MAX: usize = 50;
const FILE_LINES_MAX: usize = 400;
/// A doc block stands alone in rustdoc: what it is about is not said before it.
const HANGING_WORDS: [&str; 18] = [
    "It", "This", "That", "These", "Those", "They", "What", "Where", "Who", "Whoever", "Whom",
    "Whose", "Which", "When", "How", "As", "The same", "Such",
];
const HANGING_PERCENT_MAX: f64 = 7.0;

#[test]
fn functions_and_files_fit_on_a_few_screens() {
    let mut lengths = Vec::new();
    let mut long = Vec::new();
    for source in sources() {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            long.push(format!("{}: {lines} lines", source.name));
        }
        for function in functions(&source) {
            lengths.push(function.lines);
            if function.lines > FUNCTION_LINES_MAX {
                let place = format!("{}:{}", source.name, function.line);
                long.push(format!(
                    "{place} {}: {} lines",
                    function.name, function.lines
                ));
            }
        }
    }
    assert!(long.is_empty(), "{long:#?}");
    lengths.sort_unstable();
    assert!(lengths.len() > 1000, "where are the functions?");
    let p99 = lengths[lengths.len() * 99 / 100];
    assert!(p99 <= FUNCTION_LINES_P99_MAX, "p99 is {p99} lines");
}

#[test]
fn docs_stand_alone() {
    let (mut blocks, mut hanging) = (0, Vec::new());
    for source in sources() {
        for (line, text) in doc_blocks(&source) {
            blocks += 1;
            let begins = |word: &&str| {
                let rest = text.strip_prefix(*word);
                rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()))
            };
            if HANGING_WORDS.iter().any(begins) {
                hanging.push(format!("{}:{line}: {text}", source.name));
            }
        }
    }
    let percent = 100.0 * hanging.len() as f64 / f64::from(blocks);
    assert!(
        percent < HANGING_PERCENT_MAX,
        "{percent:.1} % of {blocks} begin with what was said before: {hanging:#?}"
    );
}

#[test]
fn a_types_name_is_used_once() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in sources() {
        for line in source.code.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            // Associated types are indented; what is declared at the margin is an item of the module.
            let is_item = !line.starts_with(' ');
            let kind = words
                .iter()
                .position(|word| matches!(*word, "struct" | "enum" | "trait" | "type"));
            let Some(kind) = kind.filter(|at| is_item && *at <= 1) else {
                continue;
            };
            let name: String = words
                .get(kind + 1)
                .map(|name| name.chars().take_while(|c| c.is_alphanumeric()).collect())
                .unwrap_or_default();
            places.entry(name).or_default().push(source.name.clone());
        }
    }
    assert!(places.len() > 200, "where are the types?");
    places.retain(|_, places| places.len() > 1);
    assert!(places.is_empty(), "{places:#?}");
}

#[test]
fn there_is_one_poll() {
    let polls: Vec<String> = sources()
        .iter()
        .filter(|source| source.code.contains("Poll::new"))
        .map(|source| source.name.clone())
        .collect();
    assert_eq!(polls, ["net/poller.rs"]);
}
