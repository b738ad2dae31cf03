//! The backend: a store process that does the work on the disk, or else this process.
//!
//! Invariant: once a backend is lost, no message that it had is taken up by the next one. Nobody knows how far such a
//! message came, so it is refused, and its sender sends it again.

use std::path::Path;
use std::{io, mem};

use rustix::event::poll;

use super::client::{MaildirClient, News};
use super::destination::MessageDestination;
use super::disk::Disk;
use super::folders::MailboxPath;
use super::group_commit::CommitEngine;
use super::ipc::StoreRequest;
use super::process::{COMMAND, START_REST, start};
use super::system::System;
use super::{MaildirOptions, Ticket};
use crate::store::process::StorePipes;
use crate::store::process::child::{StartError, StoreChild, StoreCommandLine};
use crate::store::{Failure, Finished, Outcome};

/// The work of one store, by a process of its own or in this one.
#[derive(Debug)]
pub(super) struct Backend {
    options: MaildirOptions,
    kind: BackendKind,
    /// The number of backends before the present one.
    generation: u32,
}

#[derive(Debug)]
enum BackendKind {
    /// A store process: nothing here blocks for the disk.
    Process {
        client: Box<MaildirClient>,
        child: StoreChild,
    },
    /// An engine in this process, which blocks for the disk.
    InProcess(Box<CommitEngine<System>>),
    /// None, since the store process is gone. The messages are those that it had not settled.
    Lost(Vec<Ticket>),
}

impl Backend {
    /// Works in this process.
    pub(super) fn in_process(options: MaildirOptions) -> io::Result<Self> {
        let rest = || {
            // There is nothing to poll but the time.
            let _ = poll(&mut [], Some(&START_REST));
            Ok(())
        };
        let engine = start(
            &options.root,
            options.mailboxes_max,
            options.group_max,
            rest,
        )?;
        let kind = BackendKind::InProcess(Box::new(engine));
        Ok(Self::new(options, kind))
    }

    /// Works in a store process that runs `program`, which is mailoop; in this process if none can be started.
    pub(super) fn with_process(options: MaildirOptions, program: &Path) -> io::Result<Self> {
        let mut client = Box::new(MaildirClient::default());
        let numbers = [options.mailboxes_max, options.group_max];
        let [mailboxes_max, group_max] = numbers.map(|number| number.to_string());
        let command = StoreCommandLine {
            program,
            arguments: &[COMMAND.to_owned(), mailboxes_max, group_max],
            root: &options.root,
        };
        match StoreChild::start(command, &mut *client) {
            Ok(child) => Ok(Self::new(options, BackendKind::Process { client, child })),
            Err(StartError::Store(error)) => Err(error),
            Err(StartError::NoProcess(error)) => {
                log::warn!(
                    "store=in-process warning=\"cannot start a store process: {error}; \
                     all wait while messages are made durable\""
                );
                Self::in_process(options)
            }
        }
    }

    fn new(options: MaildirOptions, kind: BackendKind) -> Self {
        Self {
            options,
            kind,
            generation: 0,
        }
    }

    /// The number of the present backend, which the next one does not share.
    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    /// The start of the queue ids of messages that begin now. If the store process is lost, this process takes up its work.
    ///
    /// # Errors
    /// The work could not be taken up.
    pub(super) fn instance(&mut self) -> Result<&str, Failure> {
        if matches!(&self.kind, BackendKind::Lost(unsettled) if unsettled.is_empty()) {
            self.kind = BackendKind::take_over(&self.options)?;
            self.generation += 1;
        }
        match &self.kind {
            BackendKind::Process { client, .. } => Ok(client.instance()),
            BackendKind::InProcess(engine) => Ok(engine.instance()),
            BackendKind::Lost(_) => Err(gone()),
        }
    }

    /// The number of mailboxes that may still be made.
    pub(super) fn mailbox_room(&self) -> usize {
        match &self.kind {
            BackendKind::Process { client, .. } => client.mailbox_room(),
            BackendKind::InProcess(engine) => engine.mailbox_room(),
            // The next backend counts them, when the message is begun.
            BackendKind::Lost(_) => usize::MAX,
        }
    }

    /// The client of the store process, which is asked and answers later; `None` where the work is done in this process.
    pub(super) fn client(&mut self) -> Option<&mut MaildirClient> {
        match &mut self.kind {
            BackendKind::Process { client, .. } => Some(client),
            BackendKind::InProcess(_) | BackendKind::Lost(_) => None,
        }
    }

    /// Takes the pipes to the store process, once.
    pub(super) fn take_pipes(&mut self) -> Option<StorePipes> {
        match &mut self.kind {
            BackendKind::Process { child, .. } => child.take_pipes(),
            BackendKind::InProcess(_) | BackendKind::Lost(_) => None,
        }
    }

    /// Gives the pipes back, so that shutdown waits for the store process.
    pub(super) fn return_pipes(&mut self, pipes: StorePipes) {
        if let BackendKind::Process { child, .. } = &mut self.kind {
            child.return_pipes(pipes);
        }
    }

    /// The number of free bytes, as far as this process knows it.
    pub(super) fn free_bytes(&mut self) -> u64 {
        match &mut self.kind {
            BackendKind::InProcess(engine) => engine.disk().free_bytes(),
            BackendKind::Process { .. } | BackendKind::Lost(_) => u64::MAX,
        }
    }

    /// The number of these mailboxes that are missing, as far as this process knows it; without a backend all may be.
    pub(super) fn missing(&mut self, mailboxes: &[MailboxPath]) -> usize {
        match &mut self.kind {
            BackendKind::InProcess(engine) => engine.missing(mailboxes),
            BackendKind::Process { .. } | BackendKind::Lost(_) => mailboxes.len(),
        }
    }

    /// Takes what the backend reported beside settled messages, since the last call.
    pub(super) fn take_news(&mut self) -> Vec<News> {
        match &mut self.kind {
            BackendKind::Process { client, .. } => client.take_news(),
            BackendKind::InProcess(engine) => {
                let made = engine.made();
                made.map(|(ticket, made)| News::Made(ticket, made))
                    .collect()
            }
            BackendKind::Lost(_) => Vec::new(),
        }
    }

    /// Opens a message for groups of mailboxes, of which `to_make` may be made, as [`CommitEngine::open`] does. A failure is
    /// reported once the message is submitted; so is the loss of the backend whose instance named its file, since a sweep
    /// may take files of a dead instance away.
    pub(super) fn open(&mut self, ticket: Ticket, destination: MessageDestination, to_make: usize) {
        let MessageDestination {
            names,
            groups,
            generation,
            peer: _,
        } = destination;
        if generation != self.generation {
            return;
        }
        match &mut self.kind {
            BackendKind::Process { client, .. } => {
                let to_make = u32::try_from(to_make).unwrap_or(u32::MAX);
                client.send(&StoreRequest::Open(ticket, to_make, names, groups));
            }
            BackendKind::InProcess(engine) => {
                engine.open_named(ticket, names, groups, to_make);
                engine.disk().forget();
            }
            BackendKind::Lost(_) => {}
        }
    }

    /// Appends to an open message.
    pub(super) fn write(&mut self, ticket: Ticket, text: &[u8]) {
        match &mut self.kind {
            BackendKind::Process { client, .. } => client.send(&StoreRequest::Text(ticket, text)),
            BackendKind::InProcess(engine) => engine.write(ticket, text),
            BackendKind::Lost(_) => {}
        }
    }

    /// Drops an open message.
    pub(super) fn abort(&mut self, ticket: Ticket) {
        match &mut self.kind {
            BackendKind::Process { client, .. } => client.send(&StoreRequest::Abort(ticket)),
            BackendKind::InProcess(engine) => {
                // It is dropped, whatever had failed.
                let _ = engine.abort(ticket);
                engine.disk().forget();
            }
            BackendKind::Lost(_) => {}
        }
    }

    /// Closes a complete message.
    pub(super) fn submit(&mut self, ticket: Ticket) {
        match &mut self.kind {
            BackendKind::Process { client, .. } => client.send(&StoreRequest::Submit(ticket)),
            BackendKind::InProcess(engine) => engine.submit(ticket),
            BackendKind::Lost(unsettled) => unsettled.push(ticket),
        }
    }

    /// Takes the messages that were settled. In this process it makes them durable first; a store process does that by
    /// itself.
    pub(super) fn commit(&mut self, finished: &mut Vec<Finished>) {
        match &mut self.kind {
            BackendKind::InProcess(engine) => {
                while engine.round() {}
                engine.disk().forget();
                finished.extend(engine.settled());
            }
            BackendKind::Process { client, .. } => {
                client.take_settled(finished);
                if let Some(error) = client.take_loss() {
                    self.lose(&error);
                }
            }
            BackendKind::Lost(_) => {}
        }
        if let BackendKind::Lost(unsettled) = &mut self.kind {
            finished.extend(unsettled.drain(..).map(|ticket| Finished {
                ticket,
                outcome: Outcome::Failed(gone()),
            }));
        }
    }

    /// Gives the store process up. Nobody knows what became of its unsettled messages, so they are refused, and their senders
    /// send them again: one may arrive twice, but none is lost.
    fn lose(&mut self, error: &io::Error) {
        let lost = mem::replace(&mut self.kind, BackendKind::Lost(Vec::new()));
        if let BackendKind::Process { client, child } = lost {
            child.kill();
            self.kind = BackendKind::Lost(client.unsettled());
        }
        log::error!(
            "store=in-process error=\"the store process is gone: {error}; \
             all wait while messages are made durable\""
        );
    }

    /// Whether [`commit`](Self::commit) has something to do at once.
    pub(super) fn is_pending(&self) -> bool {
        match &self.kind {
            BackendKind::Process { client, .. } => client.is_pending(),
            BackendKind::InProcess(engine) => engine.is_pending(),
            BackendKind::Lost(unsettled) => !unsettled.is_empty(),
        }
    }

    /// Whether the output to the store process has reached its bound.
    pub(super) fn is_congested(&self) -> bool {
        matches!(&self.kind, BackendKind::Process { client, .. } if client.is_congested())
    }
}

impl BackendKind {
    /// Takes up the work in this process, which serves clients and so waits for no sibling.
    fn take_over(options: &MaildirOptions) -> io::Result<Self> {
        let disk = System::open(&options.root)?;
        let engine = CommitEngine::start(disk, options.mailboxes_max, options.group_max)?;
        Ok(Self::InProcess(Box::new(engine)))
    }
}

fn gone() -> Failure {
    Failure::Io("the store process is gone".into())
}
