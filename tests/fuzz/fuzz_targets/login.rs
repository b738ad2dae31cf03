//! Logins: whatever a client sends by whichever mechanism, it is not let in, and every challenge can be sent.

#![no_main]

use std::rc::Rc;

use libfuzzer_sys::fuzz_target;
use mailoop::smtp::auth::text::{from_base64, to_base64};
use mailoop::smtp::auth::{Exchange, Users};
use mailoop::smtp::login::{LoginExchange, LoginProgress};
use mailoop::smtp::mechanism::Mechanism;
use mailoop::smtp::security::{ChannelBindings, Security};

/// The most octets of a challenge: what a reply line has room for.
const CHALLENGE_BYTES_MAX: usize = 512 - "334 \r\n".len();
/// Ada's password is nobody's: her keys follow from none.
const USERS: &str = "mailoop-users-1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\
    ada:SCRAM-SHA-256$4096:AAAAAAAAAAAAAAAAAAAAAA==$\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

// The first octet chooses the mechanism; each line is a message.
fuzz_target!(|bytes: &[u8]| {
    let [mechanism, input @ ..] = bytes else {
        return;
    };
    let security = Rc::new(Security {
        version: "TLSv1.3",
        cipher: "TLS_AES_256_GCM_SHA384",
        bits: 256,
        bindings: ChannelBindings {
            exporter: Some([1; 32]),
            end_point: Some(Rc::from([2; 48])),
        },
    });
    let users = Users::parse(USERS).expect("good lines");
    let offered: Vec<_> = Mechanism::offered(Some(&security), false).collect();
    let mechanism = offered[usize::from(*mechanism) % offered.len()];
    let mut exchange = Exchange::new(mechanism, Some(security), Rc::new(users));
    look(&mut exchange);
    for message in input.split(|octet| *octet == b'\n') {
        exchange.respond(to_base64(message).as_bytes());
        // So many passwords a second is enough.
        exchange.derive_key(&mut 1);
        if !look(&mut exchange) {
            return;
        }
    }
});

/// Sees to what an exchange wants; whether it goes on.
fn look(exchange: &mut Exchange) -> bool {
    match exchange.progress() {
        LoginProgress::Challenge(challenge) => {
            assert!(challenge.len() <= CHALLENGE_BYTES_MAX);
            let text = from_base64(challenge.as_bytes()).expect("base64");
            assert!(text.iter().all(u8::is_ascii_graphic));
            true
        }
        LoginProgress::AwaitResponse | LoginProgress::DeriveKey => true,
        LoginProgress::Failed(_) => false,
        LoginProgress::LoggedIn(user) => panic!("{user} is let in"),
    }
}
