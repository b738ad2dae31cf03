//! Message text on hold: what filters look at before anybody knows whether it is taken, and how it is to be changed.
//!
//! A small text is held in memory. A larger one, and any while all memory for this is taken, is moved to a file without a name by
//! a process of its own, so that the event loop never blocks for a disk: what lies there is asked for and comes later.
//!
//! ```text
//! begin ──▶ HeldText ──write…──▶ read… ──▶ drop_text
//!                                 └─▶ Asked ──commit──▶ take_answer
//! ```
//!
//! A message on hold was never acknowledged. So it is never synced, and vanishes with the server; should its process be lost, the
//! client sends it again.
//!
//! - `backend` starts the process once it is needed, by a `starter`, and again after it was lost.
//! - `process` is that process from inside, `files` what it works on, and `ipc` what it and the server say to each other: `client`
//!   is the server's side of it, without I/O.
//! - `holding_store` is a store that has a hold.
//!
//! # Invariants
//! - All texts together take a bounded amount of memory and of disk; the output to the process has a bound, above which no message
//!   text is taken.
//! - A text is either whole or failed: after a failure nothing of it is read any more.

mod backend;
mod client;
mod files;
mod holding_store;
mod ipc;
mod options;
mod process;
mod starter;
#[cfg(test)]
mod tests;
mod texts;

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::time::Instant;

use bytes::Bytes;
use slab::Slab;

use self::backend::HoldBackend;
use self::client::HoldNews;
use self::ipc::{HoldRequest, TextName};
use super::process::{StoreClient, StorePipes};
use super::{Failure, Ticket};

pub use self::holding_store::{HOLD_PROCESS, HoldingStore};
pub use self::options::HoldOptions;
pub use self::process::{HOLD_COMMAND, run};
pub use self::starter::{HoldStarter, KeptHold};
pub use self::texts::{HeldText, HeldTexts};

// The work of the process by itself, for tests without one.
#[doc(hidden)]
pub use self::files::HeldFiles;

/// The most octets that one read of a text brings.
pub const HELD_READ_BYTES_MAX: usize = 64 * 1024;
/// The first ticket of a hold: no other store counts so far, nor begins so high.
const FIRST_TICKET: u64 = 3 << 61;

/// The texts on hold of one server.
#[derive(Debug)]
pub struct Hold {
    options: HoldOptions,
    backend: HoldBackend,
    texts: Slab<TextOnHold>,
    /// The texts that wait for octets from the process, by their keys.
    reads: HashMap<HoldTicket, usize>,
    /// Answers that nobody has taken yet, with the keys of their texts.
    answers: VecDeque<(usize, HoldAnswer)>,
    /// Octets of memory, and of disk, that all texts take.
    memory_bytes: usize,
    disk_bytes: u64,
    /// The number of texts, and of reads, so far.
    begun: u32,
    asked: u64,
}

/// A read that the process was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HoldTicket(u64);

impl HoldTicket {
    /// The read with this ticket of a store.
    #[must_use]
    pub fn from_store(ticket: Ticket) -> Self {
        Self(ticket.0)
    }

    /// The ticket as one of a store, which no other ticket of the same server is.
    #[must_use]
    pub fn of_store(self) -> Ticket {
        Ticket(self.0)
    }
}

/// The result of a read.
#[derive(Debug, PartialEq, Eq)]
pub enum HeldRead<'a> {
    /// The octets, which lie in memory; none at the end of the text.
    Text(&'a [u8]),
    /// The octets come later, with the [`HoldAnswer`] of this ticket.
    Asked(HoldTicket),
}

/// The later result of a read.
#[derive(Debug)]
pub struct HoldAnswer {
    /// The read, as [`HeldRead::Asked`] named it.
    pub ticket: HoldTicket,
    /// The octets, all that were asked for; or why the text is lost.
    pub result: Result<Bytes, Failure>,
}

#[derive(Debug)]
struct TextOnHold {
    /// Its name in the process.
    name: TextName,
    bytes: u64,
    /// All of it, until it is moved.
    memory: Vec<u8>,
    /// Whether the present process has it.
    is_moved: bool,
    /// Octets that it takes of the disk.
    disk_bytes: u64,
    /// Why it is lost.
    failure: Option<Failure>,
    /// The read that it waits for.
    reading: Option<HoldTicket>,
}

impl Hold {
    /// Makes a hold whose process is started by `starter` once it is needed.
    #[must_use]
    pub fn new(options: HoldOptions, starter: Box<dyn HoldStarter>) -> Self {
        Self {
            options,
            backend: HoldBackend::new(starter),
            texts: Slab::new(),
            reads: HashMap::new(),
            answers: VecDeque::new(),
            memory_bytes: 0,
            disk_bytes: 0,
            begun: 0,
            asked: 0,
        }
    }

    /// Sets the time, once a tick.
    pub fn set_time(&mut self, now: Instant) {
        self.backend.set_time(now);
    }

    /// Begins a text.
    pub fn begin(&mut self) -> HeldText {
        self.begun = self.begun.wrapping_add(1);
        let entry = self.texts.vacant_entry();
        let key = entry.key();
        entry.insert(TextOnHold {
            name: TextName::new(self.begun, key),
            bytes: 0,
            memory: Vec::new(),
            is_moved: false,
            disk_bytes: 0,
            failure: None,
            reading: None,
        });
        HeldText { key }
    }

    // A `HeldText` of ours cannot be copied, so its key is good in all that follows, and once in `drop_text`.
    /// Appends any octets to a text.
    ///
    /// # Errors
    /// [`Failure::Full`] if there is no room for it, [`Failure::Io`] if it cannot be held or its process is lost. The text is lost
    /// then, and its caller is to [drop](Self::drop_text) it.
    pub fn write(&mut self, text: &mut HeldText, octets: &[u8]) -> Result<(), Failure> {
        let written = self.append(text.key, octets);
        if let Err(failure) = &written {
            self.texts[text.key].failure = Some(failure.clone());
        }
        written
    }

    /// The number of octets of a text.
    #[must_use]
    pub fn len(&self, text: &HeldText) -> u64 {
        self.texts[text.key].bytes
    }

    /// Reads at most so many octets of a text, and at most [`HELD_READ_BYTES_MAX`], from an offset on. They may end between the CR
    /// and the LF of a line end. A text waits for one read at a time: a further one takes the place of the one before, which is
    /// never answered.
    ///
    /// # Errors
    /// The failure by which the text was lost.
    pub fn read(
        &mut self,
        text: &HeldText,
        offset: u64,
        bytes_max: usize,
    ) -> Result<HeldRead<'_>, Failure> {
        let key = text.key;
        let text = &mut self.texts[key];
        if let Some(failure) = &text.failure {
            return Err(failure.clone());
        }
        let left = usize::try_from(text.bytes.saturating_sub(offset)).unwrap_or(usize::MAX);
        let octets = left.min(bytes_max).min(HELD_READ_BYTES_MAX);
        if octets == 0 {
            return Ok(HeldRead::Text(&[]));
        }
        if !text.is_moved {
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            let end = start.saturating_add(octets);
            return Ok(HeldRead::Text(
                text.memory.get(start..end).unwrap_or_default(),
            ));
        }
        let ticket = HoldTicket(FIRST_TICKET + self.asked);
        self.asked += 1;
        if let Some(before) = text.reading.replace(ticket) {
            self.reads.remove(&before);
        }
        self.reads.insert(ticket, key);
        self.backend.send(&HoldRequest::Read {
            text: text.name,
            ticket,
            offset,
            octets,
        });
        Ok(HeldRead::Asked(ticket))
    }

    /// Takes the next answer to a read that was [`Asked`](HeldRead::Asked), if there is one. Called until there is none, after each
    /// [`commit`](Self::commit).
    pub fn take_answer(&mut self) -> Option<HoldAnswer> {
        self.answers.pop_front().map(|(_, answer)| answer)
    }

    /// Drops a text and all traces of it, also of a read that it waits for.
    #[allow(clippy::needless_pass_by_value)] // Nobody has it after this.
    pub fn drop_text(&mut self, text: HeldText) {
        let key = text.key;
        let text = self.texts.remove(key);
        self.memory_bytes -= text.memory.capacity();
        self.disk_bytes -= text.disk_bytes;
        if let Some(ticket) = text.reading {
            self.reads.remove(&ticket);
        }
        self.answers.retain(|(of, _)| *of != key);
        if text.is_moved {
            self.backend.send(&HoldRequest::Drop(text.name));
        }
    }

    /// Takes what the process has reported, and sees to it that there is one if it is needed. Nothing blocks.
    pub fn commit(&mut self) {
        for news in self.backend.commit() {
            match news {
                HoldNews::Read(ticket, result) => self.answer(ticket, result),
                HoldNews::Failed(name, failure) => {
                    let text = self.texts.get_mut(name.key());
                    if let Some(text) = text.filter(|text| text.name == name) {
                        text.failure.get_or_insert(failure);
                    }
                }
                HoldNews::Lost(failure) => self.lose(&failure),
            }
        }
    }

    /// Whether [`commit`](Self::commit) or [`take_answer`](Self::take_answer) has something to do at once.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        !self.answers.is_empty() || self.backend.is_pending()
    }

    /// Backpressure: whether so much waits for room in the pipe to the process that no more message text should be taken.
    #[must_use]
    pub fn is_congested(&self) -> bool {
        self.backend.is_congested()
    }

    /// The instant at which [`commit`](Self::commit) has something to do without a report.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        self.backend.next_wake()
    }

    /// Octets of memory that all texts take.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Octets of disk that all texts take.
    #[must_use]
    pub fn disk_bytes(&self) -> u64 {
        self.disk_bytes
    }

    /// Takes the pipes to the process, once.
    pub fn take_pipes(&mut self) -> Option<StorePipes> {
        self.backend.take_pipes()
    }

    /// The client of the process, while there is one.
    pub fn client(&mut self) -> Option<&mut dyn StoreClient> {
        self.backend.client()
    }

    /// Gives the pipes back, at shutdown.
    pub fn return_pipes(&mut self, pipes: StorePipes) {
        self.backend.return_pipes(pipes);
    }

    fn append(&mut self, key: usize, octets: &[u8]) -> Result<(), Failure> {
        let text = &mut self.texts[key];
        if let Some(failure) = &text.failure {
            return Err(failure.clone());
        }
        if !text.is_moved {
            let before = text.memory.capacity();
            let needed = text.memory.len() + octets.len();
            // Doubled as by a vector, but never to more than a text may have.
            let most = self.options.text_memory_bytes_max;
            let capacity = before.max(needed.next_power_of_two().min(most));
            let in_all = self.memory_bytes - before + capacity;
            if needed <= most && in_all <= self.options.memory_bytes_max {
                let more = capacity - text.memory.len();
                text.memory.reserve_exact(more);
                text.memory.extend_from_slice(octets);
                text.bytes += octets.len() as u64;
                self.memory_bytes = self.memory_bytes - before + text.memory.capacity();
                return Ok(());
            }
        }
        self.pass_on(key, octets)
    }

    /// Has the process append to a text, which is moved to it if it is still in memory.
    fn pass_on(&mut self, key: usize, octets: &[u8]) -> Result<(), Failure> {
        let text = &mut self.texts[key];
        let more = (text.memory.len() + octets.len()) as u64;
        if self.disk_bytes + more > self.options.disk_bytes_max {
            let most = self.options.disk_bytes_max;
            let why =
                format!("messages that filters look at take {most} octets of the disk: try again");
            return Err(Failure::Full(why.into()));
        }
        self.backend.require()?;
        let memory = mem::take(&mut text.memory);
        self.memory_bytes -= memory.capacity();
        self.disk_bytes += more;
        text.disk_bytes += more;
        text.is_moved = true;
        text.bytes += octets.len() as u64;
        for piece in [&memory[..], octets] {
            if !piece.is_empty() {
                self.backend.send(&HoldRequest::Text(text.name, piece));
            }
        }
        Ok(())
    }

    fn answer(&mut self, ticket: HoldTicket, result: Result<Bytes, Failure>) {
        // A text that was dropped meanwhile waits for nothing.
        let Some(key) = self.reads.remove(&ticket) else {
            return;
        };
        let text = &mut self.texts[key];
        text.reading = None;
        if let Err(failure) = &result {
            text.failure.get_or_insert_with(|| failure.clone());
        }
        self.answers.push_back((key, HoldAnswer { ticket, result }));
    }

    /// Gives all texts up that a lost process had.
    fn lose(&mut self, failure: &Failure) {
        for (_, text) in &mut self.texts {
            if mem::take(&mut text.is_moved) {
                self.disk_bytes -= mem::take(&mut text.disk_bytes);
                text.failure.get_or_insert_with(|| failure.clone());
            }
        }
        let mut reads: Vec<_> = self.reads.keys().copied().collect();
        reads.sort_unstable();
        for ticket in reads {
            self.answer(ticket, Err(failure.clone()));
        }
    }
}
