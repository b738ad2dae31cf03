//! The memory of the inbox of tests, measured on the real server.

use std::io::Write;
use std::net::TcpStream;

use crate::common::TestServer;
use crate::common::client::{Client, read_some};

/// What the server is told to keep, in KiB.
const KEEP_KIB: u64 = 8 * 1024;
/// What may come beside that: buffers of the connections, and a message that is arriving.
const SLACK_KIB: u64 = 1024;

/// Sends so many messages of so many octets, in pieces of a hundred, and waits for each answer.
fn send(stream: &mut TcpStream, count: usize, octets: usize) {
    let text = "x".repeat(octets - 2) + "\r\n";
    let message = format!(
        "MAIL FROM:<ann@example.org>\r\nRCPT TO:<bob@example.com>\r\nBDAT {octets} LAST\r\n{text}"
    );
    let mut left = count;
    while left > 0 {
        let piece = left.min(100);
        let mut writer = stream.try_clone().unwrap();
        let dialogue = message.repeat(piece);
        let sent = std::thread::spawn(move || writer.write_all(dialogue.as_bytes()).unwrap());
        let mut heard = Vec::new();
        let mut buffer = [0; 16 * 1024];
        while memchr::memmem::find_iter(&heard, "queued as").count() < piece {
            let read = read_some(stream, &mut buffer).unwrap();
            assert!(read > 0, "{}", String::from_utf8_lossy(&heard));
            heard.extend_from_slice(&buffer[..read]);
        }
        sent.join().unwrap();
        left -= piece;
    }
}

/// A server that keeps 8 MiB, however many messages that is, and a client of it.
struct Catching {
    server: TestServer,
    stream: TcpStream,
    base_kib: u64,
}

impl Catching {
    fn start() -> Self {
        let keep = format!("{KEEP_KIB}k");
        let options = [
            "--keep",
            "1000000",
            "--keep-bytes",
            &keep,
            "--log-level",
            "error",
        ];
        let server = TestServer::start_catch(&options);
        let base_kib = server.memory_kib("RssAnon");
        let mut client = Client::connect(server.address());
        client.hello();
        let stream = client.stream.into_inner();
        Self {
            server,
            stream,
            base_kib,
        }
    }

    /// Sends so many messages of so many octets; what the server takes then beside what it may keep, in KiB.
    fn send(&mut self, count: usize, octets: usize) -> u64 {
        send(&mut self.stream, count, octets);
        let kib = self.server.memory_kib("RssAnon");
        let kib = kib.saturating_sub(self.base_kib);
        eprintln!(
            "an inbox of {KEEP_KIB} KiB takes {kib} KiB after {count} messages of {octets} octets"
        );
        kib.saturating_sub(KEEP_KIB)
    }
}

#[test]
fn a_hundred_thousand_messages_take_no_more_than_the_inbox_may() {
    let mut small = Catching::start();
    for _ in 0..10 {
        let beside = small.send(10_000, 100);
        assert!(beside <= SLACK_KIB, "{beside} KiB too many");
    }
    for octets in [10_000, 300_000] {
        let mut large = Catching::start();
        for _ in 0..3 {
            let beside = large.send(10_000_000 / octets, octets);
            assert!(beside <= SLACK_KIB, "{beside} KiB too many");
        }
    }
}

/// An allocator has to find a place for each between the others, and leaves holes that fit none.
#[test]
fn messages_of_all_sizes_take_half_as_much_again_at_most() {
    let mut mixed = Catching::start();
    for round in 0..20 {
        let round = round * 7 % 20;
        for (count, octets) in [
            (400, 100 + round),
            (30, 5_000 + 777 * round),
            (3, 100_000 + 12_345 * round),
        ] {
            let beside = mixed.send(count, octets);
            assert!(beside <= KEEP_KIB / 2 + SLACK_KIB, "{beside} KiB too many");
        }
    }
}
