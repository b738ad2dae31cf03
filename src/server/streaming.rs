//! A server whose store is behind a stream: how it is connected, and what it waits for at its start.

use std::io;
use std::time::Instant;

use super::event_loop::Server;
use super::stream_network::LiveStreamNetwork;
use super::tokens::STREAM;
use crate::outbound::names::system_random;
use crate::stream::service::StreamService;
use crate::stream::settings::{StreamSettings, StreamStart};

impl Server {
    /// Has the store connected to a stream by these settings, from the next tick on.
    ///
    /// # Errors
    /// The system refuses what this needs.
    pub fn open_stream(&mut self, settings: StreamSettings) -> io::Result<()> {
        let now = Instant::now();
        let network = LiveStreamNetwork::new(self.poller.registry(), STREAM, now)?;
        let service = StreamService::new(settings, Box::new(network), system_random()?, now);
        self.core.stream = Some(Box::new(service));
        Ok(())
    }

    /// Waits until the stream is there, or cannot be used, or a signal asks to end. Clients wait to be accepted meanwhile.
    ///
    /// # Errors
    /// Only if the poll itself fails.
    pub fn await_stream(&mut self) -> io::Result<StreamStart> {
        loop {
            let start = match &self.core.stream {
                Some(stream) => stream.start(),
                None => StreamStart::Ready,
            };
            if start != StreamStart::Pending || self.told_to_stop {
                return Ok(start);
            }
            self.poll_readiness()?;
            self.core.tick(|_, _| {});
            log::logger().flush();
        }
    }
}
