//! The file with the passwords of logins at hops.

use core::fmt;
use std::collections::BTreeMap;

use crate::config::private_file;
use crate::config::text::one_line;
use crate::config::value::OptionValue;
use crate::exit::{ExitCode, Failed};

/// The most octets of the file.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The passwords by which this server logs in at hops, by the names of its users there.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RoutePasswords {
    by_user: BTreeMap<Box<str>, Box<str>>,
}

impl RoutePasswords {
    /// The password of this user.
    #[must_use]
    pub fn of(&self, user: &str) -> Option<&str> {
        self.by_user.get(user).map(|password| &**password)
    }

    /// Reads lines `USER PASSWORD`: the password is all after the first blank. Empty lines, and those that begin with `#`, say
    /// nothing.
    ///
    /// # Errors
    /// The number of the line that is wrong, and its fault. The line itself is told nowhere.
    pub fn parse(text: &str) -> Result<Self, (usize, &'static str)> {
        let mut passwords = Self::default();
        for (index, line) in text.lines().enumerate() {
            let wrong = |fault| Err((index + 1, fault));
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.split_once([' ', '\t']) {
                Some((user, password)) if !user.is_empty() && !password.is_empty() => {
                    let before = passwords.by_user.insert(user.into(), password.into());
                    if before.is_some() {
                        return wrong("this user stands there twice: leave one line out");
                    }
                }
                _ => return wrong("write a user, a blank and the password"),
            }
        }
        Ok(passwords)
    }

    /// Reads the file that `value` names.
    ///
    /// # Errors
    /// The file cannot be read, others than its owner may read it, or a line of it is wrong.
    pub(super) fn read(value: &OptionValue) -> Result<Self, Failed> {
        let text = private_file::read(value, FILE_BYTES_MAX, "these passwords")?;
        let name = one_line(&value.text.to_string_lossy());
        Self::parse(&text).map_err(|(line, fault)| {
            Failed::new(
                ExitCode::Configuration,
                format_args!("{name}:{line}: {fault}"),
            )
        })
    }
}

/// Names of users only: no password is shown.
impl fmt::Debug for RoutePasswords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_user.keys()).finish()
    }
}
