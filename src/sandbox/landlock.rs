//! The sandbox that Linux makes by Landlock.

use core::error::Error;

use landlock::{
    ABI, AccessFs, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetStatus, make_bitflags,
};

use super::{Needs, Sandbox};

/// The newest set of rights that was tried here; the kernel may know fewer or more.
const NEWEST: ABI = ABI::V5;

pub(super) fn built() -> Option<fn(&Needs) -> Sandbox> {
    Some(|needs| enter(needs).unwrap_or_else(|error| Sandbox::Unavailable(error.to_string())))
}

fn enter(needs: &Needs) -> Result<Sandbox, Box<dyn Error>> {
    let come_and_go = make_bitflags!(AccessFs::{
        WriteFile | Truncate | MakeReg | MakeDir | RemoveFile | RemoveDir | Refer
    });
    let mut rules = Ruleset::default()
        // ABI 1 refuses to rename and link across folders, which every delivery does.
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::Refer)
        .map_err(|_| "the kernel does not offer ABI 2")?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_write(NEWEST) | AccessFs::Execute)?
        .create()?;
    for (folders, rights) in [
        (&needs.writable, come_and_go),
        (&needs.removable, BitFlags::from(AccessFs::RemoveFile)),
    ] {
        for folder in folders {
            rules = rules.add_rule(PathBeneath::new(PathFd::new(folder)?, rights))?;
        }
    }
    let status = rules.restrict_self()?;
    Ok(match status.landlock {
        LandlockStatus::Available {
            effective_abi,
            kernel_abi,
        } if status.ruleset != RulesetStatus::NotEnforced => {
            let newer = kernel_abi.and_then(|abi| u32::try_from(abi).ok());
            Sandbox::Landlock(newer.unwrap_or(effective_abi as u32))
        }
        _ => Sandbox::Unavailable("the kernel does not enforce it".to_owned()),
    })
}
