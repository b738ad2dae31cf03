//! The connections of the queue, by name, and which of them are idle.

use std::collections::{BTreeMap, BTreeSet};

use super::types::SiteId;

/// What a connection is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutgoingStage {
    /// The connection is being opened.
    Dialing,
    /// It could not be opened, and has had the job that it stands for.
    Failed,
    /// It has a job, or is about to ask for one.
    Open,
    /// The connection is idle, since the pool's count was this.
    Parked(u64),
    /// It was told to close.
    Closing,
}

/// A connection as the queue knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct OutgoingRecord {
    pub(super) site: u32,
    pub(super) stage: OutgoingStage,
    /// Jobs that it has.
    pub(super) jobs: u16,
}

impl OutgoingRecord {
    /// Whether it is going to ask for a job by itself.
    pub(super) fn is_coming(&self) -> bool {
        self.jobs == 0 && matches!(self.stage, OutgoingStage::Dialing | OutgoingStage::Open)
    }
}

/// All connections.
#[derive(Debug, Default)]
pub(super) struct OutgoingPool {
    records: BTreeMap<u32, OutgoingRecord>,
    next: u32,
    /// How often a connection became idle.
    parkings: u64,
    /// Idle ones, the longest idle first; without those of the local site.
    parked: BTreeSet<(u64, u32)>,
    /// Idle ones of each site.
    parked_at: BTreeSet<(u32, u64, u32)>,
    /// Connections that leave the machine, and those of them that were told to close.
    outgoing: u32,
    closing: u32,
}

impl OutgoingPool {
    /// Adds a connection that is being opened. Its name is not used again for long.
    pub(super) fn insert(&mut self, site: u32) -> u32 {
        while self.records.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let connection = self.next;
        self.next = self.next.wrapping_add(1);
        let record = OutgoingRecord {
            site,
            stage: OutgoingStage::Dialing,
            jobs: 0,
        };
        self.records.insert(connection, record);
        self.outgoing += u32::from(site != SiteId::LOCAL.0);
        connection
    }

    /// The connection of this name.
    pub(super) fn get(&self, connection: u32) -> Option<OutgoingRecord> {
        self.records.get(&connection).copied()
    }

    /// Changes the number of jobs of a connection.
    pub(super) fn set_jobs(&mut self, connection: u32, jobs: u16) {
        if let Some(record) = self.records.get_mut(&connection) {
            record.jobs = jobs;
        }
    }

    /// Changes the stage of a connection.
    pub(super) fn set_stage(&mut self, connection: u32, stage: OutgoingStage) {
        let Some(record) = self.records.get_mut(&connection) else {
            return;
        };
        let site = record.site;
        let leaves = u32::from(site != SiteId::LOCAL.0);
        match core::mem::replace(&mut record.stage, stage) {
            OutgoingStage::Parked(since) => {
                self.parked.remove(&(since, connection));
                self.parked_at.remove(&(site, since, connection));
            }
            OutgoingStage::Closing => self.closing -= leaves,
            OutgoingStage::Dialing | OutgoingStage::Failed | OutgoingStage::Open => {}
        }
        match stage {
            OutgoingStage::Parked(since) => {
                if leaves == 1 {
                    self.parked.insert((since, connection));
                }
                self.parked_at.insert((site, since, connection));
            }
            OutgoingStage::Closing => self.closing += leaves,
            OutgoingStage::Dialing | OutgoingStage::Failed | OutgoingStage::Open => {}
        }
    }

    /// Notes that a connection is idle from now on.
    pub(super) fn park(&mut self, connection: u32) {
        self.parkings += 1;
        self.set_stage(connection, OutgoingStage::Parked(self.parkings));
    }

    /// Takes a connection out.
    pub(super) fn remove(&mut self, connection: u32) -> Option<OutgoingRecord> {
        let record = self.get(connection)?;
        self.set_stage(connection, OutgoingStage::Open);
        self.records.remove(&connection);
        self.outgoing -= u32::from(record.site != SiteId::LOCAL.0);
        Some(record)
    }

    /// The connection that has been idle for longest.
    pub(super) fn longest_idle(&self) -> Option<u32> {
        self.parked.first().map(|(_, connection)| *connection)
    }

    /// The connection of a site that became idle last: the others may then be closed for being idle.
    pub(super) fn idle_at(&self, site: u32) -> Option<u32> {
        let of_site = self
            .parked_at
            .range((site, 0, 0)..=(site, u64::MAX, u32::MAX));
        of_site.last().map(|(_, _, connection)| *connection)
    }

    /// Connections that leave the machine.
    pub(super) fn outgoing(&self) -> u32 {
        self.outgoing
    }

    /// Connections that were told to close.
    pub(super) fn closing(&self) -> u32 {
        self.closing
    }
}
