//! The pipes to all processes of a store.

use std::io;

use super::store_channel::StoreChannel;
use crate::store::{STORE_PROCESSES_MAX, Store};

/// The pipes to each store process, by its number, as long as it is there.
#[derive(Debug, Default)]
pub(super) struct StoreChannels([Option<StoreChannel>; STORE_PROCESSES_MAX]);

impl StoreChannels {
    /// The pipes to a store process.
    pub(super) fn get(&mut self, process: usize) -> Option<&mut StoreChannel> {
        self.0.get_mut(process)?.as_mut()
    }

    /// Takes the pipes of store processes that were started since.
    pub(super) fn open(&mut self, store: &mut dyn Store) {
        for (process, slot) in self.0.iter_mut().enumerate() {
            if slot.is_none() {
                *slot = store.take_pipes(process).map(StoreChannel::new);
            }
        }
    }

    /// Acts on the channel of each process. One that fails is given up, and its client told.
    pub(super) fn each(
        &mut self,
        store: &mut dyn Store,
        mut act: impl FnMut(usize, &mut StoreChannel, &mut dyn Store) -> io::Result<()>,
    ) {
        for (process, slot) in self.0.iter_mut().enumerate() {
            if let Some(channel) = slot
                && let Err(error) = act(process, channel, store)
            {
                *slot = None;
                // The commit that follows settles what the process had.
                if let Some(client) = store.client(process) {
                    client.disconnected(error);
                }
            }
        }
    }

    /// Writes the requests that store clients have for their processes, and hands them the reports that have come.
    pub(super) fn exchange(&mut self, store: &mut dyn Store) {
        self.each(store, |process, channel, store| {
            let client = store.client(process);
            client.map_or(Ok(()), |client| channel.exchange(client))
        });
    }

    /// Whether an exchange has something to do at once: reports that the last one has left, or requests that have room.
    pub(super) fn is_pending(&self, store: &mut dyn Store) -> bool {
        let mut open = self.0.iter().enumerate();
        open.any(|(process, slot)| {
            let client = slot.as_ref().zip(store.client(process));
            client
                .is_some_and(|(channel, client)| channel.has_reports() || channel.can_send(client))
        })
    }

    /// Whether there are requests that were not written, for which a pipe may have no room now.
    pub(super) fn has_unsent(&self, store: &mut dyn Store) -> bool {
        let mut open = self.0.iter().enumerate();
        open.any(|(process, slot)| {
            let client = slot.as_ref().and_then(|_| store.client(process));
            client.is_some_and(|client| !client.output().is_empty())
        })
    }

    /// Gives the store its pipes back, so that it waits for its processes.
    pub(super) fn give_back(&mut self, store: &mut dyn Store) {
        for (process, slot) in self.0.iter_mut().enumerate() {
            if let Some(channel) = slot.take() {
                store.return_pipes(process, channel.into_pipes());
            }
        }
    }
}
