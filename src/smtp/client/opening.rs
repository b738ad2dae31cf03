//! What comes before the first message: greeting, hello, TLS, login.

use bytes::BytesMut;

use super::auth::Login;
use super::capabilities::Capabilities;
use super::security::ChannelSecurity;
use super::{
    ClientEvent, ClientFault, ClientSession, ProtocolError, ReplyKind, State, Subject, command,
};

impl State {
    /// Whether no message could begin yet.
    pub(super) fn is_opening(&self) -> bool {
        matches!(
            self,
            Self::AwaitingGreeting
                | Self::AwaitingHello { .. }
                | Self::AwaitingStartTls
                | Self::LoggingIn(_)
                | Self::AwaitingLoginEnd(_)
        )
    }
}

impl ClientSession {
    /// What a reply means in a state before the first message.
    pub(super) fn open(
        &mut self,
        state: State,
        kind: ReplyKind,
        out: &mut BytesMut,
    ) -> Result<(State, ClientEvent), ProtocolError> {
        use ReplyKind::{Completed, GoAhead, NotNow, Refused};
        Ok(match (state, kind) {
            (State::AwaitingGreeting, Completed) => match &self.hello {
                Some(hello) => say_hello(&hello.name, hello.extended, out),
                None => self.after_hello(out),
            },
            (State::AwaitingHello { extended: true }, Completed) => {
                self.capabilities = Capabilities::read(self.reply());
                self.after_hello(out)
            }
            (State::AwaitingHello { extended: false }, Completed) => self.after_hello(out),
            // RFC 5321 §3.2: a server that knows no EHLO is greeted again, with HELO.
            (State::AwaitingHello { extended: true }, Refused) => say_hello(
                self.hello.as_ref().map_or("", |hello| &hello.name),
                false,
                out,
            ),
            (State::AwaitingGreeting | State::AwaitingHello { .. }, NotNow | Refused) => {
                self.turned_away(Subject::Session)
            }

            (State::AwaitingStartTls, Completed) => (State::AwaitingTls, ClientEvent::StartTls),
            (State::AwaitingStartTls, NotNow | Refused) => self.turned_away(Subject::StartTls),

            (State::LoggingIn(login), GoAhead) => self.respond(login, out),
            (State::LoggingIn(login), Completed) if login.may_succeed() => {
                (State::Ready, ClientEvent::Ready)
            }
            (State::LoggingIn(_), Completed) => unacceptable(ClientFault::Impostor),
            (State::LoggingIn(_), NotNow | Refused) => self.turned_away(Subject::Login),
            (State::AwaitingLoginEnd(fault), Completed | NotNow | Refused) => unacceptable(fault),
            _ => return Err(ProtocolError::OutOfPlace(self.reply().clone())),
        })
    }

    /// Goes on when everybody was greeted: to TLS if that is yet to come, to a login, else to messages.
    pub(super) fn after_hello(&self, out: &mut BytesMut) -> (State, ClientEvent) {
        if self.security == ChannelSecurity::StartTls {
            if !self.capabilities.starttls {
                return unacceptable(ClientFault::NoStartTls);
            }
            command(out, format_args!("STARTTLS"));
            return (State::AwaitingStartTls, ClientEvent::Replied);
        }
        let Some(credentials) = &self.credentials else {
            return (State::Ready, ClientEvent::Ready);
        };
        match Login::begin(credentials, &self.capabilities.mechanisms, &self.security) {
            Ok((login, line)) => {
                command(out, format_args!("{line}"));
                (State::LoggingIn(Box::new(login)), ClientEvent::Replied)
            }
            Err(fault) => unacceptable(fault),
        }
    }

    /// Responds to a challenge, or gives the login up (RFC 4954 §4).
    fn respond(&self, mut login: Box<Login>, out: &mut BytesMut) -> (State, ClientEvent) {
        let challenge = self.reply().texts().next().unwrap_or_default();
        match login.respond(challenge) {
            Ok(response) => {
                command(out, format_args!("{response}"));
                (State::LoggingIn(login), ClientEvent::Replied)
            }
            Err(fault) => {
                command(out, format_args!("*"));
                (State::AwaitingLoginEnd(fault), ClientEvent::Replied)
            }
        }
    }

    /// Remembers a refusal that leaves nothing to be done.
    fn turned_away(&mut self, subject: Subject) -> (State, ClientEvent) {
        self.refuse(subject);
        unacceptable(ClientFault::Refused)
    }
}

fn unacceptable(fault: ClientFault) -> (State, ClientEvent) {
    (State::AtItsEnd, ClientEvent::Unacceptable(fault))
}

pub(super) fn say_hello(name: &str, extended: bool, out: &mut BytesMut) -> (State, ClientEvent) {
    let verb = if extended { "EHLO" } else { "HELO" };
    command(out, format_args!("{verb} {name}"));
    (State::AwaitingHello { extended }, ClientEvent::Replied)
}
