//! Files of a judge: checks of a teacher, and reports that are written.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use crate::exit::{ExitCode, Failed};
use crate::judge::check::JudgedSide;
use crate::judge::parse::{CHECK_FILE_BYTES_MAX, CheckFault, checks};
use crate::judge::set::CheckSet;

/// The most files in a folder of checks.
const FILES_MAX: usize = 1000;

/// The checks of this program, and those of a folder, whose files end in `.txt`, by their names.
///
/// # Errors
/// The folder or a file cannot be read, or a check is wrong.
pub fn read_checks(side: JudgedSide, folder: Option<&Path>) -> Result<CheckSet, Failed> {
    let mut set = CheckSet::built_in(side).map_err(bad_check)?;
    let Some(folder) = folder else {
        return Ok(set);
    };
    let cannot_read = |path: &Path, error: std::io::Error| {
        let path = path.display();
        Failed::new(
            ExitCode::Usage,
            format_args!("cannot read checks from {path}: {error}"),
        )
    };
    let entries = fs::read_dir(folder).map_err(|error| cannot_read(folder, error))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_check = |path: &std::path::PathBuf| path.extension() == Some(OsStr::new("txt"));
    let mut paths: Vec<_> = paths.filter(is_check).take(FILES_MAX).collect();
    paths.sort();
    if paths.is_empty() {
        let folder = folder.display();
        return Err(Failed::new(
            ExitCode::Usage,
            format_args!("there are no checks in {folder}: their files end in .txt"),
        ));
    }
    for path in paths {
        let size = fs::metadata(&path)
            .map_err(|error| cannot_read(&path, error))?
            .len();
        let name = path.display().to_string();
        if size > CHECK_FILE_BYTES_MAX as u64 {
            let what = format_args!("{name}: a file of checks has at most 1 MiB");
            return Err(Failed::new(ExitCode::Usage, what));
        }
        let text = fs::read_to_string(&path).map_err(|error| cannot_read(&path, error))?;
        let read = checks(&name, &text, side).map_err(bad_check)?;
        set.add(read).map_err(bad_check)?;
    }
    Ok(set)
}

pub(super) fn bad_check(fault: CheckFault) -> Failed {
    Failed::new(ExitCode::Usage, fault)
}

/// Writes a report to a file.
///
/// # Errors
/// It cannot be written.
pub fn write_report(path: &Path, report: &[u8]) -> Result<(), Failed> {
    fs::write(path, report).map_err(|error| {
        let path = path.display();
        Failed::new(
            ExitCode::CannotCreate,
            format_args!("cannot write {path}: {error}"),
        )
    })
}
