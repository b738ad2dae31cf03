//! Logins of a client whose every step is recorded, without what proves them.

use core::fmt;
use std::rc::Rc;

use super::Recorder;
use crate::net::driver::ConnectionId;
use crate::observe::frame::ClientFrame;
use crate::smtp::client::{ChannelSecurity, ClientCredentials, ClientFault, ClientLogin};
use crate::smtp::mask::hide_said_credentials;
use crate::smtp::mechanism::Mechanism;

/// Credentials whose logins are recorded.
pub(super) struct RecordedCredentials {
    pub(super) inner: Rc<dyn ClientCredentials>,
    pub(super) recorder: Rc<Recorder>,
}

/// A client's login that is recorded.
struct RecordedClientLogin {
    inner: Box<dyn ClientLogin>,
    connection: ConnectionId,
    recorder: Rc<Recorder>,
}

impl fmt::Debug for RecordedCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl ClientCredentials for RecordedCredentials {
    fn user(&self) -> &str {
        self.inner.user()
    }

    fn begin(
        &self,
        offered: &[Mechanism],
        security: &ChannelSecurity,
    ) -> Result<(Box<dyn ClientLogin>, String), ClientFault> {
        let connection = self.recorder.current.get();
        let begun = self.inner.begin(offered, security);
        let hidden = begun.as_ref().map(|(_, line)| {
            let hidden = hide_said_credentials(line.as_bytes());
            String::from_utf8_lossy(&hidden).into_owned()
        });
        let frame = ClientFrame::LoginBegun {
            connection,
            result: hidden.as_deref().map_err(|fault| **fault),
        };
        self.recorder.put(&frame.into());
        let (inner, line) = begun?;
        let login = RecordedClientLogin {
            inner,
            connection,
            recorder: Rc::clone(&self.recorder),
        };
        Ok((Box::new(login), line))
    }
}

impl fmt::Debug for RecordedClientLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl ClientLogin for RecordedClientLogin {
    fn respond(&mut self, text: &[u8]) -> Result<String, ClientFault> {
        let response = self.inner.respond(text);
        let octets = response.as_ref().map(String::len);
        let frame = ClientFrame::LoginResponse {
            connection: self.connection,
            result: octets.map_err(|fault| *fault),
        };
        self.recorder.put(&frame.into());
        response
    }

    fn may_succeed(&self) -> bool {
        let may_succeed = self.inner.may_succeed();
        let frame = ClientFrame::LoginMaySucceed {
            connection: self.connection,
            may_succeed,
        };
        self.recorder.put(&frame.into());
        may_succeed
    }
}
