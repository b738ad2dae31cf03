//! The hosts that mail is sent to, and how they behave; which changes with time.

use std::net::{IpAddr, Ipv4Addr};

use crate::prng::Prng;

/// How a host behaves towards those who connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    Open,
    /// The system says at once that there is no way.
    NoWay,
    Refuses,
    /// Nobody ever answers.
    Silent,
}

/// How a server misbehaves. Chances are one in so many replies; 0 is never.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    pub reach: Reach,
    /// A reply is not the right one.
    pub moody: usize,
    /// The reply to the end of a message is late, or lost.
    pub slow: usize,
    /// Every reply takes some time.
    pub sluggish: bool,
    /// The most octets of a reply that are said at once.
    pub piece: usize,
    /// A name is not found, or the answer does not come.
    pub nameless: usize,
}

impl Manner {
    pub const GOOD: Self = Self {
        reach: Reach::Open,
        moody: 0,
        slow: 0,
        sluggish: false,
        piece: usize::MAX,
        nameless: 0,
    };

    pub fn new(rng: &mut Prng) -> Self {
        Self {
            reach: match rng.below(12) {
                0 => Reach::NoWay,
                1 => Reach::Refuses,
                2 => Reach::Silent,
                _ => Reach::Open,
            },
            moody: rng.pick(&[0, 3, 8, 8, 20, 20, 60]),
            slow: rng.pick(&[0, 0, 2, 6]),
            sluggish: rng.one_in(4),
            piece: rng.pick(&[1, 9, usize::MAX, usize::MAX, usize::MAX]),
            nameless: rng.pick(&[0, 0, 3, 8]),
        }
    }
}

/// A host.
#[derive(Clone, Debug)]
pub struct Host {
    pub number: usize,
    pub is_lmtp: bool,
    /// Whether a route names it by its address.
    pub by_address: bool,
    pub addresses: usize,
    pub manner: Manner,
    /// The extensions that it offers.
    pub offers: Offers,
}

/// Extensions of SMTP.
#[derive(Clone, Copy, Debug, Default)]
pub struct Offers {
    pub pipelining: bool,
    pub size: Option<u64>,
    pub has_size: bool,
    pub eight_bit_mime: bool,
    pub binary_mime: bool,
    pub dsn: bool,
    pub status_codes: bool,
    pub smtputf8: bool,
    pub limits: Option<&'static str>,
}

impl Offers {
    pub fn new(rng: &mut Prng) -> Self {
        Self {
            pipelining: !rng.one_in(3),
            size: rng.one_in(6).then(|| rng.pick(&[100, 2000, 1_000_000])),
            has_size: !rng.one_in(3),
            eight_bit_mime: !rng.one_in(3),
            binary_mime: !rng.one_in(3),
            dsn: rng.one_in(2),
            status_codes: !rng.one_in(3),
            smtputf8: rng.one_in(2),
            limits: rng
                .one_in(5)
                .then(|| rng.pick(&["RCPTMAX=1", "RCPTMAX=3 MAILMAX=2", "MAILMAX=1"])),
        }
    }

    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut offer = |is_offered: bool, line: String| {
            if is_offered {
                lines.push(line);
            }
        };
        offer(self.pipelining, "PIPELINING".to_owned());
        let size = self.size.map_or(String::new(), |size| format!(" {size}"));
        offer(self.has_size, format!("SIZE{size}"));
        offer(self.eight_bit_mime, "8bitmime".to_owned());
        offer(self.binary_mime, "CHUNKING".to_owned());
        offer(self.binary_mime, "BINARYMIME".to_owned());
        offer(self.dsn, "DSN".to_owned());
        offer(self.status_codes, "ENHANCEDSTATUSCODES".to_owned());
        offer(self.smtputf8, "SMTPUTF8".to_owned());
        let limits = self
            .limits
            .map_or(String::new(), |it| format!("LIMITS {it}"));
        offer(self.limits.is_some(), limits);
        offer(true, "X-NOTHING".to_owned());
        lines
    }
}

impl Host {
    pub fn new(number: usize, rng: &mut Prng) -> Self {
        Self {
            number,
            is_lmtp: rng.one_in(4),
            by_address: rng.one_in(4),
            addresses: rng.pick(&[1, 1, 2, 7]),
            manner: Manner::new(rng),
            offers: Offers::new(rng),
        }
    }

    /// Its name.
    pub fn name(&self) -> String {
        format!("h{}.net", self.number)
    }

    /// One of its addresses.
    pub fn address(&self, at: usize) -> IpAddr {
        Ipv4Addr::new(198, 51, self.number as u8, at as u8 + 1).into()
    }

    /// The hop that a route names it by.
    pub fn hop(&self) -> String {
        let scheme = if self.is_lmtp { "lmtp" } else { "smtp" };
        let host = match self.by_address {
            true => self.address(0).to_string(),
            false => self.name(),
        };
        format!("{scheme}://{host}:2500?tls=none")
    }
}

/// Where mail for the domains goes, as routes write it.
pub fn routes(domains: usize, hosts: &[Host], rng: &mut Prng) -> Vec<String> {
    let has_smtp = hosts.iter().any(|host| !host.is_lmtp);
    let routes = (0..domains).map(|domain| {
        if has_smtp && rng.one_in(4) {
            return format!("s{domain}.net=mx?tls=none");
        }
        let mut hops: Vec<String> = Vec::new();
        for _ in 0..rng.pick(&[1, 1, 2, 3]) {
            let host = rng.below(hosts.len());
            let hop = hosts[host].hop();
            if !hops.contains(&hop) {
                hops.push(hop);
            }
        }
        format!("s{domain}.net={}", hops.join(","))
    });
    routes.collect()
}
