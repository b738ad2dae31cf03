//! The session of a connection to a hop, as its settings want it, and what can go wrong with it before the first message.

use std::rc::Rc;

use super::{Relay, RelayStage, RelayTurn, faults};
use crate::net::driver::Step;
use crate::net::failure::TlsFailure;
use crate::net::peer::PeerAddress;
use crate::outbound::delivery::{RecipientResult, ResultClass};
use crate::outbound::desk::{ConnectionEvent, HopFault};
use crate::outbound::hop::{HopProtocol, HopSecurity, HopSettings, TlsMoment};
use crate::smtp::client::{
    Awaited, ChannelSecurity, ClientFault, ClientSession, Pace, ReplyKind, Subject,
};
use crate::smtp::envelope::Hello;
use crate::smtp::status::EnhancedStatus;

/// Makes the session with a hop at this address.
pub(super) fn session(hop: &HopSettings, peer: PeerAddress) -> ClientSession {
    let by_command = |moment| moment == TlsMoment::StartTls;
    let security = match &hop.security {
        HopSecurity::May(tls) if by_command(tls.moment) => ChannelSecurity::MayStartTls,
        HopSecurity::Encrypt(tls) | HopSecurity::Verify(tls, _) if by_command(tls.moment) => {
            ChannelSecurity::StartTls
        }
        _ if peer.is_on_this_machine() => ChannelSecurity::Local,
        _ => ChannelSecurity::Clear,
    };
    let hello = Hello {
        name: Rc::clone(&hop.name),
        extended: true,
    };
    let mut session = ClientSession::new(Some(hello), Pace::Pipelined).with_security(security);
    if hop.protocol == HopProtocol::Lmtp {
        session = session.with_lmtp();
    }
    match &hop.security {
        HopSecurity::Verify(_, Some(login)) => session.with_login(Rc::clone(login)),
        _ => session,
    }
}

impl Relay {
    /// The session takes messages from now on.
    pub(super) fn open_for_messages(&mut self, turn: &mut RelayTurn<'_>) -> Option<Step<Self>> {
        self.stage = RelayStage::Open;
        self.since = turn.now;
        if let Some(max) = self.session.recipients_max() {
            self.recipients_max = self.recipients_max.min(max);
        }
        self.begin(turn)
    }

    /// Whether the server that has answered to what was `awaited` has our own name.
    pub(super) fn has_own_name(&self, awaited: Awaited) -> bool {
        let greets = matches!(awaited, Awaited::Greeting | Awaited::Hello)
            && self.session.reply().kind() == ReplyKind::Completed;
        let text = self.session.reply().texts().next().unwrap_or_default();
        let name = text.split(u8::is_ascii_whitespace).next();
        self.hop.refuses_own_name
            && greets
            && name.is_some_and(|name| name.eq_ignore_ascii_case(self.hop.name.as_bytes()))
    }

    /// The server is ourselves.
    pub(super) fn refuse_own_name(&mut self, turn: &mut RelayTurn<'_>) -> Step<Self> {
        let status = EnhancedStatus::new(4, 4, 6);
        let account = "mail loop: the server has our own name";
        let result = RecipientResult::local(ResultClass::NextHost, status, account);
        self.give_host_up(&result, HopFault::OwnName, turn)
    }

    /// The session cannot go on as it has to.
    pub(super) fn be_turned_away(
        &mut self,
        fault: ClientFault,
        turn: &mut RelayTurn<'_>,
    ) -> Step<Self> {
        let (hop_fault, status, account) = match fault {
            ClientFault::Refused => {
                let fault = match self.session.subject() {
                    Subject::StartTls => HopFault::Tls(TlsFailure::NoStartTls),
                    Subject::Login => HopFault::Login,
                    _ => HopFault::Greeting,
                };
                return self.give_host_up(&self.host_refusal(), fault, turn);
            }
            ClientFault::NoStartTls => (
                HopFault::Tls(TlsFailure::NoStartTls),
                (7, 4),
                "the server offers no STARTTLS",
            ),
            ClientFault::NoLogin => (
                HopFault::Login,
                (7, 0),
                "the server offers no login that is known here",
            ),
            ClientFault::InTheClear => (
                HopFault::Login,
                (7, 0),
                "the login would tell the password to whoever listens",
            ),
            ClientFault::BadChallenge => (
                HopFault::Login,
                (7, 0),
                "the server does not log in as its mechanism has it",
            ),
            ClientFault::Impostor => (
                HopFault::Login,
                (7, 0),
                "the server does not show that it knows the password",
            ),
            ClientFault::NoRandomness => (HopFault::Login, (3, 0), "the system has nothing random"),
        };
        let status = EnhancedStatus::new(4, status.0, status.1);
        let result = RecipientResult::local(ResultClass::NextHost, status, account);
        self.give_host_up(&result, hop_fault, turn)
    }

    /// The result of a refusal that is the host's and no message's, and so never for good.
    pub(super) fn host_refusal(&self) -> RecipientResult {
        let status = self.session.status().with_class(4);
        RecipientResult::remote(ResultClass::NextHost, status, self.session.reply())
    }

    /// Gives this host up before any message, and tells why.
    pub(super) fn give_host_up(
        &mut self,
        result: &RecipientResult,
        fault: HopFault,
        turn: &mut RelayTurn<'_>,
    ) -> Step<Self> {
        self.tell_fault(result, fault, turn);
        // Commands that were written with the reply are not to be answered any more.
        turn.output.clear();
        self.quit(turn)
    }

    /// Tells that there is no session with this host.
    pub(super) fn tell_fault(
        &mut self,
        result: &RecipientResult,
        fault: HopFault,
        turn: &mut RelayTurn<'_>,
    ) {
        self.ledger.give_back(&faults::unasked());
        self.tell_decided(turn.shared);
        let event = ConnectionEvent::Failed {
            result: result.clone(),
            facts: self.facts,
            fault,
        };
        self.tell(event, turn);
    }
}
