//! The servers of a stream: which one is tried next, and when.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::outbound::dns::resolver::Random;
use crate::stream::settings::StreamError;
use crate::stream::target::{NODES_MAX, Node};

/// The shortest wait before an attempt, but for the first one after a loss.
const RETRY_MIN: Duration = Duration::from_millis(100);
/// The longest wait before an attempt.
const RETRY_MAX: Duration = Duration::from_secs(2);
/// The most servers whose faults are told in one text.
const FAULTS_MAX: usize = 4;

/// The servers of a stream: those that the operator names, and those that they tell of.
#[derive(Debug)]
pub(super) struct Roster {
    named: Vec<Node>,
    /// The servers that one has told of, and those of them that the operator does not name.
    told: Vec<Node>,
    learnt: Vec<Node>,
    /// Servers that are still to be tried in this round, the next one last.
    round: Vec<Node>,
    /// The server that failed last.
    failed: Option<Node>,
    /// Attempts that failed since something good came of one.
    failures: u32,
    retry_at: Instant,
    /// Why each of the named servers failed last.
    faults: Vec<Option<StreamError>>,
}

impl Roster {
    /// The servers that the operator names.
    pub(super) fn new(named: Vec<Node>, now: Instant) -> Self {
        Self {
            faults: vec![None; named.len()],
            named,
            told: Vec::new(),
            learnt: Vec::new(),
            round: Vec::new(),
            failed: None,
            failures: 0,
            retry_at: now,
        }
    }

    /// Takes note of the servers that one tells of; whether that is news.
    pub(super) fn learn(&mut self, servers: &[Node]) -> bool {
        let mut told: Vec<Node> = servers.iter().take(NODES_MAX).cloned().collect();
        told.sort_unstable();
        told.dedup();
        let is_news = told != self.told;
        let others = told.iter().filter(|node| !self.named.contains(node));
        self.learnt = others.cloned().collect();
        self.told = told;
        is_news
    }

    /// All servers.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.named.iter().chain(&self.learnt)
    }

    /// The instant at which [`next`](Self::next) may be tried.
    pub(super) fn retry_at(&self) -> Instant {
        self.retry_at
    }

    /// The server that is tried next. The one that failed last comes last.
    pub(super) fn next(&mut self, random: &mut Random) -> Option<Node> {
        if self.round.is_empty() {
            self.round = self.nodes().cloned().collect();
            for last in (1..self.round.len()).rev() {
                #[expect(clippy::cast_possible_truncation, reason = "any of its bits will do")]
                let other = random() as usize % (last + 1);
                self.round.swap(last, other);
            }
            let failed = self.failed.as_ref();
            if let Some(at) = self.round.iter().position(|node| Some(node) == failed) {
                self.round.swap(at, 0);
            }
        }
        self.round.pop()
    }

    /// Takes note that an attempt failed, or that a connection is gone.
    pub(super) fn note_failure(&mut self, node: &Node, error: &StreamError, now: Instant) {
        let wait = match self.failures {
            0 => Duration::ZERO,
            failures => RETRY_MIN
                .saturating_mul(1 << (failures - 1).min(10))
                .min(RETRY_MAX),
        };
        self.failures = self.failures.saturating_add(1);
        self.retry_at = now + wait;
        let mut named = self.named.iter();
        if let Some(at) = named.position(|named| named == node) {
            self.faults[at] = Some(error.clone());
        }
        self.round.retain(|other| other != node);
        self.failed = Some(node.clone());
    }

    /// Takes note that a server does what it should.
    pub(super) fn note_good(&mut self) {
        self.failures = 0;
        self.faults.fill(None);
    }

    /// The error of them all, once every server that the operator names has failed.
    pub(super) fn fault(&self) -> Option<StreamError> {
        let faults: Option<Vec<&StreamError>> = self.faults.iter().map(Option::as_ref).collect();
        let faults = faults?;
        let each = || self.named.iter().zip(&faults);
        let login = each().find_map(|(node, error)| match error {
            StreamError::Login(text) => Some(format!("{node}: {text}")),
            _ => None,
        });
        if let Some(login) = login {
            return Some(StreamError::Login(login));
        }
        let each: Vec<String> = each()
            .take(FAULTS_MAX)
            .map(|(node, error)| format!("{node}: {error}"))
            .collect();
        let each = each.join("; ");
        Some(StreamError::Unreachable(format!(
            "no server of the stream can be reached: {each}"
        )))
    }

    /// The name by which a server shows who it is. One that was learnt by its address has the name of one that the operator names, as
    /// all have certificates for that.
    pub(super) fn tls_name(&self, node: &Node) -> Box<str> {
        let is_address = |node: &Node| node.host.parse::<IpAddr>().is_ok();
        let mut named = self.named.iter();
        let is_learnt = !self.named.contains(node) && is_address(node);
        let name = named.find(|named| is_learnt && !is_address(named));
        name.unwrap_or(node).host.clone()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn nodes(text: &str) -> Vec<Node> {
        text.split(' ').map(|node| node.parse().unwrap()).collect()
    }

    fn random() -> Random {
        let mut state = 7_u64;
        Box::new(move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state >> 33
        })
    }

    fn lost() -> StreamError {
        StreamError::Unreachable("gone".to_owned())
    }

    #[test]
    fn another_server_is_tried_at_once_and_then_after_longer_and_longer() {
        let now = Instant::now();
        let mut roster = Roster::new(nodes("a b c"), now);
        let mut random = random();
        let mut waits = Vec::new();
        let mut before = None;
        for _ in 0..9 {
            let node = roster.next(&mut random).unwrap();
            assert_ne!(Some(&node), before.as_ref());
            roster.note_failure(&node, &lost(), now);
            waits.push((roster.retry_at() - now).as_millis());
            before = Some(node);
        }
        assert_eq!(waits, [0, 100, 200, 400, 800, 1600, 2000, 2000, 2000]);
        roster.note_good();
        roster.note_failure(&nodes("a")[0], &lost(), now);
        assert_eq!(roster.retry_at(), now);
    }

    #[test]
    fn servers_that_are_told_of_are_tried_as_well() {
        let mut roster = Roster::new(nodes("a"), Instant::now());
        assert!(roster.learn(&nodes("b a c b")));
        assert!(!roster.learn(&nodes("c b a")));
        let mut random = random();
        let mut round: Vec<Node> = (0..3).filter_map(|_| roster.next(&mut random)).collect();
        round.sort_unstable();
        assert_eq!(round, nodes("a b c"));
        assert!(roster.learn(&nodes("c")));
        assert_eq!(roster.nodes().count(), 2);
    }

    #[test]
    fn the_fault_of_all_is_known_once_each_has_failed() {
        let now = Instant::now();
        let mut roster = Roster::new(nodes("a b"), now);
        roster.note_failure(&nodes("a")[0], &lost(), now);
        roster.note_failure(&nodes("c")[0], &lost(), now);
        assert_eq!(roster.fault(), None);
        roster.note_failure(&nodes("b")[0], &lost(), now);
        let text = "no server of the stream can be reached: a:4222: gone; b:4222: gone";
        assert_eq!(roster.fault().unwrap().to_string(), text);
        let login = StreamError::Login("no".to_owned());
        roster.note_failure(&nodes("b")[0], &login, now);
        assert_eq!(
            roster.fault(),
            Some(StreamError::Login("b:4222: no".to_owned()))
        );
    }

    #[test]
    fn a_server_that_was_learnt_by_its_address_shows_the_name_of_the_others() {
        let mut roster = Roster::new(nodes("10.0.0.1 n1 n2"), Instant::now());
        let name = |roster: &Roster, node: &str| roster.tls_name(&nodes(node)[0]);
        roster.learn(&nodes("10.0.0.2 n3"));
        assert_eq!(&*name(&roster, "10.0.0.1"), "10.0.0.1");
        assert_eq!(&*name(&roster, "10.0.0.2"), "n1");
        assert_eq!(&*name(&roster, "n3"), "n3");
    }
}
