//! mailin-embedded as a sink: `mailin-sink ADDRESS THREADS`. Each session has a thread of a pool that is started with the
//! server. The methods of its handler are those it comes with: they accept and drop.

use std::env;
use std::process::ExitCode;

use mailin_embedded::{Handler, Server};

#[derive(Clone)]
struct Discard;

impl Handler for Discard {}

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let (Some(address), Some(threads)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: mailin-sink ADDRESS THREADS");
        return ExitCode::from(64);
    };
    let Ok(threads) = threads.parse() else {
        eprintln!("mailin-sink: {threads} is no number of threads");
        return ExitCode::from(64);
    };
    let mut server = Server::new(Discard);
    server.with_name("mailin").with_num_threads(threads);
    let served = match server.with_addr(address) {
        Ok(_) => server.serve(),
        Err(error) => Err(error),
    };
    if let Err(error) = served {
        eprintln!("mailin-sink: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
