//! The spool: messages that wait to be sent on, in append-only segments, each acknowledged once a sync has covered it.
//!
//! Invariant: a message that was acknowledged is found again after any kill and any power cut, until every recipient of it is
//! done, has failed with its report in the spool, or was deleted.
//!
//! - `disk` is the file system as the spool sees it, `system` that of this machine.
//! - `segment` and `record` are the format of its files; `text` sums up a message text as it streams through.
//! - `engine` is the work on the disk: group commit, the scan at the start, compaction. `handover` is what it is given, and
//!   gives back.
//! - `drafts` are messages that are not complete; `group` encodes what is synced together; `log` is the segments that it is
//!   appended to, `pool` their files; `segment_reader` reads them; `index` knows what lives in them; `checkpoint` where they end.
//! - `process` is the engine in a process of its own, and `ipc` what that and the server say to each other: `client` is the
//!   server's side of it, without I/O, which keeps changes until they are durable (`kept_changes`). `news` is what it has reported; `backend` has
//!   it started, and started again once it is lost.
//! - `relay_store` is the spool beside a store for mail that stays here: `intake` and `addressing` are the way into it, `reads`
//!   and `reader` read it in the event loop, what has just come from memory (`recent`); `local` delivers from it to mailboxes.
//!   `store` is what the loop sees of it.
//! - `inspect` looks at a spool that no server works on.
//! - `envelope` and `change` are what the others see of it; `id` is how messages are named and found. `encoding` is an envelope
//!   as octets.

mod addressing;
mod backend;
pub mod change;
mod checkpoint;
mod client;
pub mod disk;
mod drafts;
pub mod encoding;
pub mod engine;
pub mod envelope;
mod group;
pub mod handover;
pub mod id;
mod index;
mod inspect;
mod intake;
mod ipc;
mod kept_changes;
mod local;
mod log;
mod news;
mod options;
mod pool;
mod process;
mod reader;
mod reads;
mod recent;
pub mod record;
mod relay_store;
pub mod segment;
mod segment_reader;
mod store;
pub mod system;
pub mod text;

pub use backend::SPOOL_COMMAND;
pub use change::{Change, ChangeCounts, ChangeKind, SpooledReport};
pub use disk::{SPOOL_ROOT, SpoolDisk};
pub use drafts::big_path;
pub use engine::SpoolEngine;
pub use envelope::{SpoolEnvelope, SpoolRecipient};
pub use handover::{
    ChangeCode, EncodedChange, EncodedReport, FoundMail, SettledMail, SpoolOptions, SpoolStats,
};
pub use id::{MailId, SpoolPlace};
pub use inspect::SpoolInspection;
pub use options::RelayStoreOptions;
pub use process::run;
pub use relay_store::{RelayStore, SPOOL_PROCESS};
pub use store::{QueuedMail, ReadResult, SpoolMail, SpoolStore, TEXT_AT_ONCE_BYTES_MAX};
pub use system::SpoolSystem;
pub use text::TextFlags;
