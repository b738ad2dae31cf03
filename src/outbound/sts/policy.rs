//! The policy of a domain: which hosts take its mail, and what to do where one of them has no TLS as it should (RFC 8461 §3.2).

use core::fmt;
use std::time::Duration;

use crate::outbound::dns::host_name::HostName;

/// The longest text that is read as a policy, in octets.
pub const POLICY_BYTES_MAX: usize = 64 * 1024;
/// The most patterns of a policy.
pub const PATTERNS_MAX: usize = 100;
/// The longest time for which a policy holds, in seconds (RFC 8461 §3.2).
pub const MAX_AGE_SECONDS: u64 = 31_557_600;
/// The most digits of that time.
const MAX_AGE_DIGITS: usize = 10;

/// The treatment of a host that does not meet the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StsMode {
    /// Mail does not go there.
    Enforce,
    /// Mail goes there all the same, and the failure is reported.
    Testing,
    /// Any host will do: the domain has given its policy up.
    None,
}

/// The policy of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StsPolicy {
    /// The treatment of hosts that do not meet it.
    pub mode: StsMode,
    /// Time for which it holds, from when it was fetched.
    pub max_age: Duration,
    /// The hosts that may take mail for the domain; none where the mode is [`StsMode::None`], perhaps.
    pub patterns: Box<[MxPattern]>,
}

/// A name of a host, or all names with one label more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MxPattern {
    /// Whether one label stands before the name, `*.` in its text.
    has_label: bool,
    /// In lower case, without a final dot.
    name: Box<str>,
}

/// Why a text is no policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StsPolicyError {
    /// The text is too long.
    TooLong,
    /// There is no field `version`, or it has another value than `STSv1`.
    Version,
    /// There is no field `mode`, or it has none of its three values.
    Mode,
    /// There is no field `max_age`, or it is no number.
    MaxAge,
    /// There is no field `mx`, or one of them is no name.
    Patterns,
    /// There are too many fields `mx`.
    TooManyPatterns,
}

impl StsMode {
    /// The word for it in a policy.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Testing => "testing",
            Self::None => "none",
        }
    }

    /// The mode of this name.
    #[must_use]
    pub fn of_name(name: &[u8]) -> Option<Self> {
        let modes = [Self::Enforce, Self::Testing, Self::None];
        modes
            .into_iter()
            .find(|mode| mode.name().as_bytes() == name)
    }
}

impl MxPattern {
    /// Reads a name, perhaps with `*.` before it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (has_label, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        let name = HostName::parse(name)?.to_string().into();
        Some(Self { has_label, name })
    }

    /// Whether a host of this name is one of these (RFC 8461 §4.1).
    fn matches(&self, host: &str) -> bool {
        match host.split_once('.') {
            Some((_, rest)) if self.has_label => rest == &*self.name,
            _ => !self.has_label && host == &*self.name,
        }
    }
}

impl fmt::Display for MxPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = if self.has_label { "*." } else { "" };
        write!(f, "{label}{}", self.name)
    }
}

impl StsPolicy {
    /// Reads a policy. Of a field that stands twice the first counts, but for `mx`; lines that are no field of ours are passed over.
    /// A time that is too long is cut.
    ///
    /// # Errors
    /// [`StsPolicyError`] for a text that is none: the domain has no policy then, as far as we know (§3.3).
    pub fn parse(text: &[u8]) -> Result<Self, StsPolicyError> {
        if text.len() > POLICY_BYTES_MAX {
            return Err(StsPolicyError::TooLong);
        }
        let (mut version, mut mode, mut max_age) = (None, None, None);
        let mut patterns = Vec::new();
        for line in text.split(|octet| *octet == b'\n') {
            let Some((name, value)) = field(line) else {
                continue;
            };
            match name {
                b"version" => version = version.or(Some(value)),
                b"mode" => mode = mode.or(Some(value)),
                b"max_age" => max_age = max_age.or(Some(value)),
                b"mx" if patterns.len() == PATTERNS_MAX => {
                    return Err(StsPolicyError::TooManyPatterns);
                }
                b"mx" => {
                    let pattern = str::from_utf8(value).ok().and_then(MxPattern::parse);
                    patterns.push(pattern.ok_or(StsPolicyError::Patterns)?);
                }
                _ => {}
            }
        }
        if version != Some(b"STSv1") {
            return Err(StsPolicyError::Version);
        }
        let mode = mode
            .and_then(StsMode::of_name)
            .ok_or(StsPolicyError::Mode)?;
        let max_age = max_age.and_then(seconds).ok_or(StsPolicyError::MaxAge)?;
        if patterns.is_empty() && mode != StsMode::None {
            return Err(StsPolicyError::Patterns);
        }
        Ok(Self {
            mode,
            max_age: Duration::from_secs(max_age),
            patterns: patterns.into(),
        })
    }

    /// Whether this host may take mail for the domain, by its name (RFC 8461 §4.1). Under [`StsMode::None`] any host may.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        let host = HostName::parse(host).map(|host| host.to_string());
        let is_one = |host: String| self.patterns.iter().any(|pattern| pattern.matches(&host));
        self.mode == StsMode::None || host.is_some_and(is_one)
    }
}

/// Written as a text that says the same, without what we pass over.
impl fmt::Display for StsPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "version: STSv1\nmode: {}", self.mode.name())?;
        for pattern in &self.patterns {
            writeln!(f, "mx: {pattern}")?;
        }
        writeln!(f, "max_age: {}", self.max_age.as_secs())
    }
}

impl StsPolicyError {
    /// What is wrong, in words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TooLong => "the policy is too long",
            Self::Version => "the policy has no version: STSv1",
            Self::Mode => "the policy has no mode: enforce, testing or none",
            Self::MaxAge => "the policy has no max_age in seconds",
            Self::Patterns => "the policy has no mx, or one that is no name of a host",
            Self::TooManyPatterns => "the policy has too many mx",
        }
    }
}

/// The name and the value of a line without its LF; `None` if it is no field.
fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|octet| *octet == b':')?;
    let value = line.get(colon + 1..)?;
    Some((line.get(..colon)?, value.trim_ascii()))
}

fn seconds(digits: &[u8]) -> Option<u64> {
    let is_number =
        (1..=MAX_AGE_DIGITS).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let number = str::from_utf8(digits).ok().filter(|_| is_number)?;
    number
        .parse()
        .ok()
        .map(|seconds: u64| seconds.min(MAX_AGE_SECONDS))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
