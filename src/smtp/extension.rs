//! Extensions of SMTP that EHLO announces (RFC 5321 §4.1.1.1).

/// One extension, by the line that announces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extension {
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
    pub(super) const ALL: [Self; 12] = [
        Self::Size,
        Self::Pipelining,
        Self::EightBitMime,
        Self::BinaryMime,
        Self::Chunking,
        Self::EnhancedStatusCodes,
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
            Self::SmtpUtf8 => "SMTPUTF8",
            Self::Limits => "LIMITS",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Xclient => "XCLIENT",
            Self::Help => "HELP",
        }
    }
}
