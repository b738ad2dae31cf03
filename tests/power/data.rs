//! The content of a file, piece by piece as it was written.

use super::names::Fate;
use super::prng::Prng;

#[derive(Debug, Default)]
pub struct Data {
    bytes: Vec<u8>,
    /// Where each piece ends, and what has become of it.
    pieces: Vec<(usize, Fate)>,
    /// How many times some of it was lost. Whoever has the file open is told once of each.
    pub errors: u64,
}

impl Data {
    pub fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.pieces.push((self.bytes.len(), Fate::Pending));
    }

    /// Decides on the pieces that are pending. Whether one of them was lost.
    pub fn settle(&mut self, mut decide: impl FnMut() -> Fate) -> bool {
        let mut lost = false;
        for (_, fate) in &mut self.pieces {
            if *fate == Fate::Pending {
                *fate = decide();
                lost |= *fate == Fate::Lost;
            }
        }
        self.errors += u64::from(lost);
        lost
    }

    pub fn is_pending(&self) -> bool {
        self.pieces.iter().any(|(_, fate)| *fate == Fate::Pending)
    }

    /// What whoever reads it finds: nothing but zeros where it was lost.
    pub fn read(&self) -> Vec<u8> {
        self.keep(|fate, length| if fate == Fate::Lost { 0 } else { length })
    }

    /// Leaves what is on the disk: of what is pending there are any pieces, or parts of them.
    pub fn cut(&mut self, rng: &mut Prng) {
        let mut bytes = self.keep(|fate, length| match fate {
            Fate::Durable => length,
            Fate::Lost => 0,
            Fate::Pending => {
                let torn = rng.below(length + 1);
                rng.pick(&[0, length, torn])
            }
        });
        if rng.one_in(2) {
            // Nor is its length durable before what is in it, which never ends in a zero.
            let end = bytes.iter().rposition(|byte| *byte != 0);
            bytes.truncate(end.map_or(0, |last| last + 1));
        }
        self.pieces = vec![(bytes.len(), Fate::Durable)];
        self.bytes = bytes;
        self.errors = 0;
    }

    /// Its bytes, but of each piece only as many as `kept` says.
    fn keep(&self, mut kept: impl FnMut(Fate, usize) -> usize) -> Vec<u8> {
        let mut left = vec![0; self.bytes.len()];
        let mut start = 0;
        for (end, fate) in &self.pieces {
            let kept = start + kept(*fate, end - start);
            left[start..kept].copy_from_slice(&self.bytes[start..kept]);
            start = *end;
        }
        left
    }
}
