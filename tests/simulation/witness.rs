//! What the server did on one connection, as seen from below it, and the rules for that.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use mailoop::smtp::reply;
use memchr::memchr;

use super::journal::Journal;
use super::profile::{LINGER, Profile};
use super::store::Ledger;

/// What a connection may read in one turn: as much as `TURN_WORK_MAX` of src/server/budget.rs buys, and the one read that
/// goes past it.
const TURN_BYTES_MAX: usize = 2 * READ_BYTES_MAX + READ_BYTES_MAX;
/// What the server reads at once.
pub const READ_BYTES_MAX: usize = 64 * 1024;

/// What commands between chunks may make up of what is read.
const CHUNK_COMMAND_BYTES: u64 = 1024;

/// Since when a handshake goes on.
pub struct Securing {
    pub since: Instant,
    /// It may have begun a little earlier than that is seen.
    pub at_least_since: Instant,
}

pub struct Witness {
    pub client: usize,
    /// Some of its messages may come in chunks, of whose beginning it hears nothing.
    pub chunks: bool,
    journal: Rc<Journal>,
    ledger: Rc<RefCell<Ledger>>,
    profile: Rc<Profile>,
    accepted: Option<Instant>,
    /// When how much was read.
    reads: Vec<(Instant, u64)>,
    read_total: u64,
    read_in_turn: usize,
    /// When the last line end was read, or the end of input.
    line_read: Option<Instant>,
    /// The same before this instant.
    line_read_before: Option<Instant>,
    /// When the last line of a reply was written.
    replied: Option<Instant>,
    last_write: Option<Instant>,
    /// When an event or another turn came though there was no room: the server may go on with commands that it had
    /// kept, as far as its own buffer goes, and yet write nothing.
    pub nudged: Option<Instant>,
    written_total: u64,
    /// The reply that is being written.
    line: Vec<u8>,
    /// Since when a message is awaited, and how much had been read by then.
    data_since: Option<(Instant, u64)>,
    /// When DATA was read for that.
    data_asked: Option<Instant>,
    /// The last reply, behind which there is to be nothing.
    farewell: Option<String>,
    end_read: bool,
    /// It used up its last turn: it is to wait until those have theirs who did so.
    pub paused: bool,
    /// When it last could not go on since the store took no more, or was asked something.
    excused: Option<Instant>,
    /// Since when its deadline has passed.
    overdue: Option<Instant>,
    /// It is in the handshake of TLS, at least since then, or to begin with it.
    pub securing: Option<Securing>,
    /// It is in TLS.
    pub secured: bool,
    /// It was dropped in a handshake that could have gone on.
    pub cut_short: bool,
    pub shut: Option<Instant>,
    pub dropped: Option<Instant>,
    /// The server gave up on a client that does not read.
    pub gave_up: bool,
}

impl Witness {
    pub fn new(
        client: usize,
        journal: Rc<Journal>,
        ledger: Rc<RefCell<Ledger>>,
        profile: Rc<Profile>,
    ) -> Self {
        Self {
            client,
            chunks: false,
            journal,
            ledger,
            profile,
            accepted: None,
            reads: Vec::new(),
            read_total: 0,
            read_in_turn: 0,
            line_read: None,
            line_read_before: None,
            replied: None,
            last_write: None,
            nudged: None,
            written_total: 0,
            line: Vec::new(),
            data_since: None,
            data_asked: None,
            farewell: None,
            end_read: false,
            paused: false,
            excused: None,
            overdue: None,
            securing: None,
            secured: false,
            cut_short: false,
            shut: None,
            dropped: None,
            gave_up: false,
        }
    }

    fn wrong(&self, what: impl FnOnce() -> String) {
        self.journal
            .violation(|| format!("client {}: {}", self.client, what()));
    }

    pub fn accept(&mut self) {
        let now = self.journal.now();
        self.accepted = Some(now);
        if self.profile.service.begins_with_tls() {
            self.securing = Some(Securing {
                since: now,
                at_least_since: now,
            });
        }
    }

    /// All of a handshake was read.
    pub fn secure(&mut self) {
        self.securing = None;
        self.secured = true;
        // It may say its first command from here on.
        self.note_line(self.journal.now());
    }

    /// Whether the server has it.
    pub fn is_live(&self) -> bool {
        self.accepted.is_some() && self.dropped.is_none()
    }

    /// From here on its reads count as a turn's.
    pub fn begin_turn(&mut self) {
        self.read_in_turn = 0;
    }

    /// Whether its message is with the store.
    pub fn is_waiting(&self) -> bool {
        self.ledger.borrow().is_waiting(self.client)
    }

    pub fn check_read(&self) {
        if self.paused {
            self.wrong(|| "is read from out of its turn, or was left with input before".to_owned());
        }
        if self.ledger.borrow().is_kept_waiting(self.client) {
            self.wrong(|| "its message is read though the store takes no more".to_owned());
        }
        // At the end of a drain nobody waits for the store any more.
        if self.is_waiting() && self.shut.is_none() {
            self.wrong(|| "read while its message is being stored".to_owned());
        }
    }

    /// So many octets were read, of whatever kind.
    pub fn read(&mut self, count: usize) {
        self.journal
            .trace(|| format!("client {} read {count}", self.client));
        self.read_in_turn += count;
        if self.read_in_turn > TURN_BYTES_MAX {
            self.wrong(|| format!("{} bytes were read in one turn", self.read_in_turn));
        }
    }

    /// With them this text was.
    pub fn read_text(&mut self, bytes: &[u8]) {
        let now = self.journal.now();
        let count = bytes.len();
        self.read_total += count as u64;
        match self.reads.last_mut() {
            Some((at, sum)) if *at == now => *sum += count as u64,
            _ => self.reads.push((now, count as u64)),
        }
        if memchr(b'\n', bytes).is_some() {
            self.note_line(now);
        }
    }

    fn note_line(&mut self, now: Instant) {
        if self.line_read != Some(now) {
            self.line_read_before = self.line_read;
        }
        self.line_read = Some(now);
    }

    pub fn read_end(&mut self) {
        self.end_read = true;
        self.note_line(self.journal.now());
    }

    /// Octets were written, of whatever kind.
    pub fn wrote(&mut self) {
        self.last_write = Some(self.journal.now());
        if self.shut.is_some() {
            self.wrong(|| "written behind its end".to_owned());
        }
    }

    /// With them this text was, to its end.
    pub fn wrote_text(&mut self, bytes: &[u8]) {
        self.written_total += bytes.len() as u64;
        for byte in bytes {
            self.line.push(*byte);
            if *byte == b'\n' {
                let line = String::from_utf8(std::mem::take(&mut self.line));
                self.reply(line.unwrap_or_default().trim_end());
            }
        }
    }

    fn reply(&mut self, line: &str) {
        self.journal
            .trace(|| format!("client {} S: {line}", self.client));
        if let Some(farewell) = &self.farewell {
            self.wrong(|| format!("{line:?} behind {farewell:?}"));
        }
        let now = self.journal.now();
        if let Some((_, id)) = line.split_once("queued as ") {
            self.ledger.borrow().acknowledged(self.client, id);
        }
        if line.starts_with("421") && line.contains("timeout") {
            self.check_timeout(now);
        }
        if line.starts_with("220") && line.ends_with(reply::READY_FOR_TLS.text) {
            self.securing = Some(Securing {
                since: now,
                at_least_since: self.line_read.unwrap_or(now),
            });
        }
        if line.starts_with("421") || line.starts_with("221") {
            self.farewell = Some(line.to_owned());
        }
        self.data_asked = self.line_read.filter(|_| line.starts_with("354"));
        self.data_since = line.starts_with("354").then_some((now, self.read_total));
        self.replied = Some(now);
    }

    /// Nobody may be told too early that it took too long.
    fn check_timeout(&self, now: Instant) {
        let settled = self.ledger.borrow().last_settled(self.client);
        let idle = self.profile.idle;
        // Reads that are interrupted are work too. What is read when that of a turn is done may be looked at in the next turn
        // only, before which the clock may have leapt past a deadline.
        let is_seen = |at: &Instant| *at < now || self.replied == Some(now);
        let awaited = if self.data_since.is_some() {
            self.reads.iter().rev().map(|(at, _)| *at).find(is_seen)
        } else {
            let lines = [self.line_read, self.line_read_before];
            lines.into_iter().flatten().find(is_seen)
        };
        let since = [self.accepted, settled, awaited]
            .into_iter()
            .flatten()
            .max();
        let silent = since.is_some_and(|since| since + idle <= now);
        let session_over = self.data_since.is_none()
            && self
                .accepted
                .is_some_and(|at| at + self.profile.session <= now);
        let in_data = self.data_asked.is_some_and(|asked| asked + idle <= now);
        // Of what is read in chunks the commands do not count, of which not so much comes in an idle timeout.
        let commands = if self.chunks { CHUNK_COMMAND_BYTES } else { 0 };
        let too_slow = (in_data || self.chunks)
            && self.read_since(now - idle) < self.profile.least_bytes() + commands;
        if !silent && !session_over && !too_slow {
            self.wrong(|| {
                format!(
                    "timed out before its time: last heard {:?} ago",
                    since.map(|at| now - at)
                )
            });
        }
    }

    fn read_since(&self, since: Instant) -> u64 {
        let late = self.reads.iter().rev().take_while(|(at, _)| *at > since);
        late.map(|(_, count)| count).sum()
    }

    pub fn shut_down(&mut self, said_so: bool) {
        if self.securing.is_none() && !said_so {
            self.wrong(|| "TLS is closed without its good-bye".to_owned());
        }
        self.journal
            .trace(|| format!("client {} shut down", self.client));
        self.shut = Some(self.journal.now());
    }

    /// Whether the peer had its second to read the last reply.
    pub fn has_lingered(&self) -> bool {
        self.shut
            .is_some_and(|at| at + LINGER <= self.journal.now())
    }

    pub fn drop_connection(&mut self, reset: bool, blocked: bool, within_record: bool) {
        let now = self.journal.now();
        self.journal
            .trace(|| format!("client {} dropped", self.client));
        self.dropped = Some(now);
        self.gave_up = blocked && !reset;
        if let Some(securing) = &self.securing {
            let too_slow = securing.at_least_since + self.profile.handshake() <= now;
            self.cut_short = !(reset || blocked || self.end_read || too_slow);
            self.gave_up = !reset;
            return;
        }
        let quit = self
            .farewell
            .as_ref()
            .is_some_and(|line| line.starts_with("221"));
        if !(reset || blocked || quit || self.end_read || self.has_lingered()) {
            self.wrong(|| "closed for no reason".to_owned());
        }
        if (!self.line.is_empty() || within_record) && !reset && !blocked {
            self.wrong(|| "closed within a reply".to_owned());
        }
    }

    /// The deadlines, at the end of a tick. `strict` says that only whole lines are progress outside of a
    /// message, which a message that was sent without waiting for 354 would belie.
    pub fn check_deadlines(&mut self, strict: bool, blocked: bool) {
        let now = self.journal.now();
        if !self.is_live() || self.is_waiting() {
            return;
        }
        let ledger = self.ledger.borrow();
        // Of a question it is not known whose it is.
        if ledger.is_kept_waiting(self.client) || ledger.is_asked() {
            self.excused = Some(now);
        }
        drop(ledger);
        if self.has_lingered() {
            self.wrong(|| "lingers for more than its time".to_owned());
        }
        if let Some(securing) = &self.securing {
            if securing.since + self.profile.handshake() <= now {
                self.wrong(|| "is still in its handshake".to_owned());
            }
            return;
        }
        let settled = self.ledger.borrow().last_settled(self.client);
        let last_read = self.reads.last().map(|(at, _)| *at);
        let counts = !strict || self.data_since.is_some();
        let last_read = last_read.filter(|_| counts);
        let signs = [
            self.accepted,
            settled,
            self.line_read,
            self.last_write,
            self.nudged,
            self.excused,
            last_read,
        ];
        let Some(alive) = signs.into_iter().flatten().max() else {
            return;
        };
        if now < alive + self.profile.idle {
            self.overdue = None;
        } else {
            // A last reply that the socket has no room for has a little more time.
            let overdue = *self.overdue.get_or_insert(now);
            if !blocked || overdue + LINGER <= now {
                self.wrong(|| format!("is still there after {:?}", now - alive));
            }
        }
        // A last word that is being written has a little more time here as well, and a message that is settled is over, though
        // its reply may not be written yet.
        if let Some((since, before)) = self.data_since
            && settled.is_none_or(|at| at <= since)
            && self.excused.map_or(since, |at| at.max(since)) + self.profile.idle + LINGER <= now
            && self.read_total - before < self.profile.least_bytes()
            && self.shut.is_none()
            && !blocked
        {
            self.wrong(|| "its message is slower than the least rate".to_owned());
        }
    }

    /// Of a connection whose commands of `sent` bytes get replies of `answered`: how much the server has taken
    /// in without having answered it.
    pub fn check_backlog(&self, sent: u64, answered: u64) {
        // In TLS a record that is not written to its end hides its text.
        const OUTPUT_BYTES_MAX: u64 = 2 * 16 * 1024 + 100;
        const INPUT_BYTES_MAX: u64 = READ_BYTES_MAX as u64 + 600;
        let most = (self.written_total + OUTPUT_BYTES_MAX) * sent / answered + INPUT_BYTES_MAX;
        if self.read_total > most && self.shut.is_none() && self.farewell.is_none() {
            self.wrong(|| {
                format!(
                    "{} bytes read, {} written",
                    self.read_total, self.written_total
                )
            });
        }
    }

    /// Once transactions may not go on any more, since `time_up`: what is left is good-bye, and the store's.
    pub fn check_drained(&self, time_up: Instant) {
        let ledger = self.ledger.borrow();
        if !self.is_live() || ledger.is_waiting(self.client) {
            return;
        }
        let since = ledger
            .last_settled(self.client)
            .map_or(time_up, |at| at.max(time_up));
        // Behind the last reply it may linger, which is looked at elsewhere.
        if self.shut.is_none() && since + LINGER <= self.journal.now() {
            self.wrong(|| "outlives the drain".to_owned());
        }
    }
}
