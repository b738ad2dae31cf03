//! The network of the service: connections to the nodes of the model, whose names are looked up.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Instant;

use mailoop::net::channel::Readiness;
use mailoop::net::token::Token;
use mailoop::outbound::dns::answer::{
    NameAnswer, NameError, NameFound, NameQuestion, NameResult, NameTicket,
};
use mailoop::stream::network::{StreamNetwork, StreamPeer};

use super::pipe::{Pipe, PipeEnd};
use super::{MONITOR_KIND, NODE_KIND, Names, SharedModel};

/// The network of the service. Node 0 is at 10.0.0.1, and its name is n0.
pub struct ModelNetwork {
    model: SharedModel,
    answers: Vec<(NameTicket, NameResult)>,
    last: u64,
}

/// The address of a node.
pub fn address(node: usize) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, 1 + node as u8).into()
}

impl ModelNetwork {
    pub fn new(model: SharedModel) -> Self {
        Self {
            model,
            answers: Vec::new(),
            last: 0,
        }
    }
}

impl StreamNetwork<PipeEnd> for ModelNetwork {
    fn connect(&mut self, peer: StreamPeer, to: SocketAddr, key: usize) -> io::Result<PipeEnd> {
        let mut model = self.model.borrow_mut();
        let nodes = model.cluster.nodes.len();
        let Some(node) = (0..nodes).find(|node| address(*node) == to.ip()) else {
            return Err(ErrorKind::HostUnreachable.into());
        };
        let port = match peer {
            StreamPeer::Node => 4222,
            StreamPeer::Monitor => 8222,
        };
        if to.port() != port || model.prng.one_in(50) {
            return Err(ErrorKind::ConnectionRefused.into());
        }
        let pipe = Pipe::new(peer, node, key);
        model.add(pipe.clone());
        Ok(PipeEnd(pipe))
    }

    fn look_up(&mut self, question: &NameQuestion, _: Instant) -> NameAnswer {
        let name = &question.name;
        let node = name.strip_prefix('n').and_then(|node| node.parse().ok());
        let found = name.parse().ok().or(node.map(address));
        let names = self.model.borrow().names;
        let result = match found {
            Some(address) if names != Names::Broken => Ok(NameFound::addresses([address].into())),
            _ => Err(NameError::NoSuchName),
        };
        if names == Names::Now {
            return NameAnswer::Now(result);
        }
        self.last += 1;
        let ticket = NameTicket(self.last);
        self.answers.push((ticket, result));
        NameAnswer::Later(ticket)
    }

    fn take_answers(&mut self) -> Vec<(NameTicket, NameResult)> {
        std::mem::take(&mut self.answers)
    }

    fn on_event(&mut self, token: Token, _: Readiness) -> Option<(StreamPeer, usize)> {
        match token.kind {
            NODE_KIND => Some((StreamPeer::Node, token.key)),
            MONITOR_KIND => Some((StreamPeer::Monitor, token.key)),
            _ => None,
        }
    }

    fn tick(&mut self, _: Instant) {}

    fn next_wake(&self) -> Option<Instant> {
        (!self.answers.is_empty()).then(|| self.model.borrow().now)
    }
}
