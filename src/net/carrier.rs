//! The carrier of a connection: mostly a socket, which is called without an indirection, or a transport that somebody watches.

use std::io;
use std::mem;
use std::rc::Rc;

use super::driver::ConnectionId;
use super::probe::{Probe, Seen};
use super::socket::Socket;
use super::transport::Transport;

/// The transport of a connection: its socket, or what stands around that.
pub enum Carrier {
    /// The socket.
    Socket(Socket),
    /// A transport that a probe watches, or one without any socket.
    Watched(Box<dyn Transport>),
    /// A carrier whose reads and writes a probe is told of, for a while.
    Told(Box<ToldCarrier>),
}

/// A carrier whose reads and writes a probe is told of.
pub struct ToldCarrier {
    inner: Carrier,
    connection: ConnectionId,
    probe: Rc<dyn Probe>,
}

impl Carrier {
    /// Tells `probe` of each read and write from now on, as those of this connection.
    pub fn tell(&mut self, connection: ConnectionId, probe: Rc<dyn Probe>) {
        let inner = mem::replace(self, Self::Watched(Box::new(Moved)));
        *self = Self::Told(Box::new(ToldCarrier {
            inner,
            connection,
            probe,
        }));
    }

    /// Tells the last probe that was to be [told](Self::tell) nothing more.
    pub fn stop_telling(&mut self) {
        *self = match mem::replace(self, Self::Watched(Box::new(Moved))) {
            Self::Told(told) => told.inner,
            other => other,
        };
    }
}

impl ToldCarrier {
    fn wrote(&self, result: io::Result<usize>) -> io::Result<usize> {
        self.probe.saw(self.connection, Seen::Wrote(&result));
        result
    }
}

impl Transport for ToldCarrier {
    fn short_read_drains(&self) -> bool {
        self.inner.short_read_drains()
    }

    fn is_connected(&self) -> io::Result<bool> {
        self.inner.is_connected()
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = self.inner.read(buffer);
        self.probe.saw(self.connection, Seen::Read(&result));
        result
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.inner.write(bytes);
        self.wrote(result)
    }

    fn write_last(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.inner.write_last(bytes);
        self.wrote(result)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.inner.shutdown_write()
    }
}

/// The place of a carrier that is just put elsewhere: nothing is read from it or written to it.
struct Moved;

impl Transport for Moved {
    fn short_read_drains(&self) -> bool {
        false
    }

    fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::NotConnected.into())
    }

    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::NotConnected.into())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::NotConnected.into())
    }
}

impl Transport for Carrier {
    fn short_read_drains(&self) -> bool {
        match self {
            Self::Socket(socket) => socket.short_read_drains(),
            Self::Watched(transport) => transport.short_read_drains(),
            Self::Told(transport) => transport.short_read_drains(),
        }
    }

    fn is_connected(&self) -> io::Result<bool> {
        match self {
            Self::Socket(socket) => Transport::is_connected(socket),
            Self::Watched(transport) => transport.is_connected(),
            Self::Told(transport) => transport.is_connected(),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Socket(socket) => Transport::read(socket, buffer),
            Self::Watched(transport) => transport.read(buffer),
            Self::Told(transport) => transport.read(buffer),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Socket(socket) => Transport::write(socket, bytes),
            Self::Watched(transport) => transport.write(bytes),
            Self::Told(transport) => transport.write(bytes),
        }
    }

    fn write_last(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Socket(socket) => socket.write_last(bytes),
            Self::Watched(transport) => transport.write_last(bytes),
            Self::Told(transport) => transport.write_last(bytes),
        }
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        match self {
            Self::Socket(socket) => Transport::shutdown_write(socket),
            Self::Watched(transport) => transport.shutdown_write(),
            Self::Told(transport) => transport.shutdown_write(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::ErrorKind;

    use super::*;

    /// A stream that has three octets to read, and room for two.
    struct Small;

    impl Transport for Small {
        fn short_read_drains(&self) -> bool {
            true
        }

        fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
            Ok(3)
        }

        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            match bytes {
                [_, _] => Ok(2),
                _ => Err(ErrorKind::WouldBlock.into()),
            }
        }

        fn shutdown_write(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[derive(Default)]
    struct Calls(RefCell<Vec<String>>);

    impl Probe for Calls {
        fn saw(&self, connection: ConnectionId, step: Seen<'_>) {
            let call = match step {
                Seen::Read(result) => format!("{connection} read {:?}", result.as_ref().ok()),
                Seen::Wrote(result) => format!("{connection} wrote {:?}", result.as_ref().ok()),
                other => format!("{other:?}"),
            };
            self.0.borrow_mut().push(call);
        }
    }

    #[test]
    fn a_probe_is_told_of_the_calls_of_a_carrier_for_a_while() {
        let calls = Rc::new(Calls::default());
        let mut carrier = Carrier::Watched(Box::new(Small));
        let call = |carrier: &mut Carrier| {
            assert_eq!(carrier.read(&mut []).ok(), Some(3));
            assert_eq!(carrier.write(b"ab").ok(), Some(2));
            assert!(carrier.write_last(b"abc").is_err());
            calls.0.take()
        };
        assert!(call(&mut carrier).is_empty());
        carrier.tell(ConnectionId(7), Rc::clone(&calls) as Rc<dyn Probe>);
        let told = ["7 read Some(3)", "7 wrote Some(2)", "7 wrote None"];
        assert_eq!(call(&mut carrier), told);
        carrier.stop_telling();
        assert!(call(&mut carrier).is_empty());
        carrier.stop_telling();
        assert!(call(&mut carrier).is_empty(), "it is still there");
    }
}
