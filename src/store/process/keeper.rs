//! A keeper: a small process that starts a store process of one kind, and starts it again once it is lost.
//!
//! A server in its sandbox runs no program any more, and a fork takes the longer the more memory it has. The keeper is started
//! before, stays outside, and passes the pipes of each store process to the server over a socket pair (unix(7), `SCM_RIGHTS`).
//! It reads nothing but an octet for each process that is asked for, and ends when the server does.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Stdio};

use rustix::cmsg_space;
#[cfg(feature = "milter")]
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, read};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, send, sendmsg, socketpair,
};
#[cfg(feature = "milter")]
use rustix::net::{Shutdown, shutdown};
use rustix::stdio::stdin;

#[cfg(feature = "milter")]
use super::child::FINISH_TIMEOUT;
use super::child::{StoreCommandLine, StorePipes, THIS_PROGRAM};

/// The answers of the keeper: pipes come with this, or the number of an error.
const STARTED: i32 = 0;

/// The roles of processes, of which one keeps the other: the argument of the command that starts either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptRole {
    /// It starts the other one.
    Keeper,
    /// It works on the disk.
    Process,
}

impl KeptRole {
    /// All roles.
    pub const ALL: [Self; 2] = [Self::Keeper, Self::Process];

    /// The name of the role on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Keeper => "keep",
            Self::Process => "work",
        }
    }

    /// The role of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    fn arguments(self, command: &str) -> [String; 2] {
        [command, self.name()].map(str::to_owned)
    }
}

/// The server's side of a keeper.
#[derive(Debug)]
pub(crate) struct ProcessKeeper {
    child: Child,
    socket: OwnedFd,
}

impl ProcessKeeper {
    /// Starts a keeper by the subcommand `command` of `program`, which is mailoop. It works in the folder `root`, which is there.
    pub(crate) fn start(program: &Path, command: &str, root: &Path) -> io::Result<Self> {
        let (socket, its_socket) = socketpair(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )?;
        let command = StoreCommandLine {
            program,
            arguments: &KeptRole::Keeper.arguments(command),
            root,
        };
        let child = command.start(its_socket, Stdio::null())?;
        Ok(Self { child, socket })
    }

    /// Asks for a process. The one before it is killed: it must write no more.
    pub(crate) fn ask(&self) -> io::Result<()> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        send(&self.socket, b"+", flags)?;
        Ok(())
    }

    /// Takes the pipes to the process that was asked for; waits for them if it `may_block`, and is else `WouldBlock`.
    pub(crate) fn take_pipes(&self, may_block: bool) -> io::Result<StorePipes> {
        let mut flags = RecvFlags::CMSG_CLOEXEC;
        flags.set(RecvFlags::DONTWAIT, !may_block);
        let mut answer = [0; size_of::<i32>()];
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(2))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut answer)];
        let received = loop {
            match recvmsg(&self.socket, &mut parts, &mut ancillary, flags) {
                Err(Errno::INTR) => {}
                received => break received?,
            }
        };
        if received.bytes != size_of::<i32>() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let mut pipes = Vec::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                pipes.extend(descriptors);
            }
        }
        let errno = i32::from_ne_bytes(answer);
        let (STARTED, Ok([requests, reports])) = (errno, <[OwnedFd; 2]>::try_from(pipes)) else {
            // The error of the keeper: that no process can be started for now (EAGAIN) does not say that its answer is to come.
            return Err(io::Error::other(io::Error::from_raw_os_error(errno)));
        };
        Ok(StorePipes {
            requests: requests.into(),
            reports: reports.into(),
        })
    }

    /// Lets the keeper end, and the process as well whose pipes these are: it finishes what it was given. Waits a while for
    /// that. The process is called `which` in the log.
    #[cfg(feature = "relay")]
    pub(crate) fn finish(mut self, pipes: Option<StorePipes>, which: &str) {
        let has_ended = pipes.is_some_and(|pipes| pipes.finish(which));
        drop(self.socket);
        if has_ended {
            let _ = self.child.wait();
        }
    }

    /// Lets the keeper end, and its process, which has nothing to finish and whose pipes are closed. Waits a while for that. The
    /// process is called `which` in the log.
    #[cfg(feature = "milter")]
    pub(crate) fn end(mut self, which: &str) {
        let _ = shutdown(&self.socket, Shutdown::Write);
        let mut closed = [PollFd::new(&self.socket, PollFlags::empty())];
        if matches!(poll(&mut closed, Some(&FINISH_TIMEOUT)), Ok(1)) {
            let _ = self.child.wait();
        } else {
            log::warn!("warning=\"the {which} process does not end, and is left alone\"");
        }
    }
}

/// Starts processes by the subcommand `command` as the server asks for them, until it is gone. The server is at the other end
/// of standard input.
///
/// # Errors
/// The server cannot be reached.
pub fn keep(command: &str) -> io::Result<()> {
    let mut child: Option<Child> = None;
    loop {
        match read(stdin(), &mut [0; 1]) {
            Ok(0) => break,
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        if let Some(mut child) = child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        match start_process(command) {
            Ok((started, pipes)) => {
                child = Some(started);
                let pipes = [pipes.requests.as_fd(), pipes.reports.as_fd()];
                answer(STARTED, &pipes)?;
            }
            Err(error) => answer(
                error.raw_os_error().unwrap_or(Errno::IO.raw_os_error()),
                &[],
            )?,
        }
    }
    if let Some(mut child) = child {
        child.wait()?;
    }
    Ok(())
}

fn start_process(command: &str) -> io::Result<(Child, StorePipes)> {
    let (pipes, its_pipes) = StorePipes::open()?;
    let command = StoreCommandLine {
        program: Path::new(THIS_PROGRAM),
        arguments: &KeptRole::Process.arguments(command),
        root: Path::new("."),
    };
    let child = command.start(its_pipes.requests, its_pipes.reports)?;
    Ok((child, pipes))
}

fn answer(errno: i32, pipes: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(2))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !pipes.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(pipes));
    }
    let octets = errno.to_ne_bytes();
    let parts = [IoSlice::new(&octets)];
    sendmsg(stdin(), &parts, &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}
