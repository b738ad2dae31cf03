//! The names of a message's file: one in `tmp/`, one in the `new/` of each mailbox.

use core::fmt;

use crate::smtp::envelope::QUEUE_ID_BYTES_MAX;
use crate::store::OnceDelivery;

/// The most bytes of a file name.
const FILE_NAME_BYTES_MAX: usize = 254;
/// The most digits of the time in a file name.
const SECONDS_DIGITS_MAX: usize = 20;
/// The most bytes of the host name in a file name: time, queue id and two dots leave no more.
const HOST_BYTES_MAX: usize = FILE_NAME_BYTES_MAX - SECONDS_DIGITS_MAX - QUEUE_ID_BYTES_MAX - 2;
/// The names of one message's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileNames {
    /// The name in `tmp/`, which carries the instance of its process.
    pub(super) tmp: String,
    /// The name that a mailbox has once, where the message is delivered again after a crash.
    pub(super) once: Option<OnceName>,
}

/// A name that a mailbox has once. A delivery that finds it there, or in the hands of a reader, writes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OnceName {
    pub(super) name: String,
    /// Whether an earlier try may have succeeded: otherwise nobody looks.
    pub(super) may_be_there: bool,
    /// Whether it is looked for and nothing else.
    pub(super) is_sought: bool,
}

impl FileNames {
    /// The name in `new/`.
    pub(super) fn new_mail(&self) -> &str {
        self.once.as_ref().map_or(&self.tmp, |once| &once.name)
    }

    /// Reads names as they were written for another process.
    pub(super) fn from_wire(text: &str) -> Self {
        let Some((tmp, once)) = text.split_once('/') else {
            return text.to_owned().into();
        };
        let name = once.trim_start_matches('?');
        let marks = once.len() - name.len();
        Self {
            tmp: tmp.to_owned(),
            once: Some(OnceName {
                name: name.to_owned(),
                may_be_there: marks > 0,
                is_sought: marks > 1,
            }),
        }
    }
}

impl From<String> for FileNames {
    /// One name everywhere.
    fn from(tmp: String) -> Self {
        Self { tmp, once: None }
    }
}

impl fmt::Display for FileNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.tmp)?;
        match &self.once {
            None => Ok(()),
            Some(once) if once.is_sought => write!(f, "/??{}", once.name),
            Some(once) if once.may_be_there => write!(f, "/?{}", once.name),
            Some(once) => write!(f, "/{}", once.name),
        }
    }
}

impl OnceName {
    /// The name of a delivery, which may only be sought.
    pub(super) fn new(delivery: &OnceDelivery<'_>, host: &str, is_sought: bool) -> Self {
        Self {
            name: format!("{}.{host}", delivery.name),
            may_be_there: delivery.may_be_there || is_sought,
            is_sought,
        }
    }

    /// What a file in the mailbox is known by as this message.
    pub(super) fn key(&self) -> Option<&str> {
        key_of(&self.name)
    }
}

/// The part of a file's name that only the files of one message have in common, its time and id: readers append flags, and the
/// host may have another name by now.
pub(super) fn key_of(file_name: &str) -> Option<&str> {
    let (seconds, rest) = file_name.split_once('.')?;
    let id = rest.split('.').next()?;
    file_name.get(..seconds.len() + 1 + id.len())
}

/// Escapes `hostname` for a file name. Maildir writes `/` and `:` as backslash and octal number, since the one
/// ends a folder name and the other begins the flags; control characters get the same here.
pub(super) fn host_in_file_name(hostname: &str) -> String {
    let mut host = String::new();
    for character in hostname.chars() {
        let escaped = match character {
            '/' | ':' | '\0'..='\x1F' | '\x7F' => format!("\\{:03o}", u32::from(character)),
            _ => character.to_string(),
        };
        if host.len() + escaped.len() > HOST_BYTES_MAX {
            break;
        }
        host.push_str(&escaped);
    }
    host
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_were_written() {
        let once = |may_be_there, is_sought| {
            Some(OnceName {
                name: "7.Q1R0.mx".into(),
                may_be_there,
                is_sought,
            })
        };
        for once in [
            None,
            once(true, false),
            once(false, false),
            once(true, true),
        ] {
            let names = FileNames {
                tmp: "8.ID.mx".into(),
                once,
            };
            assert_eq!(FileNames::from_wire(&names.to_string()), names);
        }
    }

    #[test]
    fn a_message_is_known_by_time_and_id_whatever_a_reader_appends() {
        let name = OnceName {
            name: "7.Q1R0.mx.example.org".into(),
            may_be_there: true,
            is_sought: false,
        };
        for same in [
            "7.Q1R0.mx.example.org",
            "7.Q1R0.mx.example.org:2,S",
            "7.Q1R0.other",
        ] {
            assert_eq!(key_of(same), name.key(), "{same}");
        }
        for other in [
            "7.Q1R00.mx",
            "7.Q1R1.mx.example.org",
            "8.Q1R0.mx",
            "7.Q1R0",
            "7",
            "",
        ] {
            assert_eq!(key_of(other) == name.key(), other == "7.Q1R0", "{other}");
        }
    }

    #[test]
    fn host_names_fit_into_file_names() {
        assert_eq!(host_in_file_name("mail.example.org"), "mail.example.org");
        assert_eq!(host_in_file_name("a/b:c\0"), "a\\057b\\072c\\000");
        let host = host_in_file_name(&"x:".repeat(200));
        assert!(host.len() <= HOST_BYTES_MAX && host.len() > HOST_BYTES_MAX - 4);
        assert!(host.ends_with('x') || host.ends_with("\\072"), "{host}");
    }
}
