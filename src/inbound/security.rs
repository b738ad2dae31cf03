//! TLS as the session knows it.

use crate::net::link::TlsFacts;
use crate::smtp::security::{ChannelBindings, Security};

/// The facts of a handshake in the terms of the session.
pub(super) fn security(facts: &TlsFacts) -> Security {
    Security {
        version: facts.version,
        cipher: facts.cipher,
        bits: facts.bits,
        bindings: ChannelBindings {
            exporter: facts.exporter,
            end_point: facts.end_point.clone(),
        },
    }
}
