//! The device, served by the Network Block Device protocol: as much of it as nbdfuse needs.
//!
//! See <https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md>: the fixed newstyle handshake with
//! `NBD_OPT_GO`, then requests with simple replies. All numbers are big-endian.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::thread;

use crate::device::Device;

const NBDMAGIC: u64 = 0x4e42_444d_4147_4943;
const IHAVEOPT: u64 = 0x4948_4156_454f_5054;
const OPTION_REPLY: u64 = 0x0003_e889_0455_65a9;
const REQUEST: u32 = 0x2560_9513;
const SIMPLE_REPLY: u32 = 0x6744_6698;

const FIXED_NEWSTYLE: u16 = 1;
const OPT_GO: u32 = 7;
const REP_ACK: u32 = 1;
const REP_INFO: u32 = 3;
const REP_ERR_UNSUP: u32 = (1 << 31) + 1;
const INFO_EXPORT: u16 = 0;
const HAS_FLAGS_AND_SEND_FLUSH: u16 = 1 + 4;

const CMD_READ: u16 = 0;
const CMD_WRITE: u16 = 1;
const CMD_DISC: u16 = 2;
const CMD_FLUSH: u16 = 3;
const EINVAL: u32 = 22;

/// More than any request of nbdfuse; what is longer is no length.
const LENGTH_MAX: u32 = 32 << 20;

/// Serves `device` to the one who connects first, for as long as he stays.
pub fn serve(listener: UnixListener, device: Arc<Device>) {
    thread::spawn(move || {
        let (stream, _) = listener.accept()?;
        let mut connection = Connection { stream, device };
        if connection.shake_hands()? {
            while connection.obey()? {}
        }
        io::Result::Ok(())
    });
}

struct Connection {
    stream: UnixStream,
    device: Arc<Device>,
}

impl Connection {
    /// Goes through the options; whether the client wants the device then.
    fn shake_hands(&mut self) -> io::Result<bool> {
        let hello = [&NBDMAGIC.to_be_bytes()[..], &IHAVEOPT.to_be_bytes()].concat();
        self.stream.write_all(&hello)?;
        self.stream.write_all(&FIXED_NEWSTYLE.to_be_bytes())?;
        let _client_flags: [u8; 4] = self.take()?;
        loop {
            assert_eq!(u64::from_be_bytes(self.take()?), IHAVEOPT);
            let option = u32::from_be_bytes(self.take()?);
            let length = u32::from_be_bytes(self.take()?);
            self.octets(length)?;
            if option != OPT_GO {
                self.reply_to_option(option, REP_ERR_UNSUP, &[])?;
                continue;
            }
            let export = [
                &INFO_EXPORT.to_be_bytes()[..],
                &self.device.octets().to_be_bytes(),
                &HAS_FLAGS_AND_SEND_FLUSH.to_be_bytes(),
            ];
            self.reply_to_option(option, REP_INFO, &export.concat())?;
            self.reply_to_option(option, REP_ACK, &[])?;
            return Ok(true);
        }
    }

    fn reply_to_option(&mut self, option: u32, reply: u32, data: &[u8]) -> io::Result<()> {
        let length = u32::try_from(data.len()).unwrap();
        let numbers = [option, reply, length].map(u32::to_be_bytes).concat();
        let reply = [&OPTION_REPLY.to_be_bytes()[..], &numbers, data].concat();
        self.stream.write_all(&reply)
    }

    /// Carries out one request; whether there may be another.
    fn obey(&mut self) -> io::Result<bool> {
        assert_eq!(u32::from_be_bytes(self.take()?), REQUEST);
        let _flags: [u8; 2] = self.take()?;
        let command = u16::from_be_bytes(self.take()?);
        let cookie: [u8; 8] = self.take()?;
        let offset = u64::from_be_bytes(self.take()?);
        let length = u32::from_be_bytes(self.take()?);
        let mut error = 0_u32;
        let mut data = Vec::new();
        match command {
            CMD_READ => {
                data = vec![0; length as usize];
                self.device.read(offset, &mut data);
            }
            CMD_WRITE => {
                let octets = self.octets(length)?;
                self.device.write(offset, octets);
            }
            CMD_DISC => return Ok(false),
            CMD_FLUSH => self.device.flush(),
            _ => error = EINVAL,
        }
        let numbers = [SIMPLE_REPLY, error].map(u32::to_be_bytes).concat();
        let reply = [&numbers[..], &cookie, &data].concat();
        self.stream.write_all(&reply)?;
        Ok(true)
    }

    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut octets = [0; N];
        self.stream.read_exact(&mut octets)?;
        Ok(octets)
    }

    fn octets(&mut self, length: u32) -> io::Result<Vec<u8>> {
        assert!(length <= LENGTH_MAX, "{length} octets at once");
        let mut octets = vec![0; length as usize];
        self.stream.read_exact(&mut octets)?;
        Ok(octets)
    }
}
