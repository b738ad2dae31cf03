//! What becomes of mail to each peer at each level of TLS.

use crate::peers::Peer;

/// A level of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    May,
    Encrypt,
    Verify,
    /// A policy of the domain that is enforced (MTA-STS).
    MtaSts,
    /// A TLSA record `3 1 1` of the key that the peer has (DANE).
    Dane,
}

impl Level {
    pub(crate) const ALL: [Self; 5] = [
        Self::May,
        Self::Encrypt,
        Self::Verify,
        Self::MtaSts,
        Self::Dane,
    ];

    /// Its name in domains.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::May => "may",
            Self::Encrypt => "encrypt",
            Self::Verify => "verify",
            Self::MtaSts => "mta-sts",
            Self::Dane => "dane",
        }
    }
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is delivered in TLS by the first try.
    Tls,
    /// It is delivered in the clear by the first try.
    Clear,
    /// It is delivered in the clear by the second try.
    ClearSecond,
    /// It waits, and nothing of it is said in the clear.
    Waits,
}

/// One row: a peer, what a person calls it, and the fate of mail at each level of [`Level::ALL`].
pub(crate) type Row = (Peer, &'static str, [Fate; 5]);

/// The matrix.
pub(crate) const TABLE: [Row; 15] = {
    use Fate::{Clear, ClearSecond, Tls, Waits};
    // No session in TLS comes about.
    const BROKEN: [Fate; 5] = [ClearSecond, Waits, Waits, Waits, Waits];
    // It does, but the certificate is none that an authority vouches for.
    const UNTRUSTED: [Fate; 5] = [Tls, Tls, Waits, Waits, Tls];
    [
        (Peer::Good, "has good TLS", [Tls; 5]),
        (
            Peer::NoStartTls,
            "offers no STARTTLS",
            [Clear, Waits, Waits, Waits, Waits],
        ),
        (Peer::Refuses, "answers STARTTLS with 454", BROKEN),
        (Peer::Closes, "closes after its 220 to STARTTLS", BROKEN),
        (
            Peer::Hangs,
            "is silent in the handshake (5 minutes)",
            BROKEN,
        ),
        (Peer::Garbage, "goes on in the clear after its 220", BROKEN),
        (Peer::OldVersions, "has TLS 1.0 and 1.1 only", BROKEN),
        (
            Peer::RsaKeyExchange,
            "has RSA key exchange only, no forward secrecy",
            BROKEN,
        ),
        (Peer::ShortKey, "has an RSA key of 1024 bits", BROKEN),
        (
            Peer::ClientCertificate,
            "wants a certificate of its client",
            BROKEN,
        ),
        (Peer::Sha1, "has a certificate that SHA-1 signs", UNTRUSTED),
        (
            Peer::Version1,
            "has a certificate of X.509 version 1",
            UNTRUSTED,
        ),
        (Peer::Expired, "has an expired certificate", UNTRUSTED),
        (
            Peer::WrongName,
            "has a certificate for another name",
            UNTRUSTED,
        ),
        (
            Peer::SelfSigned,
            "has signed its certificate itself",
            UNTRUSTED,
        ),
    ]
};

/// The table as `docs/relay.md` has it.
pub(crate) fn markdown() -> String {
    let mut text = "| the next server | `may` | `encrypt` | `verify` | MTA-STS | DANE |\n|---|---|---|---|---|---|\n".to_owned();
    for (_, name, fates) in TABLE {
        let fates = fates.map(|fate| match fate {
            Fate::Tls => "TLS",
            Fate::Clear => "clear",
            Fate::ClearSecond => "clear, second try",
            Fate::Waits => "waits",
        });
        text += &format!("| {name} | {} |\n", fates.join(" | "));
    }
    text
}

#[test]
fn the_table_is_in_the_docs() {
    assert_eq!(
        TABLE.map(|(peer, ..)| peer as usize).iter().sum::<usize>(),
        14 * 15 / 2
    );
    let docs = include_str!("../../docs/relay.md");
    assert!(
        docs.contains(&markdown()),
        "in docs/relay.md:\n{}",
        markdown()
    );
}
