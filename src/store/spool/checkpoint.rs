//! The checkpoint: where the records of each segment end, as a scan has found it, so that the next one need not look for it.
//!
//! It is a hint. A start without it, or with an old one, finds the same.

use std::collections::HashMap;
use std::io;

use super::disk::{SPOOL_ROOT, SpoolDisk};

const PATH: &str = "checkpoint";
const NEW_PATH: &str = "checkpoint.new";
const MAGIC: [u8; 16] = *b"mailoop-check\0\0\x01";
const CRC_BYTES: usize = 4;
/// A checkpoint that is longer is none.
const BYTES_MAX: u64 = 1 << 24;

/// Reads the ends of segments by their numbers; none where there is no checkpoint, or a bad one.
pub(super) fn read(disk: &mut impl SpoolDisk) -> HashMap<u32, u32> {
    read_bytes(disk)
        .ok()
        .and_then(|bytes| decode(&bytes))
        .unwrap_or_default()
}

fn read_bytes(disk: &mut impl SpoolDisk) -> io::Result<Vec<u8>> {
    let file = disk.open(PATH)?;
    let bytes = disk.size(&file)?.min(BYTES_MAX);
    let mut content = vec![0; usize::try_from(bytes).unwrap_or(0)];
    let read = disk.read_at(&file, 0, &mut content)?;
    content.truncate(read);
    Ok(content)
}

fn decode(bytes: &[u8]) -> Option<HashMap<u32, u32>> {
    let (content, crc) = bytes.split_last_chunk::<CRC_BYTES>()?;
    let entries = content.strip_prefix(&MAGIC)?;
    if u32::from_le_bytes(*crc) != crc32c::crc32c(content) {
        return None;
    }
    let entries = entries.chunks_exact(8).map(|entry| {
        let number = u32::from_le_bytes([entry[0], entry[1], entry[2], entry[3]]);
        let end = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]);
        (number, end)
    });
    Some(entries.collect())
}

/// Writes the ends of segments, durably and at once.
///
/// # Errors
/// Any error of the disk. What was there before may be left.
pub(super) fn write(
    disk: &mut impl SpoolDisk,
    ends: impl Iterator<Item = (u32, u32)>,
) -> io::Result<()> {
    let mut bytes = MAGIC.to_vec();
    for (number, end) in ends {
        bytes.extend_from_slice(&number.to_le_bytes());
        bytes.extend_from_slice(&end.to_le_bytes());
    }
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    match disk.remove(NEW_PATH) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = disk.create(NEW_PATH)?;
    disk.write_at(&file, 0, &bytes)?;
    disk.sync_file(&file)?;
    disk.rename(NEW_PATH, PATH)?;
    disk.sync_folder(SPOOL_ROOT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_checkpoint_is_none() {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&[1, 0, 0, 0, 0, 4, 0, 0]);
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        assert_eq!(decode(&bytes), Some(HashMap::from([(1, 1024)])));
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&bytes), None, "bit {bit}");
        }
        assert_eq!(decode(&[]), None);
    }
}
