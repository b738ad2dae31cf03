//! The `mailoop` program: arguments, dispatch to a command, exit code.

#![deny(unsafe_code)]

use std::env;
use std::path::Path;
use std::process::ExitCode as ProcessExitCode;

use mailoop::cli::{self, Request};
#[cfg(feature = "load")]
use mailoop::client::load::{LoadOptions, load};
use mailoop::confine::{Needs, confine};
use mailoop::exit::{ExitCode, Failed, show};
use mailoop::logging;
use mailoop::serve::serve;
use mailoop::signals;
use mailoop::store::maildir;

fn main() -> ProcessExitCode {
    let reload_asked = signals::outlive();
    let done = cli::parse(env::args_os()).and_then(|request| match request {
        Request::Serve(flags) => serve(*flags, &reload_asked),
        #[cfg(feature = "send")]
        Request::Send(options, file, user) => {
            mailoop::client::send::run(*options, file.as_deref(), user.as_deref())
        }
        #[cfg(feature = "load")]
        Request::Load(options, json) => put_load(&options, json),
        #[cfg(feature = "auth")]
        Request::Passwd(options) => mailoop::passwd::passwd(&options),
        Request::StoreProcess(mailboxes_max, group_max) => store_process(mailboxes_max, group_max),
        #[cfg(feature = "man")]
        Request::Man(folder) => cli::man::man(folder.as_deref()),
        Request::Show(text) => show(&text),
        Request::Help(text) => {
            logging::write_to_stderr(&text);
            Err(Failed::new(ExitCode::Usage, ""))
        }
    });
    logging::finish();
    match done {
        Ok(()) => ProcessExitCode::SUCCESS,
        Err(Failed { code, message }) => {
            let lines = message.lines().map(|line| format!("mailoop: {line}\n"));
            logging::write_to_stderr(&lines.collect::<String>());
            ProcessExitCode::from(code as u8)
        }
    }
}

/// What a server starts to have its disk waited for.
fn store_process(mailboxes_max: usize, group_max: usize) -> Result<(), Failed> {
    // It works in the folder it is to change. What the kernel says to this it has said to the server, who logged it.
    let _ = confine(&Needs {
        writable: vec![Path::new(".").to_owned()],
        removable: Vec::new(),
    });
    maildir::run(mailboxes_max, group_max)
        .map_err(|error| Failed::new(ExitCode::Io, format_args!("store process: {error}")))
}

/// `mailoop load`.
#[cfg(feature = "load")]
fn put_load(options: &LoadOptions, json: bool) -> Result<(), Failed> {
    let report = load(options)?;
    show(&if json {
        format!("{}\n", report.json())
    } else {
        report.to_string()
    })?;
    report.verdict()
}
