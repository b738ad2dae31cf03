//! The start of a session: who is there, and what is offered: by EHLO and by HELP.

use core::fmt::Write;

use bytes::BytesMut;

use super::Session;
use crate::smtp::auth::Mechanism;
use crate::smtp::command::Greeting;
use crate::smtp::envelope::Hello;
use crate::smtp::event::Event;
use crate::smtp::reply::{self, write_reply};
use crate::smtp::service::Service;
use crate::smtp::xclient::{self, XclientAccess};

impl Session {
    /// HELO, EHLO or LHLO, which also does what RSET does (RFC 5321 §4.1.4).
    pub(super) fn hello(
        &mut self,
        greeting: Greeting,
        name: &str,
        out: &mut BytesMut,
    ) -> Event<'static> {
        if (greeting == Greeting::Lhlo) != (self.service == Service::Lmtp) {
            return self.answer(reply::UNKNOWN_COMMAND, out);
        }
        let extended = greeting != Greeting::Helo;
        if extended {
            // The first line of several has a hyphen behind its code, and no enhanced status code (RFC 2034 §4).
            let hostname = &self.policy.hostname;
            // Writing to a buffer that grows cannot fail.
            let _ = write!(out, "250-{hostname} Hello {name}, pleased to meet you.\r\n");
            self.write_extensions(out);
        } else {
            let text = format_args!("Hello {name}, pleased to meet you.");
            write_reply(out, 250, None, text);
        }
        self.hello = Some(Hello {
            name: name.into(),
            extended,
        });
        self.reset()
    }

    /// What this session can do at this moment, an extension a line.
    fn write_extensions(&self, out: &mut BytesMut) {
        let size = self.policy.message_bytes_max;
        let _ = write!(out, "250-SIZE {size}\r\n");
        out.extend_from_slice(b"250-PIPELINING\r\n250-8BITMIME\r\n250-BINARYMIME\r\n250-CHUNKING\r\n250-ENHANCEDSTATUSCODES\r\n");
        if cfg!(feature = "smtputf8") {
            out.extend_from_slice(b"250-SMTPUTF8\r\n");
        }
        self.write_limits(out);
        if self.offers_tls() {
            out.extend_from_slice(b"250-STARTTLS\r\n");
        }
        if self.offers_auth() {
            out.extend_from_slice(b"250-AUTH");
            for mechanism in Mechanism::offered(self.security.as_deref()) {
                let _ = write!(out, " {}", mechanism.name());
            }
            out.extend_from_slice(b"\r\n");
        }
        if self.xclient_access == XclientAccess::Granted {
            let _ = write!(out, "250-{}\r\n", xclient::OFFER);
        }
        out.extend_from_slice(b"250 HELP\r\n");
    }

    /// What it enforces of the limits of RFC 9422 §4, as far as their six digits can tell.
    fn write_limits(&self, out: &mut BytesMut) {
        const LARGEST: u64 = 999_999;
        let recipients = self.policy.recipients_max as u64;
        let limits = [
            ("RCPTMAX", recipients),
            ("MAILMAX", self.policy.messages_max),
        ];
        let mut start = "250-LIMITS";
        for (name, limit) in limits {
            if (1..=LARGEST).contains(&limit) {
                let _ = write!(out, "{start} {name}={limit}");
                start = "";
            }
        }
        if start.is_empty() {
            out.extend_from_slice(b"\r\n");
        }
    }

    /// HELP: the commands of this session, whatever it asks about.
    pub(super) fn help(&self, out: &mut BytesMut) -> Event<'static> {
        let hello = match self.service {
            Service::Lmtp => "LHLO",
            _ => "HELO EHLO",
        };
        let status = self.extended().then_some(reply::OK.status);
        let xclient = match self.xclient_access {
            XclientAccess::Granted => " XCLIENT",
            XclientAccess::Denied => "",
        };
        let starttls = if self.offers_tls() { " STARTTLS" } else { "" };
        let auth = if self.offers_auth() { " AUTH" } else { "" };
        let commands = format_args!(
            "Commands: {hello}{starttls}{xclient}{auth} MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT"
        );
        write_reply(out, 214, status, commands);
        Event::Answered
    }
}
