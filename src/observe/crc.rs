//! The checksum of frames: CRC-32 as in Ethernet and gzip (RFC 1952 §8).

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
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
        table[index as usize] = value;
        index += 1;
    }
    table
};

/// The checksum of these octets.
pub(crate) fn crc32(octets: &[u8]) -> u32 {
    let step =
        |crc: u32, octet: &u8| (crc >> 8) ^ TABLE[((crc ^ u32::from(*octet)) & 0xFF) as usize];
    !octets.iter().fold(!0, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_standard_comes_out() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
    }
}
