//! The network of filters: each dial leads to a filter of its own seed, or nowhere.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use mailoop::filters::network::FilterNetwork;
use mailoop::filters::settings::{FilterSettings, FilterTarget};
use mailoop::net::carrier::Carrier;
use mailoop::net::endpoint::SocketAddress;

use super::filter::SimFilter;
use super::profile::Profile;
use super::wire::{Dial, Wire, WireEnd};
use crate::journal::Journal;
use crate::prng::Prng;

/// The port of the first filter.
const FIRST_PORT: u16 = 9000;
/// Where nobody listens.
const CLOSED: [u8; 4] = [10, 0, 0, 2];

/// A connection, with the filter at its other end.
pub struct Exchange {
    pub wire: Rc<RefCell<Wire>>,
    pub filter: SimFilter,
}

/// All connections to filters that there ever were.
pub struct Filters {
    pub exchanges: Vec<Exchange>,
    rng: Prng,
    journal: Rc<Journal>,
    profile: Rc<Profile>,
}

impl Filters {
    pub fn new(rng: Prng, journal: Rc<Journal>, profile: Rc<Profile>) -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self {
            exchanges: Vec::new(),
            rng,
            journal,
            profile,
        }))
    }

    /// Everybody does something, or all that can be done; whether anybody did.
    pub fn act(&mut self, all: bool) -> bool {
        let mut moved = false;
        for Exchange { wire, filter } in &mut self.exchanges {
            let mut wire = wire.borrow_mut();
            if all || self.rng.one_in(2) {
                moved |= wire.travel(all);
            }
            if all || self.rng.one_in(2) {
                moved |= filter.act(&mut wire, all);
            }
            filter.check_deadline(&wire);
        }
        moved
    }

    /// When one of them will say something that anybody hears.
    pub fn due(&self) -> Option<Instant> {
        let live = self.exchanges.iter();
        let live = live.filter(|it| !it.wire.borrow().is_dropped);
        live.filter_map(|it| it.filter.due()).min()
    }

    fn dial(&mut self, port: u16, key: usize) -> Carrier {
        let mut rng = self.rng.fork();
        let (journal, profile) = (Rc::clone(&self.journal), Rc::clone(&self.profile));
        let dial = match rng.one_in(profile.refusals) {
            true => rng.pick(&[Dial::Silent, Dial::UnderToRefusal]),
            false => rng.pick(&[Dial::Up, Dial::Under]),
        };
        let number = usize::from(port - FIRST_PORT);
        let mut wire = Wire::new(rng.fork(), profile.weather, dial, Rc::clone(&journal));
        wire.key = key;
        let mut filter = SimFilter::new(number, rng, journal, profile);
        filter.is_broken |= matches!(dial, Dial::Silent | Dial::UnderToRefusal);
        let wire = Rc::new(RefCell::new(wire));
        let end = Carrier::Watched(Box::new(WireEnd(Rc::clone(&wire))));
        self.exchanges.push(Exchange { wire, filter });
        end
    }
}

/// The seam to the server.
pub struct SimNetwork(pub Rc<RefCell<Filters>>);

impl FilterNetwork<Carrier> for SimNetwork {
    fn connect(&mut self, address: &SocketAddress, key: usize) -> io::Result<Carrier> {
        let mut filters = self.0.borrow_mut();
        filters.journal.count_call();
        match address {
            SocketAddress::Tcp(address) if address.ip() != SocketAddr::from((CLOSED, 0)).ip() => {
                Ok(filters.dial(address.port(), key))
            }
            _ => Err(ErrorKind::ConnectionRefused.into()),
        }
    }
}

/// All that the operator has decided about these filters.
pub fn settings(rng: &mut Prng, profile: &Profile) -> FilterSettings {
    let target = |number: usize| {
        let port = FIRST_PORT + number as u16;
        let address = |host: [u8; 4]| SocketAddress::Tcp((host, port).into());
        let mut addresses = vec![address([10, 0, 0, 1])];
        if rng.one_in(3) {
            addresses.insert(0, address(CLOSED));
        }
        let name = format!("inet:filter:{port}").into();
        Rc::new(FilterTarget { name, addresses })
    };
    FilterSettings {
        filters: (0..profile.filters).map(target).collect(),
        of_submission: None,
        default: profile.default,
        connect_timeout: profile.connect,
        command_timeout: profile.command,
        content_timeout: profile.content,
    }
}
