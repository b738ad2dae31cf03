//! What is allocated: nothing, for a message of a session that goes on; and what is kept: nothing, by who is idle again.

use std::io::Write;
use std::net::TcpStream;
use std::thread;

use allocation_counter::{AllocationInfo, measure};
use mailoop::net::endpoint::SocketAddress;
use mailoop::net::listener::Listener;
use mailoop::server::{Server, ServiceManager};
use mailoop::smtp::service::Service;
use mailoop::store::Discard;

use crate::common::client::Client;
use crate::common::memory::{MemoryServer, config, greeted};

/// How many messages there are before it is counted, and how many are counted.
const WARM: u32 = 50;
const COUNTED: u32 = 1000;

/// Messages of one session, each command after the reply to the one before it, or all at once.
fn send(address: &str, messages: u32, pipelined: bool) -> TcpStream {
    let mut client = Client::connect(address);
    client.hello();
    let text = format!("Subject: hello\r\n\r\n{}.\r\n", "a line\r\n".repeat(128));
    for _ in 0..messages {
        if pipelined {
            client.say(
                "MAIL FROM:<sender@example.com>\r\nRCPT TO:<recipient@example.org>\r\nDATA\r\n",
            );
            for code in ["250", "250", "354"] {
                client.expect(code);
            }
        } else {
            client.ask("MAIL FROM:<sender@example.com> SIZE=1024", "250");
            client.ask("RCPT TO:<recipient@example.org>", "250");
            client.ask("DATA", "354");
        }
        client.say(&text);
        client.expect("250");
    }
    client.stream.into_inner()
}

/// What a server allocates for the messages that are counted.
fn allocated(pipelined: bool) -> AllocationInfo {
    let listen = SocketAddress::Tcp("127.0.0.1:0".parse().unwrap());
    let listener = Listener::bind(Service::Smtp, &listen, false).unwrap();
    let SocketAddress::Tcp(address) = *listener.address() else {
        panic!("where is it?");
    };
    let config = config(&["--discard"]);
    let mut server = Server::start(
        vec![listener],
        config.rules(),
        Box::new(Discard::new()),
        ServiceManager::from_environment(),
        None,
    )
    .unwrap();
    let client = thread::spawn(move || send(&address.to_string(), WARM + COUNTED, pipelined));
    while server.messages_stored() < u64::from(WARM) {
        server.tick().unwrap();
    }
    let counted = measure(|| {
        while server.messages_stored() < u64::from(WARM + COUNTED) {
            server.tick().unwrap();
        }
    });
    let mut stream = client.join().unwrap();
    stream.write_all(b"QUIT\r\n").unwrap();
    counted
}

#[test]
fn a_message_of_a_session_that_goes_on_allocates_nothing() {
    for pipelined in [false, true] {
        let allocated = allocated(pipelined);
        assert_eq!(
            allocated.count_total, 0,
            "pipelined: {pipelined}: {allocated:?}"
        );
    }
}

/// Octets of memory that are held for a client that has sent so many commands at once, read no reply before the end, and is idle
/// again.
fn held_after(commands: usize, server: &mut MemoryServer) -> i64 {
    let kept = measure(|| {
        let client = greeted(server);
        server.make_room(&client, 0);
        server.send(&client, &b"NOOP\r\n".repeat(commands));
        server.make_room(&client, usize::MAX);
        assert_eq!(client.received(), b"250 Ok\r\n".repeat(commands));
        client.shrink();
    });
    kept.bytes_current
}

#[test]
fn who_is_idle_again_holds_no_memory_for_what_it_once_said_and_heard() {
    let mut server = MemoryServer::start(&[]);
    // What all share has its size afterwards.
    for _ in 0..5 {
        held_after(10_000, &mut server);
    }
    let (much, little) = (held_after(10_000, &mut server), held_after(1, &mut server));
    assert!(much <= little, "{much} octets, not {little}");
}
