//! Records of real clients, which the loop of today runs as the one did that recorded them.

use std::fs;
use std::path::Path;

use mailoop::replay::replay;

/// All records together are no larger, so that nobody minds them.
const BYTES_MAX: u64 = 300_000;

#[test]
fn records_of_real_clients_are_replayed_octet_for_octet() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/records");
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let is_record = |file: &Path| {
        let is_built = cfg!(feature = "relay") || !file.ends_with("relay.record");
        is_built && file.extension().is_some_and(|name| name == "record")
    };
    let records: Vec<_> = files.filter(|file| is_record(file)).collect();
    let (mut bytes, mut different) = (0, Vec::new());
    for record in &records {
        let name = record.file_name().unwrap().display();
        let replayed = replay(record, None).unwrap_or_else(|error| panic!("{name}: {error}"));
        match replayed.difference {
            Some(difference) => different.push(format!("{name}: {difference}\n")),
            None => assert!(!replayed.is_cut_short, "{name}"),
        }
        bytes += fs::metadata(record).unwrap().len();
    }
    assert!(different.is_empty(), "{}", different.concat());
    assert!(records.len() >= 8 && bytes <= BYTES_MAX, "{bytes} octets");
}
