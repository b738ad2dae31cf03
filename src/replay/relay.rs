//! Mail that is sent on in a replay: its settings, commands of the operator and the network come from the record.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use super::client_login::ReplayCredentials;
use super::probe::CurrentConnection;
use super::result::{ReplayError, TIME_MAX};
use super::script::SharedScript;
use super::steps::ReplayCore;
use super::tls::ReplayTls;
use super::transport::{ReplayTransport, nothing};
use crate::net::carrier::Carrier;
use crate::net::channel::Readiness;
use crate::net::driver::ConnectionId;
use crate::net::endpoint::SocketAddress;
use crate::net::epoch::{Epoch, Nanoseconds};
use crate::net::link::StartTls;
use crate::net::peer::PeerAddress;
use crate::net::token::Token;
use crate::net::trust::{Trust, TrustError};
use crate::observe::frame::{Frame, RelayFrame};
use crate::observe::names::{kind_code, name_answer};
use crate::observe::outcome::NameCode;
use crate::observe::relay::{command, indices, take_settings};
use crate::outbound::connectors::HopConnectors;
use crate::outbound::dns::answer::{NameAnswer, NameError, NameQuestion, NameResult, NameTicket};
use crate::outbound::mx::connect::CommonConnectors;
use crate::outbound::network::Network;
use crate::outbound::queue::Choice;
use crate::outbound::relay::OperatorCommand;
use crate::outbound::sites::{RoutedSites, SiteHop};
use crate::smtp::client::ClientCredentials;
use crate::smtp::policy::Policy;
use crate::smtp::route::Hop;
use crate::store::spool::MailId;

/// An input of mail that is sent on, taken out of the record.
pub(super) enum RelayInput {
    /// Settings, from this time on.
    Settings(Nanoseconds, u64, Vec<u8>),
    /// An event of the connection with this key.
    Event(usize, Readiness),
    /// A command about recipients of a message, or all of them.
    Command(OperatorCommand, MailId, Option<Vec<u16>>),
}

/// The frame as an input; `None` if it is none.
pub(super) fn input(frame: &Frame<'_>) -> Option<RelayInput> {
    let Frame::Relay { frame } = *frame else {
        return None;
    };
    Some(match frame {
        RelayFrame::Settings {
            now,
            wall,
            settings,
        } if now <= TIME_MAX => RelayInput::Settings(now, wall, settings.to_vec()),
        RelayFrame::Event { key, readiness } => RelayInput::Event(key, readiness),
        RelayFrame::Command {
            command: code,
            mail,
            recipients,
        } => {
            let only = match recipients {
                Some(octets) => Some(indices(octets)?),
                None => None,
            };
            RelayInput::Command(command(code)?, MailId::from_queue_id(mail)?, only)
        }
        _ => return None,
    })
}

/// All that takes the place of what mail is sent on with.
pub(super) struct ReplayedWorld {
    pub(super) script: SharedScript,
    pub(super) current: CurrentConnection,
    pub(super) epoch: Epoch,
}

impl ReplayedWorld {
    /// Has the core go on with an input.
    ///
    /// # Errors
    /// A build without mail that is sent on has none.
    pub(super) fn go_on(self, input: RelayInput, core: &mut ReplayCore) -> Result<(), ReplayError> {
        match input {
            RelayInput::Settings(now, wall, octets) => self.send_on(now, wall, &octets, core),
            // The kind of a token tells hops from name servers, of which there are none.
            RelayInput::Event(key, readiness) => {
                core.on_network_event(Token::new(0, key), readiness);
            }
            RelayInput::Command(command, mail, only) => {
                let whom = only.as_deref().map_or(Choice::All, Choice::Only);
                core.command_queue(command, mail, whom);
            }
        }
        Ok(())
    }

    fn send_on(self, now: Nanoseconds, wall: u64, octets: &[u8], core: &mut ReplayCore) {
        let policy = Rc::clone(&core.rules().policy);
        let settings = take_settings(octets, policy, self.connectors(), |policy| {
            self.sites(policy)
        });
        let Some(settings) = settings else {
            self.script.borrow_mut().differ("settings that are none");
            return;
        };
        let (now, wall) = (
            self.epoch.instant(now),
            UNIX_EPOCH + Duration::from_nanos(wall),
        );
        if core.outbound().is_some() {
            return core.reload_relay(settings, now, wall);
        }
        let network = Box::new(ReplayNetwork {
            script: self.script,
        });
        core.send_by(settings, network, now, wall);
    }

    fn sites(&self, policy: &Policy) -> Option<RoutedSites> {
        let name: Rc<str> = policy.hostname.as_str().into();
        let routes = Rc::clone(policy.routes.as_ref()?);
        RoutedSites::new(routes, |hop| {
            let connectors = &mut self.replay_connectors();
            SiteHop::of_route(hop, Rc::clone(&name), self.login(hop), Some(connectors))
        })
        .ok()
    }

    fn connectors(&self) -> CommonConnectors {
        let connectors: Box<dyn HopConnectors> = Box::new(self.replay_connectors());
        Rc::new(RefCell::new(connectors))
    }

    fn replay_connectors(&self) -> ReplayConnectors {
        ReplayConnectors {
            script: Rc::clone(&self.script),
            current: Rc::clone(&self.current),
        }
    }

    fn login(&self, hop: &Hop) -> Option<Rc<dyn ClientCredentials>> {
        let user = hop.login.as_deref()?.to_owned();
        Some(Rc::new(ReplayCredentials {
            user,
            script: Rc::clone(&self.script),
            current: Rc::clone(&self.current),
        }))
    }
}

/// TLS with hops, which comes from the record.
struct ReplayConnectors {
    script: SharedScript,
    current: CurrentConnection,
}

impl HopConnectors for ReplayConnectors {
    fn connector(&mut self, _: &str, _: &Trust) -> Result<Rc<dyn StartTls>, TrustError> {
        Ok(Rc::new(ReplayTls {
            script: Rc::clone(&self.script),
            current: Rc::clone(&self.current),
        }))
    }
}

/// The network of a replay: whom it is asked for is compared, and what it answers comes from the record.
struct ReplayNetwork {
    script: SharedScript,
}

impl Network<Carrier> for ReplayNetwork {
    fn dial(
        &mut self,
        address: &SocketAddress,
        key: usize,
        connection: ConnectionId,
    ) -> io::Result<(Carrier, PeerAddress)> {
        let address = &*address.to_string();
        let made = RelayFrame::Dialed {
            key,
            connection,
            address,
            short_read_drains: true,
            result: Ok(PeerAddress::Unknown),
        };
        let own = (key, connection, address);
        let dialed = self
            .script
            .borrow_mut()
            .call_relay(made, |recorded| match *recorded {
                RelayFrame::Dialed {
                    key,
                    connection,
                    address,
                    short_read_drains,
                    result,
                } if (key, connection, address) == own => Some((short_read_drains, result)),
                _ => None,
            });
        let Some((short_read_drains, result)) = dialed else {
            return nothing();
        };
        let transport = ReplayTransport {
            connection,
            short_read_drains,
            script: Rc::clone(&self.script),
        };
        Ok((Carrier::Watched(Box::new(transport)), result?))
    }

    fn look_up(&mut self, question: &NameQuestion, _: Instant) -> NameAnswer {
        let asked = (kind_code(question.kind), &*question.name);
        let made = RelayFrame::LookedUp {
            kind: asked.0,
            name: asked.1,
            ticket: None,
            answer: NameCode::Later,
        };
        let found = self
            .script
            .borrow_mut()
            .call_relay(made, |recorded| match *recorded {
                RelayFrame::LookedUp {
                    kind,
                    name,
                    ticket,
                    answer,
                } if (kind, name) == asked => match ticket {
                    Some(ticket) => Some(NameAnswer::Later(NameTicket(ticket))),
                    None => name_answer(answer).map(NameAnswer::Now),
                },
                _ => None,
            });
        found.unwrap_or(NameAnswer::Now(Err(NameError::Busy)))
    }

    fn take_answers(&mut self) -> Vec<(NameTicket, NameResult)> {
        let mut script = self.script.borrow_mut();
        script.take_relay(|frame| match *frame {
            RelayFrame::NameAnswered { ticket, answer } => {
                Some((NameTicket(ticket), name_answer(answer)?))
            }
            _ => None,
        })
    }

    fn on_event(&mut self, _: Token, _: Readiness) -> bool {
        false
    }

    fn tick(&mut self, _: Instant) {}

    fn next_wake(&self) -> Option<Instant> {
        None
    }
}
