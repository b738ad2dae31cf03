//! The start of a connection: who it comes from, and the greeting.

use std::io::{self, ErrorKind};
use std::mem;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::{Closed, Connection, Next, Stage, Turn};
use crate::net::link::{Handshake, TlsFacts};
use crate::net::transport::{Read, Transport};
use crate::server::Limits;
use crate::server::budget::handshake_rounds;
use crate::server::cidr::Cidr;
use crate::server::log_line::Value;
use crate::server::peer::PeerAddress;
use crate::server::proxy::{self, Header, Source};
use crate::smtp::event::CloseReason;
use crate::smtp::security::{ChannelBindings, Security};
use crate::smtp::xclient::{Attributes, XclientAccess};

/// How long a proxy may take to say whom it speaks for: time for a retransmission, which takes 3 s (§2 of
/// HAProxy's `doc/proxy-protocol.txt`).
const PROXY_HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the handshake of TLS may take: a handful of round trips, with some retransmissions.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

impl<T: Transport> Connection<T> {
    /// Makes a connection that was just accepted wait for the header of its proxy.
    pub fn await_proxy_header(&mut self) {
        self.stage = Stage::AwaitingProxyHeader;
    }

    /// When the header must be there.
    pub(super) fn proxy_header_deadline(&self, limits: &Limits) -> Instant {
        self.patience.opened() + PROXY_HEADER_TIMEOUT.min(limits.idle_timeout)
    }

    /// Reads until the header is there; from the next turn on the client speaks.
    pub(super) fn read_proxy_header(&mut self, turn: &mut Turn<'_>) -> io::Result<Next> {
        while self.channel.is_readable() {
            let read = self.channel.read(turn.buffer)?;
            self.input.extend_from_slice(&turn.buffer[..read.count()]);
            match proxy::read(&self.input) {
                Header::Incomplete if read != Read::Eof => {}
                Header::Incomplete => {
                    // As what looks whether the port is open.
                    self.vanish(Closed::ByPeer, turn);
                    return Ok(Next::Wait);
                }
                Header::Invalid => {
                    self.vanish(Closed::ByProxy, turn);
                    return Ok(Next::Wait);
                }
                Header::Complete { length, source } => {
                    self.input.drain(..length);
                    self.believe(source);
                    self.patience.progress(turn.now);
                    self.stage = Stage::first(self.session.service());
                    // In a turn of its own: whether there is room for that client must be known before it is greeted.
                    return Ok(self.peer.ip().map_or(Next::Again, Next::Identified));
                }
            }
        }
        if turn.drain.ends(self.session.phase()) {
            self.vanish(Closed::BySession(CloseReason::Drain), turn);
        }
        Ok(Next::Wait)
    }

    /// Takes the client for who its proxy says it is.
    fn believe(&mut self, source: Source) {
        self.peer = match source {
            Source::Address(address) => PeerAddress::from(address),
            Source::Unix => PeerAddress::Unix,
            Source::Unknown => self.peer,
        };
    }

    /// Begins TLS: from here on nothing is in the clear but what was said already. What the client has sent behind the
    /// header of its proxy belongs to TLS; behind STARTTLS it sends nothing, or it would not have come this far.
    pub(super) fn begin_tls(&mut self, turn: &mut Turn<'_>) -> io::Result<Next> {
        let Some(acceptor) = turn.tls else {
            return Err(io::Error::new(
                ErrorKind::NotFound,
                "there is no certificate",
            ));
        };
        self.channel.send(turn.replies)?;
        let early = BytesMut::from(&*mem::take(&mut self.input));
        self.channel.begin_tls(acceptor, early)?;
        let patience = HANDSHAKE_TIMEOUT.min(turn.limits.idle_timeout);
        self.stage = Stage::Securing;
        self.patience.hold(turn.now + patience);
        self.handshake(turn)
    }

    /// Reads until the handshake is done, as far as there are rounds for what it computes; from then on the session goes on as its greeting or its next command begins.
    pub(super) fn handshake(&mut self, turn: &mut Turn<'_>) -> io::Result<Next> {
        while self.channel.is_readable() && *turn.rounds > 0 && !turn.work.is_spent() {
            turn.work.charge_read(0);
            let step = self.channel.handshake();
            *turn.rounds = turn.rounds.saturating_sub(handshake_rounds(step.work));
            let handshake = step.outcome.inspect_err(|error| {
                log::info!("conn={} tls=failed reason={}", self.id, Value(error));
            })?;
            if let Handshake::Done(facts) = handshake {
                let (id, version, cipher) = (self.id, facts.version, facts.cipher);
                log::debug!("conn={id} tls={version} cipher={cipher}");
                self.patience.progress(turn.now);
                self.patience.let_go();
                if self.session.secure(security(facts)) {
                    return self.greet(turn);
                }
                self.stage = Stage::Open;
                return self.converse(turn);
            }
        }
        if turn.drain.ends(self.session.phase()) {
            self.vanish(Closed::BySession(CloseReason::Drain), turn);
            return Ok(Next::Wait);
        }
        Ok(if self.channel.is_readable() {
            Next::Cpu
        } else {
            Next::Wait
        })
    }

    /// Goes on with the client that a spokesman names, in a turn of its own: who that is must be known before it may
    /// do anything.
    pub(super) fn begin_anew(&mut self, client: &Attributes) -> Next {
        let client = self.peer.followed_by(client);
        let spokesman = mem::replace(&mut self.peer, client);
        log::debug!("conn={} peer={spokesman} client={client}", self.id);
        self.stage = Stage::New;
        let other_ip = client.ip().filter(|ip| spokesman.ip() != Some(*ip));
        other_ip.map_or(Next::Again, Next::Identified)
    }

    /// The first turn of a client: whoever has talked already does not speak SMTP.
    pub(super) fn greet(&mut self, turn: &mut Turn<'_>) -> io::Result<Next> {
        let read = self.channel.read(turn.buffer)?;
        self.input.extend_from_slice(&turn.buffer[..read.count()]);
        self.stage = Stage::Open;
        // As in Postfix, it is the believed address that counts. So no client of a filter can speak for others only
        // because its filter may.
        let access = match self.peer.ip() {
            Some(ip) if Cidr::any_contains(turn.spokesmen, ip) => XclientAccess::Granted,
            _ => XclientAccess::Denied,
        };
        self.session.set_client(self.peer.peer(), access);
        self.session.greet(!self.input.is_empty(), turn.replies);
        self.converse(turn)
    }
}

/// Takes over what a session has to know of its TLS.
fn security(facts: TlsFacts) -> Security {
    Security {
        version: facts.version,
        cipher: facts.cipher,
        bits: facts.bits,
        bindings: ChannelBindings {
            exporter: facts.exporter,
            end_point: facts.end_point,
        },
    }
}
