//! What a power cut leaves of a disk.

use std::ops::Range;

use crate::device::Request;
use crate::image::Image;
use crate::prng::Prng;

/// What of a write is on the disk or is not, and never in half.
const SECTOR: usize = 512;

/// A disk at ever later moments of its life.
pub struct Replay<'a> {
    diary: &'a [Request],
    /// What the disk must have kept: all up to the last flush before the last cut.
    durable: Image,
    flushed: usize,
    /// Where the superblock is. File systems have one checksum for it and count on a disk to write it whole.
    superblock: Range<u64>,
}

impl<'a> Replay<'a> {
    /// The life of a disk that held `image` durably in the beginning, with its superblock there.
    pub fn new(image: Image, diary: &'a [Request], superblock: Range<u64>) -> Self {
        Self {
            diary,
            durable: image,
            flushed: 0,
            superblock,
        }
    }

    /// What is on the disk if the power is cut behind so many requests, not fewer than the last time. Of the writes
    /// that no flush followed, chance decides which are there: whole, torn or not at all.
    pub fn cut(&mut self, position: usize, prng: &mut Prng) -> Image {
        let is_flush = |request: &Request| matches!(request, Request::Flush);
        let lived = &self.diary[..position];
        let flushed = lived.iter().rposition(is_flush).unwrap_or(0);
        for request in &lived[self.flushed..flushed.max(self.flushed)] {
            if let Request::Write { offset, octets } = request {
                self.durable.write(*offset, octets);
            }
        }
        self.flushed = flushed;
        let mut image = self.durable.clone();
        // How many writes of four survive: from hardly any to nearly all.
        let whole = prng.below(4);
        for request in &lived[flushed..] {
            if let Request::Write { offset, octets } = request {
                if prng.below(4) < whole {
                    image.write(*offset, octets);
                } else if prng.one_in(3) && !self.superblock.contains(offset) {
                    write_torn(&mut image, *offset, octets, prng);
                }
            }
        }
        image
    }
}

fn write_torn(image: &mut Image, offset: u64, octets: &[u8], prng: &mut Prng) {
    for (index, sector) in octets.chunks(SECTOR).enumerate() {
        if prng.one_in(2) {
            image.write(offset + (index * SECTOR) as u64, sector);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OCTETS: usize = 8192;

    fn write(offset: u64, octet: u8) -> Request {
        let octets = vec![octet; OCTETS];
        Request::Write { offset, octets }
    }

    /// How many sectors at `offset` hold `octet`.
    fn sectors(image: &Image, offset: u64, octet: u8) -> usize {
        let mut octets = vec![0; OCTETS];
        image.read(offset, &mut octets);
        let is_there = |sector: &&[u8]| **sector == [octet; SECTOR];
        octets.chunks(SECTOR).filter(is_there).count()
    }

    #[test]
    fn a_cut_leaves_what_was_flushed_and_chance_decides_on_the_rest() {
        let disk = tempfile::tempfile().unwrap();
        disk.set_len(1 << 20).unwrap();
        let image = Image::of_file(&disk).unwrap();
        let [superblock, flushed, behind] = [0, 1 << 16, 1 << 17];
        let diary = [
            write(flushed, 1),
            Request::Flush,
            write(superblock, 2),
            write(flushed, 3),
            write(behind, 4),
        ];
        let all = OCTETS / SECTOR;
        let mut torn = 0;
        for seed in 0..100 {
            let mut replay = Replay::new(image.clone(), &diary, superblock..superblock + 1);
            let mut prng = Prng::new(seed);
            let early = replay.cut(2, &mut prng);
            assert_eq!(sectors(&early, flushed, 1), all);
            let late = replay.cut(4, &mut prng);
            let (old, new) = (sectors(&late, flushed, 1), sectors(&late, flushed, 3));
            assert_eq!(old + new, all);
            torn += usize::from(old > 0 && new > 0);
            assert!([0, all].contains(&sectors(&late, superblock, 2)));
            assert_eq!(sectors(&late, behind, 4), 0);
        }
        assert!((1..100).contains(&torn));
    }
}
