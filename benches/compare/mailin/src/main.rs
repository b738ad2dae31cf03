//! mailin-embedded as a sink: `mailin-sink ADDRESS THREADS`. Each session has a thread of a pool that is started with the
//! server. The methods of its handler are those it comes with: they accept and drop.

use std::env;
use std::error::Error;
use std::net::SocketAddr;

use mailin_embedded::{Handler, Server};
use socket2::{Domain, Socket, Type};

/// As the others have it. Its own queue of 128 loses clients that come in hundreds: they wait for a greeting in vain.
const BACKLOG: i32 = 1024;

#[derive(Clone)]
struct Discard;

impl Handler for Discard {}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(address), Some(threads)) = (arguments.next(), arguments.next()) else {
        return Err("usage: mailin-sink ADDRESS THREADS".into());
    };
    let address: SocketAddr = address.parse()?;
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let mut server = Server::new(Discard);
    server
        .with_name("mailin")
        .with_num_threads(threads.parse()?)
        .with_tcp_listener(socket.into());
    server.serve()?;
    Ok(())
}
