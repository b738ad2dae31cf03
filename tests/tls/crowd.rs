//! Many sessions in TLS at once. `MAILOOP_TEST_TLS_CROWD=5000 cargo test --test tls crowd -- --nocapture` has
//! more, and shows how long it takes.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustls::{ClientConnection, StreamOwned};

use super::common::client::Client;
use super::common::{TestServer, raise_descriptor_limit, tls, without_trace};

const COUNT: usize = 1000;

type Secured = Client<StreamOwned<ClientConnection, TcpStream>>;

#[test]
fn every_message_of_a_crowd_is_stored() {
    let count = env::var("MAILOOP_TEST_TLS_CROWD").map_or(COUNT, |count| count.parse().unwrap());
    raise_descriptor_limit();
    let mut server = TestServer::start(&[
        "--tls-self-signed",
        "--listen",
        "127.0.0.1:0",
        "--listen-tls",
        "127.0.0.1:0",
    ]);
    let (smtp, smtps) = (server.address_for("smtp"), server.address_for("smtps"));
    let start = Instant::now();
    // All handshakes are under way before the first one ends.
    let mut crowd: Vec<_> = (0..count / 2).map(|_| from_the_start(&smtps)).collect();
    crowd.extend((count / 2..count).map(|_| by_starttls(&smtp)));
    crowd[..count / 2]
        .iter_mut()
        .for_each(|client| client.expect("220"));
    let seconds = start.elapsed().as_secs_f64();
    eprintln!("{count} handshakes in {seconds:.2} s");
    all_ask(&mut crowd, |_| "HELO client".to_owned(), "250");
    all_ask(
        &mut crowd,
        |_| "MAIL FROM:<a@example.com>".to_owned(),
        "250",
    );
    all_ask(&mut crowd, |_| "RCPT TO:<b@example.org>".to_owned(), "250");
    all_ask(&mut crowd, |_| "DATA".to_owned(), "354");
    all_ask(
        &mut crowd,
        |number| format!("Message: {number}\r\n."),
        "250",
    );
    all_ask(&mut crowd, |_| "QUIT".to_owned(), "221");
    crowd
        .iter_mut()
        .for_each(|client| assert_eq!(client.rest(), ""));
    let seconds = start.elapsed().as_secs_f64();
    eprintln!("{count} sessions in {seconds:.2} s");
    server.stop();
    let stored = server.new_mail("b@example.org").into_iter().map(|path| {
        let message = fs::read(path).unwrap();
        String::from_utf8(without_trace(&message).to_vec()).unwrap()
    });
    let stored: BTreeSet<_> = stored.collect();
    let sent: BTreeSet<_> = (0..count)
        .map(|number| format!("Message: {number}\n"))
        .collect();
    assert!(
        stored == sent,
        "{} of {} are stored",
        stored.len(),
        sent.len()
    );
}

/// A client that has sent its hello of TLS.
fn from_the_start(address: &str) -> Secured {
    let stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    begin(stream)
}

/// The same behind STARTTLS.
fn by_starttls(address: &str) -> Secured {
    let mut client = Client::connect(address);
    client.hello();
    client.ask("STARTTLS", "220");
    begin(client.stream.into_inner())
}

fn begin(stream: TcpStream) -> Secured {
    let mut stream = StreamOwned::new(tls::client(), stream);
    stream.conn.write_tls(&mut stream.sock).unwrap();
    Client::new(stream)
}

/// Has everybody say something, and then everybody hear the answer.
fn all_ask(crowd: &mut [Secured], say: impl Fn(usize) -> String, code: &str) {
    for (number, client) in crowd.iter_mut().enumerate() {
        client.say(&format!("{}\r\n", say(number)));
    }
    crowd.iter_mut().for_each(|client| client.expect(code));
}
