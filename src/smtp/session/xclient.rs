//! A peer says for which client it speaks: the session begins anew, with that client.

use std::rc::Rc;

use bytes::BytesMut;

use super::{Session, State};
use crate::smtp::envelope::Hello;
use crate::smtp::event::{CloseReason, Event};
use crate::smtp::line::BareNewline;
use crate::smtp::reply;
use crate::smtp::service::Service;
use crate::smtp::xclient::{Attribute, Attributes, XclientAccess};

impl Session {
    /// XCLIENT. If it is good, its reply is the next greeting.
    pub(super) fn xclient(
        &mut self,
        argument: &[u8],
        more_input: bool,
        out: &mut BytesMut,
    ) -> Event<'static> {
        if self.xclient_access == XclientAccess::Denied {
            return self.answer(reply::COMMAND_NOT_OFFERED, out);
        }
        // What comes behind was meant for a session that may not begin: were XCLIENT refused, it would be obeyed in
        // the wrong client's name.
        if more_input && self.policy.bare_newline != BareNewline::Accept {
            return self.dismiss(reply::EARLY_TALKER, CloseReason::Error, out);
        }
        if !matches!(self.state, State::AwaitingHello | State::AwaitingMail) {
            return self.answer(reply::IN_TRANSACTION, out);
        }
        let attributes = match Attributes::parse(argument) {
            Ok(attributes) => attributes,
            Err(reply) => return self.answer(reply, out),
        };
        let proxied = self.proxied.take().map(Rc::unwrap_or_clone);
        self.proxied = Some(Rc::new(attributes.added_to(proxied.unwrap_or_default())));
        self.user = None;
        // A hello that was passed on need not be said again. Postfix likewise keeps what the last XCLIENT said.
        let extended = attributes.extended == Attribute::Known(true);
        self.hello = attributes.hello.clone().known().map(|name| Hello {
            name: name.into(),
            extended: extended || self.service == Service::Lmtp,
        });
        self.state = match self.hello {
            Some(_) => State::AwaitingMail,
            None => State::AwaitingHello,
        };
        Event::Identified(Box::new(attributes))
    }
}
