//! Options of `mailoop send`.

use std::rc::Rc;
use std::time::Duration;

use crate::net::endpoint::Endpoint;
use crate::smtp::client::ClientCredentials;
use crate::smtp::path::{Mailbox, ReversePath};
use crate::tools::encryption::Encryption;

/// What to send, and where.
#[derive(Clone, Debug)]
pub struct SendOptions {
    /// `HOST:PORT`, `[v6]:PORT` or `unix:PATH`.
    pub server: Endpoint,
    /// The sender.
    pub from: ReversePath,
    /// The recipients; at least one.
    pub to: Vec<Mailbox>,
    /// The message, lines ended in any way.
    pub message: Vec<u8>,
    /// The name to say HELO with, the textbook way. Without it the machine's name goes with EHLO.
    pub helo: Option<String>,
    /// Whether it has to go under TLS, and how. It goes in the clear if nothing is said here, and only then.
    pub encryption: Option<Encryption>,
    /// As whom to log in, if that has to be.
    pub login: Option<Rc<dyn ClientCredentials>>,
    /// The line that ends the message, which must not hold it: a dot, or that of the classroom dialect. If it is
    /// named the message is sent exactly as given, but for its line ends and stuffed dots; otherwise `Date`,
    /// `Message-ID`, `From` and `To` are added where they are missing.
    pub end_of_data: Option<String>,
    /// How long to wait for a connection, and from then on for each whole reply, or for room to write.
    pub timeout: Duration,
    /// Whether to write the dialogue down.
    pub verbose: bool,
}
