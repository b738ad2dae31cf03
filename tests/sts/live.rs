//! The network of a server: its name servers, and policy hosts on a real port.

use std::fs;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mailoop::net::poller::Poller;
use mailoop::net::trust::Trust;
use mailoop::outbound::dns::answer::{NameAnswer, NameKind, NameQuestion, NameResult};
use mailoop::outbound::names::NameSources;
use mailoop::outbound::network::Network;
use mailoop::outbound::sts::service::PolicySettings;
use mailoop::server::network::{LiveNetwork, NetworkSettings};

use crate::common::tls::Authority;
use crate::host::{Deed, PolicyHost, policy, response};
use crate::names::NameServer;
use crate::world::shown;

const LOOK_INTERVAL: Duration = Duration::from_millis(20);
const TIME_MAX: Duration = Duration::from_secs(60);

/// A loop with a network, and the kind of each question answered.
struct NetworkLoop {
    poller: Poller,
    network: LiveNetwork,
}

impl NetworkLoop {
    fn new(server: &NameServer, policies: PolicySettings) -> Self {
        let poller = Poller::new().unwrap();
        let settings = NetworkSettings {
            sources: Vec::new(),
            names: NameSources {
                servers: vec![server.address],
                hosts: "/nonexistent/hosts".into(),
                resolv_conf: "/nonexistent/resolv.conf".into(),
            },
            policies,
        };
        let kinds = [1, 2, 3, 4].into();
        let network = LiveNetwork::new(poller.registry(), kinds, settings, Instant::now());
        Self {
            network: network.unwrap(),
            poller,
        }
    }

    /// The answers to all of these, which are asked at once.
    fn look_up(&mut self, questions: &[(NameKind, &str)]) -> Vec<NameResult> {
        let mut answers = vec![None; questions.len()];
        let mut tickets = Vec::new();
        for (place, (kind, name)) in questions.iter().enumerate() {
            let question = NameQuestion::new(*kind, name);
            match self.network.look_up(&question, Instant::now()) {
                NameAnswer::Now(answer) => answers[place] = Some(answer),
                NameAnswer::Later(ticket) => tickets.push((ticket, place)),
            }
        }
        let start = Instant::now();
        while answers.iter().any(Option::is_none) {
            assert!(start.elapsed() < TIME_MAX, "{answers:?}");
            let wake = self.network.next_wake();
            let left = wake.map(|wake| wake.saturating_duration_since(Instant::now()));
            let left = left.unwrap_or(LOOK_INTERVAL).min(LOOK_INTERVAL);
            self.poller.wait(Some(left)).unwrap();
            for (token, readiness) in self.poller.events() {
                assert!(self.network.on_event(token, readiness));
            }
            self.network.tick(Instant::now());
            for (ticket, answer) in self.network.take_answers() {
                let of = tickets.iter().find(|(other, _)| *other == ticket);
                let (_, place) = of.expect("each answer is for who has asked");
                assert!(answers[*place].is_none(), "once");
                answers[*place] = Some(answer);
            }
        }
        answers.into_iter().flatten().collect()
    }
}

#[test]
fn one_question_is_answered_with_the_policy_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("those whom we trust");
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, authority.certificate()).unwrap();
    let deed = Deed::Say(response(&policy("mx.a.example")));
    let host = PolicyHost::start(&authority, &["mta-sts.a.example"], deed);
    let server = NameServer::start(
        "_mta-sts.a.example TXT = 300 txt v=spf1, 300 txt v=STSv1;id=1\n\
         mta-sts.a.example A = 300 127.0.0.1\nmta-sts.a.example AAAA = nodata\n\
         _mta-sts.special.example TXT = 300 txt v=STSv1;id=1\n\
         mta-sts.special.example A = 300 127.0.0.2\nmta-sts.special.example AAAA = nodata\n\
         mx.a.example A = 300 192.0.2.25\nmx.a.example AAAA = nodata\n* * = nxdomain 60",
    );
    let settings = PolicySettings {
        folder: Some(folder.path().to_owned()),
        port: host.address.port(),
        trust: Trust::Authorities(ca),
        refuses: Rc::new(|address: std::net::IpAddr| address.to_string() == "127.0.0.2"),
    };
    let mut network = NetworkLoop::new(&server, settings.clone());
    let answers = network.look_up(&[
        (NameKind::Policy, "a.example"),
        (NameKind::MailHost, "mx.a.example"),
        (NameKind::MailHost, "mta-sts.a.example"),
        (NameKind::Policy, "none.example"),
        (NameKind::Policy, "a.example"),
        (NameKind::Policy, "special.example"),
    ]);
    let policies = [0, 3, 4, 5].map(|place: usize| shown(&answers[place]));
    assert_eq!(
        policies,
        ["mx.a.example", "NoSuchName", "mx.a.example", "Refused"]
    );
    assert!(shown(&answers[1]).contains("192.0.2.25"));
    assert!(shown(&answers[2]).contains("127.0.0.1"));
    // The end of the server is no end of the policy.
    drop((network, host, server));
    let silent = NameServer::start("* * = servfail");
    let mut network = NetworkLoop::new(&silent, settings);
    let answers = network.look_up(&[
        (NameKind::Policy, "a.example"),
        (NameKind::Policy, "b.example"),
    ]);
    let answers: Vec<_> = answers.iter().map(shown).collect();
    assert_eq!(answers, ["mx.a.example", "ServerFailure"]);
}
