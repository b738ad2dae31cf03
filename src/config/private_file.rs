//! Files with secrets, which nobody but their owner may read.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;

use super::text::one_line;
use super::value::OptionValue;
use crate::exit::Failed;

/// The permissions of everybody but the owner.
const GROUP_AND_OTHERS: u32 = 0o077;

/// Reads the file that `value` names, of at most `bytes_max` octets. `secret` is what stands in it, as "this password".
///
/// # Errors
/// The file cannot be read, is longer, or others than its owner may read it.
pub(super) fn read(value: &OptionValue, bytes_max: u64, secret: &str) -> Result<String, Failed> {
    let (text, mode) = read_bounded(value, bytes_max)
        .map_err(|error| value.unfit(format_args!("cannot read it: {error}")))?;
    if mode & GROUP_AND_OTHERS != 0 {
        let name = one_line(&value.text.to_string_lossy());
        return Err(value.unfit(format_args!(
            "others can read it, who could then log in with {secret}: chmod 600 {name}"
        )));
    }
    Ok(text)
}

fn read_bounded(value: &OptionValue, bytes_max: u64) -> io::Result<(String, u32)> {
    let file = File::open(&value.text)?;
    let mode = file.metadata()?.mode();
    let mut text = String::new();
    file.take(bytes_max + 1).read_to_string(&mut text)?;
    if text.len() as u64 > bytes_max {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok((text, mode))
}
