//! The line of the log for each recipient of each try: where it went, and what came of it.

use core::fmt;

use super::delivery::{RecipientResult, ResultClass};
use super::hop::HopFacts;
use crate::net::peer::PeerAddress;
use crate::smtp::log_value::LogValue;
use crate::store::spool::MailId;

/// One try for one recipient, as the log tells it.
pub(super) struct DeliveryLine<'a> {
    /// The message.
    pub(super) mail: MailId,
    /// The recipient.
    pub(super) to: &'a str,
    /// The host or mailbox that it went to.
    pub(super) hop: HopPlace<'a>,
    /// What came of it.
    pub(super) result: &'a RecipientResult,
    /// The age of the message, in milliseconds.
    pub(super) delay_ms: u64,
    /// Tries so far, this one counted in.
    pub(super) tries: u16,
    /// Whether the recipient is given up, since the message is too old.
    pub(super) is_expired: bool,
}

/// The place of a try.
#[derive(Clone, Copy, Debug)]
pub(super) enum HopPlace<'a> {
    /// A host that was reached: by its name in the route, and with its address as the log has it.
    Host {
        name: &'a str,
        text: &'a str,
        facts: HopFacts,
    },
    /// A mailbox here.
    Local,
    /// No host was reached.
    None,
}

/// The text that the log has for a host: its name in the route, and its address.
pub(super) fn host_text(name: &str, peer: PeerAddress) -> String {
    match peer {
        PeerAddress::Tcp(address) => format!("{name}[{}]:{}", address.ip(), address.port()),
        PeerAddress::Unix | PeerAddress::Unknown => name.to_owned(),
    }
}

impl<'a> HopPlace<'a> {
    /// The name of a host that was reached.
    pub(super) fn name(self) -> Option<&'a str> {
        match self {
            Self::Host { name, .. } => Some(name),
            Self::Local | Self::None => None,
        }
    }
}

impl fmt::Display for HopPlace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host { text, .. } => text,
            Self::Local => "local",
            Self::None => "none",
        })
    }
}

impl fmt::Display for DeliveryLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            mail,
            to,
            hop,
            result,
            delay_ms,
            tries,
            is_expired,
        } = self;
        let status = match result.class {
            _ if *is_expired => "expired",
            ResultClass::Sent => "sent",
            ResultClass::Failed => "failed",
            ResultClass::Uncertain => "uncertain",
            ResultClass::Deferred
            | ResultClass::NextHost
            | ResultClass::Again
            | ResultClass::Cancelled => "deferred",
        };
        let (seconds, hundredths) = (delay_ms / 1000, delay_ms % 1000 / 10);
        write!(
            f,
            "id={mail} to={} hop={} status={status} dsn={} delay={seconds}.{hundredths:02} tries={tries}",
            LogValue(format_args!("<{to}>")),
            LogValue(hop),
            result.status
        )?;
        if let HopPlace::Host { facts, .. } = hop
            && let Some(tls) = facts.tls
        {
            write!(f, " tls={tls}")?;
        }
        write!(f, " reply={}", LogValue(&result.reply))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::delivery::RecipientResult;
    use crate::smtp::status::EnhancedStatus;

    #[test]
    fn an_address_and_a_hop_stay_one_value_each() {
        let facts = HopFacts {
            peer: PeerAddress::Unix,
            tls: None,
            offers_dsn: false,
        };
        let line = DeliveryLine {
            mail: MailId {
                instance: 1,
                count: 1,
            },
            to: "\"a> hop=mx status=sent\"@b.example",
            hop: HopPlace::Host {
                name: "/run/my lmtp",
                text: &host_text("/run/my lmtp", facts.peer),
                facts,
            },
            result: &RecipientResult::local(
                ResultClass::Deferred,
                EnhancedStatus::new(4, 0, 0),
                "later",
            ),
            delay_ms: 0,
            tries: 1,
            is_expired: false,
        };
        let line = line.to_string();
        let expected =
            r#" to="<\"a> hop=mx status=sent\"@b.example>" hop="/run/my lmtp" status=deferred "#;
        assert!(line.contains(expected), "{line}");
    }
}
