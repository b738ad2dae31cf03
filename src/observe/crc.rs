//! The checksum of frames: CRC-32 as in Ethernet and gzip (RFC 1952 §8).

/// The octets that are taken at once, each by a table of its own.
const STRIDE: usize = 8;

const TABLES: [[u32; 256]; STRIDE] = {
    let mut tables = [[0; 256]; STRIDE];
    let mut index: u32 = 0;
    while index < 256 {
        let mut value = index;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 {
                0xEDB8_8320 ^ (value >> 1)
            } else {
                value >> 1
            };
            bit += 1;
        }
        tables[0][index as usize] = value;
        index += 1;
    }
    let mut stride = 1;
    while stride < STRIDE {
        let mut index = 0;
        while index < 256 {
            let value = tables[stride - 1][index];
            tables[stride][index] = tables[0][(value & 0xFF) as usize] ^ (value >> 8);
            index += 1;
        }
        stride += 1;
    }
    tables
};

/// The checksum of these octets.
pub(crate) fn crc32(octets: &[u8]) -> u32 {
    let by = |table: usize, octet: u32| TABLES[table][(octet & 0xFF) as usize];
    let mut crc = !0;
    let (blocks, rest) = octets.as_chunks::<STRIDE>();
    for [a, b, c, d, e, f, g, h] in blocks {
        let first = crc ^ u32::from_le_bytes([*a, *b, *c, *d]);
        crc = by(7, first)
            ^ by(6, first >> 8)
            ^ by(5, first >> 16)
            ^ by(4, first >> 24)
            ^ by(3, (*e).into())
            ^ by(2, (*f).into())
            ^ by(1, (*g).into())
            ^ by(0, (*h).into());
    }
    for octet in rest {
        crc = (crc >> 8) ^ by(0, crc ^ u32::from(*octet));
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_standard_comes_out() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
        assert_eq!(
            crc32(b"The quick brown fox jumps over the lazy dog"),
            0x414F_A339
        );
    }
}
