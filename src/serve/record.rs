//! A server whose loop is recorded.

use std::time::Instant;

use super::StartRecord;
use crate::config::RecordSettings;
use crate::exit::{ExitCode, Failed};
use crate::observe::record::process::RecordProcess;
use crate::observe::record::{CoreRecorder, RecordOptions, Recorder};
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
    let process = RecordProcess::start(file).map_err(|error| {
        let file = file.display();
        Failed::new(
            ExitCode::CannotCreate,
            format_args!("cannot record in {file}: {error}; choose another --record"),
        )
    })?;
    let options = RecordOptions {
        with_text: *with_text,
        peers: peers.clone(),
        bytes_max: *bytes_max,
    };
    let recorder = Recorder::start(options, Box::new(process), Instant::now);
    Ok(Box::new(CoreRecorder::new(recorder)))
}
