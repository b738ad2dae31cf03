//! Servers that answer by seed, an operator who takes recipients off, a server that shuts down: whatever comes, each recipient has
//! one result, and what was sent is told as sent.

use std::sync::atomic::{AtomicU64, Ordering};

use mailoop::outbound::delivery::ResultClass;
use mailoop::outbound::hop::{HopProtocol, HopSettings};
use mailoop::smtp::envelope::Body;
use mailoop::store::spool::TextFlags;

use crate::prng::Prng;
use crate::seeds;
use crate::world::{Mail, World, hop};

const SEEDS: u64 = 1000;

#[test]
fn each_recipient_has_one_result_whatever_a_server_says() {
    let classes: [AtomicU64; 7] = Default::default();
    let run = |seed| {
        let mut rng = Prng::new(seed);
        let world = live(&mut rng);
        world.check();
        for outcome in &world.outcomes {
            classes[outcome.result.class as usize].fetch_add(1, Ordering::Relaxed);
        }
    };
    if let Some(seed) = seeds::only() {
        return run(seed);
    }
    seeds::run_all("hops", SEEDS, run);
    let classes = classes.map(AtomicU64::into_inner);
    println!("results by class: {classes:?}");
    assert!(classes.iter().all(|count| *count > 20), "{classes:?}");
}

fn settings(rng: &mut Prng) -> HopSettings {
    let mut hop = hop();
    if rng.one_in(3) {
        hop.protocol = HopProtocol::Lmtp;
    }
    hop.pipelines_next = !rng.one_in(4);
    hop.recipients_max = rng.pick(&[1, 2, 100, 100]);
    hop
}

fn mail(id: u32, rng: &mut Prng) -> Mail {
    let addresses: Vec<String> = (0..rng.between(1, 5))
        .map(|at| format!("u{at}@y"))
        .collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let mut mail = Mail::new(id, &addresses);
    mail.in_pieces = rng.one_in(3);
    if rng.one_in(6) {
        mail.text = b".line\r\n".repeat(rng.between(1, 30_000));
        mail.flags = TextFlags::DOT_LINE;
    }
    if rng.one_in(8) {
        mail.envelope.body = Body::BinaryMime;
    }
    mail.envelope.smtputf8 = rng.one_in(10);
    mail
}

/// A server that knows what it is asked, as far as a seed lets it answer that.
struct Server {
    /// Commands that are not answered yet.
    unread: Vec<u8>,
    /// Within a message, and how many recipients were accepted.
    is_in_text: bool,
    chunk_left: usize,
    accepted: usize,
    is_lmtp: bool,
    /// How often an answer is not the right one.
    moody: usize,
}

impl Server {
    /// Answers some of what it hears.
    fn answer(&mut self, heard: &[u8], rng: &mut Prng) -> Vec<u8> {
        self.unread.extend_from_slice(heard);
        let mut said = String::new();
        loop {
            if self.chunk_left > 0 {
                let count = self.chunk_left.min(self.unread.len());
                self.unread.drain(..count);
                self.chunk_left -= count;
                if self.chunk_left > 0 {
                    break;
                }
                self.end_of_text(&mut said, rng);
            }
            let Some(end) = self.unread.windows(2).position(|it| it == b"\r\n") else {
                break;
            };
            let line: Vec<u8> = self.unread.drain(..end + 2).collect();
            let line = String::from_utf8_lossy(&line).into_owned();
            if self.is_in_text {
                if line == ".\r\n" {
                    self.is_in_text = false;
                    self.end_of_text(&mut said, rng);
                }
                continue;
            }
            self.command(line.trim_end(), &mut said, rng);
        }
        said.into_bytes()
    }

    fn end_of_text(&mut self, said: &mut String, rng: &mut Prng) {
        let replies = if self.is_lmtp { self.accepted } else { 1 };
        self.accepted = 0;
        for _ in 0..replies {
            self.say("250 2.0.0 Ok", said, rng);
        }
    }

    fn command(&mut self, line: &str, said: &mut String, rng: &mut Prng) {
        let verb = line.split(' ').next().unwrap_or_default();
        match verb {
            "EHLO" | "LHLO" => {
                let mut offers = vec!["PIPELINING", "ENHANCEDSTATUSCODES", "CHUNKING"];
                offers.extend(["BINARYMIME", "SMTPUTF8", "SIZE 100000", "LIMITS MAILMAX=4"]);
                offers.retain(|_| !rng.one_in(4));
                for offer in offers {
                    *said += &format!("250-{offer}\r\n");
                }
                self.say("250 HELP", said, rng);
            }
            "RCPT" => {
                let before = said.len();
                self.say("250 2.1.5 Ok", said, rng);
                self.accepted += usize::from(said[before..].starts_with('2'));
            }
            "DATA" if self.accepted == 0 && !rng.one_in(3) => *said += "554 5.5.1 Nobody\r\n",
            "DATA" => {
                let before = said.len();
                self.say("354 Go", said, rng);
                self.is_in_text = said[before..].starts_with("354");
            }
            "BDAT" => self.chunk_left = line.split(' ').nth(1).unwrap().parse().unwrap(),
            "QUIT" => *said += "221 Bye\r\n",
            _ => {
                self.accepted = 0;
                self.say("250 2.0.0 Ok", said, rng);
            }
        }
    }

    fn say(&self, right: &str, said: &mut String, rng: &mut Prng) {
        let wrong = [
            "250 2.0.0 Ok",
            "450 4.2.0 Later",
            "452 4.5.3 Too many",
            "452 Full",
            "550 5.1.1 No",
            "550-5.1.1 No\r\n550 at all",
            "552 5.5.3 Too many",
            "554 No",
            "421 4.3.2 Away",
            "354 Go",
            "garbage",
        ];
        let line = match self.moody > 0 && rng.one_in(self.moody) {
            true => rng.pick(&wrong),
            false => right,
        };
        *said += &format!("{line}\r\n");
    }
}

fn live(rng: &mut Prng) -> World {
    let hop = settings(rng);
    let mut server = Server {
        unread: Vec::new(),
        is_in_text: false,
        chunk_left: 0,
        accepted: 0,
        is_lmtp: hop.protocol == HopProtocol::Lmtp,
        moody: rng.pick(&[0, 4, 12, 40]),
    };
    let mails: Vec<Mail> = (1..=rng.between(1, 6) as u32)
        .map(|id| mail(id, rng))
        .collect();
    let mut world = World::new(hop, mails);
    let mut unsaid = b"220 mx.y\r\n".to_vec();
    for _ in 0..400 {
        if world.is_closed {
            return world;
        }
        let heard = world.heard();
        unsaid.extend(server.answer(&heard, rng));
        match rng.below(60) {
            0 if server.moody > 0 => world.hang_up(),
            1 if server.moody > 0 => world.wait(700),
            2 => world.drain(rng.below(2) as u64 * 20),
            3 => {
                let mail = rng.between(1, 6) as u32;
                let recipients: Vec<u16> = (0..5).filter(|_| rng.one_in(2)).collect();
                world.cancel(mail, &recipients);
            }
            4 => world.wire.borrow_mut().room = Some(rng.below(9000)),
            5 => world.is_unreadable = rng.one_in(4),
            _ => {
                let count = rng.size(unsaid.len().max(1)).min(unsaid.len());
                let said: Vec<u8> = unsaid.drain(..count).collect();
                world.wire.borrow_mut().room = None;
                world.say(&said);
            }
        }
        if unsaid.is_empty() && rng.one_in(20) {
            world.wait(5);
        }
    }
    world.hang_up();
    world
}

/// Sent is only what the server has taken with a 2yz, in the runs where it never errs.
#[test]
fn a_server_without_moods_gets_everything() {
    seeds::run_up_to("hops", 300, |seed| {
        let mut rng = Prng::new(seed);
        let mails: Vec<Mail> = (1..=5).map(|id| mail(id, &mut rng)).collect();
        let hop = settings(&mut rng);
        let is_lmtp = hop.protocol == HopProtocol::Lmtp;
        let mut world = World::new(hop, mails);
        let mut server = Server {
            unread: Vec::new(),
            is_in_text: false,
            chunk_left: 0,
            accepted: 0,
            is_lmtp,
            moody: 0,
        };
        world.say(b"220 mx.y\r\n");
        for _ in 0..200 {
            let heard = world.heard();
            let said = server.answer(&heard, &mut rng);
            if world.is_closed || said.is_empty() {
                break;
            }
            world.say(&said);
        }
        world.wait(5);
        world.check();
        let allowed = [ResultClass::Sent, ResultClass::Failed, ResultClass::Again];
        for outcome in &world.outcomes {
            assert!(allowed.contains(&outcome.result.class), "{outcome:?}");
            assert_eq!(
                outcome.result.is_remote,
                outcome.result.class == ResultClass::Sent
            );
        }
    });
}
