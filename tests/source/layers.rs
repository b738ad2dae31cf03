//! What must not be known where.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                sources(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

/// Every place below `src/{folder}` that names one of `words`.
fn mentions(folder: &str, words: &[&str]) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src")
        .join(folder);
    let sources = sources(&root);
    assert!(sources.len() > 3, "where are the sources of {folder}?");
    let mut found = Vec::new();
    for path in sources {
        let text = fs::read_to_string(&path).unwrap();
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        found.extend(
            code.filter(|line| words.iter().any(|word| line.contains(word)))
                .map(|line| format!("{}: {line}", path.display())),
        );
    }
    found
}

#[test]
fn the_protocol_knows_no_socket_no_file_and_no_clock() {
    let words = [
        "mio",
        "std::net",
        "std::fs",
        "Instant::now",
        "SystemTime",
        "crate::store",
        "crate::server",
    ];
    assert_eq!(mentions("smtp", &words), Vec::<String>::new());
}

#[test]
fn the_store_knows_no_socket() {
    let words = [
        "mio",
        "std::net",
        "smtp::session",
        "smtp::reply",
        "crate::server",
    ];
    assert_eq!(mentions("store", &words), Vec::<String>::new());
}

#[test]
fn nothing_starts_a_thread_and_few_places_a_process() {
    assert_eq!(
        mentions("", &["thread::", "async fn"]),
        Vec::<String>::new()
    );
    let starts = mentions("", &[".spawn("]);
    let places = [
        "observe/record/process.rs",
        "store/process/child.rs",
        "tools/judge/process.rs",
    ];
    assert_eq!(starts.len(), places.len(), "{starts:?}");
    for (start, place) in starts.iter().zip(places) {
        assert!(start.contains(place), "{start}");
    }
}

#[test]
fn a_store_around_another_leaves_no_method_to_its_default() {
    let sources = super::scan::sources();
    let code = |name: &str| &sources.iter().find(|it| it.name == name).expect(name).code;
    let (_, declared) = code("store/mod.rs")
        .split_once("pub trait Store {")
        .unwrap();
    let (declared, _) = declared.split_once("\n}").unwrap();
    let methods: Vec<&str> = declared
        .lines()
        .filter_map(|line| line.strip_prefix("    fn ")?.split('(').next())
        .collect();
    assert!(methods.len() > 20, "{methods:?}");
    for around in [
        "observe/record/store.rs",
        "server/measured_store.rs",
        "store/hold/holding_store.rs",
    ] {
        let code = code(around);
        let is_missing = |method: &&&str| !code.contains(&format!("    fn {method}("));
        let missing: Vec<_> = methods.iter().filter(is_missing).collect();
        assert!(missing.is_empty(), "{around} lacks {missing:?}");
    }
}
