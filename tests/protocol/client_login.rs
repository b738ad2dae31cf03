//! Logins of the client, in dialogues and against the server's side of them.

use std::rc::Rc;

use crate::common::script::{Client, text};
use bytes::BytesMut;
use mailoop::smtp::auth::client::Credentials;
use mailoop::smtp::auth::text::{from_base64, to_base64};
use mailoop::smtp::auth::users::{self, new_header};
use mailoop::smtp::auth::{Exchange, Users};
use mailoop::smtp::client::{
    ChannelSecurity, ClientCredentials, ClientEvent, ClientFault, ClientSession, Subject,
};
use mailoop::smtp::login::{LoginExchange, LoginProgress};
use mailoop::smtp::mechanism::Mechanism;
use mailoop::smtp::security::{ChannelBindings, Security};

const READY: [ClientEvent; 2] = [ClientEvent::Ready, ClientEvent::Closed];

fn ada() -> Credentials {
    Credentials::new("ada", "pencil").unwrap()
}

/// Ada, who logs in and leaves.
fn client(security: ChannelSecurity) -> Client {
    let mut client = Client::new("EHLO", &["b@y"]);
    client.security = security;
    client.login = Some(Rc::new(ada()));
    client.messages = 0;
    client
}

fn bindings() -> ChannelBindings {
    ChannelBindings {
        exporter: Some([1; 32]),
        end_point: Some(Rc::from([2; 48])),
    }
}

/// A dialogue whose login is `login`, where the server offers `mechanisms`.
fn script(mechanisms: &str, login: &str) -> String {
    format!(
        "S: 220 Hi
         C: EHLO client.example
         S: 250-Hello
         S: 250 AUTH {mechanisms}
         {login}
         C: QUIT
         S: 221 Bye"
    )
}

#[test]
fn plain_and_login_go_as_they_are_written() {
    for (mechanism, login) in [
        ("PLAIN", "C: AUTH PLAIN AGFkYQBwZW5jaWw=\nS: 235 Welcome"),
        // Nobody asks for what was said already, but it is said again if somebody does.
        (
            "login",
            "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: YWRh\nS: 334 who knows\nC: cGVuY2ls\nS: 235 Welcome",
        ),
    ] {
        for security in [
            ChannelSecurity::Local,
            ChannelSecurity::Tls(ChannelBindings::default()),
        ] {
            let (events, refusals) = client(security).plays(&script(mechanism, login));
            assert_eq!(
                (events.as_slice(), refusals),
                (&READY[..], vec![]),
                "{mechanism}"
            );
        }
    }
}

#[test]
fn what_makes_the_command_too_long_waits() {
    // 2 NULs, 3 octets of the name and 369 of the password make 500 in base64, and `AUTH PLAIN `, CRLF and that make 512.
    for (octets, waits) in [(369, false), (370, true)] {
        let password = "p".repeat(octets - 2);
        let mut client = client(ChannelSecurity::Local);
        client.login = Some(Rc::new(Credentials::new("ada", &password).unwrap()));
        let response = to_base64(format!("\0ada\0{password}").as_bytes());
        let login = if waits {
            format!("C: AUTH PLAIN\nS: 334 \nC: {response}\nS: 235 Welcome")
        } else {
            format!("C: AUTH PLAIN {response}\nS: 235 Welcome")
        };
        let (events, _) = client.plays(&script("PLAIN", &login));
        assert_eq!(events, READY, "{octets}");
    }
}

/// What the client says when the server offers `mechanisms`.
fn attempt(mechanisms: &str, security: ChannelSecurity) -> Result<String, ClientFault> {
    let client = client(security);
    let (mut session, mut out) = (client.session(), BytesMut::new());
    let replies = format!("220 Hi\r\n250-Hello\r\n250 {mechanisms}\r\n");
    let mut input = replies.as_bytes();
    session.next(&mut input, &mut out).unwrap();
    out.clear();
    match session.next(&mut input, &mut out).unwrap() {
        ClientEvent::Replied => Ok(text(&out).split(' ').nth(1).unwrap().trim_end().to_owned()),
        ClientEvent::Unacceptable(fault) => {
            assert_eq!(text(&out), "", "nothing is said");
            Err(fault)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_best_mechanism_that_may_be_used_is_used() {
    const ALL: &str = "AUTH PLAIN LOGIN SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-256-PLUS XOAUTH2";
    let secure = || ChannelSecurity::Tls(bindings());
    let unbound = || ChannelSecurity::Tls(ChannelBindings::default());
    for (offered, security, used) in [
        (ALL, secure(), Ok("SCRAM-SHA-256-PLUS")),
        (ALL, unbound(), Ok("SCRAM-SHA-256")),
        (ALL, ChannelSecurity::Local, Ok("SCRAM-SHA-256")),
        (ALL, ChannelSecurity::Clear, Ok("SCRAM-SHA-256")),
        ("AUTH LOGIN PLAIN", secure(), Ok("PLAIN")),
        ("AUTH LOGIN", ChannelSecurity::Local, Ok("LOGIN")),
        ("auth login plain", ChannelSecurity::Local, Ok("PLAIN")),
        (
            "AUTH LOGIN PLAIN",
            ChannelSecurity::Clear,
            Err(ClientFault::InTheClear),
        ),
        (
            "AUTH PLAIN SCRAM-SHA-256-PLUS",
            ChannelSecurity::Clear,
            Err(ClientFault::InTheClear),
        ),
        (
            "AUTH SCRAM-SHA-256-PLUS",
            ChannelSecurity::Local,
            Err(ClientFault::NoLogin),
        ),
        ("AUTH CRAM-MD5 PLAINER", secure(), Err(ClientFault::NoLogin)),
        ("AUTH", secure(), Err(ClientFault::NoLogin)),
        ("SIZE", secure(), Err(ClientFault::NoLogin)),
    ] {
        let attempted = attempt(offered, security.clone());
        assert_eq!(
            attempted.as_deref(),
            used.as_deref(),
            "{offered} {security:?}"
        );
    }
}

#[test]
fn a_server_that_knows_no_ehlo_logs_nobody_in() {
    let (events, _) = client(ChannelSecurity::Local).plays(
        "S: 220 Hi
         C: EHLO client.example
         S: 500 What?
         C: HELO client.example
         S: 250-Hello
         S: 250 AUTH PLAIN
         C: QUIT
         S: 221 Bye",
    );
    assert_eq!(
        events,
        [
            ClientEvent::Unacceptable(ClientFault::NoLogin),
            ClientEvent::Closed
        ]
    );
}

#[test]
fn a_refused_login_is_the_end() {
    for code in [454, 535, 538] {
        let login = format!("C: AUTH PLAIN AGFkYQBwZW5jaWw=\nS: {code} No");
        let (events, refusals) = client(ChannelSecurity::Local).plays(&script("PLAIN", &login));
        assert_eq!(
            events,
            [
                ClientEvent::Unacceptable(ClientFault::Refused),
                ClientEvent::Closed
            ]
        );
        assert_eq!(refusals, [(Subject::Login, code)]);
    }
}

#[test]
fn only_what_is_offered_under_tls_counts() {
    let mut client = client(ChannelSecurity::StartTls);
    client.messages = 1;
    let (events, _) = client.plays(
        "S: 220 Hi
         C: EHLO client.example
         S: 250-Hello
         S: 250-AUTH LOGIN
         S: 250 STARTTLS
         C: STARTTLS
         S: 220 Go
         C: EHLO client.example
         S: 250-Hello
         S: 250 AUTH PLAIN
         C: AUTH PLAIN AGFkYQBwZW5jaWw=
         S: 235 Welcome
         C: MAIL FROM:<a@x>
         S: 550 No
         C: QUIT
         S: 221 Bye",
    );
    let expected = [
        ClientEvent::StartTls,
        ClientEvent::Ready,
        ClientEvent::Refused,
        ClientEvent::Closed,
    ];
    assert_eq!(events, expected);
}

/// A session that has said its first word of SCRAM-SHA-256, its nonce, and what it says to `challenge`.
struct Scram {
    session: ClientSession,
    out: BytesMut,
    nonce: String,
}

impl Scram {
    fn begin(client: &Client) -> Self {
        let (mut session, mut out) = (client.session(), BytesMut::new());
        let mut input = &b"220 Hi\r\n250-Hello\r\n250 AUTH SCRAM-SHA-256\r\n"[..];
        session.next(&mut input, &mut out).unwrap();
        out.clear();
        assert_eq!(session.next(&mut input, &mut out), Ok(ClientEvent::Replied));
        assert!(session.is_logging_in());
        let line = text(&out);
        let first = line.strip_prefix("AUTH SCRAM-SHA-256 ").unwrap().trim_end();
        let first = String::from_utf8(from_base64(first.as_bytes()).unwrap()).unwrap();
        let nonce = first.strip_prefix("n,,n=ada,r=").unwrap().to_owned();
        out.clear();
        Self {
            session,
            out,
            nonce,
        }
    }

    fn hear(&mut self, reply: &str) -> (ClientEvent, String) {
        self.out.clear();
        let reply = format!("{reply}\r\n");
        let event = self.session.next(&mut reply.as_bytes(), &mut self.out);
        (event.unwrap(), text(&self.out))
    }

    fn meet(&mut self, challenge: &str) -> String {
        let challenge = challenge.replace("NONCE", &self.nonce);
        let reply = format!("334 {}", to_base64(challenge.as_bytes()));
        let (event, said) = self.hear(&reply);
        assert_eq!(event, ClientEvent::Replied, "{challenge}");
        said
    }

    /// What comes of a login that the client has given up.
    fn given_up(&mut self, said: &str, fault: ClientFault) {
        assert_eq!(said, "*\r\n");
        let unacceptable = ClientEvent::Unacceptable(fault);
        assert_eq!(self.hear("501 Given up"), (unacceptable, String::new()));
        assert!(!self.session.is_logging_in());
        self.session.quit(&mut self.out);
    }
}

/// The salt `salt`.
const SALT: &str = "c2FsdA==";

#[test]
fn a_challenge_that_is_none_ends_the_login() {
    let client = client(ChannelSecurity::Clear);
    for challenge in [
        "",
        "NONCE",
        &format!("r=NONCE,s={SALT},i=4096"),
        &format!("r=another,s={SALT},i=4096"),
        &format!("r=NONCEx,s={SALT},i=4095"),
        &format!("r=NONCEx,s={SALT},i=10000001"),
        &format!("r=NONCEx,s={SALT},i=99999999999"),
        &format!("r=NONCEx,s={SALT},i="),
        &format!("r=NONCEx,s={SALT}"),
        &format!("m=new,r=NONCEx,s={SALT},i=4096"),
        "r=NONCEx,s=,i=4096",
        "r=NONCEx,s=?,i=4096",
        "e=other-error",
    ] {
        let mut scram = Scram::begin(&client);
        let said = scram.meet(challenge);
        scram.given_up(&said, ClientFault::BadChallenge);
    }
    for reply in ["334 ?", "334", "334 /w=="] {
        let mut scram = Scram::begin(&client);
        let (_, said) = scram.hear(reply);
        scram.given_up(&said, ClientFault::BadChallenge);
    }
    let login = "C: AUTH PLAIN AGFkYQBwZW5jaWw=\nS: 334 more\nC: *\nS: 501 Given up";
    let (events, _) = self::client(ChannelSecurity::Local).plays(&script("PLAIN", login));
    assert_eq!(
        events,
        [
            ClientEvent::Unacceptable(ClientFault::BadChallenge),
            ClientEvent::Closed
        ]
    );
}

#[test]
fn who_does_not_know_the_password_is_no_server_of_ours() {
    let client = client(ChannelSecurity::Clear);
    let impostor = (
        ClientEvent::Unacceptable(ClientFault::Impostor),
        String::new(),
    );
    let good = format!("r=NONCEx,s={SALT},i=4096,x=y");

    let mut scram = Scram::begin(&client);
    assert_eq!(scram.hear("235 Welcome"), impostor);

    let mut scram = Scram::begin(&client);
    assert!(scram.meet(&good).starts_with("Yz1"));
    assert_eq!(scram.hear("235 Welcome"), impostor);

    for signature in [to_base64(&[0; 32]), String::new(), to_base64(&[0; 31])] {
        let mut scram = Scram::begin(&client);
        scram.meet(&good);
        let said = scram.meet(&format!("v={signature}"));
        scram.given_up(&said, ClientFault::Impostor);
    }
}

/// How a login ends at a server that knows Ada, and offers `mechanism` where it has these bindings itself.
fn log_in(
    mechanism: Mechanism,
    credentials: &Credentials,
    security: ChannelSecurity,
    bindings: ChannelBindings,
) -> ClientEvent {
    let good = users::StoredCredentials::new("pencil", 4096).unwrap();
    let users = Users::parse(&format!("{}\nada:{good}", new_header().unwrap())).unwrap();
    let server_security = Security {
        version: "TLSv1.3",
        cipher: "TLS_AES_256_GCM_SHA384",
        bits: 256,
        bindings,
    };
    let mut exchange = Exchange::new(mechanism, Some(Rc::new(server_security)), Rc::new(users));
    let mut client = client(security);
    client.login = Some(Rc::new(credentials.clone()));
    let (mut session, mut out) = (client.session(), BytesMut::new());
    let greeting = format!("220 Hi\r\n250-Hello\r\n250 AUTH {}\r\n", mechanism.name());
    let mut replies = greeting;
    let mut input = replies.as_bytes();
    session.next(&mut input, &mut out).unwrap();
    session.next(&mut input, &mut out).unwrap();
    loop {
        let said = text(&out);
        let response = said.trim_end().rsplit(' ').next().unwrap().to_owned();
        out.clear();
        if response != "LOGIN" {
            exchange.respond(response.as_bytes());
        }
        exchange.derive_key(&mut u32::MAX.clone());
        replies = match exchange.progress() {
            LoginProgress::Challenge(challenge) => format!("334 {challenge}\r\n"),
            LoginProgress::LoggedIn(user) => {
                assert_eq!(&*user, "ada");
                "235 Welcome\r\n".to_owned()
            }
            LoginProgress::Failed(_) => "535 No\r\n".to_owned(),
            other => panic!("{other:?}"),
        };
        let event = session.next(&mut replies.as_bytes(), &mut out).unwrap();
        if event != ClientEvent::Replied {
            return event;
        }
    }
}

#[test]
fn the_server_lets_in_whom_it_knows() {
    let only_end_point = ChannelBindings {
        exporter: None,
        ..bindings()
    };
    for bindings in [bindings(), only_end_point] {
        for mechanism in Mechanism::ALL {
            // A server that can be bound to offers that; one that cannot, and a client that can.
            let theirs = match mechanism {
                Mechanism::Scram => ChannelBindings::default(),
                _ => bindings.clone(),
            };
            let security = ChannelSecurity::Tls(bindings.clone());
            let log_in = |credentials: &Credentials| {
                log_in(mechanism, credentials, security.clone(), theirs.clone())
            };
            assert_eq!(log_in(&ada()), ClientEvent::Ready, "{mechanism:?}");
            for (user, password) in [("ada", "Pencil"), ("bob", "pencil"), ("a,b=c", "x")] {
                let wrong = Credentials::new(user, password).unwrap();
                let refused = ClientEvent::Unacceptable(ClientFault::Refused);
                assert_eq!(log_in(&wrong), refused, "{mechanism:?} {user}");
            }
        }
    }
}

#[test]
fn somebody_in_between_is_found_out() {
    let refused = ClientEvent::Unacceptable(ClientFault::Refused);
    // Two sessions of TLS instead of one.
    let other = ChannelBindings {
        exporter: Some([3; 32]),
        end_point: None,
    };
    let security = || ChannelSecurity::Tls(bindings());
    assert_eq!(
        log_in(Mechanism::ScramPlus, &ada(), security(), other.clone()),
        refused
    );
    // PLUS was taken out of what the server offers.
    assert_eq!(log_in(Mechanism::Scram, &ada(), security(), other), refused);
}

#[test]
fn names_and_passwords_are_what_they_can_be() {
    for (user, password) in [("", "x"), ("x", ""), ("a\0b", "x"), ("x", "a\0b")] {
        assert_eq!(Credentials::new(user, password), None);
    }
    assert_eq!(Credentials::new("I\u{ad}X", "p").unwrap().user(), "IX");
    assert_eq!(format!("{:?}", ada()), "Credentials(\"ada\")");
}
