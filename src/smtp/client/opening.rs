//! The session before its first message: greeting, hello, TLS, login.

use bytes::BytesMut;

use super::capabilities::Capabilities;
use super::commands::command;
use super::event::{ClientEvent, ClientFault, Subject};
use super::login::ClientLogin;
use super::reply::{ProtocolError, ReplyKind};
use super::security::ChannelSecurity;
use super::{ClientSession, ClientState};

impl ClientSession {
    /// Interprets a reply in a state before the first message.
    pub(super) fn open(
        &mut self,
        state: ClientState,
        kind: ReplyKind,
        out: &mut BytesMut,
    ) -> Result<(ClientState, ClientEvent), ProtocolError> {
        use ReplyKind::{Completed, GoAhead, NotNow, Refused};
        Ok(match (state, kind) {
            (ClientState::AwaitingGreeting, Completed) => match &self.hello {
                Some(hello) => self.say_hello(hello.extended, out),
                None => self.after_hello(out),
            },
            (ClientState::AwaitingHello { extended: true }, Completed) => {
                self.capabilities = Capabilities::read(self.reply());
                self.after_hello(out)
            }
            (ClientState::AwaitingHello { extended: false }, Completed) => self.after_hello(out),
            // RFC 5321 §3.2: a server that knows no EHLO is greeted again, with HELO. LMTP has nothing to fall back to.
            (ClientState::AwaitingHello { extended: true }, Refused) if !self.is_lmtp => {
                self.say_hello(false, out)
            }
            (
                ClientState::AwaitingGreeting | ClientState::AwaitingHello { .. },
                NotNow | Refused,
            ) => self.turned_away(Subject::Session),

            (ClientState::AwaitingStartTls, Completed) => {
                (ClientState::AwaitingTls, ClientEvent::StartTls)
            }
            (ClientState::AwaitingStartTls, NotNow | Refused) => {
                self.turned_away(Subject::StartTls)
            }

            (ClientState::LoggingIn(login), GoAhead) => self.respond(login, out),
            (ClientState::LoggingIn(login), Completed) if login.may_succeed() => {
                (ClientState::Ready, ClientEvent::Ready)
            }
            (ClientState::LoggingIn(_), Completed) => unacceptable(ClientFault::Impostor),
            (ClientState::LoggingIn(_), NotNow | Refused) => self.turned_away(Subject::Login),
            (ClientState::AwaitingLoginEnd(fault), Completed | NotNow | Refused) => {
                unacceptable(fault)
            }
            _ => return Err(ProtocolError::OutOfPlace(self.reply().clone())),
        })
    }

    /// Says EHLO or HELO, or LHLO.
    pub(super) fn say_hello(
        &self,
        extended: bool,
        out: &mut BytesMut,
    ) -> (ClientState, ClientEvent) {
        let verb = match extended {
            _ if self.is_lmtp => "LHLO",
            true => "EHLO",
            false => "HELO",
        };
        let name = self.hello.as_ref().map_or("", |hello| &hello.name);
        command(out, format_args!("{verb} {name}"));
        (
            ClientState::AwaitingHello { extended },
            ClientEvent::Replied,
        )
    }

    /// Goes on when everybody was greeted: to TLS if that is yet to come, to a login, else to messages.
    pub(super) fn after_hello(&self, out: &mut BytesMut) -> (ClientState, ClientEvent) {
        match self.security {
            ChannelSecurity::StartTls if !self.capabilities.starttls => {
                return unacceptable(ClientFault::NoStartTls);
            }
            ChannelSecurity::MayStartTls if !self.capabilities.starttls => {}
            ChannelSecurity::StartTls | ChannelSecurity::MayStartTls => {
                command(out, format_args!("STARTTLS"));
                return (ClientState::AwaitingStartTls, ClientEvent::Replied);
            }
            ChannelSecurity::Clear | ChannelSecurity::Local | ChannelSecurity::Tls(_) => {}
        }
        let Some(credentials) = &self.credentials else {
            return (ClientState::Ready, ClientEvent::Ready);
        };
        match credentials.begin(&self.capabilities.mechanisms, &self.security) {
            Ok((login, line)) => {
                command(out, format_args!("{line}"));
                (ClientState::LoggingIn(login), ClientEvent::Replied)
            }
            Err(fault) => unacceptable(fault),
        }
    }

    /// Responds to a challenge, or gives the login up (RFC 4954 §4).
    fn respond(
        &self,
        mut login: Box<dyn ClientLogin>,
        out: &mut BytesMut,
    ) -> (ClientState, ClientEvent) {
        let challenge = self.reply().texts().next().unwrap_or_default();
        match login.respond(challenge) {
            Ok(response) => {
                command(out, format_args!("{response}"));
                (ClientState::LoggingIn(login), ClientEvent::Replied)
            }
            Err(fault) => {
                command(out, format_args!("*"));
                (ClientState::AwaitingLoginEnd(fault), ClientEvent::Replied)
            }
        }
    }

    /// Remembers a refusal that leaves nothing to be done.
    fn turned_away(&mut self, subject: Subject) -> (ClientState, ClientEvent) {
        self.refuse(subject);
        unacceptable(ClientFault::Refused)
    }
}

fn unacceptable(fault: ClientFault) -> (ClientState, ClientEvent) {
    (ClientState::AtItsEnd, ClientEvent::Unacceptable(fault))
}
