//! The rules by which faults are made, from the configuration to the server.

use super::parts::SetFaults;
use crate::smtp::faults::FaultRules;

/// What this build has for rules.
pub(super) fn built() -> Option<SetFaults> {
    Some(|config, server| {
        let is_for_tests = config.catch.is_some();
        server.set_faults(FaultRules::new(config.faults.clone(), is_for_tests));
    })
}
