#![allow(clippy::unwrap_used)]

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;

fn mailbox() -> impl Strategy<Value = Mailbox> {
    let local = prop_oneof![
        "[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]{1,40}",
        "\"([a-z @.,]|\\\\[\"\\\\]){0,20}\"",
    ];
    let domain = prop_oneof![
        "[a-z]{1,20}(\\.[a-z0-9]{1,9}){0,3}",
        Just("[192.0.2.1]".into()),
    ];
    (local, domain).prop_filter_map("no address", |(local, domain): (String, String)| {
        format!("{local}@{domain}").parse().ok()
    })
}

fn message_dsn() -> impl Strategy<Value = Box<MessageDsn>> {
    let rets = [
        None,
        Some(ReturnContent::Full),
        Some(ReturnContent::Headers),
    ];
    let ret = proptest::sample::select(rets.to_vec());
    (ret, option::of("[!-~]{1,100}")).prop_map(|(ret, id)| {
        let envelope_id = id.map(Into::into);
        Box::new(MessageDsn { ret, envelope_id })
    })
}

fn recipient() -> impl Strategy<Value = SpoolRecipient> {
    let notify =
        (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(success, failure, delay)| {
            Notify {
                success,
                failure,
                delay,
            }
        });
    let dsn =
        (option::of(notify), option::of("rfc822;[!-~]{0,80}")).prop_map(|(notify, original)| {
            let original = original.map(Into::into);
            Box::new(RecipientDsn { notify, original })
        });
    let named = option::of(mailbox());
    (mailbox(), any::<bool>(), named, option::of(dsn)).prop_map(
        |(address, is_local, named, dsn)| SpoolRecipient {
            address,
            is_local,
            named,
            dsn,
        },
    )
}

fn envelope() -> impl Strategy<Value = SpoolEnvelope> {
    let sender = option::of(mailbox())
        .prop_map(|sender| sender.map_or(ReversePath::Null, ReversePath::Mailbox));
    let bodies = [Body::SevenBit, Body::EightBitMime, Body::BinaryMime];
    let facts = (
        any::<u64>(),
        any::<bool>(),
        any::<bool>(),
        proptest::sample::select(bodies.to_vec()),
    );
    let user = option::of("[a-zé@]{0,30}");
    let asked = (option::of(message_dsn()), option::of("[ -~é]{0,60}"));
    let recipients = vec(recipient(), 0..20);
    (facts, sender, user, asked, recipients).prop_map(
        |((arrived_ms, sender_is_ours, smtputf8, body), sender, user, asked, recipients)| {
            let (dsn, quarantine) = asked;
            SpoolEnvelope {
                arrived_ms,
                sender,
                sender_is_ours,
                quarantine: quarantine.map(Into::into),
                user: user.map(Into::into),
                body,
                smtputf8,
                dsn,
                recipients,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_envelope_is_read_as_it_was_written(envelope in envelope()) {
        let octets = envelope.encode();
        prop_assert_eq!(SpoolEnvelope::decode(&octets), Ok(envelope));
        for end in 0..octets.len() {
            prop_assert!(SpoolEnvelope::decode(&octets[..end]).is_err());
        }
    }

    #[test]
    fn any_octets_are_read_or_refused(
        envelope in envelope(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut octets = envelope.encode();
        for (at, octet) in changes {
            let at = at.index(octets.len());
            octets[at] = octet;
        }
        if let Ok(read) = SpoolEnvelope::decode(&octets) {
            prop_assert_eq!(SpoolEnvelope::decode(&read.encode()), Ok(read));
        }
    }

    #[test]
    fn noise_is_read_or_refused(noise in vec(any::<u8>(), 0..200)) {
        let _ = SpoolEnvelope::decode(&noise);
    }
}

#[test]
fn a_common_envelope_is_small_and_a_newer_version_is_refused() {
    let mailbox = |text: &str| -> Mailbox { text.parse().unwrap() };
    let mut envelope = SpoolEnvelope {
        arrived_ms: 1_796_000_000_000,
        sender: ReversePath::Mailbox(mailbox("ada@example.org")),
        sender_is_ours: true,
        quarantine: None,
        user: Some("ada".into()),
        body: Body::EightBitMime,
        smtputf8: false,
        dsn: None,
        recipients: vec![SpoolRecipient {
            address: mailbox("bob@example.net"),
            is_local: false,
            named: None,
            dsn: None,
        }],
    };
    let mut octets = envelope.encode();
    assert_eq!(octets.len(), 2 + 6 + 16 + 4 + 1 + 1 + 16);
    assert_eq!(octets[0], 1, "read by programs that know no other version");
    octets[0] = 3;
    let newer = SpoolEnvelope::decode(&octets).unwrap_err();
    assert_eq!(newer, EnvelopeError::Newer(3));
    assert!(newer.to_string().contains("newer mailoop"));
    octets.push(0);
    octets[0] = 1;
    assert_eq!(
        SpoolEnvelope::decode(&octets),
        Err(EnvelopeError::Malformed)
    );
    envelope.quarantine = Some("odd".into());
    let mut octets = envelope.encode();
    assert_eq!(octets[0], 2, "refused by programs that would send it on");
    assert_eq!(SpoolEnvelope::decode(&octets), Ok(envelope));
    octets[0] = 1;
    assert_eq!(
        SpoolEnvelope::decode(&octets),
        Err(EnvelopeError::Malformed)
    );
}
