//! Signals that must not end a process that serves, from its first instant: by default most of them do.

use std::env;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGXFSZ};

#[cfg(feature = "milter")]
use crate::store::hold::HOLD_COMMAND as HOLD_PROCESS;
use crate::store::maildir::COMMAND as STORE_PROCESS;
#[cfg(feature = "relay")]
use crate::store::spool::SPOOL_COMMAND as SPOOL_PROCESS;

/// Signals that a process outlives which ends when the server does.
const FOR_THE_SERVER: &[i32] = &[SIGXFSZ, SIGHUP, SIGUSR1, SIGINT, SIGTERM];

/// The command that starts a record process, which ends when the program that records does.
pub const RECORD_PROCESS: &str = "record-process";

/// Keeps the process alive, before it does anything that takes time; what they ask for is seen to later. Returns whether
/// SIGHUP has asked for a reload since.
///
/// A write past the file size limit (`ulimit -f`) then fails with EFBIG: SIGXFSZ would end the server, or its store process, for
/// one large message. SIGHUP and SIGUSR1 come from scripts, which do not know how far a start has got. The store process
/// ends when the server does, whatever a terminal or a service manager sends to both.
#[must_use]
pub fn outlive() -> Arc<AtomicBool> {
    let reload_asked = Arc::new(AtomicBool::new(false));
    let command = env::args_os().nth(1).unwrap_or_default();
    let signals: &[_] = match command.to_str() {
        Some("serve") => &[SIGXFSZ, SIGHUP, SIGUSR1],
        Some(STORE_PROCESS | RECORD_PROCESS) => FOR_THE_SERVER,
        #[cfg(feature = "milter")]
        Some(HOLD_PROCESS) => FOR_THE_SERVER,
        #[cfg(feature = "relay")]
        Some(SPOOL_PROCESS) => FOR_THE_SERVER,
        _ => &[SIGXFSZ],
    };
    for signal in signals {
        let flag = match *signal {
            SIGHUP => Arc::clone(&reload_asked),
            _ => Arc::default(),
        };
        // Without a handler it ends the process, as it ends any program.
        let _ = signal_hook::flag::register(*signal, flag);
    }
    reload_asked
}
