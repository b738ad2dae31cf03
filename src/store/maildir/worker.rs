//! Who does the work on the disk: a process of its own, or else this one.

use std::path::Path;
use std::{io, mem};

use rustix::event::poll;

use super::child::{StartError, StoreChild, StorePipes};
use super::client::{News, StoreClient};
use super::disk::Disk;
use super::draft::Destination;
use super::engine::Engine;
use super::folders::MailboxPath;
use super::process::{START_REST, start};
use super::system::System;
use super::wire::Request;
use super::{MaildirOptions, Ticket};
use crate::store::{Failure, Finished, Outcome};

/// The work of one store, whoever does it.
#[derive(Debug)]
pub(super) struct Worker {
    options: MaildirOptions,
    who: Who,
    /// How many workers there were before this one.
    incarnation: u32,
}

#[derive(Debug)]
enum Who {
    /// A process of its own, and what this one and that say to each other.
    Apart(Box<(StoreClient, StoreChild)>),
    /// This one, which waits for the disk.
    Here(Box<Engine<System>>),
    /// Nobody: the process is gone. These messages nobody has seen to the end of.
    Nobody(Vec<Ticket>),
}

impl Worker {
    /// Works in this process.
    pub(super) fn here(options: MaildirOptions) -> io::Result<Self> {
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
        let who = Who::Here(Box::new(engine));
        Ok(Self::new(options, who))
    }

    /// Lets `program`, which is mailoop, do the work, if it can be started.
    pub(super) fn apart(options: MaildirOptions, program: &Path) -> io::Result<Self> {
        let (root, mailboxes_max) = (&options.root, options.mailboxes_max);
        match StoreChild::start(program, root, mailboxes_max, options.group_max) {
            Ok((child, client)) => {
                let who = Who::Apart(Box::new((client, child)));
                Ok(Self::new(options, who))
            }
            Err(StartError::Store(error)) => Err(error),
            Err(StartError::NoProcess(error)) => {
                log::warn!(
                    "store=in-process warning=\"cannot start a store process: {error}; \
                     all wait while messages are made durable\""
                );
                Self::here(options)
            }
        }
    }

    fn new(options: MaildirOptions, who: Who) -> Self {
        Self {
            options,
            who,
            incarnation: 0,
        }
    }

    /// The number of the present worker, which the next one does not share.
    pub(super) fn incarnation(&self) -> u32 {
        self.incarnation
    }

    /// The start of the queue ids of what is begun now. If nobody works, this process does from now on.
    ///
    /// # Errors
    /// It could not take up the work.
    pub(super) fn instance(&mut self) -> Result<&str, Failure> {
        if matches!(&self.who, Who::Nobody(unsettled) if unsettled.is_empty()) {
            self.who = Who::here(&self.options)?;
            self.incarnation += 1;
        }
        match &self.who {
            Who::Apart(apart) => Ok(apart.0.instance()),
            Who::Here(engine) => Ok(engine.instance()),
            Who::Nobody(_) => Err(gone()),
        }
    }

    /// How many mailboxes may still be made.
    pub(super) fn mailbox_room(&self) -> usize {
        match &self.who {
            Who::Apart(apart) => apart.0.mailbox_room(),
            Who::Here(engine) => engine.mailbox_room(),
            // Whoever takes up the work, when the message is begun, counts them.
            Who::Nobody(_) => usize::MAX,
        }
    }

    /// The client of the store process, which is to be asked and answers later; `None` where the work is done here.
    pub(super) fn client(&mut self) -> Option<&mut StoreClient> {
        match &mut self.who {
            Who::Apart(apart) => Some(&mut apart.0),
            Who::Here(_) | Who::Nobody(_) => None,
        }
    }

    /// Takes the pipes to the store process, once.
    pub(super) fn take_pipes(&mut self) -> Option<StorePipes> {
        match &mut self.who {
            Who::Apart(apart) => apart.1.take_pipes(),
            Who::Here(_) | Who::Nobody(_) => None,
        }
    }

    /// Gives the pipes back, so that the store process is waited for in the end.
    pub(super) fn return_pipes(&mut self, pipes: StorePipes) {
        if let Who::Apart(apart) = &mut self.who {
            apart.1.return_pipes(pipes);
        }
    }

    /// How many bytes are free, told by this process.
    pub(super) fn free_bytes(&mut self) -> u64 {
        match &mut self.who {
            Who::Here(engine) => engine.disk().free_bytes(),
            Who::Apart(_) | Who::Nobody(_) => u64::MAX,
        }
    }

    /// How many of these mailboxes are missing, told by this process. Where nobody works all may be.
    pub(super) fn missing(&mut self, mailboxes: &[MailboxPath]) -> usize {
        match &mut self.who {
            Who::Here(engine) => engine.missing(mailboxes),
            Who::Apart(_) | Who::Nobody(_) => mailboxes.len(),
        }
    }

    /// What the worker tells beside messages that are settled, since it was last taken.
    pub(super) fn take_news(&mut self) -> Vec<News> {
        match &mut self.who {
            Who::Apart(apart) => apart.0.take_news(),
            Who::Here(engine) => {
                let made = engine.made();
                made.map(|(ticket, made)| News::Made(ticket, made))
                    .collect()
            }
            Who::Nobody(_) => Vec::new(),
        }
    }

    /// Opens a message for groups of mailboxes, of which `to_make` may be made, as [`Engine::open`] does. A failure is told once the message is submitted,
    /// also that the worker is gone whose instance named its file: a sweep may take files of a dead instance away.
    pub(super) fn open(&mut self, ticket: Ticket, destination: Destination, to_make: usize) {
        let Destination {
            file_name,
            groups,
            incarnation,
            peer: _,
        } = destination;
        if incarnation != self.incarnation {
            return;
        }
        match &mut self.who {
            Who::Apart(apart) => {
                let to_make = u32::try_from(to_make).unwrap_or(u32::MAX);
                apart
                    .0
                    .send(&Request::Open(ticket, to_make, &file_name, groups));
            }
            Who::Here(engine) => {
                engine.open(ticket, file_name, groups, to_make);
                engine.disk().forget();
            }
            Who::Nobody(_) => {}
        }
    }

    /// Appends to an open message.
    pub(super) fn write(&mut self, ticket: Ticket, text: &[u8]) {
        match &mut self.who {
            Who::Apart(apart) => apart.0.send(&Request::Text(ticket, text)),
            Who::Here(engine) => engine.write(ticket, text),
            Who::Nobody(_) => {}
        }
    }

    /// Drops an open message.
    pub(super) fn abort(&mut self, ticket: Ticket) {
        match &mut self.who {
            Who::Apart(apart) => apart.0.send(&Request::Abort(ticket)),
            Who::Here(engine) => {
                // It is dropped, whatever had failed.
                let _ = engine.abort(ticket);
                engine.disk().forget();
            }
            Who::Nobody(_) => {}
        }
    }

    /// Closes a complete message.
    pub(super) fn submit(&mut self, ticket: Ticket) {
        match &mut self.who {
            Who::Apart(apart) => apart.0.send(&Request::Submit(ticket)),
            Who::Here(engine) => engine.submit(ticket),
            Who::Nobody(unsettled) => unsettled.push(ticket),
        }
    }

    /// Makes messages durable, and tells of those that are settled.
    pub(super) fn commit(&mut self, finished: &mut Vec<Finished>) {
        match &mut self.who {
            Who::Here(engine) => {
                while engine.round() {}
                engine.disk().forget();
                finished.extend(engine.settled());
            }
            Who::Apart(apart) => {
                apart.0.take_settled(finished);
                if let Some(error) = apart.0.take_loss() {
                    self.lose(&error);
                }
            }
            Who::Nobody(_) => {}
        }
        if let Who::Nobody(unsettled) = &mut self.who {
            finished.extend(unsettled.drain(..).map(|ticket| Finished {
                ticket,
                outcome: Outcome::Failed(gone()),
            }));
        }
    }

    /// The process is gone. Nobody knows what became of the messages it had, so they are refused, and whoever sent
    /// them sends them again: one may arrive twice, but none is lost.
    fn lose(&mut self, error: &io::Error) {
        let unsettled = match mem::replace(&mut self.who, Who::Nobody(Vec::new())) {
            Who::Apart(apart) => {
                let (client, child) = *apart;
                child.kill();
                client.unsettled()
            }
            Who::Here(_) | Who::Nobody(_) => Vec::new(),
        };
        self.who = Who::Nobody(unsettled);
        log::error!(
            "store=in-process error=\"the store process is gone: {error}; \
             all wait while messages are made durable\""
        );
    }

    /// Whether [`commit`](Self::commit) has something to do at once.
    pub(super) fn is_pending(&self) -> bool {
        match &self.who {
            Who::Apart(apart) => apart.0.is_pending(),
            Who::Here(engine) => engine.is_pending(),
            Who::Nobody(unsettled) => !unsettled.is_empty(),
        }
    }

    /// Whether so much is to be written that there should not be more.
    pub(super) fn is_congested(&self) -> bool {
        matches!(&self.who, Who::Apart(apart) if apart.0.is_congested())
    }
}

impl Who {
    /// Takes up the work in a server that runs, and so waits for no sibling.
    fn here(options: &MaildirOptions) -> io::Result<Self> {
        let disk = System::open(&options.root)?;
        let engine = Engine::start(disk, options.mailboxes_max, options.group_max)?;
        Ok(Self::Here(Box::new(engine)))
    }
}

fn gone() -> Failure {
    Failure::Io("the store process is gone".into())
}
