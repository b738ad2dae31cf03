//! The start of a session: who is there, and what is offered: by EHLO and by HELP.

use core::fmt::Write;

use bytes::BytesMut;

use super::Session;
#[cfg(any(feature = "catch", feature = "milter"))]
use super::State;
use crate::smtp::command::Greeting;
use crate::smtp::command::verbs::{Offered, VERBS};
use crate::smtp::envelope::Hello;
use crate::smtp::event::Event;
use crate::smtp::extension::Extension;
use crate::smtp::mechanism::Mechanism;
use crate::smtp::path;
#[cfg(any(feature = "catch", feature = "milter"))]
use crate::smtp::reply::Reply;
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
        let hello = Hello {
            name: name.into(),
            extended: greeting != Greeting::Helo,
        };
        #[cfg(any(feature = "catch", feature = "milter"))]
        if self.overrides.asks_about_hello {
            return Event::CheckHello(hello);
        }
        self.accept_hello(hello, out)
    }

    /// Has the driver asked about each hello from now on, or not.
    #[cfg(any(feature = "catch", feature = "milter"))]
    pub fn ask_about_hello(&mut self, asks: bool) {
        self.overrides.asks_about_hello = asks;
    }

    /// Refuses a hello, in answer to [`Event::CheckHello`].
    #[cfg(any(feature = "catch", feature = "milter"))]
    pub fn refuse_hello(&mut self, reply: Reply, out: &mut BytesMut) {
        self.answer(reply, out);
    }

    /// Refuses the client, in place of the greeting. Unless that closes, the session goes on to QUIT.
    #[cfg(any(feature = "catch", feature = "milter"))]
    pub fn refuse_client(&mut self, reply: Reply, out: &mut BytesMut) {
        self.state = State::Unwelcome;
        self.answer(reply, out);
    }

    /// Whether the greeting refused the client.
    #[cfg(any(feature = "catch", feature = "milter"))]
    pub(super) fn is_unwelcome(&self) -> bool {
        matches!(self.state, State::Unwelcome)
    }

    /// Answers a hello, also in answer to [`Event::CheckHello`]. The event says what else is to be done.
    pub fn accept_hello(&mut self, hello: Hello, out: &mut BytesMut) -> Event<'static> {
        let name = &hello.name;
        if hello.extended {
            // The first line of several has a hyphen behind its code, and no enhanced status code (RFC 2034 §4).
            let hostname = &self.policy.hostname;
            // Writing to a buffer that grows cannot fail.
            let _ = write!(out, "250-{hostname} Hello {name}, pleased to meet you.\r\n");
            self.write_extensions(out);
        } else {
            let text = format_args!("Hello {name}, pleased to meet you.");
            write_reply(out, 250, None, text);
        }
        self.hello = Some(hello);
        self.reset()
    }

    /// Announces the extensions that are offered at this moment, one a line.
    fn write_extensions(&self, out: &mut BytesMut) {
        for extension in Extension::ALL {
            if !self.offers(extension) {
                continue;
            }
            // The last line has no hyphen.
            let separator = match extension {
                Extension::Help => ' ',
                _ => '-',
            };
            let _ = write!(out, "250{separator}{}", extension.keyword());
            self.write_parameters(extension, out);
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Whether an extension is offered at this moment.
    pub(super) fn offers(&self, extension: Extension) -> bool {
        match extension {
            extension if self.withholds(extension) => false,
            Extension::SmtpUtf8 => path::A_LABELS.is_some(),
            Extension::Limits => self.limits().next().is_some(),
            Extension::StartTls => self.offers_tls(),
            Extension::Auth => self.offers_auth(),
            Extension::Dsn => self.offers_dsn(),
            Extension::Xclient => self.xclient_access == XclientAccess::Granted,
            Extension::Size
            | Extension::Pipelining
            | Extension::EightBitMime
            | Extension::BinaryMime
            | Extension::Chunking
            | Extension::EnhancedStatusCodes
            | Extension::Help => true,
        }
    }

    /// Whether the operator wants an extension not to be offered.
    pub(super) fn withholds(&self, extension: Extension) -> bool {
        self.policy.withheld.has(extension)
    }

    /// Writes what follows the keyword of an extension on its line.
    fn write_parameters(&self, extension: Extension, out: &mut BytesMut) {
        // Writing to a buffer that grows cannot fail.
        let _ = match extension {
            Extension::Size => write!(out, " {}", self.policy.message_bytes_max),
            Extension::Limits => self
                .limits()
                .try_for_each(|(name, limit)| write!(out, " {name}={limit}")),
            Extension::Auth => Mechanism::offered(self.security.as_deref(), self.policy.any_login)
                .try_for_each(|mechanism| write!(out, " {}", mechanism.name())),
            Extension::Xclient => write!(out, " {}", xclient::ATTRIBUTES),
            _ => Ok(()),
        };
    }

    /// The limits of RFC 9422 §4 that it enforces, as far as their six digits can tell.
    fn limits(&self) -> impl Iterator<Item = (&'static str, u64)> {
        const LARGEST: u64 = 999_999;
        let limits = [
            ("RCPTMAX", self.policy.recipients_max as u64),
            ("MAILMAX", self.policy.messages_max),
        ];
        limits
            .into_iter()
            .filter(|(_, limit)| (1..=LARGEST).contains(limit))
    }

    /// Answers HELP, whatever it asks about, with the verbs that are offered at this moment.
    pub(super) fn help(&self, out: &mut BytesMut) -> Event<'static> {
        out.extend_from_slice(b"214 ");
        if self.has_enhanced_codes() {
            out.extend_from_slice(reply::OK.status.as_bytes());
            out.extend_from_slice(b" ");
        }
        out.extend_from_slice(b"Commands:");
        for verb in VERBS {
            let is_offered = match verb.offered {
                Offered::Always => true,
                Offered::Lmtp(lmtp) => lmtp == (self.service == Service::Lmtp),
                Offered::With(extension) => self.offers(extension),
                Offered::Never => false,
            };
            if is_offered {
                out.extend_from_slice(b" ");
                out.extend_from_slice(verb.name.as_bytes());
            }
        }
        out.extend_from_slice(b"\r\n");
        Event::Answered
    }
}
