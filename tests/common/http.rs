//! A client of HTTP that says exactly what a test wants, and reads whole responses.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use super::{TestServer, WAIT_MAX};

/// A response.
#[derive(Debug)]
pub struct HttpReply {
    pub status: u16,
    /// The fields, with names in lower case.
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl HttpReply {
    /// The value of a field that is there at most once.
    #[track_caller]
    pub fn field(&self, name: &str) -> Option<&str> {
        let name = name.to_ascii_lowercase();
        let mut values = self.fields.iter().filter(|field| field.0 == name);
        let value = values.next();
        assert!(values.next().is_none(), "{name} is there twice: {self:?}");
        value.map(|(_, value)| &**value)
    }

    /// The body as text.
    #[track_caller]
    pub fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }
}

/// Reads what the server says, and writes to it.
trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

/// One connection.
pub struct HttpClient {
    stream: BufReader<Box<dyn Stream>>,
}

impl HttpClient {
    /// A connection to the first listener for HTTP that is no socket file.
    #[track_caller]
    pub fn connect(server: &TestServer) -> Self {
        Self::connect_to(&server.http_address())
    }

    #[track_caller]
    pub fn connect_to(address: &str) -> Self {
        let stream: Box<dyn Stream> = match address.strip_prefix("unix:") {
            Some(path) => {
                let stream = UnixStream::connect(path).unwrap();
                stream.set_read_timeout(Some(WAIT_MAX)).unwrap();
                Box::new(stream)
            }
            None => {
                let stream = TcpStream::connect(address).unwrap();
                stream.set_nodelay(true).unwrap();
                stream.set_read_timeout(Some(WAIT_MAX)).unwrap();
                Box::new(stream)
            }
        };
        let stream = BufReader::new(stream);
        Self { stream }
    }

    /// Says this, as it stands.
    #[track_caller]
    pub fn say(&mut self, octets: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(octets.as_ref()).unwrap();
    }

    /// Says a request line and a `Host`, then these lines.
    #[track_caller]
    pub fn ask(&mut self, request: &str, fields: &[&str]) {
        let mut head = format!("{request} HTTP/1.1\r\nHost: localhost\r\n");
        for field in fields {
            head += &format!("{field}\r\n");
        }
        self.say(head + "\r\n");
    }

    /// A request, and the response to it.
    #[track_caller]
    pub fn get(&mut self, path: &str) -> HttpReply {
        self.ask(&format!("GET {path}"), &[]);
        self.reply()
    }

    /// The next line, without its end; `None` at the end of the connection.
    #[track_caller]
    pub fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        let whole = line.strip_suffix('\n')?;
        Some(whole.strip_suffix('\r').unwrap_or(whole).to_owned())
    }

    /// The head of the next response.
    #[track_caller]
    pub fn head(&mut self) -> HttpReply {
        let line = self.line().expect("there is no response");
        let code = line.strip_prefix("HTTP/1.1 ").and_then(|it| it.get(..3));
        let status = code.unwrap_or_else(|| panic!("no response: {line}"));
        let mut fields = Vec::new();
        loop {
            let line = self.line().expect("the head ends early");
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("{line}"));
            fields.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        HttpReply {
            status: status.parse().unwrap(),
            fields,
            body: Vec::new(),
        }
    }

    /// The next response, which has as many octets as it says.
    #[track_caller]
    pub fn reply(&mut self) -> HttpReply {
        let mut reply = self.head();
        let length = reply.field("content-length").expect("no Content-Length");
        let length = length.parse().unwrap();
        reply.body = vec![0; length];
        self.stream.read_exact(&mut reply.body).unwrap();
        reply
    }

    /// Reads so many octets.
    #[track_caller]
    pub fn read_exact(&mut self, octets: &mut [u8]) {
        self.stream.read_exact(octets).unwrap();
    }

    /// Sees that the server says no more and closes.
    #[track_caller]
    pub fn expect_end(&mut self) {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).unwrap();
        assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
    }
}
