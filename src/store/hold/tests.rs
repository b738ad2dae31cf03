#![allow(clippy::unwrap_used)]

mod model;

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::*;

/// A starter of processes that are simulated.
#[derive(Debug, Default)]
struct Starts {
    asked: Cell<u32>,
    /// Whether a process that was asked for is there.
    is_slow: Cell<bool>,
    /// Whether none can be started.
    fails: Cell<bool>,
}

#[derive(Debug)]
struct SimulatedStarter(Rc<Starts>);

impl HoldStarter for SimulatedStarter {
    fn ask(&mut self) -> io::Result<()> {
        if self.0.fails.get() {
            return Err(io::Error::other("planted"));
        }
        self.0.asked.set(self.0.asked.get() + 1);
        Ok(())
    }

    fn take_pipes(&mut self) -> io::Result<Option<StorePipes>> {
        if self.0.is_slow.get() {
            return Ok(None);
        }
        // Nobody reads or writes them: octets are carried by hand.
        Ok(Some(StorePipes::open()?.0))
    }
}

/// A hold, and a process that is simulated by its files.
struct HoldBench {
    hold: Hold,
    starts: Rc<Starts>,
    files: RefCell<HeldFiles>,
    folder: TempDir,
    now: Instant,
}

impl HoldBench {
    fn new(options: HoldOptions) -> Self {
        let starts = Rc::new(Starts::default());
        let folder = tempfile::tempdir().unwrap();
        Self {
            hold: Hold::new(options, Box::new(SimulatedStarter(Rc::clone(&starts)))),
            starts,
            files: RefCell::new(HeldFiles::open(folder.path()).unwrap()),
            folder,
            now: Instant::now(),
        }
    }

    /// One tick: the process answers whatever it was asked, and its answers are taken.
    fn tick(&mut self) -> Vec<HoldAnswer> {
        self.hold.set_time(self.now);
        self.hold.commit();
        drop(self.hold.take_pipes());
        if let Some(client) = self.hold.client() {
            self.files.borrow_mut().exchange(client).unwrap();
        }
        self.hold.commit();
        std::iter::from_fn(|| self.hold.take_answer()).collect()
    }

    /// Loses the process and all of its files.
    fn lose(&mut self) {
        if let Some(client) = self.hold.client() {
            client.disconnected(ErrorKind::UnexpectedEof.into());
        }
        *self.files.borrow_mut() = HeldFiles::open(self.folder.path()).unwrap();
    }

    /// Octets of a text, as they are read at once or from the process.
    fn read(&mut self, text: &HeldText, offset: u64, max: usize) -> Result<Vec<u8>, Failure> {
        let ticket = match self.hold.read(text, offset, max)? {
            HeldRead::Text(octets) => return Ok(octets.to_vec()),
            HeldRead::Asked(ticket) => ticket,
        };
        let mut answers = self.tick();
        assert_eq!(answers.len(), 1);
        let answer = answers.remove(0);
        assert_eq!(answer.ticket, ticket);
        answer.result.map(|octets| octets.to_vec())
    }

    fn read_all(&mut self, text: &HeldText, piece: usize) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let octets = self.read(text, all.len() as u64, piece).unwrap();
            if octets.is_empty() {
                return all;
            }
            all.extend(octets);
        }
    }
}

fn small() -> HoldOptions {
    HoldOptions {
        text_memory_bytes_max: 100,
        memory_bytes_max: 250,
        disk_bytes_max: 1000,
    }
}

fn octets(count: usize) -> Vec<u8> {
    (0..251).cycle().take(count).collect()
}

#[test]
fn a_small_text_stays_in_memory_and_needs_no_process() {
    let mut bench = HoldBench::new(small());
    let mut text = bench.hold.begin();
    bench.hold.write(&mut text, &octets(100)).unwrap();
    assert_eq!(bench.hold.len(&text), 100);
    assert_eq!(bench.hold.memory_bytes(), 100);
    assert_eq!(
        bench.hold.read(&text, 90, 64).unwrap(),
        HeldRead::Text(&octets(100)[90..])
    );
    assert_eq!(
        bench.hold.read(&text, 100, 64).unwrap(),
        HeldRead::Text(b"")
    );
    assert_eq!(
        bench.hold.read(&text, 101, 64).unwrap(),
        HeldRead::Text(b"")
    );
    assert!(!bench.hold.is_pending() && bench.hold.next_wake().is_none());
    bench.hold.drop_text(text);
    assert_eq!(
        (bench.hold.memory_bytes(), bench.starts.asked.get()),
        (0, 0)
    );
}

#[test]
fn a_text_that_outgrows_its_memory_is_moved_and_read_from_the_process() {
    let mut bench = HoldBench::new(small());
    let mut text = bench.hold.begin();
    bench.hold.write(&mut text, &octets(60)).unwrap();
    bench.hold.write(&mut text, &octets(60)).unwrap();
    assert_eq!(
        (bench.hold.memory_bytes(), bench.hold.disk_bytes()),
        (0, 120)
    );
    let expected = [octets(60), octets(60)].concat();
    assert_eq!(bench.read_all(&text, 50), expected);
    assert_eq!(bench.read(&text, 50, 20).unwrap(), expected[50..70]);
    assert_eq!(bench.starts.asked.get(), 1);
    // It has no name, and nothing is left of it.
    assert_eq!(bench.folder.path().read_dir().unwrap().count(), 0);
    bench.hold.drop_text(text);
    assert_eq!(bench.hold.disk_bytes(), 0);
}

#[test]
fn memory_of_all_texts_has_a_bound() {
    let mut bench = HoldBench::new(small());
    let mut texts: Vec<_> = (0..20).map(|_| bench.hold.begin()).collect();
    for _ in 0..5 {
        for text in &mut texts {
            bench.hold.write(text, &octets(9)).unwrap();
            assert!(bench.hold.memory_bytes() <= 250);
        }
    }
    assert!(bench.hold.memory_bytes() > 100 && bench.hold.disk_bytes() > 100);
    let expected = octets(9).repeat(5);
    for text in &texts {
        assert_eq!(bench.read_all(text, 100), expected);
    }
    for text in texts {
        bench.hold.drop_text(text);
    }
    assert_eq!((bench.hold.memory_bytes(), bench.hold.disk_bytes()), (0, 0));
}

#[test]
fn the_disk_that_all_texts_take_has_a_bound() {
    let mut bench = HoldBench::new(small());
    let [mut first, mut second] = [(); 2].map(|()| bench.hold.begin());
    bench.hold.write(&mut first, &octets(900)).unwrap();
    let refused = bench.hold.write(&mut second, &octets(101));
    assert!(matches!(refused, Err(Failure::Full(_))), "{refused:?}");
    // It is lost: a text with a hole would be worse.
    assert!(bench.hold.write(&mut second, &octets(1)).is_err());
    assert!(bench.hold.read(&second, 0, 1).is_err());
    assert_eq!(bench.read(&first, 0, 10).unwrap(), octets(10));
    bench.hold.drop_text(first);
    bench.hold.drop_text(second);
    let mut third = bench.hold.begin();
    bench.hold.write(&mut third, &octets(1000)).unwrap();
    assert_eq!(bench.read_all(&third, 1000), octets(1000));
    bench.hold.drop_text(third);
}

#[test]
fn a_read_brings_a_bounded_number_of_octets() {
    let mut bench = HoldBench::new(HoldOptions::default());
    let mut text = bench.hold.begin();
    let all = octets(3 * HELD_READ_BYTES_MAX / 2);
    bench.hold.write(&mut text, &all).unwrap();
    let read = bench.read(&text, 0, usize::MAX).unwrap();
    assert_eq!(read, all[..HELD_READ_BYTES_MAX]);
    assert_eq!(bench.read_all(&text, usize::MAX), all);
    bench.hold.drop_text(text);
}

#[test]
fn a_text_that_is_dropped_while_it_is_read_is_never_answered() {
    let mut bench = HoldBench::new(small());
    let mut text = bench.hold.begin();
    bench.hold.write(&mut text, &octets(200)).unwrap();
    bench.tick();
    assert!(matches!(
        bench.hold.read(&text, 0, 9),
        Ok(HeldRead::Asked(_))
    ));
    bench.hold.drop_text(text);
    let mut other = bench.hold.begin();
    bench.hold.write(&mut other, &octets(150)).unwrap();
    assert!(bench.tick().is_empty());
    assert_eq!(bench.read_all(&other, 70), octets(150));
    bench.hold.drop_text(other);
}

#[test]
fn a_lost_process_takes_its_texts_with_it_and_is_followed_by_another() {
    let mut bench = HoldBench::new(small());
    let [mut lost, mut unread, mut kept] = [(); 3].map(|()| bench.hold.begin());
    bench.hold.write(&mut kept, &octets(50)).unwrap();
    bench.hold.write(&mut lost, &octets(200)).unwrap();
    bench.hold.write(&mut unread, &octets(200)).unwrap();
    bench.tick();
    assert!(matches!(
        bench.hold.read(&lost, 0, 9),
        Ok(HeldRead::Asked(_))
    ));
    bench.lose();
    assert!(bench.hold.is_pending());
    let answers = bench.tick();
    assert!(matches!(
        answers[..],
        [HoldAnswer {
            result: Err(Failure::Io(_)),
            ..
        }]
    ));
    assert!(bench.hold.read(&lost, 0, 9).is_err());
    assert!(bench.hold.write(&mut lost, b"more").is_err());
    assert!(bench.hold.write(&mut unread, b"more").is_err());
    assert_eq!((bench.hold.disk_bytes(), bench.starts.asked.get()), (0, 1));
    assert_eq!(bench.read_all(&kept, 100), octets(50));
    bench.hold.drop_text(lost);
    bench.hold.drop_text(unread);

    let mut next = bench.hold.begin();
    bench.hold.write(&mut next, &octets(300)).unwrap();
    assert_eq!(bench.read_all(&next, 100), octets(300));
    assert_eq!(bench.starts.asked.get(), 2);
    bench.hold.drop_text(kept);
    bench.hold.drop_text(next);
}

#[test]
fn a_process_that_is_lost_again_and_again_is_not_started_again_at_once() {
    let mut bench = HoldBench::new(small());
    let mut refused = 0;
    for _ in 0..10 {
        let mut text = bench.hold.begin();
        refused += u32::from(bench.hold.write(&mut text, &octets(200)).is_err());
        bench.hold.drop_text(text);
        bench.tick();
        bench.lose();
        bench.tick();
        bench.now += Duration::from_millis(10);
    }
    assert_eq!((refused, bench.starts.asked.get()), (6, 4));
    bench.now += Duration::from_secs(5);
    bench.tick();
    let mut text = bench.hold.begin();
    bench.hold.write(&mut text, &octets(200)).unwrap();
    bench.hold.drop_text(text);
}

#[test]
fn without_a_process_large_texts_are_refused_and_small_ones_held() {
    let mut bench = HoldBench::new(small());
    bench.starts.fails.set(true);
    let mut text = bench.hold.begin();
    bench.hold.write(&mut text, &octets(100)).unwrap();
    let refused = bench.hold.write(&mut text, b"!").unwrap_err();
    assert!(refused.to_string().contains("planted"), "{refused}");
    bench.hold.drop_text(text);
    let mut text = bench.hold.begin();
    bench.hold.write(&mut text, &octets(100)).unwrap();
    assert_eq!(bench.read_all(&text, 64), octets(100));
    bench.hold.drop_text(text);
}

#[test]
fn a_process_that_does_not_come_is_given_up_with_its_texts() {
    let mut bench = HoldBench::new(small());
    bench.starts.is_slow.set(true);
    let mut text = bench.hold.begin();
    bench.hold.write(&mut text, &octets(200)).unwrap();
    assert!(matches!(
        bench.hold.read(&text, 0, 9),
        Ok(HeldRead::Asked(_))
    ));
    assert!(bench.tick().is_empty());
    assert!(bench.hold.next_wake().is_some());
    bench.now += Duration::from_secs(10);
    assert_eq!(bench.tick().len(), 1);
    assert!(bench.hold.read(&text, 0, 9).is_err());
    bench.hold.drop_text(text);
}

#[test]
fn output_to_the_process_is_bounded_by_backpressure() {
    let mut bench = HoldBench::new(HoldOptions::default());
    let mut text = bench.hold.begin();
    let mut written = 0;
    while !bench.hold.is_congested() {
        bench.hold.write(&mut text, &octets(16 * 1024)).unwrap();
        written += 16 * 1024;
        assert!(written <= 1 << 20);
    }
    bench.tick();
    assert!(!bench.hold.is_congested());
    bench.hold.drop_text(text);
}

#[test]
fn a_disk_that_takes_no_more_loses_the_text() {
    let mut bench = HoldBench::new(small());
    let mut text = bench.hold.begin();
    // A descriptor that cannot be written stands for a disk that is full.
    std::fs::remove_dir(bench.folder.path()).unwrap();
    bench.hold.write(&mut text, &octets(200)).unwrap();
    bench.tick();
    let failure = bench.hold.write(&mut text, b"more").unwrap_err();
    let folder = bench.folder.path().display().to_string();
    assert!(failure.to_string().contains(&folder), "{failure}");
    assert!(bench.hold.read(&text, 0, 9).is_err());
    bench.hold.drop_text(text);
    assert_eq!(bench.hold.disk_bytes(), 0);
}
