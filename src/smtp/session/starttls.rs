//! From the clear into TLS (RFC 3207): what was said in the clear counts for nothing any more.

use crate::smtp::extension::Extension;
use std::rc::Rc;

use bytes::BytesMut;

use super::{Session, State};
use crate::smtp::event::{CloseReason, Event};
use crate::smtp::line::LineReader;
use crate::smtp::reply;
use crate::smtp::security::Security;

impl Session {
    /// STARTTLS.
    pub(super) fn ask_for_tls(&mut self, more_input: bool, out: &mut BytesMut) -> Event<'static> {
        if self.security.is_some() {
            return self.answer(reply::TLS_ACTIVE, out);
        }
        if !self.offers_tls() {
            return self.answer(reply::COMMAND_NOT_OFFERED, out);
        }
        // Commands behind it, perhaps put in by somebody else, must be obeyed neither in the clear nor as if they had
        // come through TLS (CVE-2011-0411).
        if more_input {
            return self.dismiss(reply::EARLY_TALKER, CloseReason::Error, out);
        }
        match self.state {
            State::AwaitingHello => self.answer(self.service.hello_first(), out),
            State::AwaitingMail => Event::StartTls,
            _ => self.answer(reply::IN_TRANSACTION, out),
        }
    }

    /// Asks the client to begin TLS, in answer to [`Event::StartTls`].
    pub fn start_tls(&mut self, out: &mut BytesMut) {
        self.answer(reply::READY_FOR_TLS, out);
    }

    /// Goes on in TLS as if nothing had been said (RFC 3207 §4.2). Whether the client is yet to be greeted.
    pub fn secure(&mut self, security: Security) -> bool {
        self.security = Some(Rc::new(security));
        self.user = None;
        // Of a login at its XCLIENT peer the same is true: whoever is in between may have said so.
        if let Some(proxied) = &mut self.proxied {
            Rc::make_mut(proxied).login = None;
        }
        self.hello = None;
        self.lines = LineReader::default();
        self.state = State::AwaitingHello;
        self.service.begins_with_tls()
    }

    /// Whether TLS can begin by STARTTLS.
    pub(super) fn offers_tls(&self) -> bool {
        self.policy.tls && self.security.is_none() && !self.withholds(Extension::StartTls)
    }
}
