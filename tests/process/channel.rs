//! What a channel leaves to the kernel's socket.

use std::io::Read;
use std::net::{TcpListener, TcpStream};

use bytes::BytesMut;
use mailoop::net::channel::Channel;
use mailoop::net::socket::Socket;

/// The kernel keeps it back for 200 ms at most, in which this thread may not be running: it is tried again then.
#[test]
fn the_last_reply_waits_for_the_end_and_goes_with_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let kept_back = (0..10).any(|_| {
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        server.set_nonblocking(true).unwrap();
        let server = mio::net::TcpStream::from_std(server);
        let mut channel = Channel::new(Socket::Tcp(server));
        let mut replies = BytesMut::from("221 Bye\r\n");
        channel.send_last(&mut replies).unwrap();
        assert_eq!((replies.len(), channel.unsent()), (0, 0));
        client.set_nonblocking(true).unwrap();
        let kept_back = client.peek(&mut [0]).is_err();
        channel.shutdown_write().unwrap();
        client.set_nonblocking(false).unwrap();
        let mut heard = String::new();
        client.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "221 Bye\r\n");
        kept_back
    });
    assert!(kept_back, "it went without the end");
}
