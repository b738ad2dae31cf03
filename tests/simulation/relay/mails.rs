//! Mails as a seed invents them.

use mailoop::smtp::dsn::{MessageDsn, Notify, RecipientDsn, ReturnContent};
use mailoop::smtp::envelope::Body;
use mailoop::smtp::path::ReversePath;
use mailoop::store::spool::{MailId, SpoolEnvelope, SpoolRecipient, TextFlags};

use crate::prng::Prng;
use crate::text;

/// Our domain.
pub const OURS: &str = "example.org";

/// The flags that the spool finds for a text.
pub fn flags_of(text: &[u8]) -> TextFlags {
    let mut flags = TextFlags::default();
    if !text.is_ascii() {
        flags = flags.union(TextFlags::EIGHT_BIT);
    }
    if text.starts_with(b".") || memchr::memmem::find(text, b"\n.").is_some() {
        flags = flags.union(TextFlags::DOT_LINE);
    }
    let bare = |at: usize| match text[at] {
        b'\r' => text.get(at + 1).is_some_and(|next| *next != b'\n'),
        _ => at == 0 || text[at - 1] != b'\r',
    };
    let mut ends = memchr::memchr2_iter(b'\r', b'\n', text);
    if memchr::memchr(0, text).is_some() || ends.any(bare) {
        flags = flags.union(TextFlags::BINARY);
    }
    flags
}

/// A mail for some recipients at `sites` domains, which came at this time.
pub fn invent(
    mail: MailId,
    sites: usize,
    arrived_ms: u64,
    rng: &mut Prng,
) -> (SpoolEnvelope, Vec<u8>) {
    let body = match rng.below(20) {
        0 => Body::BinaryMime,
        1..=4 => Body::EightBitMime,
        _ => Body::SevenBit,
    };
    let (sender, sender_is_ours) = match rng.below(6) {
        0 => (ReversePath::Null, false),
        1 => (
            ReversePath::Mailbox("stranger@else.net".parse().unwrap()),
            false,
        ),
        _ => {
            let user = format!("user{}@{OURS}", rng.below(3));
            (ReversePath::Mailbox(user.parse().unwrap()), true)
        }
    };
    let count = match rng.below(60) {
        0 => rng.between(50, 120),
        1..=20 => rng.between(2, 6),
        _ => 1,
    };
    let asks = rng.one_in(3);
    let one_site = rng.one_in(2);
    let first = rng.below(sites);
    let mut recipient = |at: usize| {
        let site = if one_site { first } else { rng.below(sites) };
        let is_local = rng.one_in(8);
        let domain = match rng.below(100) {
            _ if is_local => OURS.to_owned(),
            0 => "nowhere.net".to_owned(),
            _ => format!("s{site}.net"),
        };
        SpoolRecipient {
            address: format!("to{at}@{domain}").parse().unwrap(),
            is_local,
            named: None,
            dsn: (asks && rng.one_in(2)).then(|| Box::new(recipient_dsn(rng))),
        }
    };
    let recipients = (0..count).map(&mut recipient).collect();
    let envelope = SpoolEnvelope {
        arrived_ms,
        sender,
        sender_is_ours,
        quarantine: None,
        user: None,
        body,
        smtputf8: rng.one_in(40),
        recipients,
        dsn: asks.then(|| {
            Box::new(MessageDsn {
                ret: Some(rng.pick(&[ReturnContent::Full, ReturnContent::Headers])),
                envelope_id: Some("id".into()),
            })
        }),
    };
    let text = invent_text(mail, body, rng);
    (envelope, text)
}

fn recipient_dsn(rng: &mut Prng) -> RecipientDsn {
    let notify = match rng.below(4) {
        0 => Some(Notify::NEVER),
        1 => None,
        _ => Some(Notify {
            success: rng.one_in(2),
            failure: rng.one_in(2),
            delay: rng.one_in(2),
        }),
    };
    RecipientDsn {
        notify,
        original: None,
    }
}

fn invent_text(mail: MailId, body: Body, rng: &mut Prng) -> Vec<u8> {
    let mut text = format!("X-Mail: {mail}\r\n\r\n").into_bytes();
    if body == Body::BinaryMime {
        for _ in 0..rng.size(2000) {
            text.push(rng.pick(b"\0\r\n.x\xFF"));
        }
        return text;
    }
    let lines = rng.size(12);
    let (_, message) = text::message(rng, lines, false);
    let clean = body != Body::EightBitMime;
    text.extend(message.into_iter().map(|octet| match octet {
        0 => b'0',
        128.. if clean => b'?',
        octet => octet,
    }));
    if rng.one_in(40) {
        let line = rng.pick(&[
            &b"a long text, which is read in pieces\r\n"[..],
            b".dots\r\n",
        ]);
        text.extend(line.repeat(rng.between(66_000, 140_000) / line.len()));
    }
    // Somebody may have left the last end of a line out.
    if rng.one_in(20) {
        text.extend_from_slice(b"end");
    }
    text
}
