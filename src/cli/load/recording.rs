//! The record of a load.

use std::rc::Rc;

use super::WatchLoad;
use crate::cli::send::recording::start;
use crate::config::RecordSettings;
use crate::exit::Failed;
use crate::net::epoch::Nanoseconds;
use crate::observe::frame::ClientFrame;
use crate::observe::record::client;
use crate::tools::load::{Extent, LoadPlan};
use crate::tools::world::World;

pub(super) fn built() -> Option<WatchLoad> {
    Some(watch)
}

fn watch(
    settings: &RecordSettings,
    plan: &mut LoadPlan,
    world: Rc<dyn World>,
) -> Result<Rc<dyn World>, Failed> {
    let recorder = start("load", settings)?;
    let (count, time) = match plan.extent {
        Extent::Count(count) => (Some(count), None),
        Extent::Time(time) => (None, Some(time)),
    };
    let terms = ClientFrame::Load {
        sessions: plan.sessions_max,
        count,
        time: time.map(|time| Nanoseconds::try_from(time.as_nanos()).unwrap_or(Nanoseconds::MAX)),
        rate: plan.rate,
        keep: plan.keep,
        connect_only: plan.connect_only,
        hostile: plan.hostile.map(|(kind, _)| kind.name()),
        peers: plan.hostile.map_or(0, |(_, peers)| peers),
    };
    Ok(client::watch(
        &recorder,
        &mut plan.opening,
        Some(terms),
        world,
    ))
}
