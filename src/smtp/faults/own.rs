//! Rules that a recipient carries in its own address, so that a test needs no configuration.

use std::rc::Rc;

use super::place::FaultPlace;
use super::rule::{FaultPace, FaultRule};

/// The rule that an address is: `bounce+450@…`, `delay+3s@…` or `drop@…`, in any case.
#[must_use]
pub fn rule_of(address: &str) -> Option<Rc<FaultRule>> {
    let (local_part, _) = address.rsplit_once('@')?;
    let local_part = local_part.to_ascii_lowercase();
    let what = match local_part.split_once('+') {
        Some(("bounce", code)) if code.len() == 3 => code.to_owned(),
        Some(("delay", time)) => format!("delay {time}"),
        None if local_part == "drop" => local_part,
        _ => return None,
    };
    let rule: FaultRule = format!("rcpt = {what}").parse().ok()?;
    debug_assert!(rule.pace == FaultPace::Always && rule.place == FaultPlace::Rcpt);
    Some(Rc::new(FaultRule {
        text: address.to_owned(),
        ..rule
    }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use core::time::Duration;

    use super::*;
    use crate::smtp::faults::FaultOutcome;

    #[test]
    fn an_address_may_be_a_rule() {
        for (address, delay, what) in [
            ("bounce+450@example.org", 0, "450"),
            ("Bounce+550@example.org", 0, "550"),
            ("bounce+421@[127.0.0.1]", 0, "421"),
            ("delay+3s@example.org", 3000, "proceed"),
            ("delay+500ms@example.org", 500, "proceed"),
            ("DROP@example.org", 0, "drop"),
        ] {
            let rule = rule_of(address).unwrap();
            assert_eq!(rule.delay(), Duration::from_millis(delay), "{address}");
            let outcome = match rule.outcome() {
                FaultOutcome::Reply { reply, .. } => reply.code.to_string(),
                FaultOutcome::Proceed => "proceed".to_owned(),
                FaultOutcome::Drop => "drop".to_owned(),
                FaultOutcome::Close => "close".to_owned(),
            };
            assert_eq!(outcome, what, "{address}");
            assert_eq!(rule.to_string(), address);
        }
    }

    #[test]
    fn other_addresses_are_none() {
        for address in [
            "bounce@example.org",
            "bounce+250@example.org",
            "bounce+4500@example.org",
            "bounce+45@example.org",
            "bounce+abc@example.org",
            "delay+3@example.org",
            "delay+3s,@example.org",
            "delay+1h@example.org",
            "delay+11m@example.org",
            "drop+1@example.org",
            "dropped@example.org",
            "bob@drop.example",
            "drop",
        ] {
            assert_eq!(rule_of(address), None, "{address}");
        }
    }
}
