//! Three servers of NATS JetStream on this machine, with a stream for mail, and a client that asks them by hand.

use std::collections::hash_map::RandomState;
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use super::happens;
use super::json::Json;
use super::processes::signal;
use super::program::{Running, foreign};
use super::wait_until;

/// The name of the stream.
pub const STREAM: &str = "MAIL";
/// The configuration of a stream for mail, as `docs/scale.md` has it.
pub const MAIL_STREAM: &str = r#""name":"MAIL","subjects":["mail.>"],"num_replicas":3,"storage":"file","retention":"workqueue","discard":"new","max_bytes":1073741824,"duplicate_window":600000000000,"allow_direct":true"#;
/// The ports that servers have by themselves, each on an address of its own.
const PORT: u16 = 4222;
const CLUSTER_PORT: u16 = 6222;
/// A server that is alive answers sooner.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(6);

/// When servers sync what they are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syncs {
    /// Before they acknowledge it.
    Always,
    /// Now and then, as they do by themselves.
    Seldom,
}

/// One server.
pub struct Node {
    ip: Ipv4Addr,
    running: Option<Running>,
    /// The setting of JetStream, and other lines of its configuration.
    jetstream: String,
    more: String,
}

/// Three servers, which end with this.
pub struct Cluster {
    folder: TempDir,
    nodes: [Node; 3],
    /// What a client says of itself, as members of JSON.
    login: String,
}

/// An address of the loopback network that nobody else has.
fn own_addresses() -> [Ipv4Addr; 3] {
    loop {
        let random = RandomState::new().build_hasher().finish().to_be_bytes();
        let ip = |last| Ipv4Addr::new(127, random[0].clamp(1, 254), random[1], last);
        let base = random[2] % 250 + 1;
        let all = [0, 1, 2].map(|node| ip(base + node));
        if all.iter().all(|ip| TcpListener::bind((*ip, PORT)).is_ok()) {
            return all;
        }
    }
}

impl Cluster {
    /// Starts three servers, and waits until they have a leader.
    pub fn start(syncs: Syncs) -> Self {
        Self::start_with([None; 3], [syncs; 3], "", "")
    }

    /// Starts servers that keep what they have in these folders, or in some of their own, sync each in its own way, and have more
    /// lines of configuration. `login` is what a client has to say of itself, as members of JSON.
    pub fn start_with(
        stores: [Option<&Path>; 3],
        syncs: [Syncs; 3],
        more: &str,
        login: &str,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ips = own_addresses();
        let nodes = [0, 1, 2].map(|node| {
            let interval = match syncs[node] {
                Syncs::Always => "always",
                Syncs::Seldom => "2m",
            };
            let own = folder.path().join(format!("store{node}"));
            let store = stores[node].unwrap_or(&own).display();
            Node {
                ip: ips[node],
                running: None,
                jetstream: format!("store_dir: \"{store}\", sync_interval: {interval}"),
                more: more.to_owned(),
            }
        });
        let login = login.to_owned();
        let mut cluster = Self {
            folder,
            nodes,
            login,
        };
        for node in 0..3 {
            cluster.restart(node);
        }
        wait_until("a leader of the cluster", || cluster.is_led());
        cluster
    }

    /// Starts a server that does not run.
    pub fn restart(&mut self, node: usize) {
        let routes = self
            .nodes
            .each_ref()
            .map(|node| format!("nats://{}:{CLUSTER_PORT}", node.ip));
        let Node {
            ip,
            jetstream,
            more,
            ..
        } = &self.nodes[node];
        let configuration = format!(
            "server_name: n{node}\nlisten: {ip}:{PORT}\nhttp: {ip}:8222\njetstream {{ {jetstream} }}\n\
             cluster {{ name: c, listen: {ip}:{CLUSTER_PORT}, routes: [{}] }}\n{more}\n",
            routes.join(", ")
        );
        let file = self.folder.path().join(format!("n{node}.conf"));
        fs::write(&file, configuration).unwrap();
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_file(node))
            .unwrap();
        let mut command = foreign("nats-server");
        command.arg("-c").arg(&file).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.nodes[node].running = Some(Running(command.spawn().unwrap()));
        wait_until("a server to listen", || self.connect(node).is_ok());
    }

    fn log_file(&self, node: usize) -> std::path::PathBuf {
        self.folder.path().join(format!("n{node}.log"))
    }

    /// What a server has logged.
    pub fn log(&self, node: usize) -> String {
        fs::read_to_string(self.log_file(node)).unwrap()
    }

    /// Kills a server, as no other signal does.
    pub fn kill(&mut self, node: usize) {
        self.nodes[node].running = None;
    }

    /// Stops a server amid what it does, or has it go on.
    pub fn freeze(&self, node: usize, is_frozen: bool) {
        let which = if is_frozen {
            Signal::STOP
        } else {
            Signal::CONT
        };
        signal(self.nodes[node].running.as_ref().unwrap().0.id(), which);
    }

    /// Has a server that is started anew sync in another way.
    pub fn set_syncs(&mut self, node: usize, syncs: Syncs) {
        let jetstream = &mut self.nodes[node].jetstream;
        let kept = jetstream
            .split(", sync_interval")
            .next()
            .unwrap()
            .to_owned();
        let interval = if syncs == Syncs::Always {
            "always"
        } else {
            "2m"
        };
        *jetstream = format!("{kept}, sync_interval: {interval}");
    }

    /// Has all servers end, and start anew with these lines of configuration beside the others.
    pub fn restart_all_with(&mut self, more: &str) {
        for node in 0..3 {
            self.kill(node);
            more.clone_into(&mut self.nodes[node].more);
        }
        for node in 0..3 {
            self.restart(node);
        }
    }

    /// The address of a server.
    pub fn address(&self, node: usize) -> String {
        format!("{}:{PORT}", self.nodes[node].ip)
    }

    /// The address of the stream, with these options.
    pub fn url(&self, options: &str) -> String {
        let nodes = [0, 1, 2].map(|node| self.address(node));
        format!("nats://{}/{STREAM}{options}", nodes.join(","))
    }

    fn connect(&self, node: usize) -> io::Result<Talk> {
        Talk::connect(&self.address(node), &self.login)
    }

    /// A connection to any server that runs.
    pub fn talk(&self) -> Talk {
        let mut talk = None;
        wait_until("a server to connect to", || {
            let running = (0..3).filter(|node| self.nodes[*node].running.is_some());
            talk = running.into_iter().find_map(|node| self.connect(node).ok());
            talk.is_some()
        });
        talk.unwrap()
    }

    fn is_led(&self) -> bool {
        let answer = self.talk().ask("$JS.API.INFO", "");
        answer.is_ok_and(|answer| answer.get("error").is_none())
    }

    /// Makes a stream of this configuration, without its braces, and waits until it has a leader and all replicas.
    pub fn make_stream(&self, configuration: &str) {
        let subject = format!("$JS.API.STREAM.CREATE.{STREAM}");
        let mut last = None;
        let is_made = happens(|| {
            last = Some(self.talk().ask(&subject, &format!("{{{configuration}}}")));
            matches!(&last, Some(Ok(answer)) if answer.get("error").is_none())
        });
        assert!(is_made, "no stream: {last:?}");
    }

    /// Removes the stream and all that is in it.
    pub fn remove_stream(&self) {
        let subject = format!("$JS.API.STREAM.DELETE.{STREAM}");
        wait_until("the stream to be removed", || {
            self.talk().ask(&subject, "").is_ok()
        });
    }

    /// What JetStream knows of the stream.
    pub fn info(&self) -> io::Result<Json> {
        self.talk()
            .ask(&format!("$JS.API.STREAM.INFO.{STREAM}"), "")
    }

    /// The server that leads the stream, once there is one.
    pub fn leader(&self) -> usize {
        self.leader_in(&format!("$JS.API.STREAM.INFO.{STREAM}"))
    }

    /// The server that leads a consumer of the stream, once there is one.
    pub fn consumer_leader(&self, consumer: &str) -> usize {
        self.leader_in(&format!("$JS.API.CONSUMER.INFO.{STREAM}.{consumer}"))
    }

    /// The leader that the answer to a request names.
    fn leader_in(&self, subject: &str) -> usize {
        let mut leader = None;
        wait_until("a leader", || {
            let info = self.talk().ask(subject, "").ok();
            let name = info.and_then(|info| Some(info.get("cluster")?.text("leader")?.to_owned()));
            leader = name.and_then(|name| name.strip_prefix('n')?.parse().ok());
            leader.is_some()
        });
        leader.unwrap()
    }

    /// Everything in the stream, in its order.
    pub fn everything(&self) -> Vec<Stored> {
        self.try_everything().expect("the stream to be read")
    }

    /// The same; nothing where the stream cannot be read.
    pub fn try_everything(&self) -> Option<Vec<Stored>> {
        let mut all = None;
        happens(|| {
            all = self.talk().everything().ok();
            all.is_some()
        });
        all
    }
}

/// A message in the stream.
#[derive(Clone, Debug)]
pub struct Stored {
    pub subject: String,
    /// All header fields, as they stand there.
    pub headers: String,
    pub payload: Vec<u8>,
}

impl Stored {
    /// The value of a header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.lines();
        lines.find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()))
    }
}

/// A connection that is read only so long after something was said there. A read that is interrupted, as it is where the machine has
/// paused (signal(7)), is begun anew by its reader, whose patience would begin anew with it.
struct ImpatientStream {
    stream: TcpStream,
    said: Instant,
}

impl Read for ImpatientStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer);
        let is_interrupted = matches!(&read, Err(error) if error.kind() == ErrorKind::Interrupted);
        match is_interrupted && self.said.elapsed() > ANSWER_TIMEOUT {
            true => Err(ErrorKind::TimedOut.into()),
            false => read,
        }
    }
}

/// A connection to one server.
pub struct Talk {
    stream: BufReader<ImpatientStream>,
}

impl Talk {
    /// Connects to a server at this address.
    fn connect(address: &str, login: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        stream.set_nodelay(true)?;
        let said = Instant::now();
        let mut talk = Self {
            stream: BufReader::new(ImpatientStream { stream, said }),
        };
        talk.line()?;
        let separator = if login.is_empty() { "" } else { "," };
        talk.say(&format!(
            "CONNECT {{\"verbose\":false,\"headers\":true,\"no_responders\":true,\"protocol\":1{separator}{login}}}\r\nSUB _I 1\r\n"
        ))?;
        Ok(talk)
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        let stream = self.stream.get_mut();
        stream.said = Instant::now();
        stream.stream.write_all(text.as_bytes())
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line)? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(line),
        }
    }

    /// The next message: its subject, its headers, its payload.
    fn message(&mut self) -> io::Result<(String, String, Vec<u8>)> {
        loop {
            let line = self.line()?;
            let words: Vec<&str> = line.split_whitespace().collect();
            let number = |word: &str| word.parse::<usize>().unwrap();
            let (head, all) = match words[..] {
                ["PING"] => {
                    self.say("PONG\r\n")?;
                    continue;
                }
                ["MSG", .., all] => (0, number(all)),
                ["HMSG", .., head, all] => (number(head), number(all)),
                ["-ERR", ..] => return Err(io::Error::other(line)),
                _ => continue,
            };
            let mut octets = vec![0; all + 2];
            self.stream.read_exact(&mut octets)?;
            octets.truncate(all);
            let payload = octets.split_off(head);
            let headers = String::from_utf8(octets).unwrap();
            return Ok((words[1].to_owned(), headers, payload));
        }
    }

    /// Asks for JSON on a subject.
    pub fn ask(&mut self, subject: &str, payload: &str) -> io::Result<Json> {
        self.say(&format!(
            "PUB {subject} _I {}\r\n{payload}\r\n",
            payload.len()
        ))?;
        let (_, headers, payload) = self.message()?;
        match headers.contains(" 503") {
            true => Err(io::Error::other("nobody answers")),
            false => Ok(Json::parse(&String::from_utf8(payload).unwrap())),
        }
    }

    /// Publishes a message with these header lines, and waits for the acknowledgement.
    pub fn publish(&mut self, subject: &str, headers: &str, payload: &[u8]) -> io::Result<Json> {
        let headers = format!("NATS/1.0\r\n{headers}\r\n");
        let (head, all) = (headers.len(), headers.len() + payload.len());
        self.say(&format!("HPUB {subject} _I {head} {all}\r\n{headers}"))?;
        self.stream.get_mut().stream.write_all(payload)?;
        self.say("\r\n")?;
        let (_, headers, payload) = self.message()?;
        match headers.contains(" 503") {
            true => Err(io::Error::other("nobody answers")),
            false => Ok(Json::parse(&String::from_utf8(payload).unwrap())),
        }
    }

    /// Everything in the stream, in its order.
    fn everything(&mut self) -> io::Result<Vec<Stored>> {
        let (mut all, mut next) = (Vec::new(), 1_u64);
        loop {
            let payload = format!("{{\"seq\":{next},\"batch\":500,\"next_by_subj\":\"mail.>\"}}");
            self.say(&format!(
                "PUB $JS.API.DIRECT.GET.{STREAM} _I {}\r\n{payload}\r\n",
                payload.len()
            ))?;
            let before = all.len();
            loop {
                let (_, headers, payload) = self.message()?;
                let status = headers.get(9..12).unwrap_or_default().to_owned();
                match &*status {
                    // The end of a batch, or nothing more there.
                    "204" | "404" => break,
                    "503" | "408" => return Err(io::Error::other("nobody answers")),
                    _ => {}
                }
                let mut stored = Stored {
                    subject: String::new(),
                    headers,
                    payload,
                };
                let value = |name| stored.header(name).unwrap().to_owned();
                let (subject, sequence) = (value("Nats-Subject"), value("Nats-Sequence"));
                next = sequence.parse::<u64>().unwrap() + 1;
                stored.subject = subject;
                all.push(stored);
            }
            if all.len() == before {
                return Ok(all);
            }
        }
    }
}
