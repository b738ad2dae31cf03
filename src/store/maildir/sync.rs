//! Making the data of a group of files durable.

use std::fs::File;
use std::io;

/// The fewest files for which one sync of the whole file system is used: already for two it was measured to
/// take less time than a sync for each.
const TOGETHER_MIN: usize = 2;

/// Whether one [`together`] is to be used for so many `files`.
pub(super) fn worth_together(files: usize, trusted: bool) -> bool {
    trusted && files >= TOGETHER_MIN
}

/// Whether the kernel reports errors of other files to a sync of the whole file system. Linux does since 5.8
/// (syncfs(2), Versions); before, lost data went unnoticed.
pub(super) fn is_trusted() -> bool {
    let system = rustix::system::uname();
    cfg!(target_os = "linux")
        && system
            .release()
            .to_str()
            .is_ok_and(|release| at_least(release, (5, 8)))
}

fn at_least(release: &str, version: (u32, u32)) -> bool {
    let mut numbers = release
        .split(|character: char| !character.is_ascii_digit())
        .map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= version,
        _ => false,
    }
}

/// Makes everything durable that was written to the file system of `root`, which is held open since before the
/// first write: errors are reported to each descriptor once, from its opening on.
#[cfg(target_os = "linux")]
pub(super) fn together(root: &File) -> io::Result<()> {
    Ok(rustix::fs::syncfs(root)?)
}

/// There is no such call here, and [`is_trusted`] says so.
#[cfg(not(target_os = "linux"))]
pub(super) fn together(_root: &File) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_compare_by_number() {
        for release in ["5.8.0", "5.10.0-28-amd64", "6.1", "10.0.1-x"] {
            assert!(at_least(release, (5, 8)), "{release}");
        }
        for release in ["5.7.19", "4.19.0", "", "x.y", "5"] {
            assert!(!at_least(release, (5, 8)), "{release}");
        }
    }
}
