//! The servers and their stream: what JetStream does with what is published.

use std::collections::{BTreeMap, HashMap};
use std::mem;
use std::time::Duration;

use mailoop::stream::network::StreamPeer;

/// Whether a server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeState {
    Up,
    /// The process is stopped: its kernel takes connections, and nothing is read.
    Frozen,
    Down,
}

/// A server.
#[derive(Clone, Debug)]
pub struct Node {
    pub name: String,
    pub state: NodeState,
    pub monitor: NodeState,
    pub syncs_always: bool,
    pub payload_bytes_max: usize,
    /// Whether it lets nobody in.
    pub refuses: bool,
    /// Whether it says that it is about to shut down.
    pub is_leaving: bool,
    /// Whether JetStream knows that it is not there.
    pub is_offline: bool,
    /// Whether it reaches none of the others: nothing that is published there is answered.
    pub is_cut_off: bool,
    /// How long the leader says that it has not heard of it, while it is not up.
    pub silence: Duration,
    /// Whether it wants TLS.
    pub wants_tls: bool,
}

/// A message in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub subject: String,
    pub headers: Vec<(String, String)>,
    pub payload: Vec<u8>,
}

/// A message that a client publishes.
#[derive(Clone, Debug)]
pub struct Published<'a> {
    pub subject: &'a str,
    pub reply: Option<&'a str>,
    pub headers: Vec<(String, String)>,
    pub payload: &'a [u8],
}

/// An answer to a reply subject: its headers, if it has some, and its payload.
pub type Answer = (Option<String>, Vec<u8>);

/// What answers on subjects that the model does not know, such as those of consumers.
pub type Api = Box<dyn FnMut(&mut Cluster, &Published<'_>) -> Option<Answer>>;

pub struct Cluster {
    pub nodes: Vec<Node>,
    /// Members of the configuration of the stream, as JSON; `None` if there is no stream.
    pub config: Option<BTreeMap<&'static str, String>>,
    pub leader: Option<usize>,
    /// How many seconds ago it was elected, as it says, below a minute.
    pub led_seconds: u32,
    /// Whether the stream is full.
    pub is_full: bool,
    pub messages: BTreeMap<u64, Stored>,
    pub last_sequence: u64,
    ids: HashMap<String, u64>,
    /// The number of publishes whose answer is lost.
    pub unanswered: usize,
    /// Subscriptions, by connection, number and subject.
    pub subscriptions: Vec<(u64, String, String)>,
    said: Vec<(u64, Vec<u8>)>,
    pub api: Option<Api>,
}

impl Cluster {
    pub fn new(nodes: usize) -> Self {
        let node = |number| Node {
            name: format!("n{number}"),
            state: NodeState::Up,
            monitor: NodeState::Up,
            syncs_always: true,
            payload_bytes_max: 1024 * 1024,
            refuses: false,
            is_leaving: false,
            is_offline: false,
            is_cut_off: false,
            silence: Duration::ZERO,
            wants_tls: false,
        };
        Self {
            nodes: (0..nodes).map(node).collect(),
            config: Some(Self::good_config()),
            leader: Some(0),
            led_seconds: 0,
            is_full: false,
            messages: BTreeMap::new(),
            last_sequence: 0,
            ids: HashMap::new(),
            unanswered: 0,
            subscriptions: Vec::new(),
            said: Vec::new(),
            api: None,
        }
    }

    /// The configuration of a stream as it should be.
    pub fn good_config() -> BTreeMap<&'static str, String> {
        [
            ("name", "\"MAIL\""),
            ("subjects", "[\"mail.>\"]"),
            ("retention", "\"workqueue\""),
            ("discard", "\"new\""),
            ("storage", "\"file\""),
            ("num_replicas", "3"),
            ("duplicate_window", "600000000000"),
            ("max_msg_size", "-1"),
        ]
        .map(|(name, value)| (name, value.to_owned()))
        .into()
    }

    pub fn state_of(&self, node: usize, peer: StreamPeer) -> NodeState {
        let node = &self.nodes[node];
        match peer {
            StreamPeer::Node => node.state,
            StreamPeer::Monitor if node.state == NodeState::Up => node.monitor,
            StreamPeer::Monitor => node.state,
        }
    }

    /// The line of INFO of a node.
    pub fn info(&self, node: usize) -> Vec<u8> {
        let node = &self.nodes[node];
        let is_up = |node: &&Node| node.state != NodeState::Down;
        let urls = self.nodes.iter().filter(is_up);
        let urls: Vec<String> = urls.map(|node| format!("\"{}:4222\"", node.name)).collect();
        format!(
            "INFO {{\"server_id\":\"X{name}\",\"server_name\":\"{name}\",\"version\":\"2.15.1\",\"proto\":1,\"headers\":true,\
             \"max_payload\":{},\"jetstream\":true,\"connect_urls\":[{}],\"ldm\":{},\"tls_required\":{}}} \r\n",
            node.payload_bytes_max,
            urls.join(","),
            node.is_leaving,
            node.wants_tls,
            name = node.name,
        )
        .into_bytes()
    }

    /// Whether a majority of the servers is there, and one of them leads.
    pub fn has_leader(&self) -> bool {
        let up = self.nodes.iter().filter(|node| node.state == NodeState::Up);
        let leads = |leader: usize| self.nodes[leader].state == NodeState::Up;
        up.count() * 2 > self.nodes.len() && self.leader.is_some_and(leads)
    }

    /// Takes a message that a client publishes.
    pub fn publish(&mut self, published: &Published<'_>) {
        if let Some((headers, payload)) = self.answer(published)
            && let Some(reply) = published.reply
        {
            match self.unanswered {
                0 => self.deliver(reply, None, headers.as_deref(), &payload),
                _ => self.unanswered -= 1,
            }
        }
    }

    fn answer(&mut self, published: &Published<'_>) -> Option<Answer> {
        let nobody = || Some((Some("NATS/1.0 503\r\n\r\n".to_owned()), Vec::new()));
        let subject = published.subject;
        if let Some(stream) = subject.strip_prefix("$JS.API.STREAM.INFO.") {
            return match self.has_leader() || self.config.is_none() {
                true => Some((None, self.stream_info(stream))),
                false => nobody(),
            };
        }
        if subject.starts_with("mail.") && self.config.is_some() {
            return match self.has_leader() {
                true => Some((None, self.store(published))),
                false => nobody(),
            };
        }
        let mut api = self.api.take()?;
        let answer = api(self, published);
        self.api = Some(api);
        answer
    }

    /// Puts a message into the stream, once each id.
    fn store(&mut self, published: &Published<'_>) -> Vec<u8> {
        let error = |code: u16, text: &str| {
            let status = 503;
            format!(
                "{{\"error\":{{\"code\":{status},\"err_code\":{code},\"description\":\"{text}\"}},\"stream\":\"MAIL\",\"seq\":0}}"
            )
        };
        let header = |name: &str| {
            let mut headers = published.headers.iter();
            headers
                .find(|(known, _)| known == name)
                .map(|(_, value)| value)
        };
        if header("Nats-Expected-Stream").is_some_and(|stream| stream != "MAIL") {
            return error(10060, "expected stream does not match").into_bytes();
        }
        if let Some(sequence) = header("Nats-Msg-Id").and_then(|id| self.ids.get(id)) {
            let text = format!("{{\"stream\":\"MAIL\",\"seq\":{sequence},\"duplicate\": true}}");
            return text.into_bytes();
        }
        if self.is_full {
            return error(10077, "maximum bytes exceeded").into_bytes();
        }
        self.last_sequence += 1;
        if let Some(id) = header("Nats-Msg-Id") {
            self.ids.insert(id.clone(), self.last_sequence);
        }
        let stored = Stored {
            subject: published.subject.to_owned(),
            headers: published.headers.clone(),
            payload: published.payload.to_vec(),
        };
        self.messages.insert(self.last_sequence, stored);
        format!("{{\"stream\":\"MAIL\",\"seq\":{}}}", self.last_sequence).into_bytes()
    }

    /// The answer to the question for a stream.
    fn stream_info(&self, stream: &str) -> Vec<u8> {
        let Some(config) = self.config.as_ref().filter(|_| stream == "MAIL") else {
            return br#"{"error":{"code":404,"err_code":10059,"description":"stream not found"}}"#
                .to_vec();
        };
        let members: Vec<String> = config
            .iter()
            .map(|(name, value)| format!("\"{name}\":{value}"))
            .collect();
        let leader = self.leader.map(|leader| self.nodes[leader].name.clone());
        let others = self
            .nodes
            .iter()
            .filter(|node| Some(&node.name) != leader.as_ref());
        let others: Vec<String> = others
            .map(|node| {
                let is_up = node.state == NodeState::Up;
                let active = if is_up { 0 } else { node.silence.as_nanos() };
                format!(
                    "{{\"name\":\"{}\",\"offline\":{},\"current\":{is_up},\"active\":{active}}}",
                    node.name, node.is_offline
                )
            })
            .collect();
        format!(
            "{{\"config\":{{{}}},\"cluster\":{{\"leader\":\"{}\",\"leader_since\":\"2026-11-30T14:00:00Z\",\"replicas\":[{}]}},\
             \"ts\":\"2026-11-30T14:00:{:02}Z\"}}",
            members.join(","),
            leader.unwrap_or_default(),
            others.join(","),
            self.led_seconds
        )
        .into_bytes()
    }

    /// Sends a message to all whose subscription matches.
    pub fn deliver(
        &mut self,
        to: &str,
        shown: Option<(&str, &str)>,
        headers: Option<&str>,
        payload: &[u8],
    ) {
        let matching = |subject: &str| match subject.strip_suffix('*') {
            Some(start) => to
                .strip_prefix(start)
                .is_some_and(|token| !token.contains('.')),
            None => subject == to,
        };
        for (connection, number, subject) in &self.subscriptions {
            if !matching(subject) {
                continue;
            }
            let names = match shown {
                Some((subject, reply)) => format!("{subject} {number} {reply}"),
                None => format!("{to} {number}"),
            };
            let mut octets = match headers {
                Some(headers) => {
                    let bytes = headers.len() + payload.len();
                    format!("HMSG {names} {} {bytes}\r\n{headers}", headers.len())
                }
                None => format!("MSG {names} {}\r\n", payload.len()),
            }
            .into_bytes();
            octets.extend_from_slice(payload);
            octets.extend_from_slice(b"\r\n");
            self.said.push((*connection, octets));
        }
    }

    /// What goes to which connection since the last call.
    pub fn take_said(&mut self) -> Vec<(u64, Vec<u8>)> {
        mem::take(&mut self.said)
    }
}
