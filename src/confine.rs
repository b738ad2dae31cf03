//! What the process may do to the file system once it runs: change what it must, read the rest, run nothing. An
//! intruder gets no further. Linux does that by Landlock, which needs no privileges (landlock(7)).

use core::fmt;
use std::path::PathBuf;

/// What a running server has to change.
#[derive(Debug, Default)]
pub struct Needs {
    /// Folders below which files and folders come and go.
    pub writable: Vec<PathBuf>,
    /// Folders in which files are only removed.
    pub removable: Vec<PathBuf>,
}

/// What came of [`confine`].
#[derive(Debug)]
pub enum Confined {
    /// The kernel refuses everything else from now on; it knows Landlock up to this ABI.
    ByLandlock(u32),
    /// Nothing is refused, and why.
    Not(String),
}

impl fmt::Display for Confined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByLandlock(abi) => write!(f, "landlock=abi-{abi}"),
            Self::Not(reason) => write!(f, "landlock=unavailable reason={reason:?}"),
        }
    }
}

/// Confines the calling thread, and those it starts later, to what it needs, for good. It is no reason to fail
/// that the kernel cannot: the server would do the same without.
#[must_use]
pub fn confine(needs: &Needs) -> Confined {
    #[cfg(all(target_os = "linux", feature = "landlock"))]
    return by_landlock::confine(needs).unwrap_or_else(|error| Confined::Not(error.to_string()));
    #[cfg(not(all(target_os = "linux", feature = "landlock")))]
    return {
        let _ = needs;
        Confined::Not("it is not built in".to_owned())
    };
}

#[cfg(all(target_os = "linux", feature = "landlock"))]
mod by_landlock {
    use core::error::Error;

    use landlock::{
        ABI, AccessFs, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd,
        Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus, make_bitflags,
    };

    use super::{Confined, Needs};

    /// The newest set of rights that was tried here; the kernel may know fewer or more.
    const NEWEST: ABI = ABI::V5;

    pub(super) fn confine(needs: &Needs) -> Result<Confined, Box<dyn Error>> {
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
                Confined::ByLandlock(newer.unwrap_or(effective_abi as u32))
            }
            _ => Confined::Not("the kernel does not enforce it".to_owned()),
        })
    }
}
