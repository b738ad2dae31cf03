//! The `mailoop` program: arguments, logger, dispatch to a command, exit code.

#![deny(unsafe_code)]

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode as ProcessExitCode;
use std::{env, fs};

use mailoop::cli::{self, Request};
use mailoop::client::send::{SendOptions, send};
use mailoop::config::{Config, Delivery};
use mailoop::exit::{ExitCode, Failed};
use mailoop::logging;
use mailoop::server::{Server, StartError};
use mailoop::store::{Discard, Maildir, Store};

fn main() -> ProcessExitCode {
    let done = cli::parse(env::args_os()).and_then(|request| match request {
        Request::Serve(config) => serve(*config),
        Request::Send(options, file) => send_message(*options, file.as_deref()),
        Request::Show(text) => show(&text),
    });
    log::logger().flush();
    match done {
        Ok(()) => ProcessExitCode::SUCCESS,
        Err(Failed { code, message }) => {
            // If not even this can be written there is nobody left to tell.
            let _ = writeln!(io::stderr(), "mailoop: {message}");
            ProcessExitCode::from(code as u8)
        }
    }
}

fn show(text: &str) -> Result<(), Failed> {
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| Failed::new(ExitCode::Io, error))
}

/// `mailoop serve`.
fn serve(config: Config) -> Result<(), Failed> {
    logging::start(config.log_level);
    for warning in config.warnings() {
        log::warn!("warning=\"{warning}\"");
    }
    let store: Box<dyn Store> = match &config.delivery {
        Delivery::Discard => Box::new(Discard::new()),
        Delivery::Maildir {
            directory,
            mailboxes_max,
        } => {
            let maildir = Maildir::open(directory, &config.policy.hostname, *mailboxes_max);
            Box::new(maildir.map_err(|error| {
                let place = directory.display();
                Failed::new(
                    ExitCode::CannotCreate,
                    format_args!("cannot keep mail in {place}: {error}; choose another --maildir"),
                )
            })?)
        }
    };
    let mut server = Server::start(&config.listen, config.policy, config.limits, store)
        .map_err(|error: StartError| Failed::new(ExitCode::Unavailable, error))?;
    log::logger().flush();

    let addresses = server
        .addresses()
        .map(|address| format!("listening smtp {address}\n"));
    show(&addresses.collect::<String>())?;
    server
        .run()
        .map_err(|error| Failed::new(ExitCode::Io, format_args!("poll failed: {error}")))
}

/// `mailoop send`.
fn send_message(mut options: SendOptions, file: Option<&Path>) -> Result<(), Failed> {
    options.message = match file {
        Some(path) => fs::read(path).map_err(|error| {
            Failed::new(
                ExitCode::Io,
                format_args!("cannot read {}: {error}", path.display()),
            )
        })?,
        None => {
            let mut message = Vec::new();
            io::stdin().read_to_end(&mut message).map_err(|error| {
                Failed::new(
                    ExitCode::Io,
                    format_args!("cannot read standard input: {error}"),
                )
            })?;
            message
        }
    };
    send(&options, &mut io::stdout().lock()).map_err(|error| Failed::new(error.exit_code(), error))
}
