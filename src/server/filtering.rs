//! The mail filters of a server: how it is connected to them.

use std::io;
use std::rc::Rc;

use mio::Registry;

use super::core::ServerCore;
use super::event_loop::Server;
use super::tokens::FILTER;
use crate::filters::answers::SessionFilters;
use crate::filters::network::FilterNetwork;
use crate::filters::service::FilterService;
use crate::filters::settings::FilterSettings;
use crate::net::carrier::Carrier;
use crate::net::dialer::dial;
use crate::net::endpoint::SocketAddress;
use crate::net::token::Token;
use crate::net::transport::Transport;

/// The network of filters as it is.
struct LiveFilterNetwork {
    registry: Registry,
}

impl FilterNetwork<Carrier> for LiveFilterNetwork {
    fn connect(&mut self, address: &SocketAddress, key: usize) -> io::Result<Carrier> {
        let mut socket = dial(address, &[])?;
        socket.register(&self.registry, Token::new(FILTER, key).into())?;
        Ok(Carrier::Socket(socket))
    }
}

impl Server {
    /// Has new sessions ask these filters, or none. The store of a server that has ever had some has a hold for that.
    ///
    /// # Errors
    /// The system refuses what this needs.
    pub fn set_filters(&mut self, settings: Option<Rc<FilterSettings>>) -> io::Result<()> {
        if settings.is_none() && !self.core.filters.are_there() {
            return Ok(());
        }
        let registry = self.poller.registry().try_clone()?;
        let network = Box::new(LiveFilterNetwork { registry });
        self.core.set_filters(settings, network);
        Ok(())
    }
}

impl<T: Transport + 'static> ServerCore<T> {
    /// Has new sessions ask these filters, or none, over this network unless there is one already.
    pub fn set_filters(
        &mut self,
        settings: Option<Rc<FilterSettings>>,
        network: Box<dyn FilterNetwork<T>>,
    ) {
        let now = self.connections.now();
        let make = || Box::new(FilterService::new(network, now)) as Box<dyn SessionFilters>;
        self.answer_filters(settings, make);
    }
}

impl<T: Transport> ServerCore<T> {
    /// Has new sessions ask these filters, or none. What `make` makes answers in their place, unless there is something already.
    pub fn answer_filters(
        &mut self,
        settings: Option<Rc<FilterSettings>>,
        make: impl FnOnce() -> Box<dyn SessionFilters>,
    ) {
        let probe = &mut self.probe;
        if let Some(probe) = probe {
            probe.filter_settings(settings.as_deref());
        }
        let watched = || match probe {
            Some(probe) => probe.filters(make()),
            None => make(),
        };
        self.filters.set(settings, watched, &mut self.connections);
    }
}
