//! Input as a network delivers it: in pieces.

/// Cuts `bytes` in pieces whose lengths follow from `seed`: 0 cuts nothing, 1 at every octet.
pub fn pieces(bytes: &[u8], seed: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    let mut state = u32::from(seed);
    std::iter::from_fn(move || {
        let length = match seed {
            0 => rest.len(),
            1 => 1,
            _ => {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                1 + (state >> 16) as usize % usize::from(seed)
            }
        };
        let (piece, behind) = rest.split_at(length.min(rest.len()));
        rest = behind;
        (!piece.is_empty()).then_some(piece)
    })
}
