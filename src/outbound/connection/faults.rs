//! Connections that are lost, hosts that are at fault, and messages that a host cannot take: their results.

use core::fmt;
use std::io;

use super::{Relay, RelayStage, RelayTurn, timeouts};
use crate::net::driver::{Close, ConnectionFailure, Step};
use crate::net::failure::TlsFailure;
use crate::net::peer::PeerAddress;
use crate::outbound::delivery::{RecipientResult, ResultClass};
use crate::outbound::desk::HopFault;
use crate::smtp::client::{Awaited, Obstacle, ProtocolError, Subject};
use crate::smtp::status::EnhancedStatus;

/// The result of recipients for whom nothing was tried.
pub(super) fn unasked() -> RecipientResult {
    let status = EnhancedStatus::new(4, 4, 2);
    RecipientResult::local(ResultClass::Again, status, "the connection was to end")
}

/// The result of recipients of a message that this host cannot take.
pub(super) fn obstructed(obstacle: Obstacle) -> RecipientResult {
    let (status, account) = match obstacle {
        Obstacle::TooLarge(too_large) => (
            EnhancedStatus::new(5, 3, 4),
            format!(
                "the message is larger than the {} octets that the server takes",
                too_large.limit
            ),
        ),
        Obstacle::NoSmtpUtf8 => (
            EnhancedStatus::new(5, 6, 7),
            "the message needs SMTPUTF8, which the server does not offer".to_owned(),
        ),
        Obstacle::NoBinaryMime => (
            EnhancedStatus::new(5, 6, 1),
            "the message needs BINARYMIME, which the server does not offer".to_owned(),
        ),
    };
    RecipientResult::local(ResultClass::Failed, status, account)
}

/// What may be wrong with our own address, where that is what the system says.
pub(in crate::outbound) fn address_advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrNotAvailable => "; is the --outgoing-address one of this machine?",
        _ => "",
    }
}

/// What came of a handshake that failed.
fn handshake_account(error: &io::Error) -> String {
    let why = TlsFailure::account_of_handshake(error);
    let mut account = format!("the TLS handshake failed: {why}");
    // What is no TLS is most likely SMTP in the clear.
    if account.contains("InvalidContentType") {
        account.push_str(
            "; it speaks no TLS from the first byte: for STARTTLS write smtp:// in place of smtps://",
        );
    }
    account
}

impl Relay {
    /// The connection is lost, whatever was under way.
    pub(super) fn lose(&mut self, how: impl fmt::Display, turn: &mut RelayTurn<'_>) -> Step<Self> {
        let activity = timeouts::activity(self.session.awaited());
        let account = format_args!("{how} {activity}");
        let status = EnhancedStatus::new(4, 4, 2);
        let result = RecipientResult::local(ResultClass::NextHost, status, account);
        self.end(&result, false, turn)
    }

    /// The server does not speak the protocol.
    pub(super) fn lose_to_nonsense(
        &mut self,
        error: &ProtocolError,
        turn: &mut RelayTurn<'_>,
    ) -> Step<Self> {
        let status = EnhancedStatus::new(4, 5, 0);
        let result = RecipientResult::local(ResultClass::NextHost, status, error);
        self.end(&result, false, turn)
    }

    /// The server has announced that it closes the connection (421).
    pub(super) fn be_closed(&mut self, turn: &mut RelayTurn<'_>) -> Step<Self> {
        let result = self.host_refusal();
        self.end(&result, true, turn)
    }

    /// Gives the connection up, so that what is under way is not sent.
    pub(super) fn abandon(&mut self, account: &str, turn: &mut RelayTurn<'_>) -> Step<Self> {
        let status = EnhancedStatus::new(4, 4, 2);
        let result = RecipientResult::local(ResultClass::Again, status, account);
        self.end(&result, false, turn)
    }

    /// The text of the message cannot be read.
    pub(super) fn miss_text(&mut self, why: &str, turn: &mut RelayTurn<'_>) -> Step<Self> {
        let status = EnhancedStatus::new(4, 3, 0);
        let account = format_args!("the message cannot be read: {why}");
        let result = RecipientResult::local(ResultClass::Deferred, status, account);
        self.end(&result, false, turn)
    }

    /// Ends the connection, and decides what is left by this fault.
    fn end(
        &mut self,
        fault: &RecipientResult,
        is_definite: bool,
        turn: &mut RelayTurn<'_>,
    ) -> Step<Self> {
        let hop_fault = match self.stage {
            RelayStage::Opening => Some(self.opening_fault()),
            RelayStage::Handshaking => Some(HopFault::Tls(TlsFailure::Other)),
            // A host that ends with its first word as a host that takes messages is none.
            RelayStage::Open if self.begun == 0 && fault.class == ResultClass::NextHost => {
                Some(HopFault::Greeting)
            }
            RelayStage::Open | RelayStage::Over => None,
        };
        self.text = None;
        self.ticket = None;
        self.stage = RelayStage::Over;
        match hop_fault {
            Some(hop_fault) => self.tell_fault(fault, hop_fault, turn),
            None => {
                self.ledger.lose(fault, is_definite);
                self.tell_decided(turn.shared);
            }
        }
        // A message that is not whole must not become so by what is written last.
        Step::Close(Close::abort(()))
    }

    /// The way in which a host fails that is lost before its first message.
    fn opening_fault(&self) -> HopFault {
        match (self.session.awaited(), self.session.subject()) {
            (Awaited::Tls, _) | (_, Subject::StartTls) => HopFault::Tls(TlsFailure::Other),
            (Awaited::Login, _) | (_, Subject::Login) => HopFault::Login,
            _ => HopFault::Greeting,
        }
    }

    /// The connection failed without a word of the server.
    pub(super) fn fail(&mut self, failure: &ConnectionFailure, turn: &mut RelayTurn<'_>) {
        let (status, account, fault) = match failure {
            ConnectionFailure::Dial(error) => (
                EnhancedStatus::new(4, 4, 1),
                match self.facts.peer {
                    PeerAddress::Tcp(to) => {
                        format!("cannot connect to {to}: {error}{}", address_advice(error))
                    }
                    PeerAddress::Unix | PeerAddress::Unknown => format!("cannot connect: {error}"),
                },
                HopFault::Connect,
            ),
            ConnectionFailure::HandshakeTimeout => (
                EnhancedStatus::new(4, 7, 5),
                "the TLS handshake timed out".to_owned(),
                HopFault::Tls(TlsFailure::Other),
            ),
            ConnectionFailure::Socket(error) if self.stage != RelayStage::Handshaking => {
                // The step is to close, which it is already.
                let _: Step<Self> = self.lose(error, turn);
                return;
            }
            ConnectionFailure::Handshake(error) | ConnectionFailure::Socket(error) => (
                EnhancedStatus::new(4, 7, 5),
                handshake_account(error),
                HopFault::Tls(TlsFailure::of_handshake(error)),
            ),
        };
        self.stage = RelayStage::Over;
        let result = RecipientResult::local(ResultClass::NextHost, status, account);
        self.tell_fault(&result, fault, turn);
    }
}
