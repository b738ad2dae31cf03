//! The sandbox that Linux makes by Landlock.

use core::error::Error;

use landlock::{
    ABI, AccessFs, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetStatus, make_bitflags,
};

use super::needs::{EnterSandbox, Needs};

/// The newest set of rights that was tried here; the kernel may know fewer or more.
const NEWEST: ABI = ABI::V5;

pub(super) fn built() -> Option<EnterSandbox> {
    Some(|needs| enter(needs).map_err(|error| error.to_string()))
}

/// Enters the sandbox. Returns the newest ABI of Landlock that the kernel knows.
///
/// # Errors
/// The kernel does not have Landlock, or not all that is needed of it, or a folder cannot be opened.
fn enter(needs: &Needs) -> Result<u32, Box<dyn Error>> {
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
    match status.landlock {
        LandlockStatus::Available {
            effective_abi,
            kernel_abi,
        } if status.ruleset != RulesetStatus::NotEnforced => {
            let newer = kernel_abi.and_then(|abi| u32::try_from(abi).ok());
            Ok(newer.unwrap_or(effective_abi as u32))
        }
        _ => Err("the kernel does not enforce it".into()),
    }
}
