//! Text of messages in few octets: most of what is hidden is one octet, over and over.
//!
//! Packed text is a list of runs: the number of fillers, the number of other octets behind them, and these.

use super::codec::RecordValue;
use crate::smtp::mask::FILLER;

/// Appends `text`, packed.
pub(crate) fn pack(mut text: &[u8], out: &mut Vec<u8>) {
    while !text.is_empty() {
        let fillers = text.iter().take_while(|octet| **octet == FILLER).count();
        let rest = &text[fillers..];
        let others = rest.iter().take_while(|octet| **octet != FILLER).count();
        fillers.put(out);
        (&rest[..others]).put(out);
        text = &rest[others..];
    }
}

/// Appends what `packed` was made of; `None` if it was made of nothing, or of more than `octets_max` octets.
pub(crate) fn unpack(mut packed: &[u8], octets_max: usize, out: &mut Vec<u8>) -> Option<()> {
    let packed = &mut packed;
    while !packed.is_empty() {
        let fillers = usize::take(packed)?;
        let others = <&[u8]>::take(packed)?;
        let octets = fillers.checked_add(others.len())?;
        if out.len().checked_add(octets)? > octets_max {
            return None;
        }
        out.resize(out.len() + fillers, FILLER);
        out.extend_from_slice(others);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_comes_back_and_no_more_than_is_allowed() {
        for text in [
            &b""[..],
            b"x",
            b"a",
            b"xxx\r\nxx",
            b"\r\nxxxx",
            b"axbxc",
            &[b'x'; 1000],
        ] {
            let (mut packed, mut back) = (Vec::new(), Vec::new());
            pack(text, &mut packed);
            assert_eq!(unpack(&packed, text.len(), &mut back), Some(()));
            assert_eq!(back, text);
            if !text.is_empty() {
                assert_eq!(unpack(&packed, text.len() - 1, &mut Vec::new()), None);
            }
        }
        let mut packed = Vec::new();
        pack(&[b'x'; 1000], &mut packed);
        assert!(packed.len() < 5);
    }
}
