//! How many mailboxes one client may have made, in a minute.
//!
//! A client makes a mailbox come into being by naming a recipient. Without a rate one connection would use up the mailbox
//! limit in seconds, and nobody else's new recipient would be accepted afterwards.

use core::net::{IpAddr, Ipv6Addr};
use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::smtp::envelope::Peer;
use crate::store::Ticket;

/// The most mailboxes that are made within a minute for one address; for IPv6 a network of 64 bits is one address.
pub const MAILBOXES_PER_MINUTE_MAX: usize = 100;
/// The most addresses that are told apart. Beyond them all others share what one may have.
const CLIENTS_MAX: usize = 10_000;
/// A minute is counted in slots of this length, so that a client takes a few octets of memory.
const SLOT: Duration = Duration::from_secs(5);
/// So many slots cover a whole minute wherever in a slot it begins.
const SLOTS: usize = 13;

/// The clients for which mailboxes were made of late, or may be made for messages that are being stored.
#[derive(Debug)]
pub(super) struct MailboxRate {
    start: Instant,
    now: Instant,
    clients: HashMap<Client, Made>,
    /// Messages that may make mailboxes, with what of their client's share they have taken.
    reservations: HashMap<Ticket, (Client, usize)>,
}

/// Who has a share of its own: an address, or all those that found no place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Client {
    Address(IpAddr),
    Others,
}

/// The mailboxes that were made for one client.
#[derive(Clone, Copy, Debug, Default)]
struct Made {
    /// How many in each slot of the last minute, which are used in turn.
    slots: [u8; SLOTS],
    /// The number of the slot that was used last, counted from the start.
    last: u64,
    /// How many more may be made for messages that are being stored.
    reserved: usize,
}

impl Made {
    /// Forgets the slots that are older than a minute.
    fn advance(&mut self, slot: u64) {
        let passed = slot.saturating_sub(self.last).min(SLOTS as u64);
        for step in 1..=passed {
            self.slots[place(self.last + step)] = 0;
        }
        if passed == SLOTS as u64 {
            self.slots = [0; SLOTS];
        }
        self.last = self.last.max(slot);
    }

    fn used(&self) -> usize {
        let made: usize = self.slots.iter().copied().map(usize::from).sum();
        made + self.reserved
    }
}

/// The place of the slot with this number.
fn place(slot: u64) -> usize {
    usize::try_from(slot % SLOTS as u64).unwrap_or_default()
}

impl MailboxRate {
    /// A table without clients.
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            start: now,
            now,
            clients: HashMap::new(),
            reservations: HashMap::new(),
        }
    }

    /// Tells what time it is.
    pub(super) fn set_time(&mut self, now: Instant) {
        self.now = now;
    }

    fn slot(&self) -> u64 {
        self.now.saturating_duration_since(self.start).as_secs() / SLOT.as_secs()
    }

    /// How many more mailboxes may be made for `peer` now. A client on a unix socket has no address, and no rate.
    pub(super) fn left(&mut self, peer: Peer) -> usize {
        let Some(client) = self.client(peer) else {
            return usize::MAX;
        };
        let slot = self.slot();
        let Some(made) = self.clients.get_mut(&client) else {
            return MAILBOXES_PER_MINUTE_MAX;
        };
        made.advance(slot);
        MAILBOXES_PER_MINUTE_MAX.saturating_sub(made.used())
    }

    /// Takes up to `wanted` mailboxes off the share of `peer`, for a message that is about to be stored, and returns how many
    /// the message may make.
    pub(super) fn reserve(&mut self, ticket: Ticket, peer: Peer, wanted: usize) -> usize {
        let granted = wanted.min(self.left(peer));
        if granted > 0
            && let Some(client) = self.client(peer)
        {
            self.clients.entry(client).or_default().reserved += granted;
            self.reservations.insert(ticket, (client, granted));
        }
        granted
    }

    /// Gives back what the message `ticket` had reserved, and counts the mailboxes that it made.
    pub(super) fn settle(&mut self, ticket: Ticket, made: usize) {
        let Some((client, reserved)) = self.reservations.remove(&ticket) else {
            return;
        };
        let slot = self.slot();
        let Some(entry) = self.clients.get_mut(&client) else {
            return;
        };
        entry.advance(slot);
        entry.reserved = entry.reserved.saturating_sub(reserved);
        let count = &mut entry.slots[place(slot)];
        *count = count.saturating_add(u8::try_from(made).unwrap_or(u8::MAX));
        if entry.used() == 0 {
            self.clients.remove(&client);
        }
    }

    /// Whose share `peer` uses.
    fn client(&mut self, peer: Peer) -> Option<Client> {
        let Peer::Ip(ip) = peer else { return None };
        let client = Client::Address(network(ip));
        if self.clients.len() < CLIENTS_MAX || self.clients.contains_key(&client) {
            return Some(client);
        }
        let slot = self.slot();
        self.clients.retain(|_, made| {
            made.advance(slot);
            made.used() > 0
        });
        if self.clients.len() < CLIENTS_MAX {
            Some(client)
        } else {
            Some(Client::Others)
        }
    }
}

/// The address that `ip` counts as.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
        ip @ IpAddr::V4(_) => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> Peer {
        text.parse().map_or(Peer::Local, Peer::Ip)
    }

    #[test]
    fn a_client_has_its_share_again_after_a_minute() {
        let mut rate = MailboxRate::new();
        let start = rate.start;
        let client = peer("192.0.2.1");
        for (second, wanted, granted) in [(0, 60, 60), (30, 60, 40), (59, 1, 0), (64, 1, 0)] {
            rate.set_time(start + Duration::from_secs(second));
            let ticket = Ticket(second);
            assert_eq!(rate.reserve(ticket, client, wanted), granted, "at {second}");
            rate.settle(ticket, granted);
        }
        rate.set_time(start + Duration::from_secs(65));
        assert_eq!(rate.left(client), 60);
        assert_eq!(rate.left(peer("192.0.2.2")), 100);
        assert_eq!(rate.left(Peer::Local), usize::MAX);
        rate.set_time(start + Duration::from_secs(1000));
        assert_eq!(rate.left(client), 100);
    }

    #[test]
    fn a_reservation_counts_until_it_is_settled() {
        let mut rate = MailboxRate::new();
        let client = peer("2001:db8::1");
        assert_eq!(rate.reserve(Ticket(1), client, 70), 70);
        assert_eq!(rate.reserve(Ticket(2), peer("2001:db8::2"), 70), 30);
        assert_eq!(rate.left(peer("2001:db8:0:1::")), 100, "another network");
        rate.settle(Ticket(1), 5);
        rate.settle(Ticket(1), 5);
        assert_eq!(rate.left(client), 65);
        rate.settle(Ticket(2), 0);
        assert_eq!(rate.left(client), 95);
    }

    #[test]
    fn the_table_is_bounded() {
        let mut rate = MailboxRate::new();
        for number in 0..20_000_u32 {
            let client = Peer::Ip(IpAddr::V4(number.into()));
            rate.reserve(Ticket(number.into()), client, 1);
        }
        assert_eq!(rate.clients.len(), CLIENTS_MAX + 1);
        assert_eq!(rate.left(peer("192.0.2.1")), 0, "the rest share one");
    }
}
