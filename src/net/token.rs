//! Tokens: the kind of a source of events, and its key among those of its kind.

/// Bits for the kind.
const KIND_BITS: u32 = 5;

/// The name of a source of events. The program chooses the kinds; keys are those of a slab, or indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// The kind of source, less than 32.
    pub kind: u8,
    /// The key among those of its kind.
    pub key: usize,
}

impl Token {
    /// The token of a source.
    #[must_use]
    pub const fn new(kind: u8, key: usize) -> Self {
        debug_assert!(kind < 1 << KIND_BITS, "there are 32 kinds");
        Self { kind, key }
    }
}

impl From<Token> for mio::Token {
    fn from(token: Token) -> Self {
        Self(token.key << KIND_BITS | usize::from(token.kind))
    }
}

impl From<mio::Token> for Token {
    fn from(token: mio::Token) -> Self {
        const MASK: usize = (1 << KIND_BITS) - 1;
        #[expect(clippy::cast_possible_truncation, reason = "five bits are left")]
        Self::new((token.0 & MASK) as u8, token.0 >> KIND_BITS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_the_kernel() {
        for token in [
            Token::new(0, 0),
            Token::new(31, 1),
            Token::new(7, usize::MAX >> 5),
        ] {
            assert_eq!(Token::from(mio::Token::from(token)), token);
        }
    }
}
