//! Steps of a dialogue that only a client can be judged by.

use crate::judge::check::{CheckAction, ClientDemand, DemandedExit};

/// These steps, for faults.
pub(super) const DEMANDS: &str = "comes COMMAND, never COMMAND, needs NUMBER COMMAND, needs text LINE, text LINE, exit 0, exit other";
/// The most times that a command may be needed.
const NEEDED_MAX: usize = 1000;

/// Reads such a step, if the line is one.
pub(super) fn demand(line: &str) -> Option<CheckAction> {
    let (word, rest) = line.split_once(' ')?;
    let rest = rest.trim();
    let pattern = rest.to_owned();
    let demand = match word {
        "comes" => ClientDemand::Comes(pattern),
        "never" => ClientDemand::Never(pattern),
        "text" => ClientDemand::Text(pattern),
        "exit" => ClientDemand::Exits(match rest {
            "0" => DemandedExit::Zero,
            "other" => DemandedExit::Other,
            _ => return None,
        }),
        "needs" => needs(rest)?,
        _ => return None,
    };
    Some(CheckAction::Demand(demand))
}

fn needs(rest: &str) -> Option<ClientDemand> {
    let (count, pattern) = rest.split_once(' ')?;
    let pattern = pattern.trim().to_owned();
    if count == "text" {
        return Some(ClientDemand::NeedsText(pattern));
    }
    let count = count.parse().ok().filter(|count| *count <= NEEDED_MAX)?;
    Some(ClientDemand::Needs(count, pattern))
}
