//! All that a connection to a stream needs to know from its operator, and why it cannot be had.

use core::fmt;
use std::error::Error;
use std::rc::Rc;

use super::target::StreamTarget;
use crate::net::link::StartTls;

/// Makes TLS with the server of this name.
pub type StreamTls = Box<dyn FnMut(&str) -> Result<Rc<dyn StartTls>, String>>;

/// All that a connection to a stream needs to know from its operator.
pub struct StreamSettings {
    /// The address of the stream.
    pub target: StreamTarget,
    /// The password of the user that the address names, or a token where it names none.
    pub secret: Option<Box<str>>,
    /// TLS, where the address asks for it.
    pub tls: Option<StreamTls>,
    /// Whether mail is brought to the stream, whose servers then have to promise something; otherwise it is taken out,
    /// and has to leave the stream then.
    pub brings_mail: bool,
}

/// Why a stream cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamError {
    /// Nobody answers. The text is a whole sentence without its stop, as all of these.
    Unreachable(String),
    /// A server does not let us in.
    Login(String),
    /// The stream, or a server of it, does not promise what it has to. The text says what to set.
    Promise(String),
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(text) | Self::Login(text) | Self::Promise(text) => f.write_str(text),
        }
    }
}

impl Error for StreamError {}

/// How the first connection to a stream is getting on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamStart {
    /// It is being made, and what was promised is being asked for.
    Pending,
    /// The stream is there, and promises what it has to.
    Ready,
    /// It cannot be used.
    Failed(StreamError),
}
