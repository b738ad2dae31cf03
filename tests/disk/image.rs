//! The octets of a disk.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// How many octets of an image are held together.
const BLOCK: usize = 4096;
const EMPTY: [u8; BLOCK] = [0; BLOCK];

/// A disk of which only the blocks that somebody wrote to take memory. The others are zero.
#[derive(Clone)]
pub struct Image {
    octets: u64,
    blocks: BTreeMap<u64, Box<[u8; BLOCK]>>,
}

impl Image {
    /// What is in a file, which is a whole number of blocks long.
    pub fn of_file(file: &File) -> io::Result<Self> {
        let octets = file.metadata()?.len();
        let mut blocks = BTreeMap::new();
        let mut block = EMPTY;
        for index in 0..octets / BLOCK as u64 {
            file.read_exact_at(&mut block, index * BLOCK as u64)?;
            if block != EMPTY {
                blocks.insert(index, Box::new(block));
            }
        }
        Ok(Self { octets, blocks })
    }

    /// Puts it into a file, whatever was there before. What is zero becomes a hole.
    pub fn put_into(&self, file: &File) -> io::Result<()> {
        file.set_len(0)?;
        file.set_len(self.octets)?;
        for (index, block) in &self.blocks {
            file.write_all_at(&block[..], index * BLOCK as u64)?;
        }
        Ok(())
    }

    pub fn octets(&self) -> u64 {
        self.octets
    }

    pub fn read(&self, offset: u64, octets: &mut [u8]) {
        for (index, place, part) in parts(offset, octets.len()) {
            let block = self.blocks.get(&index).map_or(&EMPTY, |block| block);
            octets[part.clone()].copy_from_slice(&block[place..place + part.len()]);
        }
    }

    pub fn write(&mut self, offset: u64, octets: &[u8]) {
        for (index, place, part) in parts(offset, octets.len()) {
            let block = self.blocks.entry(index).or_insert(Box::new(EMPTY));
            block[place..place + part.len()].copy_from_slice(&octets[part]);
        }
    }
}

/// Which blocks so many octets from `offset` are in: for each, its index, where they begin in it, and which of them.
fn parts(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == length {
            return None;
        }
        let at = offset + done as u64;
        let place = (at % BLOCK as u64) as usize;
        let end = length.min(done + BLOCK - place);
        let part = done..end;
        done = end;
        Some((at / BLOCK as u64, place, part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_gives_back_what_was_written_across_blocks() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(4 * BLOCK as u64).unwrap();
        let mut image = Image::of_file(&file).unwrap();
        let written: Vec<u8> = (0..2 * BLOCK).map(|number| number as u8).collect();
        image.write(100, &written);
        image.put_into(&file).unwrap();
        for image in [image, Image::of_file(&file).unwrap()] {
            let mut read = vec![1; 2 * BLOCK + 200];
            image.read(0, &mut read);
            assert!(read[100..].starts_with(&written));
            assert!(read.iter().take(100).all(|&octet| octet == 0));
            assert!(read.iter().rev().take(100).all(|&octet| octet == 0));
            assert_eq!(image.octets(), 4 * BLOCK as u64);
        }
    }
}
