//! The kinds of tokens under which the poll tells of events: each source has one of its own.

/// Of signals.
pub(super) const SIGNALS: u8 = 0;
/// Of the pipes to store processes.
pub(super) const STORE: u8 = 1;
/// Of listeners for mail, and of the clients that bring it.
pub(super) const LISTENER: u8 = 2;
pub(super) const CONNECTION: u8 = 3;
/// Of the listeners of services beside mail, and of their clients.
pub(super) const CONTROL: [u8; 2] = [4, 5];
pub(super) const HTTP: [u8; 2] = [9, 10];
/// Of hops, of datagrams and streams of name servers, and of policy hosts.
pub(super) const NETWORK: [u8; 4] = [6, 7, 8, 11];
/// Of servers of a stream and their monitors, and of datagrams and streams of name servers for them.
pub(super) const STREAM: [u8; 4] = [12, 13, 14, 15];
/// Of mail filters.
pub(super) const FILTER: u8 = 16;
