//! Logins, message by message: what each mechanism lets in, refuses, and does not understand.

use std::rc::Rc;

use mailoop::smtp::auth::scram::{KeyDerivation, is_same_secret};
use mailoop::smtp::auth::text::{from_base64, to_base64, to_saslname};
use mailoop::smtp::auth::users::{StoredCredentials, new_header};
use mailoop::smtp::auth::{Exchange, Users};
use mailoop::smtp::login::{LoginExchange, LoginFailure, LoginProgress};
use mailoop::smtp::mechanism::Mechanism;
use mailoop::smtp::security::{ChannelBindings, Security};
use proptest::prelude::*;

const REFUSED: LoginProgress = LoginProgress::Failed(LoginFailure::Refused);
const MALFORMED: LoginProgress = LoginProgress::Failed(LoginFailure::Malformed);
const ROUNDS: u32 = 4096;

/// Ada, whose password is `pencil`, and one with a name and a password that have to be prepared.
fn users() -> Users {
    let mut text = new_header().unwrap();
    for (name, password) in [("ada", "pencil"), ("a,b=IX", "\u{e4} b")] {
        let credentials = StoredCredentials::new(password, ROUNDS).unwrap();
        text += &format!("\n{name}:{credentials}");
    }
    Users::parse(&text).unwrap()
}

/// TLS that can be bound to.
fn tls() -> Rc<Security> {
    Rc::new(Security {
        version: "TLSv1.3",
        cipher: "TLS_AES_256_GCM_SHA384",
        bits: 256,
        bindings: ChannelBindings {
            exporter: Some([1; 32]),
            end_point: Some(Rc::from([2; 48])),
        },
    })
}

/// TLS as it was, which clients bind to by `tls-unique`, or not at all.
fn tls_1_2() -> Rc<Security> {
    let mut security = (*tls()).clone();
    security.bindings.exporter = None;
    Rc::new(security)
}

/// A login.
struct Login {
    exchange: Exchange,
}

impl Login {
    fn new(mechanism: Mechanism, security: Option<Rc<Security>>) -> Self {
        Self::with(mechanism, security, users())
    }

    fn with(mechanism: Mechanism, security: Option<Rc<Security>>, users: Users) -> Self {
        let mut exchange = Exchange::new(mechanism, security, Rc::new(users));
        assert!(matches!(exchange.progress(), LoginProgress::Challenge(_)));
        Self { exchange }
    }

    /// Sends a message, and returns what comes of it, all rounds done.
    fn say(&mut self, message: impl AsRef<[u8]>) -> LoginProgress {
        let response = to_base64(message.as_ref());
        self.exchange.respond(response.as_bytes());
        self.exchange.derive_key(&mut u32::MAX.clone());
        self.exchange.progress()
    }

    /// The same where a challenge is to come of it.
    #[track_caller]
    fn ask(&mut self, message: impl AsRef<[u8]>) -> String {
        match self.say(message) {
            LoginProgress::Challenge(challenge) => {
                String::from_utf8(from_base64(challenge.as_bytes()).unwrap()).unwrap()
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A client of SCRAM.
struct Client {
    header: &'static str,
    binding: Vec<u8>,
    name: String,
    password: &'static str,
    nonce: &'static str,
}

impl Client {
    fn new(header: &'static str, binding: &[u8]) -> Self {
        Self {
            header,
            binding: binding.to_vec(),
            name: "ada".to_owned(),
            password: "pencil",
            nonce: "rOprNGfwEbeRWgbNEkqO",
        }
    }

    fn first(&self) -> String {
        format!("{}{}", self.header, self.first_bare())
    }

    fn first_bare(&self) -> String {
        format!("n={},r={}", to_saslname(&self.name), self.nonce)
    }

    /// Its last message, and the signature that is to come for it.
    fn last(&self, challenge: &str) -> (String, String) {
        let nonce = challenge.split(',').next().unwrap();
        self.last_with(nonce, challenge)
    }

    /// The same, with this for the nonces.
    fn last_with(&self, said: &str, challenge: &str) -> (String, String) {
        let mut attributes = challenge.split(',');
        let mut attribute = |start| attributes.next().unwrap().strip_prefix(start).unwrap();
        let (nonce, salt, rounds) = (attribute("r="), attribute("s="), attribute("i="));
        assert!(nonce.starts_with(self.nonce) && nonce.len() > self.nonce.len() + 20);
        let salt = from_base64(salt.as_bytes()).unwrap();
        let salted = KeyDerivation::new(self.password, &salt, rounds.parse().unwrap()).finish();
        let binding = to_base64(&[self.header.as_bytes(), &self.binding].concat());
        let without_proof = format!("c={binding},{said}");
        let messages = format!("{},{challenge},{without_proof}", self.first_bare());
        let proof = to_base64(&salted.client_key().proof(messages.as_bytes()));
        let signature = to_base64(&salted.keys().signature(messages.as_bytes()));
        (
            format!("{without_proof},p={proof}"),
            format!("v={signature}"),
        )
    }
}

fn logged_in(name: &str) -> LoginProgress {
    LoginProgress::LoggedIn(name.into())
}

#[test]
fn scram_lets_in_who_knows_the_password_and_shows_that_the_server_does() {
    let exporter = [1; 32];
    let end_point = [2; 48];
    let plain = Mechanism::Scram;
    for (mechanism, security, header, binding) in [
        (plain, None, "n,,", &[][..]),
        (plain, None, "y,,", &[]),
        (plain, None, "n,a=ada,", &[]),
        (plain, Some(tls()), "n,,", &[]),
        (plain, Some(tls_1_2()), "y,,", &[]),
        (
            Mechanism::ScramPlus,
            Some(tls()),
            "p=tls-exporter,,",
            &exporter,
        ),
        (
            Mechanism::ScramPlus,
            Some(tls()),
            "p=tls-server-end-point,,",
            &end_point,
        ),
    ] {
        let client = Client::new(header, binding);
        let mut login = Login::new(mechanism, security);
        let challenge = login.ask(client.first());
        let (last, signature) = client.last(&challenge);
        assert_eq!(login.ask(last), signature, "{header}");
        assert_eq!(login.exchange.user(), "ada");
        assert_eq!(login.say(""), logged_in("ada"), "{header}");
    }
}

#[test]
fn names_are_unescaped_and_prepared() {
    let mut client = Client::new("n,,", b"");
    // The ninth of the Roman numerals is one character, and stands for two.
    client.name = "a,b=\u{2168}".to_owned();
    client.password = "\u{e4} b";
    let mut login = Login::new(Mechanism::Scram, None);
    let challenge = login.ask(client.first());
    login.ask(client.last(&challenge).0);
    assert_eq!(login.say(""), logged_in("a,b=IX"));

    let mut login = Login::new(Mechanism::Plain, None);
    let message = "\0a,b=\u{2168}\0a\u{308}\u{a0}b";
    assert_eq!(login.say(message), logged_in("a,b=IX"));
}

#[test]
fn scram_refuses_whoever_changes_a_message() {
    let client = Client::new("n,,", b"");
    let bound = Client::new("p=tls-exporter,,", &[1; 32]);
    let other_nonce = |last: &str| last.replacen(",r=r", ",r=R", 1);
    let other_binding =
        |last: &str| last.replacen("c=biws", &format!("c={}", to_base64(b"y,,")), 1);
    let extended = |last: &str| last.replacen(",p=", ",x=y,p=", 1);
    for (name, change) in [
        ("another nonce", &other_nonce as &dyn Fn(&str) -> String),
        ("another header", &other_binding),
        ("an extension that was not proven", &extended),
    ] {
        let mut login = Login::new(Mechanism::Scram, None);
        let challenge = login.ask(client.first());
        let last = client.last(&challenge).0;
        assert_ne!(change(&last), last, "{name}");
        assert_eq!(login.say(change(&last)), REFUSED, "{name}");
    }
    for (name, wrong) in [
        (
            "another password",
            Client {
                password: "Pencil",
                ..Client::new("n,,", b"")
            },
        ),
        (
            "nobody",
            Client {
                name: "eve".to_owned(),
                ..Client::new("n,,", b"")
            },
        ),
    ] {
        let mut login = Login::new(Mechanism::Scram, None);
        let challenge = login.ask(wrong.first());
        assert_eq!(login.say(wrong.last(&challenge).0), REFUSED, "{name}");
    }
    // One who knows the password, but did not hear the server's nonce.
    let mut login = Login::new(Mechanism::Scram, None);
    let challenge = login.ask(client.first());
    let last = client.last_with("r=rOprNGfwEbeRWgbNEkqO", &challenge).0;
    assert_eq!(login.say(last), REFUSED);
    // Somebody in between has TLS sessions of its own with either.
    let mut login = Login::new(Mechanism::ScramPlus, Some(tls()));
    let challenge = login.ask(bound.first());
    let elsewhere = Client::new("p=tls-exporter,,", &[3; 32]);
    assert_eq!(login.say(elsewhere.last(&challenge).0), REFUSED);
}

#[test]
fn a_binding_goes_with_its_mechanism() {
    let plus = Mechanism::ScramPlus;
    let bare = tls_1_2();
    for (mechanism, security, header) in [
        // RFC 5802 §6: the client thinks that PLUS was not offered, so somebody has taken it out.
        (Mechanism::Scram, Some(tls()), "y,,"),
        (Mechanism::Scram, Some(tls()), "p=tls-exporter,,"),
        (Mechanism::Scram, None, "p=tls-exporter,,"),
        (plus, Some(tls()), "n,,"),
        (plus, Some(tls()), "y,,"),
        (plus, Some(tls()), "p=tls-unique,,"),
        (plus, Some(tls()), "p=TLS-EXPORTER,,"),
        (plus, Some(Rc::clone(&bare)), "p=tls-exporter,,"),
        (plus, None, "p=tls-exporter,,"),
    ] {
        let client = Client::new(header, b"");
        let mut login = Login::new(mechanism, security);
        assert_eq!(login.say(client.first()), REFUSED, "{mechanism:?} {header}");
    }
    let offered = |security: Option<&Security>| Mechanism::offered(security, false).next();
    assert_eq!(offered(Some(&tls())), Some(plus));
    assert_eq!(offered(Some(&bare)), Some(Mechanism::Scram));
    assert_eq!(offered(None), Some(Mechanism::Scram));
}

#[test]
fn what_is_no_message_is_malformed() {
    let long = "x".repeat(257);
    let (name, nonce) = (format!("n,,n={long},r=x"), format!("n,,n=ada,r={long}"));
    for first in [
        "",
        "n",
        "n,",
        "n,,",
        "n,,n=ada",
        "n,,n=ada,",
        "n,,n=ada,r=",
        "n,,n=,r=x",
        "n,,r=x,n=ada",
        "x,,n=ada,r=x",
        "p=,,n=ada,r=x",
        "p=a b,,n=ada,r=x",
        "p,,n=ada,r=x",
        "n,ada,n=ada,r=x",
        "n,a=,n=ada,r=x",
        "n,a==2c,n=ada,r=x",
        "n,,n=a=da,r=x",
        "n,,n=ada,r=a b",
        "n,,n=ada,r=\u{e4}",
        "n,,n=ada,r=x,",
        "n,,n=ada,r=x,y",
        "n,,n=ada,r=x,1=y",
        "n,,n=ada,r=x,y=",
        "N,,n=ada,r=x",
        "n,,n=a\0da,r=x",
        "n,,m=x",
        &name,
        &nonce,
    ] {
        let mut login = Login::new(Mechanism::Scram, None);
        assert_eq!(login.say(first), MALFORMED, "{first:?}");
        assert_eq!(login.say(first), MALFORMED, "it is over");
    }
    let client = Client::new("n,,", b"");
    let proof = to_base64(&[0; 32]);
    for last in [
        String::new(),
        "c=biws".to_owned(),
        "c=biws,r=x".to_owned(),
        format!("r=x,c=biws,p={proof}"),
        format!("c=biws,r=x,p={proof},x=y"),
        format!("c=biws,r=x,p={}", to_base64(&[0; 31])),
        format!("c=b,r=x,p={proof}"),
        format!("c=biws,r=x,,p={proof}"),
        "c=biws,r=x,p=".to_owned(),
        "c=biws,r=x,p=biws=".to_owned(),
    ] {
        let mut login = Login::new(Mechanism::Scram, None);
        login.ask(client.first());
        assert_eq!(login.say(&last), MALFORMED, "{last:?}");
    }
    for mechanism in [Mechanism::Plain, Mechanism::Login, Mechanism::Scram] {
        let mut login = Login::new(mechanism, None);
        assert_eq!(login.say(b"\xff"), MALFORMED, "{mechanism:?}");
        let mut login = Login::new(mechanism, None);
        login.exchange.respond(b"!");
        assert_eq!(login.exchange.progress(), MALFORMED, "{mechanism:?}");
    }
    // The signature is assented to by an empty response.
    let mut login = Login::new(Mechanism::Scram, None);
    let challenge = login.ask(client.first());
    login.ask(client.last(&challenge).0);
    assert_eq!(login.say("x"), MALFORMED);
}

#[test]
fn an_optional_extension_is_passed_over_and_proven() {
    let client = Client::new("n,,", b"");
    let mut login = Login::new(Mechanism::Scram, None);
    let challenge = login.ask(format!("{},x=y", client.first()));
    // Without it, what the client proves is not what it sent.
    assert_eq!(login.say(client.last(&challenge).0), REFUSED);
}

#[test]
fn nobody_can_tell_who_there_is() {
    // Salts last, though each login here has a server of its own; only the secret of the file is the same.
    let users = users();
    let ask = |name: &str| {
        let mut login = Login::with(Mechanism::Scram, None, users.clone());
        let client = Client {
            name: name.to_owned(),
            ..Client::new("n,,", b"")
        };
        let challenge = login.ask(client.first());
        let (_, rest) = challenge.split_once(",s=").unwrap();
        rest.to_owned()
    };
    for name in ["ada", "eve", "mallory"] {
        let told = ask(name);
        assert!(
            told.len() == 24 + ",i=4096".len() && told.ends_with(",i=4096"),
            "{told}"
        );
        assert_eq!(told, ask(name), "{name}");
    }
    assert!(!is_same_secret(
        ask("eve").as_bytes(),
        ask("mallory").as_bytes()
    ));

    let work = |message: &str| {
        let mut exchange = Exchange::new(Mechanism::Plain, None, Rc::new(users.clone()));
        exchange.respond(to_base64(message.as_bytes()).as_bytes());
        let mut rounds = 0;
        while exchange.is_deriving() {
            let mut budget = 100;
            exchange.derive_key(&mut budget);
            rounds += 100 - budget;
        }
        assert_eq!(exchange.progress(), REFUSED);
        rounds
    };
    // A password that nobody could have, and the empty one, take as long as any other.
    for message in [
        "\0ada\0Pencil",
        "\0eve\0pencil",
        "\0ada\0\u{7}",
        "\0ada\0",
        "\0\0",
    ] {
        assert_eq!(work(message), ROUNDS - 1, "{message:?}");
    }
}

#[test]
fn nothing_secret_is_shown() {
    let mut login = Login::new(Mechanism::Plain, None);
    login
        .exchange
        .respond(to_base64(b"\0ada\0pencil").as_bytes());
    assert_eq!(format!("{:?}", login.exchange), "Exchange(PLAIN)");
    assert_eq!(format!("{:?}", users()), "Users(2)");
}

proptest! {
    /// Whatever a client sends, and in whichever order, an exchange says what it wants next, and lets nobody in.
    #[test]
    fn any_messages_are_taken_or_refused(
        mechanism in 0..4_usize,
        messages in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..40),
                "[npy]?(=tls-exporter)?,(a=ada)?,(m=x,)?n=[a-c=,\u{e4}]{0,4},r=[a-z,]{0,4}(,[a-z]=x?)?".prop_map(String::into_bytes),
                "c=[a-zA-Z=]{0,8},r=[a-z]{0,4},p=[a-zA-Z]{0,44}=?".prop_map(String::into_bytes),
                "\0?ada\0[a-z]{0,4}\0?".prop_map(String::into_bytes),
            ],
            0..4,
        ),
    ) {
        let all: Vec<_> = Mechanism::offered(Some(&tls()), false).collect();
        let users = Users::parse(&new_header().unwrap()).unwrap();
        let mut exchange = Exchange::new(all[mechanism], Some(tls()), Rc::new(users));
        for message in messages {
            exchange.respond(to_base64(&message).as_bytes());
            prop_assert!(!matches!(exchange.progress(), LoginProgress::LoggedIn(_)));
            exchange.respond(&message);
            exchange.derive_key(&mut 1);
            prop_assert!(!matches!(exchange.progress(), LoginProgress::LoggedIn(_)));
        }
    }
}

#[test]
fn an_exchange_that_is_revoked_is_refused_at_its_end_wherever_it_was() {
    let client = Client::new("n,,", b"");
    for revoked_after in 0..3 {
        let mut login = Login::new(Mechanism::Scram, None);
        let revoke = |login: &mut Login, step| {
            if step == revoked_after {
                login.exchange.replace_users(None);
            }
        };
        // Before there are any keys there is nothing to refuse.
        revoke(&mut login, 0);
        let challenge = login.ask(client.first());
        revoke(&mut login, 1);
        let last = client.last(&challenge).0;
        let outcome = match login.say(last) {
            LoginProgress::Challenge(_) => {
                revoke(&mut login, 2);
                login.say("")
            }
            other => other,
        };
        let is_in = matches!(outcome, LoginProgress::LoggedIn(_));
        assert_eq!(is_in, revoked_after == 0, "revoked after {revoked_after}");
        assert!(is_in || outcome == REFUSED);
    }
}
