//! The TLS of a client, and what is known of it on the wire: which text is in which octets.
//!
//! rustls draws random octets, but nothing of a run depends on them: the records of a handshake are as long each time, since
//! all runs have the same certificate, Ed25519 signs in so many octets, and no client comes back. Nobody looks at what
//! is in them. So a seed is the same run again, cuts and all.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use bytes::{BufMut, BytesMut};
use mailoop::net::link::StartTls;
use rustls::client::Resumption;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection};

use super::common::tls as clients;

/// The type, version and length before a record.
const RECORD_HEAD_BYTES: usize = 5;

/// How a client comes to TLS, if it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    InTheClear,
    ByStartTls,
    /// From the first octet.
    FromTheStart,
    /// The same, but it never says hello, or not all of it.
    Unfinished,
    /// It is to, but does not.
    Garbage,
}

/// What some of the octets are that a client sends.
pub enum Part {
    Handshake,
    EndOfHandshake,
    Text(Vec<u8>),
    Farewell,
}

pub struct Tls {
    tls: ClientConnection,
    older: bool,
    /// How much text comes in a record at most.
    record_max: usize,
    /// Text that waits for the end of the handshake.
    waiting: Vec<u8>,
    /// What is sealed and not read by the server, each with where it ends among all octets.
    sealed: VecDeque<(u64, Part)>,
    sent: u64,
    taken: u64,
    /// A record that the server has not written to its end.
    record: BytesMut,
    /// What it has said and the client not received, each with where it ends.
    opened: VecDeque<(u64, Vec<u8>)>,
    written: u64,
    received: u64,
    /// The next flight of the handshake, for when the client has received so much.
    flight: Option<(u64, Vec<u8>)>,
}

impl Tls {
    /// Begins, in the older version or the newer one; what is to be sent first.
    pub fn begin(older: bool, record_max: usize) -> (Self, Vec<u8>) {
        let mut begun = Self {
            tls: clients::client_of(config(older), "mail.example.org"),
            older,
            record_max,
            waiting: Vec::new(),
            sealed: VecDeque::new(),
            sent: 0,
            taken: 0,
            record: BytesMut::new(),
            opened: VecDeque::new(),
            written: 0,
            received: 0,
            flight: None,
        };
        let hello = begun.seal(Part::Handshake);
        (begun, hello)
    }

    pub fn is_handshaking(&self) -> bool {
        self.tls.is_handshaking() || self.flight.is_some()
    }

    /// Takes out of rustls what is to be sent, which is this.
    fn seal(&mut self, part: Part) -> Vec<u8> {
        let mut octets = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut octets).unwrap();
        }
        self.sent += octets.len() as u64;
        self.sealed.push_back((self.sent, part));
        octets
    }

    /// What is to be sent to say this, as soon as it may be said.
    pub fn say(&mut self, text: &[u8]) -> Vec<u8> {
        self.waiting.extend_from_slice(text);
        let mut octets = Vec::new();
        if !self.is_handshaking() {
            for text in std::mem::take(&mut self.waiting).chunks(self.record_max) {
                self.tls.writer().write_all(text).unwrap();
                octets.extend(self.seal(Part::Text(text.to_vec())));
            }
        }
        octets
    }

    /// What is to be sent to say that this was all.
    pub fn farewell(&mut self) -> Vec<u8> {
        self.tls.send_close_notify();
        self.seal(Part::Farewell)
    }

    /// The server has read so many octets: what it knows now.
    pub fn taken(&mut self, octets: usize) -> Vec<Part> {
        self.taken += octets as u64;
        let mut parts = Vec::new();
        while self
            .sealed
            .front()
            .is_some_and(|(end, _)| *end <= self.taken)
        {
            parts.extend(self.sealed.pop_front().map(|(_, part)| part));
        }
        parts
    }

    /// The server has written this: the text in it, record by record.
    ///
    /// # Errors
    /// It is no TLS, or an alert.
    pub fn written(&mut self, octets: &[u8]) -> Result<Vec<Vec<u8>>, rustls::Error> {
        self.record.extend_from_slice(octets);
        let mut texts = Vec::new();
        while let Some(length) = whole_record(&self.record) {
            self.written += length as u64;
            let was_handshaking = self.tls.is_handshaking();
            let record = self.record.split_to(length);
            let mut rest = &record[..];
            while !rest.is_empty() {
                self.tls.read_tls(&mut rest).unwrap();
                self.tls.process_new_packets()?;
            }
            let mut text = Vec::new();
            // It ends where there is no more, well or not.
            let _ = self.tls.reader().read_to_end(&mut text);
            if !text.is_empty() {
                self.opened.push_back((self.written, text.clone()));
                texts.push(text);
            }
            if was_handshaking && self.tls.wants_write() {
                // In the older version the server has the last word.
                let is_last = self.older || !self.tls.is_handshaking();
                let part = if is_last {
                    Part::EndOfHandshake
                } else {
                    Part::Handshake
                };
                let more = self.seal(part);
                let (after, flight) = self.flight.get_or_insert_default();
                *after = self.written;
                flight.extend(more);
            }
        }
        Ok(texts)
    }

    /// Whether the server is within a record.
    pub fn is_within_record(&self) -> bool {
        !self.record.is_empty()
    }

    /// Whether the server has said that this was all.
    pub fn has_farewell(&mut self) -> bool {
        let state = self.tls.process_new_packets();
        state.is_ok_and(|state| state.peer_has_closed())
    }

    /// The client has received so many octets: the text it knows now, and what it sends for that.
    pub fn received(&mut self, octets: usize) -> (BytesMut, Vec<u8>) {
        self.received += octets as u64;
        let mut text = BytesMut::new();
        while self
            .opened
            .front()
            .is_some_and(|(end, _)| *end <= self.received)
        {
            let (_, part) = self.opened.pop_front().unwrap();
            text.put_slice(&part);
        }
        let mut answer = Vec::new();
        if let Some((_, flight)) = self.flight.take_if(|(after, _)| *after <= self.received) {
            answer = flight;
        }
        answer.extend(self.say(b""));
        (text, answer)
    }
}

/// How long the first record is, if it is there.
fn whole_record(octets: &[u8]) -> Option<usize> {
    let head = octets.first_chunk::<RECORD_HEAD_BYTES>()?;
    let length = RECORD_HEAD_BYTES + usize::from(u16::from_be_bytes([head[3], head[4]]));
    (octets.len() >= length).then_some(length)
}

fn config(older: bool) -> Arc<ClientConfig> {
    static CONFIGS: OnceLock<[Arc<ClientConfig>; 2]> = OnceLock::new();
    let make = |version| {
        let mut config = (*clients::trusting_in(&[version])).clone();
        config.resumption = Resumption::disabled();
        Arc::new(config)
    };
    let configs = CONFIGS.get_or_init(|| [make(&TLS13), make(&TLS12)]);
    Arc::clone(&configs[usize::from(older)])
}

/// The server's end of it.
pub fn acceptor() -> Option<Rc<dyn StartTls>> {
    #[cfg(feature = "tls")]
    {
        use mailoop::net::tls::{Acceptor, Certificate, Certificates};
        use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
        static ACCEPTOR: OnceLock<Acceptor> = OnceLock::new();
        let make = || {
            let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
            let mut parameters = CertificateParams::new(["mail.example.org".to_owned()]).unwrap();
            parameters.serial_number = Some(1_u64.into());
            let pem = parameters.self_signed(&key).unwrap().pem();
            let key = key.serialize_pem();
            let certificate = Certificate::from_pem(pem.as_bytes(), key.as_bytes()).unwrap();
            Acceptor::new(Certificates::new(vec![certificate])).unwrap()
        };
        Some(Rc::new(ACCEPTOR.get_or_init(make).clone()))
    }
    #[cfg(not(feature = "tls"))]
    None
}
