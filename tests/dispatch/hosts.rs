//! Hosts in memory: they take what comes, unless they are told to answer otherwise.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::Instant;

use mailoop::net::driver::ConnectionId;
use mailoop::net::endpoint::SocketAddress;
use mailoop::net::peer::PeerAddress;
use mailoop::net::transport::Transport;
use mailoop::outbound::dns::answer::{NameAnswer, NameQuestion, NameResult, NameTicket};
use mailoop::outbound::network::Network;

use crate::zone::Zone;

/// A message that a host has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    pub host: String,
    pub to: Vec<String>,
}

/// What a host does.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    Say(&'static str),
    SayAndClose(&'static str),
    Close,
}

#[derive(Debug, Default)]
struct Wire {
    host: String,
    to_us: VecDeque<u8>,
    to_host: Vec<u8>,
    is_closed: bool,
    is_greeted: bool,
    is_in_text: bool,
    is_gone: bool,
    to: Vec<String>,
}

/// All hosts, and the connections to them.
#[derive(Debug, Default)]
pub struct Hosts {
    /// Answers of hosts to a command by its start, in the place of the usual ones. The empty one is the greeting, `.` the text.
    answers: RefCell<HashMap<(String, &'static str), Answer>>,
    refusing: RefCell<Vec<String>>,
    wires: RefCell<Vec<(usize, Rc<RefCell<Wire>>)>>,
    /// Whether nobody answers for now.
    pub is_silent: Cell<bool>,
    pub taken: RefCell<Vec<Taken>>,
    /// The hosts that were dialed, in their order.
    pub dialed: RefCell<Vec<String>>,
    /// What name servers know.
    pub zone: RefCell<Zone>,
}

impl Hosts {
    pub fn answer(&self, host: &str, command: &'static str, answer: Answer) {
        let key = (host.to_owned(), command);
        self.answers.borrow_mut().insert(key, answer);
    }

    /// Connections that are open, in all and to one host at most.
    pub fn live(&self) -> (usize, usize) {
        let mut by_host: HashMap<String, usize> = HashMap::new();
        for (_, wire) in self.wires.borrow().iter() {
            let wire = wire.borrow();
            if !wire.is_gone {
                *by_host.entry(wire.host.clone()).or_default() += 1;
            }
        }
        let all = by_host.values().sum();
        (all, by_host.values().max().copied().unwrap_or(0))
    }

    /// Nobody listens there.
    pub fn refuse(&self, host: &str) {
        self.refusing.borrow_mut().push(host.to_owned());
    }

    pub fn has_something(&self) -> bool {
        let wires = self.wires.borrow();
        let mut wires = wires.iter().filter(|_| !self.is_silent.get());
        wires.any(|(_, wire)| {
            let wire = wire.borrow();
            !wire.is_gone && !wire.is_closed && (!wire.is_greeted || wire.to_host.contains(&b'\n'))
        })
    }

    /// Lets all hosts answer what they were told. Returns the keys of the connections on which there is something to be read.
    pub fn speak(&self) -> Vec<usize> {
        let mut keys = Vec::new();
        if self.is_silent.get() {
            return keys;
        }
        self.wires
            .borrow_mut()
            .retain(|(_, wire)| !wire.borrow().is_gone);
        for (key, wire) in self.wires.borrow().iter() {
            let wire = &mut *wire.borrow_mut();
            if !std::mem::replace(&mut wire.is_greeted, true) {
                self.reply(wire, "", "220 host ESMTP");
            }
            while let Some(end) = wire.to_host.iter().position(|octet| *octet == b'\n') {
                let line: Vec<u8> = wire.to_host.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                self.hear(wire, &line);
            }
            if !wire.to_us.is_empty() || wire.is_closed {
                keys.push(*key);
            }
        }
        keys
    }

    fn hear(&self, wire: &mut Wire, line: &str) {
        if wire.is_in_text {
            if line == "." {
                wire.is_in_text = false;
                if self.reply(wire, ".", "250 2.0.0 Ok") {
                    let (host, to) = (wire.host.clone(), std::mem::take(&mut wire.to));
                    self.taken.borrow_mut().push(Taken { host, to });
                }
            }
            return;
        }
        match line.get(..4).unwrap_or(line) {
            "MAIL" => {
                wire.to.clear();
                self.reply(wire, line, "250 2.1.0 Ok");
            }
            "RCPT" => {
                if self.reply(wire, line, "250 2.1.5 Ok") {
                    let address = line.split(['<', '>']).nth(1).unwrap();
                    wire.to.push(address.to_owned());
                }
            }
            "DATA" => wire.is_in_text = self.reply(wire, line, "354 Go on"),
            _ => drop(self.reply(wire, line, "250 Ok")),
        }
    }

    /// Answers, and says whether that was a yes.
    fn reply(&self, wire: &mut Wire, line: &str, usual: &'static str) -> bool {
        let answers = self.answers.borrow();
        let mut answers = answers.iter().filter(|((host, command), _)| {
            *host == wire.host && line.starts_with(command) && command.is_empty() == line.is_empty()
        });
        let answer = answers
            .next()
            .map_or(Answer::Say(usual), |(_, answer)| *answer);
        let said = match answer {
            Answer::Say(reply) | Answer::SayAndClose(reply) => reply,
            Answer::Close => "",
        };
        if !said.is_empty() {
            wire.to_us.extend(said.bytes().chain(*b"\r\n"));
        }
        wire.is_closed |= !matches!(answer, Answer::Say(_));
        said.starts_with(['2', '3'])
    }
}

/// The network of these hosts.
pub struct MemoryNetwork(pub Rc<Hosts>);

impl Network<MemoryStream> for MemoryNetwork {
    fn dial(
        &mut self,
        address: &SocketAddress,
        key: usize,
        _: ConnectionId,
    ) -> io::Result<(MemoryStream, PeerAddress)> {
        let SocketAddress::Tcp(address) = address else {
            panic!("no socket file");
        };
        let host = address.to_string();
        self.0.dialed.borrow_mut().push(host.clone());
        if self.0.refusing.borrow().contains(&host) {
            return Err(ErrorKind::ConnectionRefused.into());
        }
        let wire = Wire {
            host,
            ..Wire::default()
        };
        let wire = Rc::new(RefCell::new(wire));
        self.0.wires.borrow_mut().push((key, Rc::clone(&wire)));
        Ok((MemoryStream(wire), (*address).into()))
    }

    fn look_up(&mut self, question: &NameQuestion, _: Instant) -> NameAnswer {
        self.0.zone.borrow_mut().ask(question)
    }

    fn take_answers(&mut self) -> Vec<(NameTicket, NameResult)> {
        self.0.zone.borrow_mut().take_answers()
    }

    fn tick(&mut self, _: Instant) {}

    fn next_wake(&self) -> Option<Instant> {
        None
    }
}

/// Our end of a connection.
pub struct MemoryStream(Rc<RefCell<Wire>>);

impl Transport for MemoryStream {
    fn short_read_drains(&self) -> bool {
        false
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut wire = self.0.borrow_mut();
        let count = wire.to_us.len().min(buffer.len());
        if count == 0 && !wire.is_closed {
            return Err(ErrorKind::WouldBlock.into());
        }
        for (place, octet) in buffer.iter_mut().zip(wire.to_us.drain(..count)) {
            *place = octet;
        }
        Ok(count)
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().to_host.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for MemoryStream {
    fn drop(&mut self) {
        self.0.borrow_mut().is_gone = true;
    }
}
