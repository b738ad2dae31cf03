//! Inputs that more than one frame belongs to: the steps of a tick, and clients.

use std::rc::Rc;

use super::script::SharedScript;
use super::transport::ReplayTransport;
use crate::inbound::Rejection;
use crate::net::carrier::Carrier;
use crate::server::core::ServerCore;
use crate::server::probe::Client;
use crate::smtp::event::Limit;

/// The core of a server in a replay.
pub(super) type ReplayCore = ServerCore<Carrier>;

/// Runs the steps of a tick, of which the record has the first one already.
pub(super) fn run_steps(core: &mut ReplayCore, script: &SharedScript) {
    core.hold_back(script.borrow().held_back());
    let mut is_first = true;
    core.tick(|step, _| {
        if std::mem::take(&mut is_first) {
            return;
        }
        script.borrow_mut().check_step(step);
    });
}

/// Lets a client in under this key, or refuses it, where the core would do so as well.
pub(super) fn take_in(
    client: Client,
    admitted: Result<usize, Rejection>,
    core: &mut ReplayCore,
    script: &SharedScript,
    is_alone: bool,
) {
    let Client {
        connection,
        service,
        peer,
        short_read_drains,
    } = client;
    if is_alone {
        core.number_from(connection);
    }
    let refusal = admitted.err();
    let own = match refusal {
        _ if is_alone => refusal,
        // Whether there were descriptors is no decision of the core, and the store of a replay is never lost.
        Some(Rejection::Limit(Limit::Descriptors) | Rejection::StoreLost) => refusal,
        Some(Rejection::Drain) => core.is_draining().then_some(Rejection::Drain),
        _ => core.refusal_for(peer),
    };
    let is_same_key = is_alone || admitted.map_or(true, |key| key == core.next_key());
    if own != refusal || !is_same_key || core.next_connection() != connection {
        let replayed = format!("refusal {own:?} instead of {refusal:?}, or another key or id");
        script.borrow_mut().differ(&replayed);
        return;
    }
    let transport = Carrier::Watched(Box::new(ReplayTransport {
        connection,
        short_read_drains,
        script: Rc::clone(script),
    }));
    match refusal {
        Some(why) => core.refuse(transport, service, peer, why),
        None => core.add(transport, service, peer),
    }
}
