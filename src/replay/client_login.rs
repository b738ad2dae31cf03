//! Logins of a client in a replay: what came of them comes from the record, which holds no credentials.

use core::fmt;
use std::rc::Rc;

use super::probe::CurrentConnection;
use super::script::SharedScript;
use crate::net::driver::ConnectionId;
use crate::observe::frame::ClientFrame;
use crate::smtp::client::{ChannelSecurity, ClientCredentials, ClientFault, ClientLogin};
use crate::smtp::mechanism::Mechanism;

/// No client responds with more octets.
const RESPONSE_BYTES_MAX: usize = 64 * 1024;

/// The credentials of a client, which are in no record.
pub(super) struct ReplayCredentials {
    pub(super) user: String,
    pub(super) script: SharedScript,
    pub(super) current: CurrentConnection,
}

struct ReplayClientLogin {
    connection: ConnectionId,
    script: SharedScript,
}

impl fmt::Debug for ReplayCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplayCredentials({:?})", self.user)
    }
}

impl ClientCredentials for ReplayCredentials {
    fn user(&self) -> &str {
        &self.user
    }

    fn begin(
        &self,
        _: &[Mechanism],
        _: &ChannelSecurity,
    ) -> Result<(Box<dyn ClientLogin>, String), ClientFault> {
        let connection = self.current.get();
        let made = ClientFrame::LoginBegun {
            connection,
            result: Ok("AUTH"),
        };
        let begun = self
            .script
            .borrow_mut()
            .call_client(made, |recorded| match *recorded {
                ClientFrame::LoginBegun { result, .. } => Some(result.map(str::to_owned)),
                _ => None,
            });
        let line = begun.unwrap_or(Err(ClientFault::NoLogin))?;
        let login = ReplayClientLogin {
            connection,
            script: Rc::clone(&self.script),
        };
        Ok((Box::new(login), line))
    }
}

impl fmt::Debug for ReplayClientLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplayClientLogin")
    }
}

impl ClientLogin for ReplayClientLogin {
    fn respond(&mut self, _: &[u8]) -> Result<String, ClientFault> {
        let made = ClientFrame::LoginResponse {
            connection: self.connection,
            result: Ok(0),
        };
        let response = self
            .script
            .borrow_mut()
            .call_client(made, |recorded| match *recorded {
                ClientFrame::LoginResponse { result, .. } => {
                    let is_too_long = result.is_ok_and(|octets| octets > RESPONSE_BYTES_MAX);
                    (!is_too_long).then_some(result)
                }
                _ => None,
            });
        let octets = response.unwrap_or(Err(ClientFault::BadChallenge))?;
        Ok("x".repeat(octets))
    }

    fn may_succeed(&self) -> bool {
        let made = ClientFrame::LoginMaySucceed {
            connection: self.connection,
            may_succeed: true,
        };
        let answer = self
            .script
            .borrow_mut()
            .call_client(made, |recorded| match *recorded {
                ClientFrame::LoginMaySucceed { may_succeed, .. } => Some(may_succeed),
                _ => None,
            });
        answer.unwrap_or(false)
    }
}
