//! The order in which addresses of a host are tried.

use std::net::IpAddr;

use super::answer::HostAddresses;
use super::records::ADDRESSES_MAX;

/// The addresses by turns of their families, IPv4 first: a family that leads nowhere then costs one try, not all of them. Within
/// a family the order is that of the answer.
pub(super) fn in_order(addresses: &[IpAddr]) -> HostAddresses {
    let mut fours = addresses.iter().filter(|address| address.is_ipv4());
    let mut sixes = addresses.iter().filter(|address| address.is_ipv6());
    let mut ordered = Vec::with_capacity(addresses.len().min(ADDRESSES_MAX));
    while ordered.len() < ADDRESSES_MAX {
        let (four, six) = (fours.next(), sixes.next());
        if four.is_none() && six.is_none() {
            break;
        }
        ordered.extend(four.into_iter().chain(six));
    }
    ordered.truncate(ADDRESSES_MAX);
    ordered.into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn ordered(addresses: &[&str]) -> Vec<String> {
        let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        in_order(&addresses)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn families_take_turns() {
        assert_eq!(
            ordered(&["::1", "::2", "::3", "192.0.2.1", "192.0.2.2"]),
            ["192.0.2.1", "::1", "192.0.2.2", "::2", "::3"]
        );
        assert_eq!(ordered(&["::2", "::1"]), ["::2", "::1"]);
        assert_eq!(ordered(&[]), [""; 0]);
    }

    #[test]
    fn of_many_addresses_both_families_are_kept() {
        let many: Vec<String> = (0..100)
            .map(|number| format!("192.0.2.{number}"))
            .chain((1..100).map(|number| format!("::{number}")))
            .collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let kept = ordered(&many);
        assert_eq!(kept.len(), ADDRESSES_MAX);
        assert_eq!(kept.iter().filter(|kept| kept.contains(':')).count(), 15);
    }
}
