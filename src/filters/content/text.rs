//! The text of a message on hold, as the filters before have changed it.

use std::borrow::Cow;

use bytes::Bytes;

use crate::filters::verdict::ChangedText;
use crate::milter::changes::MessageChanges;
use crate::milter::fields::{MessageField, take_field};
use crate::milter::step::BODY_CHUNK_BYTES_MAX;
use crate::store::Failure;
use crate::store::hold::{HeldRead, HeldText, Hold, HoldAnswer, HoldTicket};

/// The most octets of a header, which is kept in memory while filters look at it.
const HEADER_BYTES_MAX: usize = 256 * 1024;
/// The line that ends a header, after the end of its last field.
const HEADER_END: &[u8] = b"\r\n\r\n";
const LINE_END: &[u8] = b"\r\n";

/// The text of a message on hold, as the filters before have changed it.
pub(in crate::filters) struct MessageText {
    held: HeldText,
    /// The header without the line that ends it, as far as it was read.
    header: Vec<u8>,
    /// The length of the header in the text as it came, with the line that ends it; `None` until it was read.
    header_bytes: Option<u64>,
    /// Whether nothing follows the last field in the text as it came: not even the line that ends a header.
    is_header_only: bool,
    is_header_changed: bool,
    /// The body in the place of that which came.
    body: Option<HeldText>,
    reading: Option<HoldTicket>,
    /// What was read, and is yet to be taken.
    piece: Option<Result<Bytes, Failure>>,
}

impl MessageText {
    pub(in crate::filters) fn new(held: HeldText) -> Self {
        Self {
            held,
            header: Vec::new(),
            header_bytes: None,
            is_header_only: false,
            is_header_changed: false,
            body: None,
            reading: None,
            piece: None,
        }
    }

    /// The fields of the header.
    pub(super) fn header(&self) -> &[u8] {
        &self.header
    }

    /// Reads the header, once. Returns whether it is there. One that is too long is [known](Self::has_long_header) then.
    ///
    /// # Errors
    /// The text is lost.
    pub(super) fn read_header(&mut self, hold: &mut Hold) -> Result<bool, Failure> {
        while self.header_bytes.is_none() {
            let at = self.header.len();
            let searched = at.saturating_sub(HEADER_END.len());
            let Some(piece) = self.read(true, at as u64, hold)? else {
                return Ok(false);
            };
            let is_all = piece.is_empty();
            let piece = piece.into_owned();
            self.header.extend_from_slice(&piece);
            let is_over = self.header.starts_with(LINE_END)
                || memchr::memmem::find(&self.header[searched..], HEADER_END).is_some();
            if is_over || is_all {
                self.end_header();
            } else if self.has_long_header() {
                return Ok(true);
            }
        }
        Ok(true)
    }

    /// Whether its header is longer than any that filters are shown.
    pub(super) fn has_long_header(&self) -> bool {
        self.header.len() > HEADER_BYTES_MAX
    }

    /// Finds where the fields end in what was read.
    fn end_header(&mut self) {
        let mut rest = &self.header[..];
        while take_field(&mut rest).is_some() {}
        let fields = self.header.len() - rest.len();
        let end = if rest.starts_with(LINE_END) {
            LINE_END.len()
        } else {
            0
        };
        self.is_header_only = rest.is_empty() && fields > 0;
        self.header_bytes = Some((fields + end) as u64);
        self.header.truncate(fields);
        self.header.shrink_to_fit();
    }

    /// Reads a piece of the body from an offset on. It is empty at the end; `None` while it is not there.
    ///
    /// # Errors
    /// The text is lost.
    pub(super) fn read_body<'h>(
        &mut self,
        at: u64,
        hold: &'h mut Hold,
    ) -> Result<Option<Cow<'h, [u8]>>, Failure> {
        match (&self.body, self.header_bytes) {
            (Some(_), _) => self.read(false, at, hold),
            (None, header) => self.read(true, header.unwrap_or(0) + at, hold),
        }
    }

    /// Reads a piece of the text as it came, or of its new body.
    fn read<'h>(
        &mut self,
        of_text: bool,
        at: u64,
        hold: &'h mut Hold,
    ) -> Result<Option<Cow<'h, [u8]>>, Failure> {
        if let Some(piece) = self.piece.take() {
            return piece.map(|piece| Some(Cow::Owned(piece.to_vec())));
        }
        if self.reading.is_some() {
            return Ok(None);
        }
        let held = match &self.body {
            Some(body) if !of_text => body,
            _ => &self.held,
        };
        Ok(match hold.read(held, at, BODY_CHUNK_BYTES_MAX)? {
            HeldRead::Text(text) => Some(Cow::Borrowed(text)),
            HeldRead::Asked(ticket) => {
                self.reading = Some(ticket);
                None
            }
        })
    }

    /// Takes what was read, if it is of this text. Gives it back otherwise.
    pub(in crate::filters) fn take_answer(&mut self, answer: HoldAnswer) -> Option<HoldAnswer> {
        if self.reading != Some(answer.ticket) {
            return Some(answer);
        }
        self.reading = None;
        self.piece = Some(answer.result);
        None
    }

    /// Puts another body in the place of the present one.
    pub(super) fn replace_body(&mut self, body: HeldText, hold: &mut Hold) {
        if let Some(before) = self.body.replace(body) {
            hold.drop_text(before);
        }
    }

    /// Makes the changes of a filter to the header.
    pub(super) fn change_header(&mut self, changes: &MessageChanges) {
        let mut rest = &self.header[..];
        let mut fields: Vec<MessageField<'_>> =
            std::iter::from_fn(|| take_field(&mut rest)).collect();
        changes.apply_header(&mut fields);
        let mut header = Vec::with_capacity(self.header.len());
        for field in &fields {
            header.extend_from_slice(field.text());
        }
        self.header = header;
        self.is_header_changed = true;
    }

    /// The text as it came, and what is to be stored in its place where it was changed.
    pub(in crate::filters) fn into_parts(self) -> (HeldText, Option<ChangedText>) {
        let is_changed = self.is_header_changed || self.body.is_some();
        let changed = is_changed.then(|| {
            let mut header = self.header;
            if !self.is_header_only || self.body.is_some() {
                header.extend_from_slice(LINE_END);
            }
            ChangedText {
                header: header.into(),
                header_bytes: self.header_bytes.unwrap_or(0),
                body: self.body,
            }
        });
        (self.held, changed)
    }

    pub(in crate::filters) fn drop_from(self, hold: &mut Hold) {
        hold.drop_text(self.held);
        if let Some(body) = self.body {
            hold.drop_text(body);
        }
    }
}
