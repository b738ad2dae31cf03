//! Datagrams over real sockets: one edge for several, nothing of others, and errors of a peer that is not there.

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use mailoop::net::datagram::{DatagramChannel, DatagramSocket};
use mailoop::net::poller::Poller;
use mailoop::net::token::Token;

const KIND: u8 = 5;

fn peer() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").unwrap()
}

fn channel(peer: &UdpSocket, poller: &Poller) -> DatagramChannel<DatagramSocket> {
    let mut socket = DatagramSocket::connect(peer.local_addr().unwrap()).unwrap();
    let token = Token::new(KIND, 7).into();
    socket.register(poller.registry(), token).unwrap();
    DatagramChannel::new(socket)
}

/// How long an event is waited for.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Waits for the next event.
fn wait(channel: &mut DatagramChannel<DatagramSocket>, poller: &mut Poller) {
    let start = Instant::now();
    while !channel.is_readable() {
        // A wait also ends without events where the process was halted meanwhile (signal(7)).
        assert!(start.elapsed() < WAIT_MAX, "there is no event");
        poller.wait(Some(WAIT_MAX)).unwrap();
        let events: Vec<_> = poller.events().collect();
        for (token, readiness) in events {
            assert_eq!(token, Token::new(KIND, 7));
            channel.note(readiness);
        }
    }
}

#[test]
fn one_event_may_tell_of_several_datagrams() {
    let (peer, mut poller) = (peer(), Poller::new().unwrap());
    let mut channel = channel(&peer, &poller);
    channel.send(b"hello").unwrap();
    let mut buffer = [0; 16];
    let (count, from) = peer.recv_from(&mut buffer).unwrap();
    assert_eq!(buffer[..count], *b"hello");
    // What others send does not arrive, nor does it take the place of what the peer sends.
    UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .send_to(b"forged", from)
        .unwrap();
    for text in ["one", "two", "", "a datagram that is too long"] {
        peer.send_to(text.as_bytes(), from).unwrap();
    }
    wait(&mut channel, &mut poller);
    let mut received = Vec::new();
    while let Some((count, sender)) = channel.receive(&mut buffer).unwrap() {
        assert_eq!(sender, peer.local_addr().unwrap());
        received.push(String::from_utf8(buffer[..count].to_vec()).unwrap());
        assert!(channel.is_readable(), "until it was found empty");
    }
    assert_eq!(received, ["one", "two", "", "a datagram that "]);
    assert!(!channel.is_readable());
    peer.send_to(b"three", from).unwrap();
    wait(&mut channel, &mut poller);
    assert_eq!(channel.receive(&mut buffer).unwrap().unwrap().0, 5);
}

#[test]
fn a_peer_that_is_not_there_is_told_by_an_error() {
    let (peer, mut poller) = (peer(), Poller::new().unwrap());
    let mut channel = channel(&peer, &poller);
    drop(peer);
    channel.send(b"hello").unwrap();
    wait(&mut channel, &mut poller);
    let error = channel.receive(&mut [0; 16]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}
