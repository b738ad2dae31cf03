//! A client that waits for every answer.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

/// Reads what there is. A read with a timeout ends early where the process was halted meanwhile (signal(7)), as one on a machine
/// that is paused is; it is begun again, as `read_exact` does by itself.
///
/// # Errors
/// Any error of the stream but `Interrupted`.
pub fn read_some(stream: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match stream.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// A client that reads whole lines.
pub struct Client<S: Read> {
    pub stream: BufReader<S>,
}

impl Client<TcpStream> {
    pub fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        Self::new(stream)
    }

    /// Connects from an address of its own, by this number: what a server counts for an address it does not count for the
    /// others.
    pub fn connect_from(number: usize, address: &str) -> Self {
        let [.., high, low] = (number % 65_000 + 1).to_be_bytes();
        Self::connect_from_ip(Ipv4Addr::new(127, 1, high, low), address)
    }

    /// Connects from this address of the machine.
    pub fn connect_from_ip(source: Ipv4Addr, address: &str) -> Self {
        let source = SocketAddr::from((source, 0));
        let server: SocketAddr = address.parse().unwrap();
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
        socket.bind(&source.into()).unwrap();
        socket.connect(&server.into()).unwrap();
        let stream = TcpStream::from(socket);
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        Self::new(stream)
    }
}

impl<S: Read + Write> Client<S> {
    pub fn new(stream: S) -> Self {
        Self {
            stream: BufReader::new(stream),
        }
    }

    pub fn say(&mut self, text: &str) {
        self.stream.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// The next line, without its end.
    pub fn hear(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    #[track_caller]
    pub fn expect(&mut self, code: &str) {
        let line = self.hear();
        assert!(
            line.starts_with(code),
            "{code} was expected, and came {line:?}"
        );
    }

    #[track_caller]
    pub fn ask(&mut self, command: &str, code: &str) {
        self.say(&format!("{command}\r\n"));
        self.expect(code);
    }

    /// An extended hello, behind the greeting.
    #[track_caller]
    pub fn hello(&mut self) {
        self.expect("220 ");
        self.hello_again();
    }

    /// An extended hello where no greeting comes first.
    pub fn hello_again(&mut self) {
        self.say("EHLO client\r\n");
        loop {
            let line = self.hear();
            assert!(
                line.starts_with("250"),
                "250 was expected, and came {line:?}"
            );
            if line.starts_with("250 ") {
                break;
            }
        }
    }

    /// A textbook session as far as 354.
    #[track_caller]
    pub fn begin_message(&mut self, to: &str) {
        self.expect("220");
        self.say("HELO client\r\n");
        self.expect("250");
        self.envelope(to);
    }

    #[track_caller]
    pub fn envelope(&mut self, to: &str) {
        for (line, code) in [
            ("MAIL FROM:<a@example.com>", "250 "),
            (&format!("RCPT TO:<{to}>"), "250 "),
            ("DATA", "354 "),
        ] {
            self.ask(line, code);
        }
    }

    /// All that comes until the server closes.
    pub fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.stream.read_to_string(&mut rest).unwrap();
        rest
    }
}
