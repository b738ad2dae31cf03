//! A server that sends on, whose processes are killed, and what must have become of its mail.

use std::collections::BTreeMap;
use std::time::Duration;
use std::{fs, thread};

use super::clients::{ADA, BAD, BOB, CARL, Clients, Fate, Fates, Numbers, number_of, recipients};
use super::sink::{Answer, Sink};
use super::site::{Site, route_to};
use crate::common::processes::{in_folder, is_running, kill};
use crate::common::{TestServer, happens, wait_until};

/// How many connections there are to the hop at a time.
pub const CONNECTIONS: usize = 2;
/// What may be under way at most when all processes are killed: what the hop took, and no sync had noted.
const UNDER_WAY_MAX: usize = 64;

/// A process of a server with a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The one that was started, with the poll loop.
    Loop,
    /// It stores in mailboxes.
    Store,
    /// It works on the spool.
    Spool,
    /// It starts the one that does.
    Keeper,
}

impl Role {
    /// What is in the command line of the process.
    fn command(self) -> &'static str {
        match self {
            Self::Loop => "",
            Self::Store => "\0store-process\0",
            Self::Spool => "\0spool-process\0work\0",
            Self::Keeper => "\0spool-process\0keep\0",
        }
    }
}

/// A kill that came to its goal.
struct Kill {
    /// None where a fault cut off what was under way, or a server ended without a spool process.
    victims: Vec<Role>,
    /// How many messages the hop had taken before and after.
    taken: [usize; 2],
}

impl Kill {
    /// Whether what the hop took as the one of this number may have been under way.
    fn is_during(&self, earlier: usize) -> bool {
        let [before, after] = self.taken;
        (self.victims.is_empty() || self.victims.contains(&Role::Loop))
            && (before.saturating_sub(UNDER_WAY_MAX)..after).contains(&earlier)
    }

    /// How much may come twice of it.
    fn doubles_max(&self) -> usize {
        // Who kills only the loop leaves a spool process that notes all it was told.
        match self.victims == [Role::Loop] {
            true => 2 * CONNECTIONS,
            false => UNDER_WAY_MAX,
        }
    }
}

/// A spool, its server, and the hop.
pub struct Trial {
    pub site: Site,
    sink: Sink,
    route: String,
    pub server: TestServer,
    pub numbers: Numbers,
    fates: Fates,
    /// Of what the present server was sent.
    present: Fates,
    kills: Vec<Kill>,
}

impl Trial {
    /// One whose hop is at once.
    pub fn new() -> Self {
        Self::with("127.0.0.1", Duration::ZERO)
    }

    /// One whose hop has this name, and takes its time for each message.
    pub fn with(host: &str, time: Duration) -> Self {
        let sink = Sink::with(move |_, said| {
            if said == "." {
                thread::sleep(time);
            }
            match said.starts_with("RCPT TO:<bad") {
                true => Answer::Say("550 5.1.1 No such user"),
                false => Answer::Usual,
            }
        });
        let route = route_to("*", &sink.address().replace("127.0.0.1", host));
        let site = Site::new();
        let server = start(&site, &route);
        Self {
            site,
            sink,
            route,
            server,
            numbers: Numbers::default(),
            fates: Fates::new(),
            present: Fates::new(),
            kills: Vec::new(),
        }
    }

    /// The process that has this role now, if any has.
    pub fn process(&self, role: Role) -> Option<u32> {
        if role == Role::Loop {
            return Some(self.server.pid()).filter(|process| is_running(*process));
        }
        let folder = match role {
            Role::Store => self.site.path("mail"),
            _ => self.site.spool(),
        };
        let folder = folder.canonicalize().unwrap();
        in_folder(&folder).into_iter().find(|process| {
            let arguments = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
            let mut parts = arguments.windows(role.command().len());
            parts.any(|part| part == role.command().as_bytes()) && is_running(*process)
        })
    }

    /// The same, once there is one.
    #[track_caller]
    pub fn await_process(&self, role: Role) -> u32 {
        let mut found = None;
        wait_until(&format!("the process {role:?}"), || {
            found = self.process(role);
            found.is_some()
        });
        found.unwrap()
    }

    /// How many messages the hop has taken.
    pub fn taken(&self) -> usize {
        self.sink.taken_count()
    }

    /// Kills these at once, as far as they are there.
    pub fn kill(&mut self, victims: &[Role]) {
        let before = self.taken();
        let processes: Vec<_> = victims
            .iter()
            .filter_map(|role| self.process(*role))
            .collect();
        processes.iter().for_each(|process| kill(*process));
        wait_until("the killed to be gone", || {
            !processes.iter().any(|process| is_running(*process))
        });
        self.note_kill(victims, before);
    }

    /// Notes that these were killed since the hop had taken so many messages.
    pub fn note_kill(&mut self, victims: &[Role], before: usize) {
        self.kills.push(Kill {
            victims: victims.to_vec(),
            taken: [before, self.taken()],
        });
    }

    pub fn note(&mut self, fates: Fates) {
        self.present.extend(fates);
    }

    /// How many spool processes of this server have looked what is there.
    pub fn scans(&self) -> usize {
        self.server.log().matches("spool=scanned").count()
    }

    /// Sees to it that mail is taken and sent again: with another server if this one has ended, or has lost a process that it
    /// starts only once.
    #[track_caller]
    pub fn revive(&mut self) {
        let mut needed = [Role::Keeper, Role::Store].into_iter();
        let has_lost_one = needed.any(|role| self.process(role).is_none());
        if self.server.has_ended() || has_lost_one {
            if !self.server.has_ended() {
                self.stop_without_spool_process();
            }
            // Who ends before another spool process has looked takes the knowledge with it of what was refused for want of one.
            for fate in self
                .present
                .values_mut()
                .filter(|fate| **fate == Fate::Refused)
            {
                *fate = Fate::Unanswered;
            }
            self.begin_life();
        }
        let address = self.server.address().to_owned();
        wait_until("a message to be taken", || {
            let fates = Clients::start(&address, 1, 1, &self.numbers).finish();
            let is_taken = fates.values().any(|fate| *fate == Fate::Acknowledged);
            self.present.extend(fates);
            is_taken
        });
    }

    /// Ends a server, which may have nobody left to tell what was sent since the last kill.
    fn stop_without_spool_process(&mut self) {
        let log = self.server.log();
        // One that has not said that it is ready was told nothing.
        let is_starting = log.rfind("spool=lost") > log.rfind("spool=started");
        let is_alone = is_starting || self.process(Role::Spool).is_none();
        self.server.stop();
        if let Some(before) = self
            .kills
            .last()
            .map(|kill| kill.taken[0])
            .filter(|_| is_alone)
        {
            self.note_kill(&[], before);
        }
    }

    /// Has another server take the place of this one, which is asked to end.
    pub fn restart(&mut self) {
        self.server.stop();
        self.begin_life();
    }

    fn begin_life(&mut self) {
        self.fates.append(&mut self.present);
        self.server = start(&self.site, &self.route);
    }

    /// Waits until the queue is empty and everything is where it is to be, and ends the server. Returns how many kills and
    /// doubles there were.
    #[track_caller]
    pub fn end(mut self) -> Sum {
        self.fates.append(&mut self.present);
        let mut wrong = None;
        let is_right = happens(|| {
            // A report joins the queue a little after the mail that it is about has left it.
            self.site.await_empty();
            wrong = self.what_is_wrong();
            wrong.is_none()
        });
        assert!(
            is_right,
            "{}\n{}",
            wrong.unwrap_or_default(),
            self.server.log()
        );
        let doubles = self.check_doubles();
        self.server.stop();
        let count = |fate| self.fates.values().filter(|other| **other == fate).count();
        Sum {
            kills: self
                .kills
                .iter()
                .filter(|kill| !kill.victims.is_empty())
                .count(),
            acknowledged: count(Fate::Acknowledged),
            refused: count(Fate::Refused),
            unanswered: count(Fate::Unanswered),
            doubles,
        }
    }

    /// Whether nothing is under way. A server that cannot be asked is at work on something.
    pub fn is_at_rest(&self) -> bool {
        let list = self.site.queue(&["list"]);
        list.status.success() && list.stdout.is_empty() && list.stderr.is_empty()
    }

    fn what_is_wrong(&self) -> Option<String> {
        let sent = counted(self.sink.taken().iter().map(|mail| &mail.text[..]));
        let stored = |address| counted(self.site.stored(address).iter().map(Vec::as_slice));
        let (local, reports) = (stored(CARL), stored(ADA));
        let everything = [&sent, &local, &reports];
        // Where the spool could not be read when a report was made, it lacks the header by which it is known.
        let mut unknown_reports = reports.get(&None).copied().unwrap_or(0);
        let told_of: Vec<_> = self
            .site
            .stored(ADA)
            .iter()
            .flat_map(|report| failed(report))
            .collect();
        if let Some(other) = told_of.iter().find(|address| *address != BAD) {
            return Some(format!("a report says that {other} has failed"));
        }
        if [&sent, &local]
            .iter()
            .any(|counts| counts.contains_key(&None))
        {
            return Some("something is torn".to_owned());
        }
        for (number, fate) in &self.fates {
            let of = |counts: &Counts| counts.get(&Some(*number)).copied().unwrap_or(0);
            for to in recipients(*number) {
                let (count, most) = match *to {
                    BOB => (of(&sent), usize::MAX),
                    CARL => (of(&local), 1),
                    _ => (of(&reports), 1),
                };
                let least = usize::from(*fate == Fate::Acknowledged);
                let most = if *fate == Fate::Refused { 0 } else { most };
                if count < least && !matches!(*to, BOB | CARL) && unknown_reports > 0 {
                    unknown_reports -= 1;
                    continue;
                }
                if !(least..=most).contains(&count) {
                    return Some(format!("{count} of {number} for {to}, {fate:?}"));
                }
            }
        }
        let mut numbers = everything.into_iter().flat_map(Counts::keys).flatten();
        let unknown = numbers.find(|number| !self.fates.contains_key(number));
        unknown.map(|number| format!("nobody sent {number}"))
    }

    /// Sees that nothing came twice to the hop but what was under way when somebody was killed. Returns how much did.
    #[track_caller]
    fn check_doubles(&self) -> usize {
        let (mut first, mut twice) = (BTreeMap::new(), Vec::new());
        for (at, mail) in self.sink.taken().iter().enumerate() {
            let number = number_of(&mail.text);
            twice.extend(first.insert(number, at).map(|earlier| (earlier, number)));
        }
        // Windows overlap, and their beginnings and ends are in order: so each in turn is for the first kill that has room, and
        // all find one if they can.
        twice.sort_unstable();
        let mut room: Vec<_> = self.kills.iter().map(Kill::doubles_max).collect();
        for &(earlier, number) in &twice {
            let mut kills = self.kills.iter().zip(&mut room);
            let room = kills
                .find_map(|(kill, room)| (kill.is_during(earlier) && *room > 0).then_some(room));
            let room = room.unwrap_or_else(|| {
                let kills: Vec<_> = self
                    .kills
                    .iter()
                    .map(|kill| (&kill.victims, kill.taken))
                    .collect();
                panic!(
                    "{number:?} came twice, and is more than was under way: {twice:?} of {kills:?}"
                )
            });
            *room -= 1;
        }
        twice.len()
    }
}

fn start(site: &Site, route: &str) -> TestServer {
    let connections = CONNECTIONS.to_string();
    let limit = ["--max-outgoing-per-site", &connections];
    site.start(&[&["--route", route, "--retry", "1"], &limit[..]].concat())
}

/// Of whom a report tells.
fn failed(report: &[u8]) -> Vec<String> {
    let report = String::from_utf8_lossy(report).replace("\r\n", "\n");
    let lines = report.lines();
    let addresses = lines.filter_map(|line| line.strip_prefix("Final-Recipient: rfc822;"));
    let addresses: Vec<_> = addresses.map(|address| address.trim().to_owned()).collect();
    assert!(!addresses.is_empty(), "of nobody: {report}");
    addresses
}

/// How often each message is there; under nothing what is no whole one.
type Counts = BTreeMap<Option<usize>, usize>;

fn counted<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Counts {
    let mut counts = Counts::new();
    for text in texts {
        *counts.entry(number_of(text)).or_default() += 1;
    }
    counts
}

/// What came of trials.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    pub kills: usize,
    pub acknowledged: usize,
    pub refused: usize,
    pub unanswered: usize,
    pub doubles: usize,
}

impl Sum {
    pub fn add(&mut self, other: Self) {
        self.kills += other.kills;
        self.acknowledged += other.acknowledged;
        self.refused += other.refused;
        self.unanswered += other.unanswered;
        self.doubles += other.doubles;
    }
}
