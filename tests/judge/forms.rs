//! The forms in which a run is told, and files of checks of one's own, where a client is judged.

use std::fs;

use tempfile::TempDir;

use crate::common::json::Json;
use crate::judged::judge;

/// A client that sends nothing, and says so.
const SILENT: [&str; 4] = ["--", "sh", "-c", "echo no network; exit 3"];

#[test]
fn gradescope_gets_points_and_what_was_wrong() {
    let folder = TempDir::new().unwrap();
    let results = folder.path().join("results.json");
    let file = results.to_str().unwrap();
    let options = ["client", "--only", "connects", "--gradescope", file];
    let told = judge(&[&options[..], &SILENT].concat());
    assert_eq!(told.code, Some(1), "{}", told.errors);
    let json = Json::parse(&fs::read_to_string(results).unwrap());
    assert_eq!(json.get("score"), Some(&Json::Number("0".to_owned())));
    let Some(Json::List(tests)) = json.get("tests") else {
        panic!("{json:?}");
    };
    assert_eq!(tests[0].text("name"), Some("session: connects"));
    assert!(tests[0].text("output").unwrap().contains("no network"));
}

#[test]
fn a_teacher_adds_checks_of_clients_and_replaces_ours() {
    let folder = TempDir::new().unwrap();
    let checks = folder.path().join("own.txt");
    let own = "check: connects\nmust: The client prints nothing, and exits with another code.\nexit other\n";
    fs::write(&checks, own).unwrap();
    let folder = folder.path().to_str().unwrap();
    let options = ["client", "--only", "connects", "--checks", folder, "--list"];
    let told = judge(&options);
    assert!(
        told.text.contains("exits with another code."),
        "{}",
        told.text
    );
    fs::write(&checks, format!("{own}comes\n")).unwrap();
    let told = judge(&options);
    assert_eq!(told.code, Some(64));
    assert!(
        told.errors.contains("own.txt:4: \"comes\" is no step"),
        "{}",
        told.errors
    );
}

#[test]
fn tap_tells_what_was_wrong() {
    let told = judge(&[&["client", "--tap", "--only", "connects"], &SILENT[..]].concat());
    assert!(
        told.text
            .starts_with("TAP version 14\n1..1\nnot ok 1 - connects: "),
        "{}",
        told.text
    );
}
