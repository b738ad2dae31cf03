//! Servers that are none of NATS, or mean ill: an edge that is told to wait for them serves its clients all the same.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::clients::Session;
use crate::common::TestServer;
use crate::common::client::read_some;
use crate::common::pauses::undisturbed;

/// What a stranger says first, whether it says that it is there once it has heard something, and what it says without end after that.
type Habit = (&'static str, bool, fn() -> Vec<u8>);

const INFO: &str = "INFO {\"server_id\":\"X\",\"server_name\":\"a b\\nc\",\"version\":\"2.15.1\",\"headers\":true,\"max_payload\":1048576,\"jetstream\":true}\r\n";
/// The time for which a client asks, also where memory grows slowly, and the longest that an answer may take.
const TIME: Duration = Duration::from_secs(1);
const LONG_TIME: Duration = Duration::from_secs(3);
const ANSWER_MAX: Duration = Duration::from_secs(4);
const MEMORY_KIB_MAX: u64 = 40 * 1024;
const LOG_BYTES_MAX: usize = 64 * 1024;

const HABITS: [Habit; 9] = [
    ("", false, || b"\x16\x03\x01\0garbage\r\n".repeat(1000)),
    ("INFO {", false, || vec![b'x'; 64 * 1024]),
    ("INFO {]\r\n", false, Vec::new),
    (INFO, true, || {
        b"-ERR 'Permissions Violation for Publish to \"mail.x\"'\r\n".repeat(1000)
    }),
    (INFO, true, || b"PING\r\n".repeat(10_000)),
    (INFO, true, || b"+OK\r\nPONG\r\n".repeat(10_000)),
    (INFO, true, || INFO.as_bytes().repeat(1000)),
    (INFO, true, || {
        let answer = "{\"stream\":\"MAIL\",\"seq\":1}";
        format!("MSG _INBOX.x.1pffffffff 1 {}\r\n{answer}\r\n", answer.len())
            .into_bytes()
            .repeat(1000)
    }),
    (INFO, true, || {
        let mut said = b"MSG a 1 100000000\r\n".to_vec();
        said.resize(said.len() + 100_000_000, b'x');
        said.extend_from_slice(b"\r\n");
        said
    }),
];

/// The place of the one among them that asks without end, and reads nothing.
const PINGS: usize = 4;

/// Is a stranger to one client after the other.
fn listen(habit: Habit) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            thread::spawn(move || talk(client, habit));
        }
    });
    address
}

fn talk(mut client: TcpStream, (first, is_there, endless): Habit) -> std::io::Result<()> {
    client.write_all(first.as_bytes())?;
    if is_there {
        let _ = read_some(&mut client, &mut [0; 4096])?;
        client.write_all(b"PONG\r\n")?;
    }
    let endless = endless();
    while !endless.is_empty() {
        client.write_all(&endless)?;
    }
    Ok(())
}

/// Runs an edge before such a stranger.
fn check_serves(number: usize, habit: Habit) {
    let url = format!("nats://{}/MAIL?wait=yes", listen(habit));
    let edge = TestServer::start(&["--stream", &url]);
    let mut session = Session::connect(edge.address()).unwrap();
    assert!(!session.begin().unwrap(), "{number}: nobody keeps mail");
    let (begun, mut longest) = (Instant::now(), Duration::ZERO);
    let time = if number == PINGS { LONG_TIME } else { TIME };
    while begun.elapsed() < time {
        let asked = Instant::now();
        session.ask("NOOP\r\n").unwrap();
        thread::sleep(Duration::from_millis(10));
        longest = longest.max(asked.elapsed());
    }
    let memory = edge.memory_kib("VmHWM");
    assert!(longest <= ANSWER_MAX, "{number}: {longest:?}");
    assert!(memory <= MEMORY_KIB_MAX, "{number}: {memory} KiB");
    let log = edge.log();
    assert!(log.len() <= LOG_BYTES_MAX, "{number}: {log}");
}

#[test]
fn strangers_cost_an_edge_neither_its_clients_nor_its_memory() {
    // A few at a time: each of them takes all of a processor.
    let habits: Vec<(usize, Habit)> = HABITS.into_iter().enumerate().collect();
    for some in habits.chunks(3) {
        thread::scope(|scope| {
            for (number, habit) in some {
                scope.spawn(|| undisturbed(|| check_serves(*number, *habit)));
            }
        });
    }
}
