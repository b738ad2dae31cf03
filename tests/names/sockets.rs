//! The name service over real sockets: a poll, and scripted servers on the loopback interface.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mailoop::net::poller::Poller;
use mailoop::outbound::dns::answer::{NameAnswer, NameKind, NameQuestion, NameResult, NameTicket};
use mailoop::outbound::dns::message::Way;
use mailoop::outbound::names::{LiveNames, NameService, NameSources, system_random};

use crate::common::ports::deserted_address;
use crate::script::{Reaction, Script};
use crate::world::shown;

const DATAGRAM: u8 = 2;
const STREAM: u8 = 3;
/// The time after which a thread looks whether it is to end.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// No test takes as long.
const TIME_MAX: Duration = Duration::from_secs(60);

/// A server by UDP and TCP on one port.
struct RealServer {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// The way in which a server writes to a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Writing {
    Whole,
    ByOctets,
    /// It hangs up amid the answer.
    Half,
}

impl RealServer {
    fn start(rules: &str, writing: Writing) -> Self {
        let (datagrams, listener) = one_port();
        let address = datagrams.local_addr().unwrap();
        datagrams.set_read_timeout(Some(LOOK_INTERVAL)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let script = Arc::new(Mutex::new(Script::new(rules)));
        let is_over = Arc::new(AtomicBool::new(false));
        let (over, by_datagrams) = (Arc::clone(&is_over), Arc::clone(&script));
        let datagrams = thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                serve_datagram(&datagrams, &by_datagrams);
            }
        });
        let over = Arc::clone(&is_over);
        let streams = thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => serve_stream(stream, &script, writing),
                    Err(_) => thread::sleep(Duration::from_millis(1)),
                }
            }
        });
        Self {
            address,
            is_over,
            threads: vec![datagrams, streams],
        }
    }
}

impl Drop for RealServer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "a server panicked");
        }
    }
}

/// Both sockets of a server, on a port that neither of two others has.
pub fn one_port() -> (UdpSocket, TcpListener) {
    loop {
        let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
        if let Ok(listener) = TcpListener::bind(datagrams.local_addr().unwrap()) {
            return (datagrams, listener);
        }
    }
}

fn serve_datagram(socket: &UdpSocket, script: &Mutex<Script>) {
    let mut packet = [0; 2000];
    let (length, client) = match socket.recv_from(&mut packet) {
        Ok(received) => received,
        // One that is halted meanwhile is interrupted (signal(7)).
        Err(error) => {
            let is_in_vain =
                [ErrorKind::WouldBlock, ErrorKind::Interrupted].contains(&error.kind());
            assert!(is_in_vain, "{error}");
            return;
        }
    };
    let reactions = script
        .lock()
        .unwrap()
        .react(&packet[..length], Way::Datagram);
    for reaction in reactions {
        let Reaction::Say {
            octets,
            after_ms,
            from_elsewhere,
        } = reaction
        else {
            continue;
        };
        thread::sleep(Duration::from_millis(after_ms));
        if from_elsewhere {
            let other = UdpSocket::bind("127.0.0.1:0").unwrap();
            other.send_to(&octets, client).unwrap();
        } else {
            socket.send_to(&octets, client).unwrap();
        }
    }
}

fn serve_stream(mut stream: TcpStream, script: &Mutex<Script>, writing: Writing) {
    stream.set_nonblocking(false).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut packet = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut packet).unwrap();
    let reactions = script.lock().unwrap().react(&packet, Way::Stream);
    for reaction in reactions {
        let Reaction::Say { octets, .. } = reaction else {
            continue;
        };
        let message = [&(octets.len() as u16).to_be_bytes()[..], &octets].concat();
        let written = match writing {
            Writing::Whole => stream.write_all(&message),
            Writing::Half => stream.write_all(&message[..message.len() / 2]),
            Writing::ByOctets => {
                stream.set_nodelay(true).unwrap();
                message
                    .chunks(1)
                    .try_for_each(|octet| stream.write_all(octet))
            }
        };
        // The client may have gone, which is its good right.
        drop(written);
    }
}

/// A loop with a name service.
pub struct NameLoop {
    poller: Poller,
    names: NameService<LiveNames>,
}

impl NameLoop {
    pub fn new(servers: &[SocketAddr]) -> Self {
        let poller = Poller::new().unwrap();
        let network = LiveNames::new(poller.registry(), DATAGRAM, STREAM).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let sources = NameSources {
            servers: servers.to_vec(),
            hosts: folder.path().join("hosts"),
            resolv_conf: folder.path().join("resolv.conf"),
        };
        let random = system_random().unwrap();
        let names = NameService::new(network, random, sources, Instant::now());
        Self { poller, names }
    }

    /// Asks for the addresses of all these hosts.
    pub fn look_up(&mut self, names: &[&str]) -> Vec<String> {
        let questions = names.iter().map(|name| (NameKind::Host, *name));
        self.ask(&questions.collect::<Vec<_>>())
    }

    /// Asks all these questions, and runs until each is answered.
    pub fn ask(&mut self, questions: &[(NameKind, &str)]) -> Vec<String> {
        let start = Instant::now();
        let mut answers: Vec<Option<NameResult>> = vec![None; questions.len()];
        let mut tickets: Vec<(NameTicket, usize)> = Vec::new();
        for (index, (kind, name)) in questions.iter().enumerate() {
            let question = NameQuestion::new(*kind, name);
            match self.names.ask(&question, Instant::now()) {
                NameAnswer::Now(answer) => answers[index] = Some(answer),
                NameAnswer::Later(ticket) => tickets.push((ticket, index)),
            }
        }
        while answers.iter().any(Option::is_none) {
            let answered = self.names.take_answers();
            if answered.is_empty() {
                self.turn();
            }
            for (ticket, answer) in answered {
                let at = tickets.iter().position(|(other, _)| *other == ticket);
                let (_, index) = tickets.swap_remove(at.expect("a ticket of ours"));
                answers[index] = Some(answer);
            }
            assert!(start.elapsed() < TIME_MAX, "{tickets:?}");
        }
        // What has to be closed is closed.
        while self.names.next_wake().is_some() {
            self.turn();
        }
        assert_eq!(self.names.in_flight(), 0);
        answers.iter().flatten().map(shown).collect()
    }

    fn turn(&mut self) {
        let wake = self.names.next_wake();
        let timeout = wake.map(|wake| wake.saturating_duration_since(Instant::now()));
        self.poller.wait(timeout.or(Some(LOOK_INTERVAL))).unwrap();
        for (token, readiness) in self.poller.events() {
            let way = match token.kind {
                DATAGRAM => Way::Datagram,
                STREAM => Way::Stream,
                kind => panic!("kind {kind}"),
            };
            self.names.on_event(way, token.key, readiness);
        }
        self.names.tick(Instant::now());
    }
}

#[test]
fn datagrams_go_and_come() {
    let server = RealServer::start(
        "gone.example * = nxdomain 60\n* A = 60 192.0.2.1\n* AAAA = 60 2001:db8::1",
        Writing::Whole,
    );
    let mut names = NameLoop::new(&[server.address]);
    assert_eq!(
        names.look_up(&["mail.example", "gone.example", "192.0.2.9", "mail.example"]),
        [
            "192.0.2.1 2001:db8::1",
            "NoSuchName",
            "192.0.2.9",
            "192.0.2.1 2001:db8::1"
        ]
    );
}

#[test]
fn a_long_answer_comes_by_tcp_whole_or_octet_by_octet() {
    let many: Vec<String> = (1..=29)
        .map(|number| format!("60 192.0.2.{number}"))
        .chain((0..300).map(|_| "60 txt".to_owned()))
        .collect();
    let rules = format!(
        "* A = truncated\n* A tcp = {}\n* AAAA = nodata",
        many[..200].join(", ")
    );
    for writing in [Writing::Whole, Writing::ByOctets] {
        let server = RealServer::start(&rules, writing);
        let answers = NameLoop::new(&[server.address]).look_up(&["mail.example"]);
        assert_eq!(answers[0].split(' ').count(), 29, "{answers:?}");
    }
}

#[test]
fn a_server_that_hangs_up_is_left_for_the_next() {
    let first = RealServer::start("* * = truncated\n* * tcp = 60 192.0.2.9", Writing::Half);
    let second = RealServer::start("* A = 60 192.0.2.1\n* AAAA = nodata", Writing::Whole);
    let mut names = NameLoop::new(&[first.address, second.address]);
    assert_eq!(names.look_up(&["mail.example"]), ["192.0.2.1"]);
}

#[test]
fn nobody_listens() {
    let address = deserted_address().parse().unwrap();
    assert_eq!(
        NameLoop::new(&[address]).look_up(&["mail.example"]),
        ["Unreachable"]
    );
    let server = RealServer::start("* A = 60 192.0.2.1\n* AAAA = nodata", Writing::Whole);
    let mut names = NameLoop::new(&[address, server.address]);
    assert_eq!(names.look_up(&["mail.example"]), ["192.0.2.1"]);
}

#[test]
fn what_others_send_to_our_port_never_arrives() {
    let server = RealServer::start(
        "* A = wrong address 60 192.0.2.9 & after 20 60 192.0.2.1\n* AAAA = nodata",
        Writing::Whole,
    );
    let mut names = NameLoop::new(&[server.address]);
    assert_eq!(names.look_up(&["mail.example"]), ["192.0.2.1"]);
}

#[test]
fn a_flood_of_forged_datagrams_leads_to_tcp() {
    let flood = vec!["wrong id 60 192.0.2.9"; 100].join(" & ");
    let server = RealServer::start(
        &format!("* A = {flood}\n* A tcp = 60 192.0.2.1\n* AAAA = nodata"),
        Writing::Whole,
    );
    let mut names = NameLoop::new(&[server.address]);
    assert_eq!(names.look_up(&["mail.example"]), ["192.0.2.1"]);
}

#[test]
fn many_names_at_once_are_answered() {
    let server = RealServer::start("* A = 60 192.0.2.1\n* AAAA = nodata 60", Writing::Whole);
    let texts: Vec<String> = (0..500)
        .map(|number| format!("n{number}.example"))
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let answers = NameLoop::new(&[server.address]).look_up(&texts);
    assert!(
        answers.iter().all(|answer| answer == "192.0.2.1"),
        "{answers:?}"
    );
}

#[test]
fn a_server_that_is_silent_costs_one_try() {
    let silent = RealServer::start("* * = silence", Writing::Whole);
    let server = RealServer::start("* A = 60 192.0.2.1\n* AAAA = nodata", Writing::Whole);
    let mut names = NameLoop::new(&[silent.address, server.address]);
    let start = Instant::now();
    assert_eq!(names.look_up(&["mail.example"]), ["192.0.2.1"]);
    assert!(start.elapsed() >= Duration::from_secs(2));
}
