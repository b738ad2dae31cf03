//! The sandbox of a running server: it may change the files it must, read the rest, and run nothing. An intruder gets no
//! further. Linux makes it by Landlock, which needs no privileges (landlock(7)).

#[cfg_attr(
    not(all(target_os = "linux", feature = "landlock")),
    path = "not_built.rs"
)]
mod landlock;
mod needs;

use core::fmt;

use needs::EnterSandbox;
pub use needs::Needs;

/// The outcome of [`enter`].
#[derive(Debug)]
pub enum Sandbox {
    /// The kernel refuses everything else from now on; it knows Landlock up to this ABI.
    Landlock(u32),
    /// Nothing is refused, for this reason.
    Unavailable(String),
}

impl fmt::Display for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Landlock(abi) => write!(f, "landlock=abi-{abi}"),
            Self::Unavailable(reason) => write!(f, "landlock=unavailable reason={reason:?}"),
        }
    }
}

/// Confines the calling thread, and those it starts later, to its needs, for good. A kernel that cannot is no reason to
/// fail: the server would do the same without.
#[must_use]
pub fn enter(needs: &Needs) -> Sandbox {
    let by_landlock: Option<EnterSandbox> = landlock::built();
    match by_landlock.map(|enter| enter(needs)) {
        Some(Ok(abi)) => Sandbox::Landlock(abi),
        Some(Err(reason)) => Sandbox::Unavailable(reason),
        None => Sandbox::Unavailable("it is not built in".to_owned()),
    }
}
