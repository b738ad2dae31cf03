//! The defects that are planted (tests/defects) fit the source: one that does not is found when it is to be planted, or never.

use std::fs;
use std::path::Path;

use crate::common::files;

/// What a patch says of one file: its path, and the lines that each place in it has.
struct PatchedFile {
    path: String,
    places: Vec<String>,
}

/// Reads a patch as `git diff` writes it.
fn parse(patch: &str) -> Vec<PatchedFile> {
    let mut files: Vec<PatchedFile> = Vec::new();
    for line in patch.split_inclusive('\n') {
        if let Some(path) = line.strip_prefix("--- a/") {
            files.push(PatchedFile {
                path: path.trim_end().to_owned(),
                places: Vec::new(),
            });
            continue;
        }
        let Some(file) = files.last_mut() else {
            continue;
        };
        if line.starts_with("@@ ") {
            file.places.push(String::new());
        } else if let Some(place) = file.places.last_mut()
            && let Some(kept) = line.strip_prefix([' ', '-'])
        {
            place.push_str(kept);
        }
    }
    files
}

#[test]
fn every_planted_defect_fits_the_source() {
    let mut patches = files(Path::new("tests/defects"));
    patches.retain(|path| path.extension().is_some_and(|it| it == "patch"));
    assert!(patches.len() > 70, "{} patches", patches.len());
    for patch in patches {
        let changed = parse(&fs::read_to_string(&patch).unwrap());
        assert!(!changed.is_empty(), "{} changes nothing", patch.display());
        for PatchedFile { path, places } in changed {
            let source = fs::read_to_string(&path)
                .unwrap_or_else(|error| panic!("{}: {path}: {error}", patch.display()));
            assert!(!places.is_empty(), "{}: {path}", patch.display());
            for place in places {
                let patch = patch.display();
                assert!(source.contains(&place), "{patch}: {path} has no\n{place}");
            }
        }
    }
}
