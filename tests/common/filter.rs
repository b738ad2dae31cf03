//! A mail filter that follows a script, on a real socket.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Replies of filters, by their letters.
pub const CONTINUE: u8 = b'c';
pub const ACCEPT: u8 = b'a';
pub const REJECT: u8 = b'r';
pub const TEMPFAIL: u8 = b't';
pub const DISCARD: u8 = b'd';
pub const CUSTOM: u8 = b'y';
pub const ADD_HEADER: u8 = b'h';
pub const INSERT_HEADER: u8 = b'i';
pub const CHANGE_HEADER: u8 = b'm';
pub const REPLACE_BODY: u8 = b'b';
pub const ADD_RECIPIENT: u8 = b'+';
pub const DELETE_RECIPIENT: u8 = b'-';
pub const CHANGE_SENDER: u8 = b'e';
pub const QUARANTINE: u8 = b'q';
pub const PROGRESS: u8 = b'p';
pub const SKIP: u8 = b's';
pub const SHUTDOWN: u8 = b'4';
pub const CONNECTION_FAIL: u8 = b'f';

/// The steps by their letters, and the bits of the protocol by which a filter asks for no step of this kind, and to be asked for no reply.
pub const STEPS: [(u8, u32, u32); 9] = [
    (b'C', 1, 1 << 12),
    (b'H', 1 << 1, 1 << 13),
    (b'M', 1 << 2, 1 << 14),
    (b'R', 1 << 3, 1 << 15),
    (b'B', 1 << 4, 1 << 19),
    (b'L', 1 << 5, 1 << 7),
    (b'N', 1 << 6, 1 << 18),
    (b'U', 1 << 8, 1 << 17),
    (b'T', 1 << 9, 1 << 16),
];

/// What a filter does at a step.
#[derive(Clone, Debug)]
pub enum Act {
    /// It replies with these packets: a letter and its data each.
    Reply(Vec<(u8, Vec<u8>)>),
    /// It replaces the body by what this makes of it, and replies with these packets as well.
    Rewrite(fn(&[u8]) -> Vec<u8>, Vec<(u8, Vec<u8>)>),
    /// It says these octets, whatever they are.
    Say(Vec<u8>),
    /// It says these octets one by one, with a rest after each.
    Drip(Vec<u8>, Duration),
    /// It says these octets again and again, with a rest after each time.
    Forever(Vec<u8>, Duration),
    /// It says nothing, ever.
    Hang,
    /// It continues, and never reads again.
    Deaf,
    /// It hangs up.
    Close,
}

/// The most octets of a body in a packet.
const PIECE_BYTES_MAX: usize = 65_535;
/// How long a filter that never reads again keeps its connection.
const DEAF: Duration = Duration::from_secs(60);

/// The script of a filter.
#[derive(Clone, Debug, Default)]
pub struct FilterScript {
    /// The bits of the protocol that it asks for.
    pub protocol: u32,
    /// What it does at steps, by their letters; at others it continues.
    pub acts: Vec<(u8, Act)>,
    /// A text without which it continues at a step.
    pub only: Option<&'static str>,
}

/// A packet with this letter.
pub fn packet(letter: u8, data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len() + 1).unwrap();
    [&length.to_be_bytes()[..], &[letter], data].concat()
}

/// Texts, each with its NUL.
pub fn texts(texts: &[&str]) -> Vec<u8> {
    texts
        .iter()
        .flat_map(|text| [text.as_bytes(), b"\0"].concat())
        .collect()
}

/// A filter that runs.
pub struct ScriptedFilter {
    pub address: String,
    shared: Arc<Shared>,
}

/// What all connections of a filter share.
struct Shared {
    script: Mutex<FilterScript>,
    told: Mutex<Vec<String>>,
    /// Its connections.
    open: AtomicUsize,
    /// How often it has said something.
    said: AtomicUsize,
}

impl ScriptedFilter {
    pub fn start(script: FilterScript) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("inet:{}", listener.local_addr().unwrap());
        Self::serve(address, script, move || {
            let (stream, _) = listener.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            stream
        })
    }

    /// A filter at this socket.
    pub fn start_at(socket: &Path, script: FilterScript) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let address = format!("unix:{}", socket.display());
        Self::serve(address, script, move || listener.accept().unwrap().0)
    }

    fn serve<S: Read + Write + Send + 'static>(
        address: String,
        script: FilterScript,
        accept: impl Fn() -> S + Send + 'static,
    ) -> Self {
        let shared = Arc::new(Shared {
            script: Mutex::new(script),
            told: Mutex::default(),
            open: AtomicUsize::new(0),
            said: AtomicUsize::new(0),
        });
        let filter = Self {
            address,
            shared: Arc::clone(&shared),
        };
        thread::spawn(move || {
            loop {
                let (stream, shared) = (accept(), Arc::clone(&shared));
                shared.open.fetch_add(1, Ordering::Relaxed);
                let script = shared.script.lock().unwrap().clone();
                thread::spawn(move || {
                    // The server may hang up whenever it likes.
                    let _ = serve(stream, &script, &shared);
                    shared.open.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
        filter
    }

    /// A filter that does this at one step.
    pub fn acting(letter: u8, act: Act) -> Self {
        Self::start(FilterScript {
            acts: vec![(letter, act)],
            ..FilterScript::default()
        })
    }

    /// Follows another script on connections that come from now on, and forgets what it was told.
    pub fn follow(&self, script: FilterScript) {
        *self.shared.script.lock().unwrap() = script;
        self.shared.told.lock().unwrap().clear();
    }

    /// How many connections it has.
    pub fn connections(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// How often it has said something at a step where it says the same for ever.
    pub fn said(&self) -> usize {
        self.shared.said.load(Ordering::Relaxed)
    }

    /// All that it was told: the letter of each step, then its texts, with `|` for NUL.
    pub fn told(&self) -> Vec<String> {
        self.shared.told.lock().unwrap().clone()
    }
}

fn serve(
    mut stream: impl Read + Write,
    script: &FilterScript,
    shared: &Shared,
) -> std::io::Result<()> {
    let mut body = Vec::new();
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let mut data = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut data)?;
        let letter = data[0];
        match letter {
            b'M' => body.clear(),
            b'B' => body.extend(&data[1..]),
            _ => {}
        }
        let text = String::from_utf8_lossy(&data).replace('\0', "|");
        let is_meant = script.only.is_none_or(|only| text.contains(only));
        shared.told.lock().unwrap().push(text);
        let is_silent = |it: &(u8, u32, u32)| it.0 == letter && script.protocol & it.2 != 0;
        match letter {
            _ if STEPS.iter().any(is_silent) => continue,
            b'O' => {
                let mut terms = data[1..9].to_vec();
                terms.extend(script.protocol.to_be_bytes());
                stream.write_all(&packet(b'O', &terms))?;
                continue;
            }
            b'D' | b'A' | b'K' => continue,
            b'Q' => return Ok(()),
            _ => {}
        }
        let mut acts = script.acts.iter();
        let act = acts.find(|(other, _)| *other == letter && is_meant);
        match act.map(|(_, act)| act) {
            None => stream.write_all(&packet(CONTINUE, b""))?,
            Some(Act::Reply(packets)) => {
                for (letter, data) in packets {
                    stream.write_all(&packet(*letter, data))?;
                }
            }
            Some(Act::Rewrite(rewrite, packets)) => {
                for piece in rewrite(&body).chunks(PIECE_BYTES_MAX) {
                    stream.write_all(&packet(REPLACE_BODY, piece))?;
                }
                for (letter, data) in packets {
                    stream.write_all(&packet(*letter, data))?;
                }
            }
            Some(Act::Say(octets)) => stream.write_all(octets)?,
            Some(Act::Drip(octets, rest)) => {
                for octet in octets {
                    stream.write_all(&[*octet])?;
                    thread::sleep(*rest);
                }
            }
            Some(Act::Forever(octets, rest)) => loop {
                stream.write_all(octets)?;
                shared.said.fetch_add(1, Ordering::Relaxed);
                thread::sleep(*rest);
            },
            Some(Act::Deaf) => {
                stream.write_all(&packet(CONTINUE, b""))?;
                thread::sleep(DEAF);
                return Ok(());
            }
            Some(Act::Hang) => {
                let mut rest = Vec::new();
                stream.read_to_end(&mut rest)?;
            }
            Some(Act::Close) => return Ok(()),
        }
    }
}
