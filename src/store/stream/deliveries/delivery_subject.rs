//! The subject that acknowledges a delivered message: it tells which message it is, and how often it was delivered.

/// The tokens of a subject of a server that names no domain.
const TOKENS: usize = 9;
/// The fewest tokens of one that names a domain and an account before the stream.
const TOKENS_WITH_DOMAIN: usize = 11;

/// What the subject says by which a message is acknowledged:
/// `$JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<tries>.<sequence>.<place>.<stored>.<pending>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DeliverySubject {
    /// The number of times that the message was delivered, this one with it.
    pub(super) tries: u64,
    /// Its sequence in the stream.
    pub(super) sequence: u64,
    /// The number of deliveries of the consumer, this one with it.
    pub(super) place: u64,
    /// When it was stored, in milliseconds of the epoch.
    pub(super) stored_ms: u64,
}

impl DeliverySubject {
    /// Reads a subject; `None` if it is none by which a message is acknowledged.
    pub(super) fn read(subject: &str) -> Option<Self> {
        let tokens: Vec<&str> = subject.split('.').collect();
        if !subject.starts_with("$JS.ACK.") {
            return None;
        }
        let stream = match tokens.len() {
            TOKENS => 2,
            TOKENS_WITH_DOMAIN.. => 4,
            _ => return None,
        };
        let number = |offset: usize| tokens.get(stream + offset)?.parse::<u64>().ok();
        Some(Self {
            tries: number(2)?,
            sequence: number(3)?,
            place: number(4)?,
            stored_ms: number(5)? / 1_000_000,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_read_with_and_without_a_domain() {
        let read = Some(DeliverySubject {
            tries: 2,
            sequence: 77,
            place: 78,
            stored_ms: 1_796_000_000_123,
        });
        for subject in [
            "$JS.ACK.MAIL.mailoop-deliver.2.77.78.1796000000123456789.5",
            "$JS.ACK.hub.acc.MAIL.mailoop-deliver.2.77.78.1796000000123456789.5",
            "$JS.ACK._.acc.MAIL.mailoop-deliver.2.77.78.1796000000123456789.5.x7",
        ] {
            assert_eq!(DeliverySubject::read(subject), read, "{subject}");
        }
    }

    #[test]
    fn another_subject_is_none() {
        for subject in [
            "",
            "$JS.ACK.MAIL.c.1.2.3.4",
            "$JS.ACK.MAIL.c.x.77.78.1.5",
            "$JS.API.MAIL.c.1.77.78.1.5",
            "$JS.ACK.a.b.c.d.e.f.g.h",
        ] {
            assert_eq!(DeliverySubject::read(subject), None, "{subject}");
        }
    }
}
