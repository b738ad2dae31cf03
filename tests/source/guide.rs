//! What the docs say of the source is there: words of the glossary, functions that answer a reader's questions, exercises.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::scan::{functions, sources};
use crate::common::files;

/// Words by which a stranger looks for things.
const WORDS: [&str; 24] = [
    "accept",
    "admission",
    "backlog",
    "backpressure",
    "channel binding",
    "drain",
    "edge-triggered",
    "epoll",
    "event loop",
    "fair queue",
    "fsync",
    "graceful",
    "group commit",
    "high-water mark",
    "idle timeout",
    "linger",
    "pipelining",
    "PROXY protocol",
    "run queue",
    "sandbox",
    "slab",
    "tarpit",
    "timer",
    "XCLIENT",
];
/// The most files that a word may lead to.
const FILES_MAX: usize = 5;
/// The most files that a reader opens for the first nine questions.
const FILES_OPENED_MAX: usize = 16;

fn doc(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The cells of the rows of a table whose header begins with `header`.
fn rows(text: &str, header: &str) -> Vec<Vec<String>> {
    let rows = text
        .lines()
        .skip_while(|line| !line.starts_with(header))
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells = row.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().to_owned()).collect()
    })
    .collect()
}

/// The texts between backquotes.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Whether a function of this name is in the file, below `src`.
fn has_function(file: &str, name: &str) -> bool {
    let sources = sources();
    let source = sources.iter().find(|source| source.name == file);
    source.is_some_and(|source| {
        functions(source)
            .iter()
            .any(|function| function.name == name)
    })
}

#[test]
fn words_of_the_field_lead_to_few_files() {
    let glossary = doc("docs/glossary.md");
    let rows = rows(&glossary, "| word");
    let sources = sources();
    let mut wrong = Vec::new();
    for row in &rows {
        let files = quoted(row.last().unwrap());
        if files.is_empty() || files.len() > FILES_MAX {
            wrong.push(format!("{}: {} files", row[0], files.len()));
        }
        for file in files {
            let source = sources.iter().find(|source| source.name == file);
            let word = row[0].to_lowercase();
            if !source.is_some_and(|source| source.text.to_lowercase().contains(&word)) {
                wrong.push(format!("{} is not in src/{file}", row[0]));
            }
        }
    }
    for word in WORDS {
        if !rows.iter().any(|row| row[0].eq_ignore_ascii_case(word)) {
            wrong.push(format!("{word} is not in the glossary"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_readers_questions_are_answered_in_few_files() {
    let architecture = doc("docs/architecture.md");
    let rows = rows(&architecture, "| question");
    assert_eq!(rows.len(), 10, "ten questions");
    let mut opened = BTreeSet::new();
    for (number, row) in rows.iter().enumerate() {
        let answers = quoted(&row[1]);
        assert!(!answers.is_empty(), "{}", row[0]);
        for answer in answers {
            let (file, name) = answer.split_once(": ").unwrap_or((answer, ""));
            assert!(has_function(file, name), "{}: `{answer}`", row[0]);
            if number < 9 {
                opened.insert(file.to_owned());
            }
        }
    }
    assert!(
        opened.len() <= FILES_OPENED_MAX,
        "{}: {opened:#?}",
        opened.len()
    );
}

#[test]
fn patterns_of_the_readme_are_where_it_says() {
    let readme = doc("README.md");
    let rows = rows(&readme, "| pattern");
    assert!(rows.len() >= 8, "the patterns");
    for row in rows {
        let answer = quoted(&row[1])[0];
        let (file, name) = answer.split_once(": ").unwrap_or((answer, ""));
        assert!(has_function(file, name), "{}: `{answer}`", row[0]);
        let (file, test) = quoted(&row[2])[0].split_once(": ").unwrap();
        let text = doc(&format!("tests/{file}"));
        assert!(text.contains(&format!("fn {test}(")), "{}: {test}", row[0]);
    }
}

/// `docs/exercises/run` runs what the pages say; here they are only read.
#[test]
fn pages_of_the_exercises_name_what_is_there() {
    let tests = doc("tests/exercises/main.rs");
    let index = doc("docs/exercises/README.md");
    let pages = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/exercises"));
    let names = pages.iter().map(|page| page.file_name().unwrap());
    let names = names.filter_map(|name| name.to_str().unwrap().strip_suffix(".md"));
    let names: Vec<&str> = names.filter(|name| *name != "README").collect();
    assert_eq!(names.len(), tests.matches("#[test]").count());
    for name in names {
        let page = doc(&format!("docs/exercises/{name}.md"));
        let after = |start: &str| {
            let line = page.lines().find_map(|line| line.strip_prefix(start));
            line.unwrap_or_else(|| panic!("{name}: no line begins with {start:?}"))
        };
        doc(after("git apply "));
        after("$ MAILOOP_SIM_SEED=");
        assert!(tests.contains(after("> ")), "{name}: its promise");
        let test = name[3..].replace('-', "_");
        assert!(tests.contains(&format!("fn {test}(")), "{test}");
        let command = format!("`cargo test --test exercises {test}`");
        assert!(page.contains(&command), "{name}: {command}");
        assert!(index.contains(&format!("({name}.md)")), "{name}: no link");
        let (_, answer) = page.split_once("\n## The answer\n").unwrap();
        let places = quoted(answer).into_iter();
        let mut places = places.filter_map(|place| place.split_once(".rs: "));
        let (file, function) = places.next().expect("a place");
        assert!(has_function(&format!("{file}.rs"), function), "{name}");
    }
}
