//! The hosts file and resolv.conf as they change under a name service.

use std::cell::RefCell;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mailoop::net::datagram::DatagramSocket;
use mailoop::net::socket::Socket;
use mailoop::outbound::dns::answer::{NameAnswer, NameError, NameQuestion};
use mailoop::outbound::names::{NameNetwork, NameService, NameSources};

use crate::world::{addresses, random, shown};

/// A network on which no server is to be reached. It says which ones were tried.
#[derive(Default)]
struct Unreachable(Rc<RefCell<Vec<String>>>);

impl NameNetwork for Unreachable {
    type Datagram = DatagramSocket;
    type Stream = Socket;

    fn datagram(&mut self, server: SocketAddr, _: usize) -> io::Result<DatagramSocket> {
        self.0.borrow_mut().push(server.to_string());
        Err(io::ErrorKind::NetworkUnreachable.into())
    }

    fn stream(&mut self, _: SocketAddr, _: usize) -> io::Result<Socket> {
        Err(io::ErrorKind::NetworkUnreachable.into())
    }
}

struct Machine {
    names: NameService<Unreachable>,
    tried: Rc<RefCell<Vec<String>>>,
    now: Instant,
}

impl Machine {
    fn new(folder: &Path, servers: &[&str]) -> Self {
        let sources = NameSources {
            servers: servers.iter().map(|text| text.parse().unwrap()).collect(),
            hosts: folder.join("hosts"),
            resolv_conf: folder.join("resolv.conf"),
        };
        let (network, now) = (Unreachable::default(), Instant::now());
        let tried = network.0.clone();
        Self {
            names: NameService::new(network, random(1), sources, now),
            tried,
            now,
        }
    }

    fn look_up(&mut self, name: &str) -> String {
        match self.names.ask(&NameQuestion::host(name), self.now) {
            NameAnswer::Now(answer) => shown(&answer),
            NameAnswer::Later(ticket) => {
                let answers = self.names.take_answers();
                assert_eq!(answers, [(ticket, Err(NameError::Unreachable))]);
                shown(&answers[0].1)
            }
        }
    }

    /// The servers that are asked for a name.
    fn servers(&mut self) -> Vec<String> {
        self.tried.borrow_mut().clear();
        self.look_up("mail.example");
        let mut servers = self.tried.take();
        servers.sort();
        servers.dedup();
        servers
    }

    fn wait(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
    }
}

#[test]
fn the_hosts_file_is_read_again_when_it_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let hosts = folder.path().join("hosts");
    fs::write(&hosts, "192.0.2.1 mail\n").unwrap();
    let mut machine = Machine::new(folder.path(), &["192.0.2.53:53"]);
    assert_eq!(machine.look_up("mail"), "192.0.2.1");
    fs::write(&hosts, "192.0.2.2 mail\n192.0.2.3 new\n").unwrap();
    machine.wait(4_999);
    assert_eq!(machine.look_up("mail"), "192.0.2.1", "looked at each 5 s");
    machine.wait(1);
    assert_eq!(machine.look_up("mail"), "192.0.2.2");
    assert_eq!(machine.look_up("new"), "192.0.2.3");
    // As an editor does it, with the same length.
    let other = folder.path().join("other");
    fs::write(&other, "192.0.2.4 mail\n192.0.2.3 new\n").unwrap();
    fs::rename(&other, &hosts).unwrap();
    machine.wait(5_000);
    assert_eq!(machine.look_up("mail"), "192.0.2.4");
    // One that is about to be put there again.
    fs::remove_file(&hosts).unwrap();
    machine.wait(5_000);
    assert_eq!(machine.look_up("mail"), "192.0.2.4");
    fs::write(&hosts, "").unwrap();
    machine.wait(5_000);
    assert_eq!(machine.look_up("mail"), "Unreachable");
}

#[test]
fn the_servers_of_the_system_are_followed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("resolv.conf");
    let mut machine = Machine::new(folder.path(), &[]);
    assert_eq!(machine.servers(), ["127.0.0.1:53", "[::1]:53"]);
    fs::write(&file, "nameserver 192.0.2.1\nnameserver 192.0.2.2\n").unwrap();
    machine.wait(5_000);
    assert_eq!(machine.servers(), ["192.0.2.1:53", "192.0.2.2:53"]);
    fs::write(&file, "nameserver 192.0.2.3\nnonsense\n").unwrap();
    machine.wait(5_000);
    assert_eq!(machine.servers(), ["192.0.2.3:53"]);
}

#[test]
fn servers_that_are_given_take_the_place_of_the_systems() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("resolv.conf");
    fs::write(&file, "nameserver 192.0.2.1\nsearch one.example\n").unwrap();
    let mut machine = Machine::new(folder.path(), &["192.0.2.7:5353", "[2001:db8::7]:53"]);
    assert_eq!(machine.servers(), ["192.0.2.7:5353", "[2001:db8::7]:53"]);
    let sources = NameSources {
        servers: Vec::new(),
        hosts: folder.path().join("hosts"),
        resolv_conf: file,
    };
    let now = machine.now;
    machine.names.set_sources(sources, now);
    assert_eq!(
        machine.servers(),
        ["192.0.2.1:53"],
        "at once, as after SIGHUP"
    );
}

#[test]
fn a_file_without_end_is_read_in_part() {
    let folder = tempfile::tempdir().unwrap();
    let line = "192.0.2.1 mail\n";
    let text = [line, &"# nothing\n".repeat(200_000), "192.0.2.2 last\n"].concat();
    fs::write(folder.path().join("hosts"), text).unwrap();
    let mut machine = Machine::new(folder.path(), &["192.0.2.53:53"]);
    assert_eq!(machine.look_up("mail"), "192.0.2.1");
    assert_eq!(machine.look_up("last"), "Unreachable");
}

#[test]
fn files_of_this_machine_can_be_read() {
    let sources = NameSources::system(Vec::new());
    let now = Instant::now();
    let mut names = NameService::new(Unreachable::default(), random(1), sources, now);
    let NameAnswer::Now(answer) = names.ask(&NameQuestion::host("localhost"), now) else {
        panic!("localhost is always known");
    };
    assert!(addresses(answer).iter().all(IpAddr::is_loopback));
}
