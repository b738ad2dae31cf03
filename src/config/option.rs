//! One option of `mailoop serve`: its name in each place, and the form of its values.

use super::text::Quoted;

/// The prefix of the names of environment variables.
pub const VARIABLE_PREFIX: &str = "MAILOOP_";

/// A row of the [table of options](super::options).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServeOption {
    /// The name, as in `--max-errors`, `max-errors = 20` and `MAILOOP_MAX_ERRORS`.
    pub name: &'static str,
    /// The placeholder of the value in the help.
    pub placeholder: &'static str,
    /// The value if nobody gives one.
    pub default: Option<&'static str>,
    /// The line of help.
    pub help: &'static str,
    /// The heading in the help, above this option and those that belong with it.
    pub heading: &'static str,
    /// The form of the values.
    pub kind: Kind,
    /// The places where the option may stand, and when a change of it takes effect.
    pub scope: Scope,
    /// Whether help, manual page and completions leave it out: it is for measurements.
    pub hidden: bool,
    /// The one subcommand that has the option; `None` if all do that listen for mail.
    pub only: Option<ServerCommand>,
    /// Whether `mailoop deliver` has it as well, which has no listener for mail and so few of them.
    pub delivers: bool,
    /// Whether this build has what the option is for. Without, the option is as unknown as any other word.
    pub built: bool,
}

/// A subcommand that runs a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerCommand {
    /// `mailoop serve`.
    #[default]
    Serve,
    /// `mailoop catch`, the server for tests.
    Catch,
    /// `mailoop deliver`, which takes mail out of a stream.
    Deliver,
}

impl ServerCommand {
    /// The name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Catch => "catch",
            Self::Deliver => "deliver",
        }
    }

    /// Whether it has this option.
    #[must_use]
    pub fn has(self, option: &ServeOption) -> bool {
        match self {
            Self::Deliver => option.delivers,
            Self::Serve | Self::Catch => option.only.is_none_or(|only| only == self),
        }
    }
}

/// The form of an option's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text, which TOML writes in quotes.
    Text,
    /// A number, which TOML writes without quotes, unless a unit follows it.
    Number,
    /// Any number of texts: a flag that is repeated, an array, or text with commas.
    List,
    /// Several numbers: text with commas, or an array of them.
    Numbers,
    /// On or off.
    Flag,
}

/// The places where an option may stand, and when a change of it takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everywhere; a reload takes it over.
    Reload,
    /// Everywhere; only a restart takes it over.
    Restart,
    /// Everywhere but in the configuration file.
    Outside,
}

impl ServeOption {
    /// The name in the environment.
    #[must_use]
    pub fn variable(&self) -> String {
        let name = self.name.to_ascii_uppercase().replace('-', "_");
        format!("{VARIABLE_PREFIX}{name}")
    }

    /// A line of TOML that gives the option these values.
    pub fn toml(&self, values: &[impl AsRef<str>]) -> String {
        let texts = values.iter().map(AsRef::as_ref);
        let numbers = texts.clone().flat_map(|text: &str| text.split(','));
        let texts: Vec<&str> = match self.kind {
            Kind::Numbers => numbers.map(str::trim).collect(),
            _ => texts.collect(),
        };
        let mut written = texts.iter().map(|text| {
            let text = *text;
            let bare = match self.kind {
                Kind::Text | Kind::List => false,
                // TOML knows no number with a zero in front.
                Kind::Number | Kind::Numbers => text
                    .parse::<u64>()
                    .is_ok_and(|number| number.to_string() == text),
                Kind::Flag => true,
            };
            if bare {
                text.to_owned()
            } else {
                Quoted(text).to_string()
            }
        });
        let value = match self.kind {
            Kind::List | Kind::Numbers => format!("[{}]", written.collect::<Vec<_>>().join(", ")),
            Kind::Text | Kind::Number | Kind::Flag => written.next().unwrap_or_default(),
        };
        format!("{} = {value}", self.name)
    }

    /// A line of TOML with a value that would be right.
    #[must_use]
    pub fn example(&self) -> String {
        let value = match self.kind {
            Kind::Flag => "true",
            _ => self.default.unwrap_or(self.placeholder),
        };
        self.toml(&[value])
    }
}
