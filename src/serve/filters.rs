//! Mail filters, from the configuration to the server.

use std::path::Path;

use super::parts::FilterParts;
use crate::config::{Config, Delivery};
use crate::server::descriptors::{DESCRIPTORS_PER_CONNECTION, connections_allowed};
use crate::store::hold::{Hold, HoldOptions, HoldingStore, KeptHold};
use crate::store::{Store, THIS_PROGRAM};

/// What this build has for filters.
pub(super) fn built() -> Option<FilterParts> {
    Some(FilterParts {
        stand_around,
        clients_max,
        set: |config, server| server.set_filters(config.filters.clone()),
    })
}

/// The most clients, of so many, where each may have a connection to each of its filters.
fn clients_max(config: &Config, clients_max: usize) -> usize {
    let Some(settings) = &config.filters else {
        return clients_max;
    };
    let of_submission = settings.of_submission.as_ref().map_or(0, Vec::len);
    let filters = settings.filters.len().max(of_submission);
    let descriptors = connections_allowed().saturating_mul(DESCRIPTORS_PER_CONNECTION);
    clients_max.min((descriptors / (DESCRIPTORS_PER_CONNECTION + filters)).max(1))
}

/// Stands around a store, so that messages can be on hold while filters look at them.
fn stand_around(config: &Config, store: Box<dyn Store>) -> Box<dyn Store> {
    let temporary = std::env::temp_dir();
    let folder: &Path = match &config.delivery {
        Delivery::Maildir { directory, .. } => directory,
        Delivery::Discard | Delivery::Stream => &temporary,
    };
    let hold = KeptHold::start(Path::new(THIS_PROGRAM), folder);
    let hold = Hold::new(HoldOptions::default(), Box::new(hold));
    Box::new(HoldingStore::new(store, hold))
}
