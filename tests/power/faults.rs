//! Where and how the disk fails.

use rustix::io::Errno;

use super::names::{Fate, Kind};
use super::prng::Prng;

/// What a disk is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    MakeFolder,
    RemoveFolder,
    HasFolder,
    List,
    Create,
    Write,
    Link,
    Rename,
    RemoveFile,
    SyncFile,
    SyncFolder,
    SyncAll,
    Lock,
}

impl Call {
    fn takes_room(self) -> bool {
        matches!(
            self,
            Self::MakeFolder | Self::Create | Self::Write | Self::Link | Self::Rename
        )
    }

    fn is_sync(self) -> bool {
        matches!(self, Self::SyncFile | Self::SyncFolder | Self::SyncAll)
    }

    fn reads(self) -> bool {
        matches!(self, Self::HasFolder | Self::List)
    }
}

/// Something that is wrong with the disk for a while.
#[derive(Clone, Copy, Debug)]
enum Spell {
    /// It is full, or a quota is used up.
    Full(Errno),
    /// It takes no changes. What was written before may still become durable.
    ReadOnly,
    /// It does nothing at all.
    Dead,
}

/// Whether a sync that fails loses changes of names, as it may lose data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LossOfNames {
    Never,
    /// It does, and no journaling file system goes on then.
    Aborts,
    /// It loses names of files, and the file system goes on. Were it names of folders, only their maker could know, who
    /// may be gone.
    Silent,
}

#[derive(Debug)]
pub struct Faults {
    rng: Prng,
    /// One call in so many fails; 0 is never.
    single: usize,
    /// One sync in so many fails.
    sync: usize,
    /// One call in so many begins a spell.
    spell: usize,
    /// One call in so many finds that data could not be written meanwhile.
    pub loss: usize,
    loss_of_names: LossOfNames,
    /// Whether the file system has given up, and takes no changes until the next boot.
    pub aborted: bool,
    now: Option<(Spell, usize)>,
    /// How many calls have failed.
    pub count: usize,
}

impl Faults {
    pub fn new(mut rng: Prng, siblings: bool) -> Self {
        let mut losses = vec![LossOfNames::Never, LossOfNames::Aborts];
        if !siblings {
            // Nobody tells a sibling.
            losses.push(LossOfNames::Silent);
        }
        let never = rng.one_in(3);
        let mut often = || {
            let calls = rng.pick(&[0, 0, 10, 30, 100]);
            if never { 0 } else { calls }
        };
        let (single, sync, spell, loss) = (often(), often() / 3, often() * 3, often() / 3);
        Self {
            single,
            sync,
            spell,
            loss,
            loss_of_names: rng.pick(&losses),
            aborted: false,
            rng,
            now: None,
            count: 0,
        }
    }

    /// Nothing fails any more.
    pub fn heal(&mut self) {
        (self.single, self.sync, self.spell, self.loss) = (0, 0, 0, 0);
        self.now = None;
    }

    /// Whether a call fails.
    pub fn strike(&mut self, call: Call) -> Option<Errno> {
        if self.aborted && !call.reads() {
            return Some(Errno::ROFS);
        }
        let rng = &mut self.rng;
        if self.now.is_none() && rng.one_in(self.spell) {
            let spells = [
                Spell::Full(rng.pick(&[Errno::NOSPC, Errno::DQUOT])),
                Spell::ReadOnly,
                Spell::Dead,
            ];
            self.now = Some((rng.pick(&spells), rng.size(100)));
        }
        let errno = self.spell(call).or_else(|| self.single(call));
        self.count += usize::from(errno.is_some());
        errno
    }

    fn spell(&mut self, call: Call) -> Option<Errno> {
        let (spell, left) = self.now?;
        self.now = (left > 1).then_some((spell, left - 1));
        match spell {
            Spell::Full(errno) if call.takes_room() => Some(errno),
            // It has promised room that is not there.
            Spell::Full(errno) if call.is_sync() && self.rng.one_in(2) => Some(errno),
            Spell::ReadOnly if call == Call::SyncAll || !(call.reads() || call.is_sync()) => {
                Some(Errno::ROFS)
            }
            Spell::Dead => Some(Errno::IO),
            _ => None,
        }
    }

    fn single(&mut self, call: Call) -> Option<Errno> {
        let often = if call.is_sync() {
            self.sync
        } else {
            self.single
        };
        if !self.rng.one_in(often) {
            return None;
        }
        let errnos: &[Errno] = if call.takes_room() {
            &[
                Errno::NOSPC,
                Errno::DQUOT,
                Errno::IO,
                Errno::ACCESS,
                Errno::ROFS,
            ]
        } else if call.reads() {
            &[Errno::IO]
        } else {
            &[Errno::IO, Errno::ROFS]
        };
        Some(self.rng.pick(errnos))
    }

    /// How much of `length` bytes is written by a write that fails.
    pub fn written(&mut self, length: usize) -> usize {
        self.rng.below(length + 1)
    }

    /// What a sync that fails does to each thing that is pending: the same to all, or something to each.
    pub fn fate(&mut self) -> impl FnMut() -> Fate + use<> {
        let mut rng = self.rng.fork();
        let fates = [Fate::Pending, Fate::Durable, Fate::Lost];
        let all = rng.pick(&fates);
        let mixed = rng.one_in(2);
        move || if mixed { rng.pick(&fates) } else { all }
    }

    /// The same for changes of names.
    pub fn fate_of_names(&mut self) -> impl FnMut(Kind) -> Fate + use<> {
        let (mut fate, loss) = (self.fate(), self.loss_of_names);
        move |kind| {
            let loses = match loss {
                LossOfNames::Never => false,
                LossOfNames::Aborts => true,
                LossOfNames::Silent => kind == Kind::File,
            };
            match fate() {
                Fate::Lost if !loses => Fate::Pending,
                fate => fate,
            }
        }
    }

    /// Changes of names were lost.
    pub fn abort(&mut self) {
        self.aborted |= self.loss_of_names == LossOfNames::Aborts;
    }
}
