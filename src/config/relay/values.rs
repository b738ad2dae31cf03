//! Values of options on mail that is sent on, each with a function that says what would be right.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::config::values::seconds;
use crate::smtp::route::{Route, RouteError};

/// The port of name servers (RFC 1035 §4.2).
const DNS_PORT: u16 = 53;
/// The most steps of a schedule.
const STEPS_MAX: usize = 100;

/// Reads `PATTERN=HOP,…`.
///
/// # Errors
/// What would be right.
pub fn route(text: &str) -> Result<Route, String> {
    text.parse().map_err(|error: RouteError| error.to_string())
}

/// Reads waits in seconds with commas between them.
///
/// # Errors
/// What would be right.
pub fn waits(text: &str) -> Result<Vec<Duration>, String> {
    let waits = text.split(',').map(|wait| seconds(wait.trim()));
    let waits: Result<Vec<_>, _> = waits.collect();
    waits
        .ok()
        .filter(|waits| waits.len() <= STEPS_MAX)
        .ok_or_else(|| {
            format!("write up to {STEPS_MAX} waits in seconds with commas between them, as 300,600")
        })
}

/// Reads a time in seconds, where 0 means never.
///
/// # Errors
/// What would be right.
pub fn seconds_or_never(text: &str) -> Result<Option<Duration>, String> {
    if text == "0" {
        return Ok(None);
    }
    let read = seconds(text).map(Some);
    read.map_err(|_| "write seconds up to a year, as 14400, or 0 for never".to_owned())
}

/// Reads the address of a name server, with a port or without.
///
/// # Errors
/// What would be right.
pub fn name_server(text: &str) -> Result<SocketAddr, String> {
    let bare = text.parse().map(|ip: IpAddr| SocketAddr::new(ip, DNS_PORT));
    let server = text.parse().or(bare);
    server
        .ok()
        .filter(|server| server.port() != 0)
        .ok_or_else(|| {
            "write the address of a name server, as 192.0.2.53, 192.0.2.53:53 or [2001:db8::53]:53"
                .to_owned()
        })
}

/// Reads a port.
///
/// # Errors
/// What would be right.
pub fn port(text: &str) -> Result<u32, String> {
    let port = text.parse::<u16>().ok().filter(|port| *port > 0);
    let port = port.map(u32::from);
    port.ok_or_else(|| "write a port, a number from 1 to 65535".to_owned())
}

/// Reads an IP address.
///
/// # Errors
/// What would be right.
pub fn ip_address(text: &str) -> Result<IpAddr, String> {
    let address = text.parse::<IpAddr>().ok();
    address
        .filter(|address| !address.is_unspecified())
        .ok_or_else(|| "write an address of this machine, as 192.0.2.1 or 2001:db8::1".to_owned())
}
