//! A server whose loop is recorded.

use super::parts::StartRecord;
use crate::config::RecordSettings;
use crate::exit::Failed;
use crate::observe::record::process::record_in;
use crate::observe::record::{CoreRecorder, RecordOptions};
use crate::server::probe::CoreProbe;

pub(super) fn built() -> Option<StartRecord> {
    Some(start)
}

/// Opens the file of the record, with the rights of the user that the server has become.
fn start(settings: &RecordSettings) -> Result<Box<dyn CoreProbe>, Failed> {
    let RecordSettings {
        file,
        with_text,
        peers,
        bytes_max,
    } = settings;
    let options = RecordOptions {
        command: "serve",
        with_text: *with_text,
        peers: peers.clone(),
        bytes_max: *bytes_max,
    };
    Ok(Box::new(CoreRecorder::new(record_in(file, options)?)))
}
