//! A build without mail filters: all goes on as it comes.

use super::connection::{Inbound, InboundTurn};
use super::judged::ClientStep;
use super::shared::Shared;
use crate::net::driver::{ConnectionId, Wait};
use crate::smtp::reply::Reply;
use crate::store::{Store, Ticket};

impl Inbound {
    #[cfg(feature = "catch")]
    pub(super) fn has_filters(&self) -> bool {
        false
    }

    pub(super) fn awaited_verdict(&self) -> Option<Ticket> {
        None
    }

    pub(super) fn is_on_its_way(&self) -> bool {
        false
    }

    pub(super) fn waits_for_filters(&self) -> bool {
        false
    }

    pub(super) fn open_filters(&mut self, _: ConnectionId, _: &mut Shared) {}

    pub(super) fn close_filters(&mut self, _: ConnectionId, _: &mut Shared) {}

    pub(super) fn note_transaction(&mut self, _: &mut Shared) {}

    pub(super) fn drop_held(&mut self, _: &mut dyn Store) {}

    pub(super) fn release(&mut self, _: &mut InboundTurn<'_>) -> Option<Wait<Ticket>> {
        None
    }

    pub(super) fn with_filtered<E>(&self, results: Vec<Result<(), E>>) -> Vec<Result<(), E>> {
        results
    }

    pub(super) fn filter(&mut self, step: ClientStep, turn: &mut InboundTurn<'_>) {
        self.pass(step, turn);
    }
}

pub(super) fn is_by_filter(_: Reply) -> bool {
    false
}
