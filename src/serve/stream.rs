//! Mail that is kept in a stream: from the configuration to what the server needs for it.

use std::time::{Instant, SystemTime};

use super::parts::StreamParts;
use crate::config::stream::StreamConfig;
use crate::exit::{ExitCode, Failed};
use crate::net::trust::Trust;
use crate::outbound::connectors::HOP_CONNECTORS;
use crate::outbound::names::system_random;
use crate::server::Server;
use crate::smtp::log_value::LogValue;
use crate::smtp::route::TlsLevel;
use crate::store::Store;
use crate::store::stream::deliveries::Deliveries;
use crate::store::stream::publisher::StreamPublisher;
use crate::stream::settings::{StreamError, StreamSettings, StreamStart, StreamTls};
use crate::stream::target::Durability;

pub(super) fn built() -> Option<StreamParts> {
    Some(StreamParts {
        open,
        deliver_into,
        connect,
        announce,
    })
}

/// Opens the store that brings mail to a stream.
fn open() -> Result<Box<dyn Store>, Failed> {
    let mut random = system_random().map_err(|error| {
        let message = format_args!("cannot keep mail in a stream: {error}");
        Failed::new(ExitCode::Unavailable, message)
    })?;
    let publisher = StreamPublisher::new(&mut random, Instant::now());
    Ok(Box::new(publisher))
}

/// Stands around a store, into which mail is taken out of the stream.
fn deliver_into(config: &StreamConfig, local: Box<dyn Store>) -> Box<dyn Store> {
    let now_ms = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now_ms = u64::try_from(now_ms.unwrap_or_default().as_millis()).unwrap_or(0);
    let ack_wait = config.ack_wait.unwrap_or_default();
    Box::new(Deliveries::new(local, ack_wait, Instant::now(), now_ms))
}

/// Logs where mail goes, or comes from.
fn announce(config: &StreamConfig) {
    log::info!("stream={}", LogValue(&config.target));
    if !config.delivers() && config.target.durability == Durability::Replicated {
        log::warn!(
            "warning=\"durability=replicated: what the servers of the stream have not synced is lost when power fails \
             them together\""
        );
    }
}

/// Connects the store of a server to its stream, and waits until that is there.
fn connect(config: &StreamConfig, server: &mut Server) -> Result<(), Failed> {
    let settings = StreamSettings {
        target: config.target.clone(),
        secret: config.secret.clone(),
        tls: tls(config)?,
        brings_mail: !config.delivers(),
    };
    let unavailable = |error| {
        let message = format_args!("cannot connect to a stream: {error}");
        Failed::new(ExitCode::Unavailable, message)
    };
    server.open_stream(settings).map_err(unavailable)?;
    match server.await_stream().map_err(unavailable)? {
        StreamStart::Failed(StreamError::Unreachable(why)) if config.target.waits => {
            log::warn!("warning={why:?}");
            Ok(())
        }
        StreamStart::Failed(error) => {
            let code = match error {
                StreamError::Unreachable(_) | StreamError::Login(_) => ExitCode::Unavailable,
                StreamError::Promise(_) => ExitCode::Configuration,
            };
            Err(Failed::new(code, error))
        }
        StreamStart::Pending | StreamStart::Ready => Ok(()),
    }
}

/// TLS as the address of the stream asks for it. Those who vouch for servers are read now: this takes too long for the loop.
fn tls(config: &StreamConfig) -> Result<Option<StreamTls>, Failed> {
    let (Some(level), Some(connectors)) = (config.target.tls, HOP_CONNECTORS) else {
        return Ok(None);
    };
    let trust = match (&config.target.authorities, level) {
        (Some(file), TlsLevel::Verify) => Trust::Authorities(file.clone()),
        (None, TlsLevel::Verify) => Trust::Machine,
        (_, TlsLevel::None | TlsLevel::May | TlsLevel::Encrypt) => Trust::Anybody,
    };
    let mut connectors = connectors();
    if let Some(node) = config.target.nodes.first() {
        let made = connectors.connector(&node.host, &trust);
        made.map_err(|error| {
            Failed::new(ExitCode::Configuration, format_args!("stream: {error}"))
        })?;
    }
    Ok(Some(Box::new(move |host| {
        let made = connectors.connector(host, &trust);
        made.map_err(|error| error.to_string())
    })))
}
