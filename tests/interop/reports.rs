//! Reports are read by others: the golden files, which are what the server writes.

use std::path::Path;

use crate::common::files;
use crate::common::program::{installed, python, run};

#[test]
fn python_reads_reports_of_every_kind() {
    if !installed(&["python3"]) {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/protocol/reports");
    let reports = files(&folder);
    assert!(reports.len() > 5, "where are the reports?");
    let printed = run(python("report.py").args(&reports));
    assert_eq!(printed.lines().count(), reports.len());
    for action in ["failed failed", "delayed", "delivered relayed"] {
        assert!(printed.contains(action), "{printed}");
    }
}
