//! Rate limit on the mailboxes that one client may have made: a sliding window of a minute.
//!
//! A client makes a mailbox come into being by naming a recipient. Without a rate limit one connection would use up the mailbox
//! limit in seconds, and nobody else's new recipient would be accepted afterwards.

use core::net::{IpAddr, Ipv6Addr};
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use super::folders::MailboxPath;
use crate::smtp::envelope::Peer;
use crate::store::Ticket;

/// The most mailboxes that are made within a minute for one address; for IPv6 a network of 64 bits is one address.
pub const MAILBOXES_PER_MINUTE_MAX: usize = 100;
/// The most addresses that are told apart. Beyond them all others share what one may have.
const CLIENTS_MAX: usize = 10_000;
/// The most mailboxes that are remembered to be there.
const KNOWN_MAX: usize = 16_384;
/// A minute is counted in slots of this length, so that a client takes a few octets of memory.
const SLOT: Duration = Duration::from_secs(5);
/// The number of slots that cover a whole minute wherever in a slot it begins.
const SLOTS: usize = 13;

/// The clients for which mailboxes were made of late, or may be made for messages that are being stored.
#[derive(Debug)]
pub(super) struct MailboxRate {
    start: Instant,
    now: Instant,
    clients: HashMap<RateKey, SlidingWindow>,
    /// The number of the slot in which clients were last forgotten.
    forgotten: u64,
    /// Messages that are being stored, for mailboxes that are not known to be there.
    reservations: HashMap<Ticket, Reservation>,
    /// The mailboxes of those reservations, and the number of messages for each: only the first message takes of its client's
    /// share.
    pending: HashMap<u64, usize>,
    /// Mailboxes that messages were stored in, by their hashes: they take of nobody's share.
    known: HashSet<u64>,
    hashes: RandomState,
}

/// The part of its client's share that a message has taken.
#[derive(Debug)]
struct Reservation {
    /// `None` for a client without an address.
    client: Option<RateKey>,
    share: usize,
    mailboxes: Vec<u64>,
}

/// The owner of a share: an address, or all those together that found no place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum RateKey {
    Address(IpAddr),
    Others,
}

/// The mailboxes that were made for one client within the last minute.
#[derive(Clone, Copy, Debug, Default)]
struct SlidingWindow {
    /// The number made in each slot of the last minute; the slots are used in turn.
    slots: [u8; SLOTS],
    /// The number of the slot that was used last, counted from the start.
    last: u64,
    /// The number that may still be made for messages that are being stored.
    reserved: usize,
}

impl SlidingWindow {
    /// Forgets the slots that are older than a minute.
    fn advance(&mut self, slot: u64) {
        let passed = slot.saturating_sub(self.last).min(SLOTS as u64);
        for step in 1..=passed {
            self.slots[slot_index(self.last + step)] = 0;
        }
        self.last = self.last.max(slot);
    }

    fn used(&self) -> usize {
        let made: usize = self.slots.iter().copied().map(usize::from).sum();
        made + self.reserved
    }
}

/// The index of the slot with this number.
fn slot_index(slot: u64) -> usize {
    usize::try_from(slot % SLOTS as u64).unwrap_or_default()
}

impl MailboxRate {
    /// Makes a table without clients.
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            start: now,
            now,
            clients: HashMap::new(),
            forgotten: 0,
            reservations: HashMap::new(),
            pending: HashMap::new(),
            known: HashSet::new(),
            hashes: RandomState::new(),
        }
    }

    /// Sets the time, once a tick.
    pub(super) fn set_time(&mut self, now: Instant) {
        self.now = now;
    }

    /// The time of the present tick.
    pub(super) fn now(&self) -> Instant {
        self.now
    }

    fn slot(&self) -> u64 {
        self.now.saturating_duration_since(self.start).as_secs() / SLOT.as_secs()
    }

    /// The number of mailboxes that may still be made for `peer` now. A client on a unix socket has no address, and no limit.
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

    /// Counts how many of these mailboxes are not known to be there.
    pub(super) fn unknown(&self, mailboxes: &[MailboxPath]) -> usize {
        let is_unknown = |mailbox: &&MailboxPath| !self.known.contains(&self.hash(mailbox));
        mailboxes.iter().filter(is_unknown).count()
    }

    fn hash(&self, mailbox: &MailboxPath) -> u64 {
        self.hashes.hash_one(mailbox)
    }

    /// Notes that a message for these `mailboxes` is about to be stored, and returns how many of them it may make. Those that
    /// are known, or that another message will have made, take nothing of the share of `peer`.
    pub(super) fn reserve<'a>(
        &mut self,
        ticket: Ticket,
        peer: Peer,
        mailboxes: impl Iterator<Item = &'a MailboxPath>,
    ) -> usize {
        let (mut unknown, mut wanted, mut count) = (Vec::new(), 0, 0);
        for mailbox in mailboxes {
            let hash = self.hash(mailbox);
            count += 1;
            if self.known.contains(&hash) {
                continue;
            }
            let messages = self.pending.entry(hash).or_default();
            wanted += usize::from(*messages == 0);
            *messages += 1;
            unknown.push(hash);
        }
        let (client, left) = (self.client(peer), self.left(peer));
        let share = wanted.min(left);
        // A known one that somebody has removed is made anew as long as something is left; but none that is known lends its
        // place to one that is not.
        let to_make = match client {
            None => usize::MAX,
            Some(_) if share < wanted => unknown.len() - (wanted - share),
            Some(_) => unknown.len() + (count - unknown.len()).min(left - share),
        };
        if unknown.is_empty() {
            return to_make;
        }
        if let Some(client) = client.filter(|_| share > 0) {
            self.clients.entry(client).or_default().reserved += share;
        }
        let mailboxes = unknown;
        let reservation = Reservation {
            client,
            share,
            mailboxes,
        };
        self.reservations.insert(ticket, reservation);
        to_make
    }

    /// Counts mailboxes that were made for the message `ticket`.
    pub(super) fn note_made(&mut self, ticket: Ticket, made: usize) {
        let client = self.reservations.get(&ticket).and_then(|one| one.client);
        let slot = self.slot();
        if let Some(client) = client {
            let entry = self.clients.entry(client).or_default();
            entry.advance(slot);
            let count = &mut entry.slots[slot_index(slot)];
            *count = count.saturating_add(u8::try_from(made).unwrap_or(u8::MAX));
        }
    }

    /// Gives back what the message `ticket` had reserved. If it is `stored` its mailboxes are known from now on.
    pub(super) fn settle(&mut self, ticket: Ticket, stored: bool) {
        let Some(reservation) = self.reservations.remove(&ticket) else {
            return;
        };
        for hash in reservation.mailboxes {
            if let Some(messages) = self.pending.get_mut(&hash) {
                *messages -= 1;
                if *messages == 0 {
                    self.pending.remove(&hash);
                }
            }
            if stored {
                if self.known.len() >= KNOWN_MAX {
                    self.known.clear();
                }
                self.known.insert(hash);
            }
        }
        let slot = self.slot();
        if let Some(client) = reservation.client
            && let Some(entry) = self.clients.get_mut(&client)
        {
            entry.advance(slot);
            entry.reserved = entry.reserved.saturating_sub(reservation.share);
            if entry.used() == 0 {
                self.clients.remove(&client);
            }
        }
    }

    /// The owner of the share that `peer` uses.
    fn client(&mut self, peer: Peer) -> Option<RateKey> {
        let Peer::Ip(ip) = peer else { return None };
        let client = RateKey::Address(network(ip));
        if self.clients.len() < CLIENTS_MAX || self.clients.contains_key(&client) {
            return Some(client);
        }
        let slot = self.slot();
        if self.forgotten != slot {
            self.forgotten = slot;
            self.clients.retain(|_, made| {
                made.advance(slot);
                made.used() > 0
            });
        }
        if self.clients.len() < CLIENTS_MAX {
            Some(client)
        } else {
            Some(RateKey::Others)
        }
    }
}

/// The network that `ip` is counted under: for IPv6 its first 64 bits.
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

    fn mailboxes(range: std::ops::Range<usize>) -> Vec<MailboxPath> {
        let path = |number| MailboxPath::from_wire(&format!("d/m{number}"));
        range.map(path).collect()
    }

    /// Has mailboxes made for one message, which is stored.
    fn make(
        rate: &mut MailboxRate,
        ticket: u64,
        client: Peer,
        range: std::ops::Range<usize>,
    ) -> usize {
        let granted = rate.reserve(Ticket(ticket), client, mailboxes(range).iter());
        rate.note_made(Ticket(ticket), granted);
        rate.settle(Ticket(ticket), true);
        granted
    }

    #[test]
    fn a_client_has_its_share_again_after_a_minute() {
        let mut rate = MailboxRate::new();
        let start = rate.start;
        let client = peer("192.0.2.1");
        for (second, range, granted) in [(0, 0..60, 60), (30, 60..120, 40), (59, 120..121, 0)] {
            rate.set_time(start + Duration::from_secs(second));
            assert_eq!(
                make(&mut rate, second, client, range),
                granted,
                "at {second}"
            );
        }
        rate.set_time(start + Duration::from_secs(64));
        assert_eq!(rate.left(client), 0);
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
        assert_eq!(rate.reserve(Ticket(1), client, mailboxes(0..70).iter()), 70);
        let other = peer("2001:db8::2");
        assert_eq!(
            rate.reserve(Ticket(2), other, mailboxes(70..140).iter()),
            30
        );
        assert_eq!(rate.left(peer("2001:db8:0:1::")), 100, "another network");
        rate.note_made(Ticket(1), 5);
        rate.settle(Ticket(1), false);
        rate.settle(Ticket(1), false);
        assert_eq!(rate.left(client), 65);
        rate.settle(Ticket(2), false);
        assert_eq!(rate.left(client), 95);
        assert!(rate.pending.is_empty() && rate.reservations.is_empty());
    }

    #[test]
    fn mailboxes_that_are_there_or_about_to_be_take_nothing() {
        let mut rate = MailboxRate::new();
        let client = peer("192.0.2.1");
        for ticket in 0..200 {
            assert_eq!(
                rate.reserve(Ticket(ticket), client, mailboxes(0..1).iter()),
                1
            );
        }
        assert_eq!(rate.left(client), 99);
        (0..200).for_each(|ticket| rate.settle(Ticket(ticket), true));
        assert_eq!(rate.unknown(&mailboxes(0..2)), 1);
        assert_eq!(rate.left(client), 100);
        // A known one that somebody removed is made again.
        assert_eq!(rate.reserve(Ticket(300), client, mailboxes(0..1).iter()), 1);
        assert!(rate.reservations.is_empty());
    }

    #[test]
    fn the_tables_are_bounded() {
        let mut rate = MailboxRate::new();
        for number in 0..20_000_u32 {
            let client = Peer::Ip(IpAddr::V4(number.into()));
            let mailbox = number as usize;
            make(&mut rate, number.into(), client, mailbox..mailbox + 1);
        }
        assert_eq!(rate.clients.len(), CLIENTS_MAX + 1);
        assert!(rate.known.len() <= KNOWN_MAX && rate.pending.is_empty());
        assert_eq!(rate.left(peer("192.0.2.1")), 0, "the rest share one");
    }
}
