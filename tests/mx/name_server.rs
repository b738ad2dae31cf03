//! The scripted name server at a socket for datagrams and one for connections, both at one port.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use mailoop::outbound::dns::message::Way;

use crate::script::{Reaction, Script};

/// A socket for each way at one port, which the system may choose.
fn sockets(address: &str) -> (UdpSocket, TcpListener) {
    for _ in 0..100 {
        let datagrams = UdpSocket::bind(address).unwrap();
        if let Ok(streams) = TcpListener::bind(datagrams.local_addr().unwrap()) {
            return (datagrams, streams);
        }
    }
    panic!("no port is free for both ways");
}

/// Starts a name server, which lasts as long as the process, and returns its address.
pub(crate) fn start(address: &str, script: Script) -> SocketAddr {
    let (datagrams, streams) = sockets(address);
    let address = datagrams.local_addr().unwrap();
    let script = Arc::new(Mutex::new(script));
    let shared = Arc::clone(&script);
    thread::spawn(move || answer_datagrams(&datagrams, &shared));
    thread::spawn(move || {
        for stream in streams.incoming() {
            let (stream, script) = (stream.unwrap(), Arc::clone(&script));
            // Who asks may go at any time.
            thread::spawn(move || answer_stream(stream, &script));
        }
    });
    address
}

fn answer_datagrams(datagrams: &UdpSocket, script: &Mutex<Script>) {
    let elsewhere = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut buffer = [0; 2048];
    loop {
        // Errors are of answers to sockets that are closed by now.
        let Ok((length, from)) = datagrams.recv_from(&mut buffer) else {
            continue;
        };
        let reactions = script
            .lock()
            .unwrap()
            .react(&buffer[..length], Way::Datagram);
        for reaction in reactions {
            let Reaction::Say {
                octets,
                after_ms,
                from_elsewhere,
            } = reaction
            else {
                continue;
            };
            let socket = if from_elsewhere {
                &elsewhere
            } else {
                datagrams
            };
            if after_ms == 0 {
                let _ = socket.send_to(&octets, from);
                continue;
            }
            let socket = socket.try_clone().unwrap();
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(after_ms));
                let _ = socket.send_to(&octets, from);
            });
        }
    }
}

/// Answers one question. `unreachable` closes the connection, silence keeps it until the other side closes.
fn answer_stream(mut stream: TcpStream, script: &Mutex<Script>) -> io::Result<()> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut question = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut question)?;
    let reactions = script.lock().unwrap().react(&question, Way::Stream);
    for reaction in reactions {
        let Reaction::Say {
            octets, after_ms, ..
        } = reaction
        else {
            return Ok(());
        };
        thread::sleep(Duration::from_millis(after_ms));
        let length = u16::try_from(octets.len()).unwrap().to_be_bytes();
        stream.write_all(&[&length[..], &octets].concat())?;
    }
    stream.read_to_end(&mut Vec::new()).map(|_| ())
}
