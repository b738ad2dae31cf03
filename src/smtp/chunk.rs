//! Message text in chunks (RFC 3030 §2): their lengths are told beforehand, so that it has no dots to take out and no
//! line that ends it.

use memchr::memchr2;

use super::data::{Bare, CRLF, Piece};
use super::envelope::Body;
use super::line::BareNewline;

/// One chunk, as its `BDAT` announced it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Octets of it all.
    pub size: u64,
    /// Octets that are still to come.
    left: u64,
    /// Whether the message ends with it.
    pub is_last: bool,
}

impl Chunk {
    /// A chunk of which nothing has come yet.
    #[must_use]
    pub fn new(size: u64, is_last: bool) -> Self {
        Self {
            size,
            left: size,
            is_last,
        }
    }

    /// Whether all of it has come.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.left == 0
    }

    /// Throws away what of it is at the start of `input`; how many octets that were.
    pub fn skip(&mut self, input: &mut &[u8]) -> usize {
        let here = self.part_of(input).len();
        self.take(input, here);
        here
    }

    /// The part of it at the start of `input`.
    fn part_of<'i>(&self, input: &'i [u8]) -> &'i [u8] {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        &input[..input.len().min(left)]
    }

    /// Takes so many of these octets off `input`.
    fn take(&mut self, input: &mut &[u8], count: usize) {
        *input = &input[count..];
        self.left -= count as u64;
    }
}

/// Decodes one message from chunks that may cut it anywhere, in input that may be split anywhere.
#[derive(Clone, Copy, Debug)]
pub struct ChunkDecoder {
    state: ChunkState,
}

/// The position of the next octet in the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChunkState {
    /// In text.
    InText,
    /// Behind a CR not yet passed on.
    AfterCr,
    /// In a message that is no text: any octet is as good as another.
    InBinary,
}

impl ChunkDecoder {
    /// A decoder at the start of a message of this kind.
    #[must_use]
    pub fn new(body: Body) -> Self {
        let state = match body {
            Body::SevenBit | Body::EightBitMime => ChunkState::InText,
            Body::BinaryMime => ChunkState::InBinary,
        };
        Self { state }
    }

    /// Takes the next piece of `chunk` off `input`. [`Piece::End`] is the end of the chunk.
    pub fn next<'i>(
        &mut self,
        chunk: &mut Chunk,
        input: &mut &'i [u8],
        bare_newline: BareNewline,
    ) -> Piece<'i> {
        loop {
            if chunk.is_complete() {
                // A CR at the end of a chunk may be half of a line end, but not at the end of the message.
                if chunk.is_last && self.state == ChunkState::AfterCr {
                    self.state = ChunkState::InText;
                    return Bare::Cr.read(bare_newline);
                }
                return Piece::End;
            }
            let bytes = chunk.part_of(input);
            let Some(first) = bytes.first() else {
                return Piece::NeedInput;
            };
            let (length, piece) = match self.state {
                ChunkState::InBinary => (bytes.len(), Piece::Text(bytes)),
                ChunkState::InText => match plain_length(bytes) {
                    0 if *first == b'\n' => (1, Bare::Lf.read(bare_newline)),
                    0 => {
                        self.state = ChunkState::AfterCr;
                        chunk.take(input, 1);
                        continue;
                    }
                    length => (length, Piece::Text(&bytes[..length])),
                },
                ChunkState::AfterCr => {
                    self.state = ChunkState::InText;
                    if *first == b'\n' {
                        (1, Piece::Text(CRLF))
                    } else {
                        (0, Bare::Cr.read(bare_newline))
                    }
                }
            };
            chunk.take(input, length);
            return piece;
        }
    }
}

/// The octets in front of the first CR or LF in `bytes` that is no part of a CRLF there.
fn plain_length(bytes: &[u8]) -> usize {
    let mut from = 0;
    while let Some(found) = memchr2(b'\r', b'\n', &bytes[from..]) {
        let at = from + found;
        if !bytes[at..].starts_with(CRLF) {
            return at;
        }
        from = at + CRLF.len();
    }
    bytes.len()
}
