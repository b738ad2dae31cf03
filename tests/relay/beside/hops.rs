//! All hops behind one port: the address that a client connects to tells the scenario.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::answers::{Answer, Then};
use super::scenarios::{HopStep, Scenario};

/// What a hop took: sender, recipient, and whether it stands behind another.
pub(crate) type TakenCopy = (String, String, bool);

/// The hops, which end with their test.
pub(crate) struct Hops {
    port: u16,
    shared: Arc<SharedHops>,
    listening: Option<JoinHandle<()>>,
}

struct SharedHops {
    scenarios: Vec<Scenario>,
    taken: Mutex<Vec<TakenCopy>>,
    is_over: AtomicBool,
}

impl Hops {
    pub(crate) fn start(scenarios: Vec<Scenario>) -> Self {
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let shared = Arc::new(SharedHops {
            scenarios,
            taken: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        Self {
            port: listener.local_addr().unwrap().port(),
            shared: Arc::clone(&shared),
            listening: Some(thread::spawn(move || accept(&listener, &shared))),
        }
    }

    /// The hop of a scenario, or the one behind it.
    pub(crate) fn address(&self, number: usize, is_next: bool) -> SocketAddr {
        let number = u16::try_from(number).unwrap();
        let [high, low] = number.to_be_bytes();
        let ip = Ipv4Addr::new(127, 1 + u8::from(is_next), high, low);
        (ip, self.port).into()
    }

    pub(crate) fn taken(&self) -> Vec<TakenCopy> {
        self.shared.taken.lock().unwrap().clone()
    }
}

impl Drop for Hops {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<SharedHops>) {
    for stream in listener.incoming() {
        if shared.is_over.load(Ordering::Relaxed) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            if let Ok(mut talk) = HopTalk::new(stream, &shared) {
                let _ = talk.serve();
                // Input that is left would make the end a reset, which takes the last words back.
                let _ = talk.stream.get_ref().shutdown(Shutdown::Write);
                let wait = Some(Duration::from_secs(20));
                let _ = talk.stream.get_ref().set_read_timeout(wait);
                let _ = io::copy(&mut talk.stream, &mut io::sink());
            }
        });
    }
}

/// One connection.
struct HopTalk<'a> {
    stream: BufReader<TcpStream>,
    shared: &'a SharedHops,
    scenario: Scenario,
    is_next: bool,
    from: String,
    to: Vec<String>,
    is_over: bool,
}

impl<'a> HopTalk<'a> {
    fn new(stream: TcpStream, shared: &'a SharedHops) -> io::Result<Self> {
        let SocketAddr::V4(address) = stream.local_addr()? else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let [_, kind, high, low] = address.ip().octets();
        let number = usize::from(u16::from_be_bytes([high, low]));
        let scenario = shared.scenarios.get(number).cloned();
        Ok(Self {
            stream: BufReader::new(stream),
            shared,
            scenario: scenario.ok_or(io::ErrorKind::NotFound)?,
            is_next: kind == 2,
            from: String::new(),
            to: Vec::new(),
            is_over: false,
        })
    }

    fn serve(&mut self) -> io::Result<()> {
        self.stream.get_ref().set_nodelay(true)?;
        self.answer(HopStep::Greeting, "220 hop.example ESMTP")?;
        loop {
            let mut line = Vec::new();
            if self.stream.read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if !self.command(&line)? || self.is_over {
                return Ok(());
            }
        }
    }

    /// Whether the connection goes on.
    fn command(&mut self, line: &str) -> io::Result<bool> {
        let address = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        match &*line.chars().take(4).collect::<String>() {
            "EHLO" | "LHLO" if self.step() == HopStep::OldHello => {
                self.say(b"502 5.5.1 Not implemented\r\n")?;
            }
            "EHLO" | "LHLO" => {
                let name = line.get(5..).unwrap_or_default();
                let hello = self.hello(name);
                self.answer(HopStep::Hello, &hello)?;
            }
            "HELO" => {
                self.answer(HopStep::OldHello, "250 hop.example")?;
            }
            "STAR" => {
                if self.answer(HopStep::StartTls, "502 5.5.1 Not implemented")? {
                    // Whoever begins TLS hears what is none.
                    self.stream.fill_buf()?;
                    self.say(b"500 5.5.2 What?\r\n")?;
                    return Ok(false);
                }
            }
            "MAIL" => {
                self.to.clear();
                if self.answer(HopStep::Mail, "250 2.1.0 Ok")? {
                    self.from = address;
                }
            }
            "RCPT" => self.recipient(address)?,
            "DATA" if self.to.is_empty() => self.say(b"503 5.5.1 No recipients\r\n")?,
            "DATA" => {
                if self.answer(HopStep::Data, "354 Go on")? {
                    self.message()?;
                }
            }
            "QUIT" => {
                self.answer(HopStep::Quit, "221 2.0.0 Bye")?;
                return Ok(false);
            }
            "RSET" => {
                self.to.clear();
                self.say(b"250 2.0.0 Ok\r\n")?;
            }
            _ => self.say(b"500 5.5.1 What?\r\n")?,
        }
        Ok(true)
    }

    fn hello(&self, name: &str) -> String {
        let mut hello = match self.scenario.hello {
            _ if self.is_next => "250-hop.example\r\n".to_owned(),
            "250-NAME" => format!("250-{name}\r\n"),
            "" => "250-hop.example\r\n".to_owned(),
            line => format!("250-hop.example\r\n{line}\r\n"),
        };
        hello += "250-8BITMIME\r\n";
        if self.scenario.is_pipelining {
            hello += "250-PIPELINING\r\n";
        }
        if self.step() == HopStep::StartTls {
            hello += "250-STARTTLS\r\n";
        }
        hello + "250 ENHANCEDSTATUSCODES"
    }

    fn recipient(&mut self, address: String) -> io::Result<()> {
        if let Some(reply) = self.refusal('r', &address) {
            return self.refuse(&reply);
        }
        if let Some((max, refusal)) = self.scenario.recipients_max
            && self.to.len() >= max
        {
            return self.say(format!("{refusal}\r\n").as_bytes());
        }
        if self.answer(HopStep::Recipient, "250 2.1.5 Ok")? {
            self.to.push(address);
        }
        Ok(())
    }

    fn message(&mut self) -> io::Result<()> {
        let mut line = Vec::new();
        while line != b".\r\n" {
            line.clear();
            if self.stream.read_until(b'\n', &mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let to = std::mem::take(&mut self.to);
        if !self.scenario.is_lmtp {
            if self.answer(HopStep::Dot, "250 2.0.0 Ok")? {
                self.keep(to);
            }
            return Ok(());
        }
        for recipient in to {
            if let Some(reply) = self.refusal('d', &recipient) {
                self.refuse(&reply)?;
            } else if self.answer(HopStep::Dot, "250 2.0.0 Ok")? {
                self.keep(vec![recipient]);
            }
        }
        Ok(())
    }

    fn keep(&self, to: Vec<String>) {
        let mut taken = self.shared.taken.lock().unwrap();
        taken.extend(
            to.into_iter()
                .map(|to| (self.from.clone(), to, self.is_next)),
        );
    }

    fn step(&self) -> HopStep {
        match self.is_next {
            true => HopStep::None,
            false => self.scenario.step,
        }
    }

    /// What a recipient hears at RCPT or at the message whose name says so.
    fn refusal(&self, at: char, address: &str) -> Option<String> {
        let code = address.strip_prefix(at)?.split_once('-')?.0;
        let class = code.chars().next()?;
        (!self.is_next).then(|| format!("{code} {class}.2.0 Told so by name\r\n"))
    }

    fn refuse(&mut self, reply: &str) -> io::Result<()> {
        self.say(reply.as_bytes())?;
        match reply.starts_with("421") {
            true => Err(io::ErrorKind::ConnectionAborted.into()),
            false => Ok(()),
        }
    }

    /// Answers at a step as it should, or as the scenario has it. Returns whether that went on; an error ends the connection.
    fn answer(&mut self, step: HopStep, usual: &str) -> io::Result<bool> {
        let Answer { said, then } = match step == self.step() {
            true => self.scenario.answer,
            false => Answer::usual(),
        };
        if said.is_empty() && then == Then::GoOn {
            self.say(format!("{usual}\r\n").as_bytes())?;
            return Ok(true);
        }
        self.say(said)?;
        match then {
            // What a client may take for a yes: the hop goes on as it would then.
            Then::GoOn if step == HopStep::Data => Ok(said.starts_with(b"3")),
            Then::GoOn => Ok(matches!(said.first(), Some(b'2' | b'3'))),
            // What it has said before holds.
            Then::Close if step == HopStep::Dot && said.starts_with(b"2") => {
                self.is_over = true;
                Ok(true)
            }
            Then::Close => Err(io::ErrorKind::ConnectionAborted.into()),
            Then::Silence => {
                self.stream.read_to_end(&mut Vec::new())?;
                Err(io::ErrorKind::TimedOut.into())
            }
        }
    }

    fn say(&mut self, reply: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(reply)
    }
}
