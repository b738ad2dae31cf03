//! Segments: the files that the records of the spool are appended to, and their heads.
//!
//! ```text
//! 0     magic "mailoop-spool", version, use, number, instance, salt, segments that were closed by a failed sync, CRC32C
//! 512   the same once more, so that one bad sector does not take a segment away
//! 1024  records, one after another
//! ```
//!
//! A file is used again, under a new number and with a new salt, once nothing in it is wanted any more: to overwrite blocks
//! that a file has costs half of what new ones cost to sync. The checksum of each record begins with the salt of its segment,
//! so that nothing from the earlier life of a file is taken for a record.

use std::io;

/// The folder of the segments.
pub(super) const SEGMENTS: &str = "segments";
/// The offset of the first record.
pub(super) const RECORDS_START: u32 = 1024;
/// The most segments that one head names as closed by a failed sync.
pub(super) const CLOSED_MAX: usize = 58;

const MAGIC: [u8; 16] = *b"mailoop-spool\0\0\0";
/// The version of the format that is written. Newer ones are refused.
const VERSION: u16 = 1;
/// Octets of one copy of the head: a sector.
const COPY_BYTES: usize = 512;
const CLOSED_START: usize = 40;
const CRC_START: usize = COPY_BYTES - 4;

/// The use that a segment is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentUse {
    /// In none: the file waits to be used again.
    Spare,
    /// In the log of new mail.
    Hot,
    /// In the log of mail that was deferred for long.
    Cold,
}

/// The head of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentHead {
    /// The use of the segment.
    pub used: SegmentUse,
    /// The number of the segment, higher than all before it in both logs.
    pub number: u32,
    /// The instance that writes it.
    pub instance: u32,
    /// The number that the checksums of its records begin with.
    pub salt: u64,
    /// Earlier segments of the log that a failed sync has closed, and where their last good group ends: what lies beyond was
    /// refused, and is nothing.
    pub closed: Vec<(u32, u32)>,
}

impl SegmentHead {
    /// Octets of a head with both of its copies.
    pub const BYTES: usize = 2 * COPY_BYTES;

    /// The head as it is written, both copies.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::BYTES] {
        let mut copy = [0; COPY_BYTES];
        copy[..16].copy_from_slice(&MAGIC);
        copy[16..18].copy_from_slice(&VERSION.to_le_bytes());
        copy[18] = match self.used {
            SegmentUse::Spare => 0,
            SegmentUse::Hot => 1,
            SegmentUse::Cold => 2,
        };
        copy[20..24].copy_from_slice(&self.number.to_le_bytes());
        copy[24..28].copy_from_slice(&self.instance.to_le_bytes());
        copy[32..40].copy_from_slice(&self.salt.to_le_bytes());
        for (place, (number, end)) in copy[CLOSED_START..CRC_START]
            .chunks_exact_mut(8)
            .zip(&self.closed)
        {
            place[..4].copy_from_slice(&number.to_le_bytes());
            place[4..].copy_from_slice(&end.to_le_bytes());
        }
        let crc = crc32c::crc32c(&copy[..CRC_START]);
        copy[CRC_START..].copy_from_slice(&crc.to_le_bytes());
        let mut both = [0; Self::BYTES];
        both[..COPY_BYTES].copy_from_slice(&copy);
        both[COPY_BYTES..].copy_from_slice(&copy);
        both
    }

    /// Reads the head at the start of a file.
    ///
    /// # Errors
    /// `Unsupported` for a newer version of the format; `InvalidData` if there is no head.
    pub fn decode(bytes: &[u8]) -> io::Result<Self> {
        let mut copies = bytes.chunks_exact(COPY_BYTES).take(2);
        let first = copies.next().map(Self::decode_copy);
        match first {
            Some(Ok(Some(head))) => return Ok(head),
            Some(Err(error)) => return Err(error),
            Some(Ok(None)) | None => {}
        }
        match copies.next().map(Self::decode_copy) {
            Some(Ok(Some(head))) => Ok(head),
            Some(Err(error)) => Err(error),
            Some(Ok(None)) | None => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "it has no head of a segment",
            )),
        }
    }

    /// Whether both copies of the head at the start of a file are good.
    #[must_use]
    pub fn is_whole(bytes: &[u8]) -> bool {
        let copies = bytes.chunks_exact(COPY_BYTES).take(2);
        copies
            .filter(|copy| matches!(Self::decode_copy(copy), Ok(Some(_))))
            .count()
            == 2
    }

    /// Reads one copy; nothing if it is none.
    fn decode_copy(copy: &[u8]) -> io::Result<Option<Self>> {
        let (Some(crc), Some(magic)) = (u32_at(copy, CRC_START), copy.get(..16)) else {
            return Ok(None);
        };
        if magic != MAGIC || crc != crc32c::crc32c(&copy[..CRC_START]) {
            return Ok(None);
        }
        let version = u16::from_le_bytes([copy[16], copy[17]]);
        if version > VERSION {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!(
                    "a newer mailoop wrote this spool: its format is {version}, \
                     and this one knows {VERSION}"
                ),
            ));
        }
        let used = match copy[18] {
            0 => SegmentUse::Spare,
            1 => SegmentUse::Hot,
            2 => SegmentUse::Cold,
            _ => return Ok(None),
        };
        let field = |at| u32_at(copy, at).unwrap_or(0);
        let closed = (CLOSED_START..CRC_START - 7)
            .step_by(8)
            .map(|at| (field(at), field(at + 4)))
            .take_while(|(_, end)| *end != 0)
            .collect();
        Ok(Some(Self {
            used,
            number: field(20),
            instance: field(24),
            salt: u64::from(field(32)) | u64::from(field(36)) << 32,
            closed,
        }))
    }

    /// The state that the checksum of each record in the segment begins with.
    #[must_use]
    pub fn seed(&self) -> u32 {
        crc32c::crc32c(&self.salt.to_le_bytes())
    }
}

/// The path of the segment `number`, from the root of the spool.
#[must_use]
pub fn segment_path(number: u32) -> String {
    format!("{SEGMENTS}/{number:08X}")
}

/// The number that the name of a segment says; `None` for any other name.
pub(super) fn number_of(name: &str) -> Option<u32> {
    let is_number = name.len() == 8 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    u32::from_str_radix(name, 16).ok().filter(|_| is_number)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn head() -> SegmentHead {
        SegmentHead {
            used: SegmentUse::Cold,
            number: 7,
            instance: 0x6929_F3A1,
            salt: 0x0123_4567_89AB_CDEF,
            closed: vec![(5, 4096), (6, 1024)],
        }
    }

    #[test]
    fn a_head_is_read_as_it_was_written() {
        let head = head();
        assert_eq!(SegmentHead::decode(&head.encode()).unwrap(), head);
        assert_eq!(number_of("0000001A"), Some(26));
        assert_eq!(number_of("000001A"), None);
        assert_eq!(number_of("+000001A"), None);
        assert_eq!(segment_path(26), "segments/0000001A");
    }

    #[test]
    fn every_flipped_bit_of_a_head_is_found_and_does_no_harm() {
        let head = head();
        let bytes = head.encode();
        assert!(SegmentHead::is_whole(&bytes));
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHead::decode(&bytes).unwrap(), head, "bit {bit}");
            assert!(!SegmentHead::is_whole(&bytes), "bit {bit}");
        }
    }

    #[test]
    fn a_newer_format_is_refused_by_name() {
        let mut bytes = head().encode();
        bytes[16] = 2;
        let crc = crc32c::crc32c(&bytes[..CRC_START]);
        bytes[CRC_START..COPY_BYTES].copy_from_slice(&crc.to_le_bytes());
        let error = SegmentHead::decode(&bytes).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        assert!(error.to_string().contains("its format is 2"), "{error}");
        let error = SegmentHead::decode(&[0; SegmentHead::BYTES]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
