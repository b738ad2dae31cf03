//! Mail to the hosts that a domain names itself: which they are, and what they have to show before they get it.
//!
//! - [`connect`] makes the settings of a connection to one of the hosts;
//! - [`domains`] remembers for a moment what was found;
//! - [`exchangers`] makes the list of hosts of a domain out of its MX records;
//! - [`ourselves`] tells which hosts and addresses are ours, and [`special`] which are not of the public Internet;
//! - [`policy`] leaves those of them that the domain's MTA-STS policy takes;
//! - [`site`] names the site of a list: all domains with the same hosts, under the same policy, share its connections.

pub mod connect;
pub mod domains;
pub mod exchangers;
pub mod ourselves;
pub mod policy;
pub mod site;
pub mod special;
