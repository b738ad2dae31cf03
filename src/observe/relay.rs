//! Values of mail that is sent on as a record holds them: its settings, places in the spool, changes.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use super::codec::RecordValue;
use super::frame::PlaceCode;
use crate::net::cidr::Cidr;
use crate::outbound::dispatcher::RelaySettings;
use crate::outbound::mx::connect::{CommonConnectors, MxConnector};
use crate::outbound::mx::ourselves::MxRules;
use crate::outbound::queue::{QueueLimits, RetrySchedule};
use crate::outbound::relay::OperatorCommand;
use crate::outbound::sites::RoutedSites;
use crate::smtp::policy::Policy;
use crate::store::spool::text::TextFlags;
use crate::store::spool::{ChangeKind, SpoolPlace, SpooledReport};

/// The commands of an operator, by their number in a record.
const COMMANDS: [OperatorCommand; 4] = [
    OperatorCommand::Hold,
    OperatorCommand::Release,
    OperatorCommand::Retry,
    OperatorCommand::Delete,
];
/// Appends the settings, without the routes, which are in the rules of the server.
pub(super) fn put_settings(settings: &RelaySettings, out: &mut Vec<u8>) {
    let RetrySchedule {
        waits_ms,
        lifetime_ms,
        bounce_lifetime_ms,
        delay_notice_ms,
    } = &settings.schedule;
    waits_ms.len().put(out);
    waits_ms.iter().for_each(|wait| wait.put(out));
    lifetime_ms.put(out);
    bounce_lifetime_ms.put(out);
    delay_notice_ms.put(out);
    let QueueLimits {
        outgoing_max,
        outgoing_per_site_max,
        local_max,
    } = settings.limits;
    outgoing_max.put(out);
    outgoing_per_site_max.put(out);
    local_max.put(out);
    put_rules(&settings.mx.rules, out);
}

/// Appends the rules of hosts that domains name.
fn put_rules(rules: &MxRules, out: &mut Vec<u8>) {
    let MxRules {
        port,
        allowed,
        our_names,
        our_addresses,
        named_addresses,
        our_sockets,
    } = rules;
    port.put(out);
    allowed.len().put(out);
    allowed.iter().for_each(|network| network.put(out));
    our_names.len().put(out);
    our_names.iter().for_each(|name| (&**name).put(out));
    for addresses in [our_addresses, named_addresses] {
        addresses.len().put(out);
        addresses.iter().for_each(|address| address.put(out));
    }
    our_sockets.len().put(out);
    our_sockets.iter().for_each(|socket| socket.put(out));
}

fn take_rules(from: &mut &[u8]) -> Option<MxRules> {
    Some(MxRules {
        port: u16::take(from)?,
        allowed: take_list(from, |from| Cidr::take(from))?,
        our_names: take_list(from, |from| Some(<&str>::take(from)?.into()))?,
        our_addresses: take_list(from, |from| IpAddr::take(from))?,
        named_addresses: take_list(from, |from| IpAddr::take(from))?,
        our_sockets: take_list(from, |from| SocketAddr::take(from))?,
    })
}

fn take_list<T>(from: &mut &[u8], mut take: impl FnMut(&mut &[u8]) -> Option<T>) -> Option<Vec<T>> {
    let length = usize::take(from)?;
    (0..length).map(|_| take(from)).collect()
}

/// Reads settings by the routes of this policy, whose hops are made by `sites`, with TLS by `connectors`; `None` if the octets are none.
pub fn take_settings(
    mut from: &[u8],
    policy: Rc<Policy>,
    connectors: CommonConnectors,
    sites: impl FnOnce(&Policy) -> Option<RoutedSites>,
) -> Option<RelaySettings> {
    let from = &mut from;
    let waits = usize::take(from)?;
    let waits_ms = (0..waits).map(|_| u64::take(from)).collect::<Option<_>>()?;
    let schedule = RetrySchedule {
        waits_ms,
        lifetime_ms: u64::take(from)?,
        bounce_lifetime_ms: u64::take(from)?,
        delay_notice_ms: RecordValue::take(from)?,
    };
    let limits = QueueLimits {
        outgoing_max: u32::take(from)?,
        outgoing_per_site_max: u16::take(from)?,
        local_max: u16::take(from)?,
    };
    let mx = MxConnector {
        our_name: policy.hostname.as_str().into(),
        connectors: Some(connectors),
        // Records from before there were such hosts end here.
        rules: match from.is_empty() {
            true => Rc::default(),
            false => Rc::new(take_rules(from)?),
        },
    };
    let settings = RelaySettings {
        routed: sites(&policy)?,
        mx,
        schedule,
        limits,
        policy,
    };
    from.is_empty().then_some(settings)
}

/// The number of a command.
pub(super) fn command_code(command: OperatorCommand) -> u8 {
    let place = COMMANDS.iter().position(|other| *other == command);
    place.and_then(|place| place.try_into().ok()).unwrap_or(0)
}

/// The command of this number.
#[must_use]
pub fn command(code: u8) -> Option<OperatorCommand> {
    COMMANDS.get(usize::from(code)).copied()
}

/// A place in the spool as a record holds it.
#[must_use]
pub fn place_code(place: SpoolPlace) -> PlaceCode {
    PlaceCode {
        segment: place.segment,
        offset: place.offset,
        envelope_bytes: place.envelope_bytes,
        text_bytes: place.text_bytes,
        text_flags: place.text_flags.bits(),
    }
}

/// The place that a record holds.
#[must_use]
pub fn place(code: PlaceCode) -> SpoolPlace {
    SpoolPlace {
        segment: code.segment,
        offset: code.offset,
        envelope_bytes: code.envelope_bytes,
        text_bytes: code.text_bytes,
        text_flags: TextFlags::from_bits(code.text_flags),
    }
}

/// Indices of recipients as octets.
#[must_use]
pub fn index_octets(indices: &[u16]) -> Vec<u8> {
    let mut octets = Vec::new();
    indices.iter().for_each(|index| index.put(&mut octets));
    octets
}

/// The indices that are in these octets.
#[must_use]
pub fn indices(mut octets: &[u8]) -> Option<Vec<u16>> {
    let mut indices = Vec::new();
    while !octets.is_empty() {
        indices.push(u16::take(&mut octets)?);
    }
    Some(indices)
}

/// The number of a kind of change, its recipients and its report.
#[must_use]
pub fn change_parts(kind: &ChangeKind) -> (u8, &[u16], Option<&SpooledReport>) {
    match kind {
        ChangeKind::Done(recipients, report) => (0, recipients, report.as_deref()),
        ChangeKind::Failed(recipients, report) => (1, recipients, report.as_deref()),
        ChangeKind::Noticed(report) => (2, &[], report.as_deref()),
        ChangeKind::Held(recipients) => (3, recipients, None),
        ChangeKind::Released => (4, &[], None),
        ChangeKind::Deleted(recipients) => (5, recipients, None),
    }
}
