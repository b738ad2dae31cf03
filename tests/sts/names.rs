//! A name server with a script.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mailoop::outbound::dns::message::Way;

use crate::script::{Reaction, Script};

const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// A name server by datagrams.
pub struct NameServer {
    pub address: SocketAddr,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl NameServer {
    pub fn start(rules: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(LOOK_INTERVAL)).unwrap();
        let address = socket.local_addr().unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let (over, mut script) = (Arc::clone(&is_over), Script::new(rules));
        let thread = thread::spawn(move || {
            let mut packet = [0; 2000];
            while !over.load(Ordering::Relaxed) {
                let Ok((length, client)) = socket.recv_from(&mut packet) else {
                    continue;
                };
                for reaction in script.react(&packet[..length], Way::Datagram) {
                    if let Reaction::Say { octets, .. } = reaction {
                        socket.send_to(&octets, client).unwrap();
                    }
                }
            }
        });
        Self {
            address,
            is_over,
            thread: Some(thread),
        }
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
    }
}
