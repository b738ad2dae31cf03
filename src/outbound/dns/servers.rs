//! The name servers, and which of them is asked next.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::config::ResolverConfig;

/// Time for which a server that did not answer is asked after the others.
const DOWN_FOR: Duration = Duration::from_secs(30);

/// The name servers in their order.
#[derive(Debug)]
pub(super) struct NameServers {
    servers: Vec<NameServer>,
}

#[derive(Debug)]
struct NameServer {
    chosen: ChosenServer,
    /// The end of the time in which it is asked after the others, since it did not answer.
    down_until: Option<Instant>,
}

/// A server that is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChosenServer {
    pub(super) address: SocketAddr,
    /// Whether it is believed to have verified what it says it has.
    pub(super) is_trusted: bool,
}

/// A set of servers that were asked, a bit for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AskedServers(u8);

impl NameServers {
    pub(super) fn new(config: &ResolverConfig) -> Self {
        let servers = config.servers().iter().map(|address| NameServer {
            chosen: ChosenServer {
                address: *address,
                is_trusted: config.is_trusted(*address),
            },
            down_until: None,
        });
        Self {
            servers: servers.take(u8::BITS as usize).collect(),
        }
    }

    /// The first server that was not asked yet, those last that did not answer others, and adds it to those that were. `None`
    /// when all were.
    pub(super) fn next(&self, asked: &mut AskedServers, now: Instant) -> Option<ChosenServer> {
        let left = || {
            let servers = self.servers.iter().enumerate();
            servers.filter(|(index, _)| asked.0 & (1 << index) == 0)
        };
        let is_up = |server: &NameServer| server.down_until.is_none_or(|until| until <= now);
        let up = left().find(|(_, server)| is_up(server));
        let (index, server) = up.or_else(|| left().next())?;
        let chosen = server.chosen;
        asked.0 |= 1 << index;
        Some(chosen)
    }

    /// Notes that a server did not answer.
    pub(super) fn note_silence(&mut self, address: SocketAddr, now: Instant) {
        self.note(address, Some(now + DOWN_FOR));
    }

    /// Notes that a server answered, whatever it said.
    pub(super) fn note_answer(&mut self, address: SocketAddr) {
        self.note(address, None);
    }

    fn note(&mut self, address: SocketAddr, down_until: Option<Instant>) {
        let mut servers = self.servers.iter_mut();
        if let Some(server) = servers.find(|server| server.chosen.address == address) {
            server.down_until = down_until;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(servers: &NameServers, now: Instant) -> Vec<u16> {
        let mut asked = AskedServers::default();
        std::iter::from_fn(|| servers.next(&mut asked, now))
            .map(|server| server.address.port())
            .collect()
    }

    #[test]
    fn a_server_that_did_not_answer_is_asked_last_for_a_while() {
        let address = |port: u16| SocketAddr::from(([192, 0, 2, 1], port));
        let mut servers = NameServers::new(&ResolverConfig::new(vec![
            address(1),
            address(2),
            address(3),
        ]));
        let now = Instant::now();
        assert_eq!(order(&servers, now), [1, 2, 3]);
        servers.note_silence(address(1), now);
        assert_eq!(order(&servers, now), [2, 3, 1]);
        servers.note_silence(address(2), now);
        servers.note_silence(address(3), now);
        assert_eq!(
            order(&servers, now),
            [1, 2, 3],
            "all are as good as the others"
        );
        servers.note_answer(address(2));
        assert_eq!(order(&servers, now), [2, 1, 3]);
        assert_eq!(order(&servers, now + DOWN_FOR), [1, 2, 3]);
    }
}
