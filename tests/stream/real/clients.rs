//! Clients of an edge that send message after message, and know which were acknowledged, and under which name.

use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// An edge answers sooner, whatever becomes of its stream, and of the machine.
const REPLY_TIMEOUT: Duration = Duration::from_secs(120);
/// A client that was refused rests so long.
const REST: Duration = Duration::from_millis(20);

/// What clients know.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// The queue ids of all messages that were acknowledged.
    pub acknowledged: Vec<String>,
    /// Messages that were refused, at MAIL or at their end.
    pub refused: usize,
    /// Messages after whose end the connection ended without a reply.
    pub unanswered: usize,
    /// The longest time from one acknowledgement of any client to the next.
    pub silence: Duration,
}

/// A session with an edge.
pub struct Session {
    stream: BufReader<TcpStream>,
}

impl Session {
    pub fn connect(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(REPLY_TIMEOUT))?;
        stream.set_nodelay(true)?;
        let mut session = Self {
            stream: BufReader::new(stream),
        };
        session.reply()?;
        let mut reply = session.ask("EHLO client.example\r\n")?;
        while reply.starts_with("250-") {
            reply = session.reply()?;
        }
        Ok(session)
    }

    /// Says something, and returns the reply, of one line.
    pub fn ask(&mut self, words: &str) -> io::Result<String> {
        self.say(words.as_bytes())?;
        self.reply()
    }

    pub fn say(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(octets)
    }

    pub fn reply(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        match line.ends_with('\n') {
            true => Ok(line.trim_end().to_owned()),
            false => Err(ErrorKind::ConnectionAborted.into()),
        }
    }

    /// Begins a message; whether its text may come. One that is refused is over.
    pub fn begin(&mut self) -> io::Result<bool> {
        for command in [
            "MAIL FROM:<ada@example.org>\r\n",
            "RCPT TO:<bob@example.org>\r\n",
            "DATA\r\n",
        ] {
            let reply = self.ask(command)?;
            if !reply.starts_with(['2', '3']) {
                assert!(reply.starts_with('4'), "{reply}");
                self.ask("RSET\r\n")?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Sends a message of this text. The queue id, if it was acknowledged.
    pub fn send(&mut self, text: &str) -> io::Result<Option<String>> {
        if !self.begin()? {
            return Ok(None);
        }
        let reply = self.ask(&format!("{text}.\r\n"))?;
        Ok(queue_id(&reply))
    }
}

/// The queue id in a reply to the end of a message, if it was acknowledged.
pub fn queue_id(reply: &str) -> Option<String> {
    let id = reply.strip_prefix("250 2.0.0 Ok: queued as ");
    assert!(id.is_some() || reply.starts_with('4'), "{reply}");
    id.map(str::to_owned)
}

/// Clients at work.
pub struct Clients {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicUsize>,
    running: Vec<JoinHandle<Told>>,
}

impl Clients {
    /// Starts so many clients of these edges in turn. Each sends so many messages, or until it is stopped, and takes another
    /// connection where it has lost one.
    pub fn start(edges: &[String], clients: usize, messages: usize, text: &str) -> Self {
        let (stop, acknowledged) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let running = (0..clients).map(|number| {
            let client = Client {
                edges: edges.to_vec(),
                number,
                messages,
                text: text.to_owned(),
                stop: Arc::clone(&stop),
                acknowledged: Arc::clone(&acknowledged),
            };
            thread::spawn(move || client.run())
        });
        Self {
            running: running.collect(),
            stop,
            acknowledged,
        }
    }

    /// How many messages were acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits for what they know, and tells them to stop first if they are to.
    pub fn end(self, at_once: bool) -> Told {
        self.stop.store(at_once, Ordering::Relaxed);
        let mut all = Told::default();
        for client in self.running {
            let told = client.join().unwrap();
            all.acknowledged.extend(told.acknowledged);
            all.refused += told.refused;
            all.unanswered += told.unanswered;
            all.silence = all.silence.max(told.silence);
        }
        all
    }
}

struct Client {
    edges: Vec<String>,
    number: usize,
    messages: usize,
    text: String,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicUsize>,
}

impl Client {
    fn run(&self) -> Told {
        let (mut told, mut sent, mut edge) = (Told::default(), 0, self.number);
        while sent < self.messages && !self.stop.load(Ordering::Relaxed) {
            let address = &self.edges[edge % self.edges.len()];
            edge += 1;
            if self.talk(address, &mut told, &mut sent).is_err() {
                thread::sleep(REST);
            }
        }
        told
    }

    /// One session.
    fn talk(&self, address: &str, told: &mut Told, sent: &mut usize) -> io::Result<()> {
        let mut session = Session::connect(address)?;
        let mut last = Instant::now();
        while *sent < self.messages && !self.stop.load(Ordering::Relaxed) {
            if !session.begin()? {
                told.refused += 1;
                thread::sleep(REST);
                continue;
            }
            let text = format!("Subject: {}-{sent}\r\n\r\n{}.\r\n", self.number, self.text);
            session.say(text.as_bytes())?;
            *sent += 1;
            let reply = session.reply().inspect_err(|_| told.unanswered += 1)?;
            match queue_id(&reply) {
                Some(id) => {
                    told.acknowledged.push(id);
                    told.silence = told.silence.max(last.elapsed());
                    last = Instant::now();
                    self.acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                None => told.refused += 1,
            }
        }
        let _ = session.ask("QUIT\r\n");
        Ok(())
    }
}

/// A session that asks NOOP again and again, and notes how long each answer takes.
pub struct Bystander {
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicUsize>,
    running: JoinHandle<Vec<Duration>>,
}

impl Bystander {
    pub fn start(address: &str) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let answers = Arc::<AtomicUsize>::default();
        let (is_over, count) = (Arc::clone(&stop), Arc::clone(&answers));
        let address = address.to_owned();
        let running = thread::spawn(move || {
            let mut session = Session::connect(&address).unwrap();
            let mut times = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                let asked = Instant::now();
                session.ask("NOOP\r\n").unwrap();
                times.push(asked.elapsed());
                count.fetch_add(1, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(1));
            }
            times
        });
        Self {
            stop,
            answers,
            running,
        }
    }

    pub fn answers(&self) -> usize {
        self.answers.load(Ordering::Relaxed)
    }

    /// The time within which 99 of 100 answers came.
    pub fn end(self) -> Duration {
        self.stop.store(true, Ordering::Relaxed);
        let mut times = self.running.join().unwrap();
        times.sort_unstable();
        times[times.len() * 99 / 100]
    }
}
