//! The replay of a load.

use std::rc::Rc;
use std::time::Duration;

use super::{LoadTerms, RunLoad};
use crate::replay::result::TIME_MAX;
use crate::tools::load::attack_kind::AttackKind;
use crate::tools::load::{self, Extent, LoadPlan};
use crate::tools::opening::Opening;
use crate::tools::world::World;

pub(super) fn built() -> Option<RunLoad> {
    Some(run)
}

fn run(opening: Opening, terms: LoadTerms, world: &Rc<dyn World>) {
    let extent = match terms.time {
        Some(time) => Extent::Time(Duration::from_nanos(time.min(TIME_MAX))),
        None => Extent::Count(terms.count.unwrap_or(0)),
    };
    let hostile = terms
        .hostile
        .and_then(|(kind, peers)| Some((AttackKind::named(&kind)?, peers)));
    let plan = LoadPlan {
        opening,
        sessions_max: terms.sessions,
        extent,
        rate: terms.rate,
        keep: terms.keep,
        connect_only: terms.connect_only,
        hostile,
    };
    drop(load::load(plan, world, false));
}
