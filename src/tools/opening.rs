//! Everything that the dialogues of a command begin with.

use std::rc::Rc;
use std::time::Duration;

use super::encryption::{ServerTrust, Start, TlsStart};
use crate::net::endpoint::Endpoint;
use crate::net::peer::PeerAddress;
use crate::smtp::client::{ChannelSecurity, ClientCredentials, ClientSession, Outgoing, Pace};
use crate::smtp::envelope::Hello;

/// Everything that the dialogues of a command begin with, alike on each connection.
pub struct Opening {
    /// The server as it was asked for.
    pub server: Endpoint,
    /// The name to be greeted with.
    pub hello: Hello,
    /// Whether that is said; else the connection is all that is wanted.
    pub says_hello: bool,
    /// Whether a command waits for the reply to the one before it.
    pub pace: Pace,
    /// The envelope.
    pub mail: Rc<Outgoing>,
    /// The message as it goes over the wire, which many dialogues may share.
    pub message: Rc<[u8]>,
    /// TLS, if it has to be.
    pub tls: Option<TlsStart>,
    /// The servers that are trusted, where connections are under TLS.
    pub trust: Option<Rc<dyn ServerTrust>>,
    /// The user to log in as, if that has to be.
    pub login: Option<Rc<dyn ClientCredentials>>,
    /// How long the server may be silent.
    pub timeout: Duration,
}

impl Opening {
    /// A session with the server at this address.
    pub(super) fn session(&self, peer: PeerAddress) -> ClientSession {
        let security = match &self.tls {
            Some(tls) if tls.start == Start::ByCommand => ChannelSecurity::StartTls,
            _ if peer.is_on_this_machine() => ChannelSecurity::Local,
            _ => ChannelSecurity::Clear,
        };
        let hello = self.says_hello.then(|| self.hello.clone());
        let session = ClientSession::new(hello, self.pace).with_security(security);
        match &self.login {
            Some(credentials) => session.with_login(Rc::clone(credentials)),
            None => session,
        }
    }
}
