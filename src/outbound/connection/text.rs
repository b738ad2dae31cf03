//! The text of a message on its way out: copied with its commands where it is short, else written from its place, or in pieces that
//! are asked for.

use std::ops::Range;
use std::rc::Rc;

use bytes::{Buf, BytesMut};

use crate::outbound::delivery::HopDelivery;
use crate::smtp::client::DotStuffing;
use crate::smtp::envelope::Body;
use crate::store::spool::{MailId, SpoolPlace};

/// The most octets of a text that goes out in one write with the commands around it: to copy it costs less than another write.
const SHORT_TEXT_BYTES_MAX: usize = 16 * 1024;
/// The octets of a piece, which the server has some minutes to take.
const TEXT_PIECE_BYTES: usize = 64 * 1024;

/// A text that is being written.
#[derive(Debug)]
pub(super) struct TextWriter {
    /// The message.
    pub(super) mail: MailId,
    /// The place of its text in the spool.
    pub(super) place: SpoolPlace,
    /// Its octets in number.
    bytes: u64,
    whole: Option<Rc<[u8]>>,
    form: TextForm,
    /// Octets that were taken of it so far.
    taken: u64,
    piece: UnwrittenPiece,
}

/// The form in which a text leaves.
#[derive(Debug)]
enum TextForm {
    /// As it lies, by BDAT.
    Binary,
    /// As it lies, by DATA. Its last octets so far tell whether it lacks the end of a line.
    Plain([u8; 2]),
    /// With its dots doubled.
    Stuffed(DotStuffing),
}

/// What is left to be written of a piece.
#[derive(Debug)]
enum UnwrittenPiece {
    /// Octets that others share.
    Shared(Rc<[u8]>, Range<usize>),
    /// Octets that were encoded.
    Own(BytesMut),
}

/// The need of a text that is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextNeed {
    /// Its [unwritten](TextWriter::unwritten) octets are to be written.
    Writing,
    /// The octets from there on, so many at most.
    Piece(u64, usize),
    /// Its end.
    End,
}

impl TextWriter {
    pub(super) fn new(delivery: &HopDelivery) -> Self {
        let text = &delivery.text;
        let form = if delivery.envelope.body == Body::BinaryMime {
            TextForm::Binary
        } else if text.is_plain {
            TextForm::Plain(*b"\r\n")
        } else {
            TextForm::Stuffed(DotStuffing::default())
        };
        let is_whole = |whole: &&Rc<[u8]>| whole.len() as u64 == text.bytes;
        let whole = text.whole.as_ref().filter(is_whole);
        debug_assert_eq!(whole.is_some(), text.whole.is_some(), "all of it");
        Self {
            mail: delivery.mail,
            place: delivery.place,
            bytes: text.bytes,
            whole: whole.cloned(),
            form,
            taken: 0,
            piece: UnwrittenPiece::Own(BytesMut::new()),
        }
    }

    /// Appends all of it, if it is short and at hand, and tells whether it is.
    pub(super) fn write_short(&mut self, out: &mut BytesMut) -> bool {
        let is_short = |text: &&Rc<[u8]>| text.len() <= SHORT_TEXT_BYTES_MAX;
        let Some(text) = self.whole.as_ref().filter(is_short).cloned() else {
            return false;
        };
        match &mut self.form {
            TextForm::Binary | TextForm::Plain(_) => out.extend_from_slice(&text),
            TextForm::Stuffed(stuffing) => stuffing.write(&text, out),
        }
        self.take(&text);
        true
    }

    /// Notes that these octets were taken.
    fn take(&mut self, octets: &[u8]) {
        self.taken += octets.len() as u64;
        if let TextForm::Plain(last) = &mut self.form {
            *last = match octets {
                [.., a, b] => [*a, *b],
                [b] => [last[1], *b],
                [] => *last,
            };
        }
    }

    /// Its need now.
    pub(super) fn need(&mut self) -> TextNeed {
        // What is encoded of a piece may be nothing yet.
        while self.unwritten().is_empty() {
            let left = self.bytes - self.taken;
            let bytes_max = usize::try_from(left).unwrap_or(usize::MAX);
            let bytes_max = bytes_max.min(TEXT_PIECE_BYTES);
            if bytes_max == 0 {
                return TextNeed::End;
            }
            let Some(whole) = self.whole.clone() else {
                return TextNeed::Piece(self.taken, bytes_max);
            };
            // It was seen to have all its octets.
            let at = usize::try_from(self.taken).unwrap_or(usize::MAX);
            self.set_piece(whole, at..at.saturating_add(bytes_max));
        }
        TextNeed::Writing
    }

    /// Takes the piece that it [needs](Self::need); what is beyond is left out.
    pub(super) fn give(&mut self, octets: Rc<[u8]>) {
        let left = self.bytes - self.taken;
        let end = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(octets.len());
        self.set_piece(octets, 0..end);
    }

    fn set_piece(&mut self, octets: Rc<[u8]>, range: Range<usize>) {
        let Some(piece) = octets.get(range.clone()) else {
            debug_assert!(false, "a piece is of its text");
            return;
        };
        self.take(piece);
        self.piece = match &mut self.form {
            TextForm::Binary | TextForm::Plain(_) => UnwrittenPiece::Shared(octets, range),
            TextForm::Stuffed(stuffing) => {
                let mut own = BytesMut::with_capacity(piece.len() + piece.len() / 64);
                stuffing.write(piece, &mut own);
                UnwrittenPiece::Own(own)
            }
        };
    }

    /// What is to be written of it.
    pub(super) fn unwritten(&self) -> &[u8] {
        match &self.piece {
            UnwrittenPiece::Shared(octets, range) => &octets[range.clone()],
            UnwrittenPiece::Own(octets) => octets,
        }
    }

    /// So many octets were written.
    pub(super) fn wrote(&mut self, count: usize) {
        match &mut self.piece {
            UnwrittenPiece::Shared(_, range) => range.start += count,
            UnwrittenPiece::Own(octets) => octets.advance(count),
        }
    }

    /// Appends what ends it.
    pub(super) fn finish(self, out: &mut BytesMut) {
        match self.form {
            TextForm::Binary => {}
            TextForm::Plain(last) => {
                if last != *b"\r\n" {
                    out.extend_from_slice(b"\r\n");
                }
                out.extend_from_slice(b".\r\n");
            }
            TextForm::Stuffed(stuffing) => stuffing.finish(out),
        }
    }
}
