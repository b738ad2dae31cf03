//! Records that are cut, garbled or changed: a replay says so, and never panics.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[cfg(all(feature = "auth", feature = "smtputf8", feature = "tls"))]
use mailoop::net::probe::Content;
use mailoop::observe::codec::RecordValue;
use mailoop::observe::file::{FrameReader, MAGIC, RecordError, put_frame};
use mailoop::observe::frame::Frame;
use mailoop::replay::{ReplayError, Replayed, replay};

use super::BASE;
use super::prng::Prng;
use super::record::{run_recorded, temporary, wanted};
use super::seeds::{self, attempt};

/// Changes that are tried of each record.
const CHANGES: u64 = 50;
/// A record of this size is cut and garbled at each octet, a larger one at as many.
const PLACES: usize = 250;
/// The size of a record that is short, and holds something.
const SHORT_BYTES_MIN: usize = 4000;
const SHORT_BYTES_MAX: usize = 30_000;
/// No replay of a record of some KiB takes that long, also on a busy machine.
const REPLAY_TIME_MAX: Duration = Duration::from_secs(20);

/// A record in a file, which is written over again and again.
pub struct Garbled {
    path: PathBuf,
    record: Vec<u8>,
    /// The start of each frame, and the end of the last one.
    frames: Vec<usize>,
}

impl Garbled {
    pub fn new(name: &str, record: Vec<u8>) -> Self {
        let mut frames = vec![MAGIC.len()];
        let mut reader = FrameReader::new(&record[..]).unwrap();
        while reader.next_frame().unwrap().is_some() {
            frames.push(usize::try_from(reader.position()).unwrap());
        }
        Self {
            path: temporary(name),
            record,
            frames,
        }
    }

    pub fn replay(&self, record: &[u8]) -> Result<Replayed, ReplayError> {
        fs::write(&self.path, record).unwrap();
        let start = Instant::now();
        let replayed = attempt(|| replay(&self.path, None));
        assert!(start.elapsed() < REPLAY_TIME_MAX, "{}", self.path.display());
        replayed.unwrap_or_else(|what| panic!("{}: {what}", self.path.display()))
    }

    /// Octets between `min` and the end: all of them, or of a long record as many as are looked at.
    fn places(&self, min: usize) -> impl Iterator<Item = usize> {
        (min..self.record.len()).step_by(1 + self.record.len() / PLACES)
    }

    /// The octets of a frame, without its length and checksum.
    fn frame(&self, index: usize) -> Vec<u8> {
        let mut reader = FrameReader::new(&self.record[..]).unwrap();
        for _ in 0..index {
            reader.next_frame().unwrap();
        }
        let mut octets = Vec::new();
        reader.next_frame().unwrap().unwrap().put(&mut octets);
        octets
    }

    /// The record with other frames in the place of these.
    pub fn with(&self, start: usize, end: usize, frames: &[Vec<u8>]) -> Option<Vec<u8>> {
        let mut record = self.record[..self.frames[start]].to_vec();
        let mut scratch = Vec::new();
        for octets in frames {
            put_frame(&Frame::read(octets)?, &mut scratch, &mut record);
        }
        record.extend_from_slice(&self.record[self.frames[end]..]);
        Some(record)
    }

    pub fn cut_anywhere(&self) {
        for length in self.places(0) {
            match self.replay(&self.record[..length]) {
                Ok(replayed) => {
                    assert!(replayed.is_cut_short, "{length}");
                    assert!(replayed.difference.is_none(), "{length}: {replayed:?}");
                }
                Err(error) => assert!(length < self.frames[2], "{length}: {error}"),
            }
        }
    }

    pub fn garble_anywhere(&self) {
        for place in self.places(0) {
            let mut record = self.record.clone();
            record[place] ^= 1 << (place % 8);
            match self.replay(&record) {
                Err(ReplayError::Record(RecordError::Garbled(at))) => {
                    assert!(at <= place as u64, "{place}: {at}");
                }
                Err(ReplayError::Record(_)) => assert!(place < MAGIC.len(), "{place}"),
                // A length that says more than there is.
                Ok(replayed) => assert!(
                    replayed.is_cut_short && replayed.difference.is_none(),
                    "{place}: {replayed:?}"
                ),
                Err(error) => panic!("{place}: {error}"),
            }
        }
    }

    /// Changes a frame whose checksum is right, or takes it away, or says it twice, or in the place of another.
    pub fn change(&self, rng: &mut Prng) {
        let count = self.frames.len() - 1;
        let index = rng.below(count);
        let mut octets = self.frame(index);
        let changed = match rng.below(8) {
            0 => self.with(index, index + 1, &[]),
            1 => self.with(index, index, &[octets]),
            2 => {
                let other = rng.below(count);
                self.with(other, other + 1, &[octets])
            }
            3 if index + 1 < count => {
                let next = self.frame(index + 1);
                self.with(index, index + 2, &[next, octets])
            }
            4 if octets.len() > 1 => {
                // The largest number there is, where there was a small one.
                let at = rng.between(1, octets.len() - 1);
                octets.splice(at..=at, [[0xFF; 9].as_slice(), &[1]].concat());
                self.with(index, index + 1, &[octets])
            }
            _ => {
                let at = rng.below(octets.len());
                octets[at] = match rng.below(3) {
                    0 => octets[at] ^ 1,
                    1 => octets[at].wrapping_add(1),
                    _ => rng.below(256) as u8,
                };
                self.with(index, index + 1, &[octets])
            }
        };
        if let Some(changed) = changed {
            // Whatever it says.
            let _ = self.replay(&changed);
        }
    }
}

impl Drop for Garbled {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            fs::remove_file(&self.path).unwrap();
        }
    }
}

/// The record of the first of some seeds that makes a short one.
fn of_seed(test: &str, seed: u64) -> Garbled {
    let with_text = seed.is_multiple_of(2);
    let mut seeds = 1000 * seed..1000 * (seed + 1);
    let record = seeds.find_map(|seed| {
        let (sum, record) = BASE.with(|base| run_recorded(seed, base, with_text));
        sum.unwrap();
        (SHORT_BYTES_MIN..SHORT_BYTES_MAX)
            .contains(&record.len())
            .then_some(record)
    });
    Garbled::new(&format!("{test}-{seed}.record"), record.unwrap())
}

/// The records of real clients, which log in and chunk as well.
fn of_clients() -> Vec<Garbled> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/records");
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let records = files.filter(|file| file.extension().is_some_and(|name| name == "record"));
    let short = records.map(|file| {
        (
            file.file_stem().unwrap().to_owned(),
            fs::read(file).unwrap(),
        )
    });
    let short = short.filter(|(_, record)| record.len() < SHORT_BYTES_MAX);
    short
        .map(|(name, record)| Garbled::new(&format!("changed-{}.record", name.display()), record))
        .collect()
}

#[cfg(all(feature = "auth", feature = "smtputf8", feature = "tls"))]
#[test]
fn a_change_of_a_command_is_a_difference_of_its_connection_at_its_tick() {
    for client in of_clients() {
        let mut reader = FrameReader::new(&client.record[..]).unwrap();
        let (mut index, mut tick, mut commands) = (0, 0, 0);
        while let Some(frame) = reader.next_frame().unwrap() {
            match frame {
                Frame::Tick { number, .. } => tick = number,
                Frame::Used {
                    connection,
                    content: Content::Protocol,
                    octets,
                } if octets.starts_with(b"MAIL FROM") => {
                    let mut octets = octets.to_vec();
                    octets[0] ^= 3;
                    let mut changed = Vec::new();
                    let content = Content::Protocol;
                    let octets = &octets[..];
                    Frame::Used {
                        connection,
                        content,
                        octets,
                    }
                    .put(&mut changed);
                    let changed = client.with(index, index + 1, &[changed]).unwrap();
                    let difference = client.replay(&changed).unwrap().difference.unwrap();
                    let place = (difference.tick, difference.connection);
                    // A command that was not used in the tick that read it is looked at there.
                    assert!(
                        place.0 <= tick && place.1 == Some(connection),
                        "{difference}"
                    );
                    commands += 1;
                }
                _ => {}
            }
            index += 1;
        }
        assert!(commands > 0, "{}", client.path.display());
    }
}

#[test]
fn no_change_of_a_record_of_clients_has_its_replay_panic() {
    let clients = of_clients();
    let mut rng = Prng::new(1);
    for client in &clients {
        for _ in 0..wanted(CHANGES) {
            client.change(&mut rng);
        }
    }
}

#[test]
fn a_record_that_is_cut_replays_to_its_end() {
    seeds::run_up_to("simulation", 4, |seed| of_seed("cut", seed).cut_anywhere());
}

#[test]
fn a_record_that_is_garbled_is_told_from_a_good_one() {
    seeds::run_up_to("simulation", 4, |seed| {
        of_seed("garbled", seed).garble_anywhere();
    });
}

#[test]
fn no_change_of_a_record_has_its_replay_panic() {
    seeds::run_up_to("simulation", wanted(20), |seed| {
        let garbled = of_seed("changed", seed);
        let mut rng = Prng::new(seed);
        for _ in 0..CHANGES {
            garbled.change(&mut rng);
        }
    });
}
