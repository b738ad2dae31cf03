//! One value of an option, with its origin.

use core::fmt;
use std::borrow::Cow;
use std::ffi::OsString;

use super::option::{Kind, ServeOption};
use super::text::one_line;
use super::values;
use crate::exit::{ExitCode, Failed};

/// One value of an option, as somebody wrote it.
#[derive(Clone, Debug)]
pub struct OptionValue {
    /// The option.
    pub option: &'static ServeOption,
    /// The value as it was written. Not always UTF-8: paths need not be.
    pub text: OsString,
    /// The place where it was written.
    pub origin: Origin,
}

/// The place where a value was written.
#[derive(Clone, Debug)]
pub enum Origin {
    /// The table of options: the value is the default.
    Default,
    /// Another option, which implies the value.
    Implied(&'static ServeOption),
    /// A configuration file.
    File {
        /// The file and the line, as `/etc/mailoop.toml:12`.
        place: String,
        /// The key and the value, as they stand there.
        written: String,
    },
    /// The environment.
    Environment,
    /// The command line.
    Flag,
}

impl Origin {
    /// The precedence: of two origins the one with the greater rank counts.
    fn rank(&self) -> u8 {
        match self {
            Self::Default | Self::Implied(_) => 0,
            Self::File { .. } => 1,
            Self::Environment => 2,
            Self::Flag => 3,
        }
    }

    /// Whether this takes precedence over `other`.
    #[must_use]
    pub fn beats(&self, other: &Self) -> bool {
        self.rank() > other.rank()
    }
}

impl OptionValue {
    /// Whether it is the default of the table.
    #[must_use]
    pub fn is_default(&self) -> bool {
        matches!(self.origin, Origin::Default)
    }

    /// The value as text.
    ///
    /// # Errors
    /// The value is not UTF-8.
    pub fn text(&self) -> Result<&str, Failed> {
        self.text
            .to_str()
            .ok_or_else(|| self.wrong("write it in UTF-8"))
    }

    /// A failure that says where this value was written and what would be right.
    pub fn wrong(&self, remedy: impl fmt::Display) -> Failed {
        let code = match self.origin {
            Origin::Flag => ExitCode::Usage,
            _ => ExitCode::Configuration,
        };
        Failed::new(code, format_args!("{}: {remedy}", self.written()))
    }

    /// A failure that says where this value was written, and what is wrong with it here and now.
    pub fn unfit(&self, what: impl fmt::Display) -> Failed {
        Failed::new(
            ExitCode::Configuration,
            format_args!("{}: {what}", self.written()),
        )
    }

    /// The place and the value, as messages begin.
    fn written(&self) -> String {
        let name = self.option.name;
        let mut text = one_line(&self.text.to_string_lossy());
        if text.is_empty() || text.contains(' ') {
            text = format!("\"{text}\"");
        }
        match &self.origin {
            Origin::Flag if self.option.kind == Kind::Flag => format!("--{name}"),
            Origin::Flag => format!("--{name} {text}"),
            Origin::Environment => format!("{}={text}", self.option.variable()),
            Origin::File { place, written } => format!("{place}: {written}"),
            Origin::Default | Origin::Implied(_) => name.to_owned(),
        }
    }

    /// The value as a configuration file has it: a switch has more words elsewhere.
    pub(super) fn normal_text(&self) -> Cow<'_, str> {
        let text = self.text.to_string_lossy();
        match (self.option.kind, values::switch(&text)) {
            (Kind::Flag, Ok(on)) => on.to_string().into(),
            _ => text,
        }
    }

    /// The origin in a word or two.
    pub(super) fn source(&self) -> String {
        match &self.origin {
            Origin::Default => "default".to_owned(),
            Origin::Implied(by) => format!("implied by {}", by.name),
            Origin::File { place, .. } => place.clone(),
            Origin::Environment => self.option.variable(),
            Origin::Flag => format!("--{}", self.option.name),
        }
    }
}
