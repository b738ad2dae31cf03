//! Extensions of SMTP that EHLO announces (RFC 5321 §4.1.1.1), and those that it is not to announce.

/// One extension, by the line that announces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    /// RFC 1870.
    Size,
    /// RFC 2920.
    Pipelining,
    /// RFC 6152.
    EightBitMime,
    /// RFC 3030 §3.
    BinaryMime,
    /// RFC 3030 §2.
    Chunking,
    /// RFC 2034.
    EnhancedStatusCodes,
    /// RFC 3461.
    Dsn,
    /// RFC 6531.
    SmtpUtf8,
    /// RFC 9422.
    Limits,
    /// RFC 3207.
    StartTls,
    /// RFC 4954.
    Auth,
    /// Postfix's `XCLIENT_README`.
    Xclient,
    /// RFC 5321 §4.1.1.8.
    Help,
}

impl Extension {
    /// All extensions, in the order in which EHLO announces them.
    pub(super) const ALL: [Self; 13] = [
        Self::Size,
        Self::Pipelining,
        Self::EightBitMime,
        Self::BinaryMime,
        Self::Chunking,
        Self::EnhancedStatusCodes,
        Self::Dsn,
        Self::SmtpUtf8,
        Self::Limits,
        Self::StartTls,
        Self::Auth,
        Self::Xclient,
        Self::Help,
    ];

    /// Its keyword in the reply to EHLO.
    pub(super) fn keyword(self) -> &'static str {
        match self {
            Self::Size => "SIZE",
            Self::Pipelining => "PIPELINING",
            Self::EightBitMime => "8BITMIME",
            Self::BinaryMime => "BINARYMIME",
            Self::Chunking => "CHUNKING",
            Self::EnhancedStatusCodes => "ENHANCEDSTATUSCODES",
            Self::Dsn => "DSN",
            Self::SmtpUtf8 => "SMTPUTF8",
            Self::Limits => "LIMITS",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Xclient => "XCLIENT",
            Self::Help => "HELP",
        }
    }

    /// The extension of this keyword, in whatever letters. HELP is no such: the list of EHLO ends with it.
    #[must_use]
    pub fn named(keyword: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|it| *it != Self::Help && it.keyword().eq_ignore_ascii_case(keyword))
    }
}

/// A set of extensions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions(u16);

impl Extensions {
    /// Whether an extension is in it.
    #[must_use]
    pub fn has(self, extension: Extension) -> bool {
        self.0 & 1 << extension as u16 != 0
    }

    /// The set as a number: a bit for each extension, in the order in which EHLO announces them.
    #[must_use]
    pub fn bits(self) -> u16 {
        self.0
    }

    /// The set with these bits.
    #[must_use]
    pub fn from_bits(bits: u16) -> Self {
        Self(bits)
    }
}

impl FromIterator<Extension> for Extensions {
    fn from_iter<I: IntoIterator<Item = Extension>>(extensions: I) -> Self {
        let bits = extensions
            .into_iter()
            .map(|extension| 1 << extension as u16);
        Self(bits.fold(0, |all, bit| all | bit))
    }
}
