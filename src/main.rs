//! The `mailoop` program: arguments, dispatch to a command, exit code.

#![deny(unsafe_code)]

use std::env;
use std::process::ExitCode as ProcessExitCode;

use mailoop::cli::{self, Request};
use mailoop::exit::{ExitCode, Failed, show};
use mailoop::logging;
use mailoop::serve::serve;
use mailoop::signals;

fn main() -> ProcessExitCode {
    let reload_asked = signals::outlive();
    let done = cli::parse(env::args_os()).and_then(|request| match request {
        Request::Serve(flags) => serve(*flags, &reload_asked),
        Request::Run(command) => command.run(),
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
