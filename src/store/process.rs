//! What store processes have in common, seen from both ends of their pipes.
//!
//! A store process is the same program. It works on a disk, so that the event loop never blocks for it, and ends when the server
//! does. Each speaks its own protocol in these frames:
//!
//! - `child` is the process as the server sees it: started, let end, killed.
//! - `client` is the server's side of such a protocol, without I/O; the event loop carries its octets.
//! - `frame` is the form of requests and reports in the pipes.
//! - `keeper` starts a process for a server that runs no program any more.
//! - `stdio` is the other end of the pipes, within the process.

pub(super) mod child;
pub(super) mod client;
pub(super) mod frame;
#[cfg(any(feature = "milter", feature = "relay"))]
pub(super) mod keeper;
pub(super) mod stdio;

pub use child::{StorePipes, THIS_PROGRAM};
pub use client::StoreClient;
#[cfg(any(feature = "milter", feature = "relay"))]
pub use keeper::{KeptRole, keep};
