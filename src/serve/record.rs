//! A server whose loop is recorded.

use std::rc::Rc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::{RunRecorded, Running, Sockets, run};
use crate::config::RecordSettings;
use crate::exit::{ExitCode, Failed};
use crate::observe::record::process::RecordProcess;
use crate::observe::record::{CoreRecorder, RecordOptions, Recorder};

pub(super) fn built() -> Option<RunRecorded> {
    Some(run_recorded)
}

fn run_recorded(
    running: Running,
    sockets: Sockets,
    reload_asked: &AtomicBool,
) -> Result<(), Failed> {
    let Some(settings) = &running.config.record else {
        return run(running, sockets, reload_asked, ());
    };
    let recorder = CoreRecorder::new(start(settings)?);
    run(running, sockets, reload_asked, recorder)
}

/// Opens the file of the record, with the rights of the user that the server has become.
fn start(settings: &RecordSettings) -> Result<Rc<Recorder>, Failed> {
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
    Ok(Recorder::start(options, Box::new(process), Instant::now))
}
