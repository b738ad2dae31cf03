//! The record of a client: its options, and its start.

use std::io::{self, Write};
use std::path::PathBuf;
use std::rc::Rc;

use clap::{ArgMatches, Command, value_parser};
use log::{LevelFilter, Log, Metadata, Record};

use super::record_options::RecordArguments;
use crate::cli::subcommand::{flag, value};
use crate::config::{RecordSettings, values};
use crate::exit::Failed;
use crate::observe::record::process::record_in;
use crate::observe::record::{RecordOptions, Recorder, client};
use crate::tools::opening::Opening;
use crate::tools::world::World;

const FILE: &str = "record";
const TEXT: &str = "record-text";
const MAX: &str = "record-max";

pub(super) fn built() -> Option<RecordArguments> {
    Some(RecordArguments { add, read, watch })
}

fn add(command: Command) -> Command {
    command
        .arg(
            value(
                FILE,
                "FILE",
                "Record in FILE what comes in to the loop and what it decides, for `mailoop replay` and `mailoop trace`",
            )
            .value_parser(value_parser!(PathBuf)),
        )
        .arg(
            flag(
                TEXT,
                "Keep the text of the message in the record, not only its length and line ends",
            )
            .requires(FILE),
        )
        .arg(
            value(MAX, "BYTES", "The largest record; it ends there")
                .default_value("1G")
                .value_parser(values::size),
        )
}

fn read(matches: &ArgMatches) -> Option<RecordSettings> {
    Some(RecordSettings {
        file: matches.get_one::<PathBuf>(FILE).cloned()?,
        with_text: matches.get_flag(TEXT),
        peers: Vec::new(),
        bytes_max: matches.get_one(MAX).copied().unwrap_or_default(),
    })
}

fn watch(
    settings: &RecordSettings,
    opening: &mut Opening,
    world: Rc<dyn World>,
) -> Result<Rc<dyn World>, Failed> {
    let recorder = start("send", settings)?;
    Ok(client::watch(&recorder, opening, None, world))
}

/// Begins the record of this command.
pub(in crate::cli) fn start(
    command: &'static str,
    settings: &RecordSettings,
) -> Result<Rc<Recorder>, Failed> {
    // A client has no log. That there is one already changes nothing.
    if log::set_logger(&WarningsOnTerminal).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
    let options = RecordOptions {
        command,
        with_text: settings.with_text,
        peers: Vec::new(),
        bytes_max: settings.bytes_max,
    };
    record_in(&settings.file, options)
}

/// Warnings of the recorder, for whoever sits at the terminal.
struct WarningsOnTerminal;

impl Log for WarningsOnTerminal {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= LevelFilter::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let _ = writeln!(io::stderr(), "mailoop: {}", record.args());
        }
    }

    fn flush(&self) {}
}
