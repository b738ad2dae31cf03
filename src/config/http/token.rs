//! The file with the token that clients of HTTP have to know.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::config::options::HTTP_TOKEN;
use crate::config::settings::Settings;
use crate::exit::Failed;
use crate::http::access::AccessToken;

/// The most octets of the file.
const FILE_BYTES_MAX: u64 = 4096;

/// The token in the file that `http-token` names.
///
/// # Errors
/// The file cannot be read, or holds no token.
pub(super) fn read(settings: &Settings) -> Result<Option<AccessToken>, Failed> {
    let (Some(path), Some(value)) = (
        settings.get(&HTTP_TOKEN)?,
        settings.value(&HTTP_TOKEN.option),
    ) else {
        return Ok(None);
    };
    let text = token_text(path.as_ref()).map_err(|why| value.unfit(why))?;
    Ok(AccessToken::new(&text))
}

/// The text of the token in a file.
///
/// # Errors
/// The file cannot be read, or holds no token. The text is a clause.
pub(crate) fn token_text(path: &Path) -> Result<String, String> {
    let text = File::open(path)
        .and_then(read_bounded)
        .map_err(|error| format!("cannot read it: {error}"))?;
    let text = text.trim_end_matches(['\r', '\n']);
    match AccessToken::new(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err("it must hold one line of printable ASCII without blanks, as `openssl rand -hex 32` prints it".to_owned()),
    }
}

fn read_bounded(file: File) -> io::Result<String> {
    let mut text = String::new();
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(text)
}
