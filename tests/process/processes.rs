//! Several processes that share a port and a store, and what comes of mail when one of them ends.

use std::collections::HashMap;
use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use crate::common::client::Client;
use crate::common::{TestServer, files, name_files_at_once, wait_until, without_trace};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How many clients send at a time.
const SENDERS: usize = 8;
/// How many messages are acknowledged before and after a process ends.
const MESSAGES: usize = 150;
/// Who gets each message: two mailboxes, so that it is moved to one and linked into the other.
const RECIPIENTS: [&str; 2] = ["first@example.org", "second@example.org"];

/// What a sender knows of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// There was a 250.
    Acknowledged,
    /// It was sent as a whole, and no answer came.
    Unanswered,
    /// The connection ended in the transaction.
    Cut,
    /// There was no transaction.
    NotBegun,
}

/// Sends a message in a connection of its own.
fn deliver(address: &str, text: &str) -> Fate {
    let mut fate = Fate::NotBegun;
    let dialogue = |fate: &mut Fate| -> io::Result<()> {
        let stream = TcpStream::connect(address)?;
        let mut stream = BufReader::new(stream);
        expect(&mut stream, "220")?;
        say(&mut stream, "HELO client\r\n", "250")?;
        say(&mut stream, "MAIL FROM:<a@example.com>\r\n", "250")?;
        *fate = Fate::Cut;
        for recipient in RECIPIENTS {
            say(&mut stream, &format!("RCPT TO:<{recipient}>\r\n"), "250")?;
        }
        say(&mut stream, "DATA\r\n", "354")?;
        stream
            .get_mut()
            .write_all(text.replace('\n', "\r\n").as_bytes())?;
        *fate = Fate::Unanswered;
        say(&mut stream, ".\r\n", "250")?;
        *fate = Fate::Acknowledged;
        say(&mut stream, "QUIT\r\n", "221")
    };
    // How far it got says all.
    let _ = dialogue(&mut fate);
    fate
}

fn say(stream: &mut BufReader<TcpStream>, line: &str, code: &str) -> io::Result<()> {
    stream.get_mut().write_all(line.as_bytes())?;
    expect(stream, code)
}

fn expect(stream: &mut BufReader<TcpStream>, code: &str) -> io::Result<()> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    if line.starts_with(code) {
        return Ok(());
    }
    assert!(
        line.is_empty() || line.starts_with("421"),
        "{code} was expected, and came {line:?}"
    );
    Err(ErrorKind::ConnectionAborted.into())
}

/// Clients that send one message after the other until they are stopped.
struct Load {
    acknowledged: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    senders: Vec<JoinHandle<HashMap<String, Fate>>>,
}

impl Load {
    fn start(address: &str) -> Self {
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let sender = |number: usize| {
            let (address, acknowledged, stop) =
                (address.to_owned(), acknowledged.clone(), stop.clone());
            thread::spawn(move || {
                let mut sent = HashMap::new();
                while !stop.load(Ordering::Relaxed) {
                    let text = format!("Sender: {number} message {}\n", sent.len()).repeat(1000);
                    let fate = deliver(&address, &text);
                    if fate == Fate::Acknowledged {
                        acknowledged.fetch_add(1, Ordering::Relaxed);
                    }
                    sent.insert(text, fate);
                }
                sent
            })
        };
        Self {
            senders: (0..SENDERS).map(sender).collect(),
            acknowledged,
            stop,
        }
    }

    /// Waits until some more messages are acknowledged.
    fn go_on(&self) {
        let before = self.acknowledged.load(Ordering::Relaxed);
        wait_until("messages to be acknowledged", || {
            self.acknowledged.load(Ordering::Relaxed) >= before + MESSAGES
        });
    }

    /// What became of every message.
    fn finish(self) -> HashMap<String, Fate> {
        self.stop.store(true, Ordering::Relaxed);
        let sent = self.senders.into_iter().map(JoinHandle::join);
        sent.flat_map(Result::unwrap).collect()
    }
}

/// Every message that was acknowledged is in each mailbox, none is there twice, and all are whole.
#[track_caller]
fn check_store(mail: &Path, sent: &HashMap<String, Fate>) {
    for recipient in RECIPIENTS {
        let mut stored: HashMap<String, usize> = HashMap::new();
        for path in files(&mailbox(mail, recipient).join("new")) {
            let message = fs::read(path).unwrap();
            let text = String::from_utf8(without_trace(&message).to_vec()).unwrap();
            *stored.entry(text).or_default() += 1;
        }
        for (text, fate) in sent {
            let copies = stored.remove(text).unwrap_or(0);
            let name = text.lines().next().unwrap();
            match fate {
                Fate::Acknowledged => assert_eq!(copies, 1, "{recipient}: {name}"),
                Fate::Unanswered => assert!(copies <= 1, "{recipient}: {name} is there twice"),
                Fate::Cut | Fate::NotBegun => assert_eq!(copies, 0, "{recipient}: {name}"),
            }
        }
        assert!(stored.is_empty(), "{} are torn", stored.len());
    }
}

fn mailbox(mail: &Path, address: &str) -> PathBuf {
    let (local_part, domain) = address.rsplit_once('@').unwrap();
    mail.join(domain).join(local_part)
}

/// A store, and servers on it that share a port.
struct Site {
    folder: TempDir,
}

impl Site {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn mail(&self) -> PathBuf {
        self.folder.path().join("mail")
    }

    fn start(&self, address: &str) -> TestServer {
        let mail = self.mail();
        let options = ["--reuse-port", "--listen", address, "--maildir"];
        TestServer::start(&[&options[..], &[mail.to_str().unwrap()]].concat())
    }

    /// The instances that the store knows, in the order of their starts.
    fn instances(&self) -> Vec<String> {
        let names = files(&self.mail().join(".mailoop")).into_iter();
        let names = names.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
        names
            .filter(|name| name != "lock" && name != "probe")
            .collect()
    }

    /// How many files an instance has in all `tmp/`.
    fn begun_by(&self, instance: &str) -> usize {
        let tmp = files(&self.mail().join("example.org"))
            .into_iter()
            .flat_map(|mailbox| files(&mailbox.join("tmp")));
        // Its name is `<seconds>.<queue id>.<host name>`, and the queue id begins with the instance.
        tmp.filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.split('.').nth(1).unwrap().starts_with(instance)
        })
        .count()
    }
}

#[test]
fn a_process_that_is_killed_loses_nothing_that_was_acknowledged() {
    let site = Site::new();
    // Of files without a name nothing would be left.
    name_files_at_once(&site.mail());
    let mut killed = site.start("127.0.0.1:0");
    let mut living = site.start(killed.address());
    assert_eq!(killed.address(), living.address());
    // The kernel deals connections out, so that both processes get some of so many.
    let mut held: Vec<_> = (0..32)
        .map(|number| {
            let mut client = Client::connect(living.address());
            client.begin_message(&format!("held{number}@example.org"));
            // More than is held back.
            client.say(&"text\r\n".repeat(20_000));
            client
        })
        .collect();
    let [first, second] = &site.instances()[..] else {
        panic!("not two instances");
    };
    wait_until("all to be begun", || {
        site.begun_by(first) + site.begun_by(second) == held.len()
    });
    let of_living = site.begun_by(second);
    assert!(of_living > 0 && site.begun_by(first) > 0);

    let load = Load::start(living.address());
    load.go_on();
    // Its store process, left alone, would clear up; so would it, without its store process.
    killed.signal(Signal::STOP);
    for process in killed.family().into_iter().rev() {
        let process = Pid::from_raw(process.try_into().unwrap()).unwrap();
        kill_process(process, Signal::KILL).unwrap();
    }
    load.go_on();
    let sent = load.finish();
    check_store(&site.mail(), &sent);
    assert!(killed.has_ended());

    let left_over = site.begun_by(first);
    assert!(left_over >= held.len() - of_living);
    let mut restarted = site.start(living.address());
    let swept = format!("swept={left_over} instances=1\n");
    assert!(restarted.log().contains(&swept), "{}", restarted.log());
    assert_eq!(site.begun_by(first), 0);
    // What the load did not finish goes when its connections do.
    wait_until("the living to keep what is open", || {
        site.begun_by(second) == of_living
    });
    let mut finished = 0;
    for client in &mut held {
        let line = say(&mut client.stream, "text\r\n.\r\n", "250");
        finished += usize::from(line.is_ok());
    }
    assert_eq!(finished, of_living);
    drop(held);
    let load = Load::start(living.address());
    load.go_on();
    let sent_later = load.finish();
    assert!(sent_later.values().all(|fate| *fate == Fate::Acknowledged));
    for server in [&mut living, &mut restarted] {
        server.stop();
        assert!(server.log().contains(" stored\n"), "{}", server.log());
    }
}

#[test]
fn a_process_that_is_told_to_end_finishes_what_it_began() {
    let site = Site::new();
    let mut ending = site.start("127.0.0.1:0");
    let mut staying = site.start(ending.address());
    let load = Load::start(staying.address());
    load.go_on();
    ending.stop();
    load.go_on();
    let sent = load.finish();
    check_store(&site.mail(), &sent);
    let broken = sent
        .values()
        .filter(|fate| matches!(fate, Fate::Cut | Fate::Unanswered));
    assert_eq!(broken.count(), 0);
    for server in [&mut ending, &mut staying] {
        assert!(server.log().contains(" stored\n"), "{}", server.log());
    }
    staying.stop();
}

#[test]
fn a_port_is_shared_only_with_those_who_share() {
    let alone = TestServer::start(&[]);
    let options = ["serve", "--reuse-port", "--discard", "--listen"];
    let refused = Command::new(env!("CARGO_BIN_EXE_mailoop"))
        .args(options)
        .arg(alone.address())
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(69));
}
