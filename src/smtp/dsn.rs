//! Delivery status notifications, as a client asks for them (RFC 3461 §4): the parameters RET and ENVID of MAIL, NOTIFY and
//! ORCPT of RCPT.

/// The most octets of ENVID, as it is written (RFC 3461 §4.4).
pub const ENVELOPE_ID_BYTES_MAX: usize = 100;
/// The most octets of ORCPT, as it is written (RFC 3461 §4.2).
pub const ORIGINAL_BYTES_MAX: usize = 500;

/// The events of a recipient that its sender wants to be told of (RFC 3461 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notify {
    /// Of its delivery.
    pub success: bool,
    /// Of a failure.
    pub failure: bool,
    /// Of a delay.
    pub delay: bool,
}

impl Notify {
    /// `NOTIFY=NEVER`.
    pub const NEVER: Self = Self {
        success: false,
        failure: false,
        delay: false,
    };
    /// Without the parameter: of failures, and of delays where a server tells of these (RFC 3461 §4.1).
    pub const UNSAID: Self = Self {
        success: false,
        failure: true,
        delay: true,
    };
}

/// How much of a message comes back with a report on a failure (RFC 3461 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnContent {
    /// `RET=FULL`: all of it.
    Full,
    /// `RET=HDRS`: its header.
    Headers,
}

/// What MAIL asked of reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageDsn {
    /// RET.
    pub ret: Option<ReturnContent>,
    /// ENVID, in xtext as it was given.
    pub envelope_id: Option<Box<str>>,
}

/// What RCPT asked of reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecipientDsn {
    /// NOTIFY.
    pub notify: Option<Notify>,
    /// ORCPT, as it was given: the type of the address, a semicolon, the address in xtext.
    pub original: Option<Box<str>>,
}
