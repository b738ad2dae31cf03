//! The connection to a stream within the loop: names of servers, attempts to connect, questions for the stream and to monitors, and
//! the part of a store that speaks on it.
//!
//! A store is told of a connection only once the stream was seen over it, and keeps what it has to.

mod attempts;
mod health;
mod monitors;
mod roster;

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::connection::StreamLink;
use super::desk::{LinkEvent, StreamDesk};
use super::info::ServerInfo;
use super::network::{StreamNetwork, StreamPeer};
use super::report::StreamAnswer;
use super::settings::{StreamError, StreamSettings, StreamStart};
use super::target::Node;
use crate::net::channel::Readiness;
use crate::net::connections::Connections;
use crate::net::driver::ConnectionName;
use crate::net::token::Token;
use crate::net::transport::Transport;
use crate::outbound::dns::answer::NameTicket;
use crate::outbound::dns::resolver::Random;
use crate::smtp::log_value::LogValue;
use crate::store::Store;
use crate::store::stream::{StreamClient, StreamFacts, StreamOutput};
use health::{Demands, Health};
use monitors::Monitors;
use roster::Roster;

/// Time between two lines on what a server does not let us do: it may say so for each message.
const FORBIDDEN_EVERY: Duration = Duration::from_secs(10);
/// The first letters of tokens of our own questions.
const OWN_TOKEN: &str = "link";

/// The connection to a stream.
pub struct StreamService<T> {
    settings: StreamSettings,
    network: Box<dyn StreamNetwork<T>>,
    random: Random,
    links: Connections<StreamLink, T>,
    roster: Roster,
    present: Option<Present>,
    monitors: Monitors<T>,
    health: Health,
    /// Whether the store was told of the state, and of the present connection.
    is_told: bool,
    is_connected_told: bool,
    start: StreamStart,
    drain: DrainNews,
    is_client_idle: bool,
    /// Whether this tick has made room for more that the connection reads.
    has_taken: bool,
    /// Whether a round of questions to monitors is under way.
    is_round: bool,
    /// When a line was written on something that the server does not let us do.
    forbidden_at: Option<Instant>,
    now: Instant,
}

/// The present attempt to have a connection, or the connection.
struct Present {
    node: Node,
    stage: PresentStage,
    /// Addresses that are still to be tried, the next one last.
    addresses: Vec<SocketAddr>,
}

/// How far the present attempt is.
enum PresentStage {
    /// The name is being looked up.
    Naming(NameTicket),
    /// A connection to this address is being made.
    Opening(SocketAddr),
    /// It is there.
    Open(ConnectionName, SocketAddr, Box<ServerInfo>),
}

/// Whether the store is told that the server is about to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DrainNews {
    None,
    ToTell,
    Told,
}

impl<T: Transport> StreamService<T> {
    /// A service that connects in its first tick.
    #[must_use]
    pub fn new(
        settings: StreamSettings,
        network: Box<dyn StreamNetwork<T>>,
        mut random: Random,
        now: Instant,
    ) -> Self {
        let inbox = format!("_INBOX.{:016x}{:016x}", random(), random());
        let demands = Demands::new(&settings.target, settings.brings_mail);
        Self {
            roster: Roster::new(settings.target.nodes.clone(), now),
            settings,
            network,
            random,
            links: Connections::new(StreamDesk::new(inbox.into()), now),
            present: None,
            monitors: Monitors::new(now),
            health: Health::new(demands, now),
            is_told: false,
            is_connected_told: false,
            start: StreamStart::Pending,
            drain: DrainNews::None,
            is_client_idle: true,
            has_taken: false,
            is_round: false,
            forbidden_at: None,
            now,
        }
    }

    /// Tells what time it is, once a tick.
    pub fn set_time(&mut self, now: Instant) {
        self.now = now;
        self.links.set_time(now);
        self.monitors.connections.set_time(now);
    }

    /// Notes an event; whether it was of one of the connections here.
    pub fn on_event(&mut self, token: Token, readiness: Readiness) -> bool {
        match self.network.on_event(token, readiness) {
            Some((StreamPeer::Node, key)) => self.links.on_event(key, readiness),
            Some((StreamPeer::Monitor, key)) => self.monitors.connections.on_event(key, readiness),
            None => return false,
        }
        true
    }

    /// One tick: takes in what has come, tells the store of it, and takes what that has to say.
    pub fn tick(&mut self, store: &mut dyn Store) {
        let Some(client) = store.stream() else {
            debug_assert!(false, "a stream has a store that speaks with it");
            return;
        };
        self.network.tick(self.now);
        self.take_answers();
        self.links.tick(|_| {}, |_, _| {});
        self.take_news(client);
        self.give_up_mute(client);
        self.ask_monitors();
        if self.present.is_none() && self.roster.retry_at() <= self.now {
            self.begin_attempt();
        }
        self.judge(client);
        if self.drain == DrainNews::ToTell {
            self.drain = DrainNews::Told;
            client.begin_drain();
        }
        self.converse(client);
        self.is_client_idle = client.is_idle();
    }

    /// The instant at which [`tick`](Self::tick) has something to do without an event.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        let retry = self.present.is_none().then(|| self.roster.retry_at());
        let news = self.links.shared().has_news().then_some(self.now);
        let wakes = [
            retry,
            news,
            self.links.next_wake(),
            self.monitors.next_wake(),
            self.health.next_wake(self.is_round),
            self.network.next_wake(),
        ];
        wakes.into_iter().flatten().min()
    }

    /// How the first connection is getting on. Attempts go on also where it has failed.
    #[must_use]
    pub fn start(&self) -> StreamStart {
        self.start.clone()
    }

    /// Begins nothing new any more. What is under way may finish within this time.
    pub fn begin_drain(&mut self, timeout: Duration) {
        self.links.begin_drain(timeout);
        if self.drain == DrainNews::None {
            self.drain = DrainNews::ToTell;
        }
    }

    /// Whether nothing is under way, or unsent, for which the end of the server would have to wait.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let is_sent = !self.is_connected_told || self.links.shared().unsent() == 0;
        self.drain != DrainNews::ToTell && self.is_client_idle && is_sent
    }

    /// Hands out the answers of name servers.
    fn take_answers(&mut self) {
        for (ticket, result) in self.network.take_answers() {
            let network = &mut *self.network;
            if self.monitors.answered(ticket, &result, network, self.now) {
                continue;
            }
            if let Some(present) = &self.present
                && matches!(present.stage, PresentStage::Naming(known) if known == ticket)
            {
                self.found(&result);
            }
        }
    }

    /// Takes what the connection tells, and gives messages to the store.
    fn take_news(&mut self, client: &mut dyn StreamClient) {
        self.has_taken = self.links.shared().has_news();
        for event in self.links.shared_mut().take_events() {
            match event {
                LinkEvent::Opened(name, info) => self.opened(name, info),
                LinkEvent::Changed(info) => self.changed(&info),
                LinkEvent::Forbidden(text) => self.forbidden(&text),
                LinkEvent::Closed(error) => self.closed(error, client),
            }
        }
        while let Some(message) = self.links.shared_mut().take_message() {
            let token = message.token.as_deref();
            match token.and_then(|token| token.strip_prefix(OWN_TOKEN)) {
                Some(question) => {
                    let answer = StreamAnswer::parse(message.status, &message.payload);
                    let question = question.parse().unwrap_or(0);
                    if self.health.answered(question, answer, self.now) {
                        self.roster.note_good();
                    }
                }
                None => client.received(message),
            }
        }
    }

    /// Ends a connection over which nobody answers for the stream.
    fn give_up_mute(&mut self, client: &mut dyn StreamClient) {
        if self.health.is_mute(self.now)
            && let Some(present) = &self.present
            && let PresentStage::Open(name, ..) = present.stage
        {
            // Another attempt is heard from now on, so that the driver of this one ends it.
            self.links.shared_mut().begin_attempt();
            self.links.wake(name);
            let why = self.health.why().to_owned();
            self.closed(StreamError::Unreachable(why), client);
        }
    }

    fn opened(&mut self, name: ConnectionName, info: Box<ServerInfo>) {
        if let Some(present) = &mut self.present
            && let PresentStage::Opening(address) = present.stage
        {
            self.health.connected(&info, self.now);
            self.roster.learn(&info.servers);
            present.stage = PresentStage::Open(name, address, info);
        }
    }

    fn changed(&mut self, info: &ServerInfo) {
        if self.roster.learn(&info.servers) {
            self.health.changed(self.now);
        }
        self.health.note_info(info);
    }

    /// Takes note that the server does not let us do something. Nothing goes without the questions for the stream.
    fn forbidden(&mut self, text: &str) {
        let is_told = |at: Instant| self.now < at + FORBIDDEN_EVERY;
        if !self.forbidden_at.is_some_and(is_told) {
            self.forbidden_at = Some(self.now);
            log::warn!("stream=forbidden error={text:?}");
        }
        if self.start != StreamStart::Ready && text.contains("$JS.API.STREAM.INFO") {
            let text = format!("the server says {text:?}");
            self.start = StreamStart::Failed(StreamError::Login(text));
        }
    }

    fn closed(&mut self, error: StreamError, client: &mut dyn StreamClient) {
        let Some(present) = &self.present else {
            return;
        };
        if let PresentStage::Open(_, address, info) = &present.stage {
            if self.is_connected_told {
                let (server, why) = (LogValue(&info.name), error.to_string());
                log::warn!("stream=disconnected server={server} address={address} error={why:?}");
                self.is_connected_told = false;
                client.disconnected();
            }
            return self.fail(&error);
        }
        // Another address of the host may do better, unless it was let in nowhere.
        match error {
            StreamError::Unreachable(_) => self.connect(error),
            error => self.fail(&error),
        }
    }

    /// Begins a round of questions to monitors where one is due, and takes what they say.
    fn ask_monitors(&mut self) {
        for (node, outcome) in self.monitors.tick(&mut *self.network, self.now) {
            self.health.heard(&node, outcome, self.now);
        }
        if self.is_round && !self.monitors.is_asking() {
            self.is_round = false;
            self.health.end_round(self.now);
        }
        if !self.is_round && self.health.begins_round(self.now) {
            let named = &self.settings.target.monitors;
            let nodes = match named.is_empty() {
                true => self.roster.nodes().map(Node::monitor).collect(),
                false => named.clone(),
            };
            self.is_round = true;
            self.monitors.ask(nodes, &mut *self.network, self.now);
        }
    }

    /// Tells the store of the state, and of the connection once that is good.
    fn judge(&mut self, client: &mut dyn StreamClient) {
        let (state, is_news) = self.health.state(self.now);
        if is_news || !self.is_told {
            self.is_told = true;
            client.set_state(state.clone());
        }
        if self.start != StreamStart::Ready
            && let Some(fault) = self.health.fault(self.now)
        {
            self.start = StreamStart::Failed(fault);
        }
        if let Some(present) = &self.present
            && let PresentStage::Open(_, address, info) = &present.stage
            && !self.is_connected_told
            && self.health.is_good(self.now)
        {
            let (server, version) = (LogValue(&info.name), LogValue(&info.version));
            let stream = &self.settings.target.stream;
            let replicas = LogValue(self.health.replicas());
            log::info!(
                "stream=connected server={server} address={address} version={version} name={stream} replicas={replicas}"
            );
            self.is_connected_told = true;
            self.start = StreamStart::Ready;
            client.connected(&StreamFacts {
                stream: Rc::from(&**stream),
                payload_bytes_max: self.health.payload_bytes_max(),
            });
        }
    }

    /// Says what there is to say.
    fn converse(&mut self, client: &mut dyn StreamClient) {
        let Some(present) = &self.present else {
            return;
        };
        let PresentStage::Open(name, ..) = present.stage else {
            return;
        };
        let question = self.health.next_question(self.now);
        let desk = self.links.shared_mut();
        if let Some(question) = question {
            let subject = format!("$JS.API.STREAM.INFO.{}", self.settings.target.stream);
            desk.publish(&subject, Some(&format!("{OWN_TOKEN}{question}")), &[], b"");
        }
        if self.is_connected_told {
            client.send(desk);
        }
        // What it has read and not handed over, for want of room, is offered again as well.
        if self.has_taken || self.links.shared().has_output() {
            self.links.wake(name);
        }
    }
}
