//! The third reading: what is stored in the end. The text is decoded as the session has done it.

use std::io::{self, Write};
use std::mem;
use std::rc::Rc;

use memchr::memmem;

use super::facts::Facts;
use super::put_line;
use crate::net::probe::Content;
use crate::observe::frame::Frame;
use crate::smtp::chunk::{Chunk, ChunkDecoder};
use crate::smtp::command::Command;
use crate::smtp::data::{DataDecoder, DataRules, Piece};
use crate::smtp::envelope::{Body, QueueId};
use crate::smtp::fields::MissingFields;
use crate::smtp::policy::Policy;
use crate::smtp::service::Service;

/// The mark in place of any date.
const DATE: &str = "<date>";

/// The messages of a connection that are stored.
pub(super) struct StoredMessages<'a> {
    policy: Rc<Policy>,
    service: Service,
    tls_from: Option<u64>,
    /// Whether each message that is begun will be stored.
    is_stored: &'a [bool],
    /// The kind of text that the transaction has announced.
    body: Body,
    /// The chunk that was announced last.
    chunk: Option<Chunk>,
    message: Option<MessageText>,
}

/// The text of one message that is stored.
struct MessageText {
    id: String,
    decoder: TextDecoder,
    missing: MissingFields,
    /// Whether it is kept as it comes, and lines do not end in LF.
    is_binary: bool,
}

enum TextDecoder {
    Data(DataDecoder),
    Chunks(ChunkDecoder),
}

impl<'a> StoredMessages<'a> {
    pub(super) fn new(policy: Rc<Policy>, service: Service, facts: &'a Facts) -> Self {
        Self {
            policy,
            service,
            tls_from: facts.tls_from,
            is_stored: &facts.is_stored,
            body: Body::SevenBit,
            chunk: None,
            message: None,
        }
    }

    pub(super) fn see(
        &mut self,
        frame: &Frame<'_>,
        position: u64,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        if self.tls_from.is_some_and(|from| position < from) {
            return Ok(());
        }
        match *frame {
            Frame::Used {
                content: Content::Protocol,
                octets,
                ..
            } => self.note(octets),
            Frame::Begin {
                result: Ok(queued), ..
            } => {
                let (is_stored, rest) = match self.is_stored {
                    [is_stored, rest @ ..] => (*is_stored, rest),
                    [] => (false, &[][..]),
                };
                self.is_stored = rest;
                if is_stored {
                    self.begin(queued.id, out)?;
                }
            }
            Frame::Used {
                content: Content::Text,
                octets,
                ..
            } => self.decode(octets, out)?,
            Frame::Abort { .. } => self.message = None,
            Frame::Submit { .. } => {
                // A CR may be left that ends no line.
                self.decode(b"", out)?;
                if let Some(mut message) = self.message.take() {
                    let mut missing = mem::take(&mut message.missing);
                    message.put(missing.end(), out)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Notes what a command says of the text to come.
    fn note(&mut self, line: &[u8]) {
        match Command::parse(line) {
            Ok(Command::Mail(_, parameters)) => {
                self.body = parameters.body.unwrap_or(Body::SevenBit);
                self.chunk = None;
            }
            Ok(Command::Bdat(chunk)) => self.chunk = Some(chunk),
            _ => {}
        }
    }

    fn begin(&mut self, id: &str, out: &mut dyn Write) -> io::Result<()> {
        let missing = match QueueId::from_text(id) {
            Some(id) if self.service.is_submission() => {
                MissingFields::new(DATE, id, &self.policy.hostname)
            }
            _ => MissingFields::default(),
        };
        self.message = Some(MessageText {
            id: id.to_owned(),
            decoder: match self.chunk {
                Some(_) => TextDecoder::Chunks(ChunkDecoder::new(self.body)),
                None => TextDecoder::Data(DataDecoder::new()),
            },
            missing,
            is_binary: self.body == Body::BinaryMime,
        });
        out.write_all(b"stored\n")
    }

    fn decode(&mut self, mut input: &[u8], out: &mut dyn Write) -> io::Result<()> {
        let bare_newline = self.policy.bare_newline;
        let rules = DataRules {
            bare_newline,
            end_text: self.policy.end_text.as_ref(),
        };
        let Some(message) = &mut self.message else {
            return Ok(());
        };
        loop {
            let piece = match (&mut message.decoder, &mut self.chunk) {
                (TextDecoder::Chunks(decoder), Some(chunk)) => {
                    decoder.next(chunk, &mut input, bare_newline)
                }
                (TextDecoder::Data(decoder), _) => decoder.next(&mut input, rules),
                (TextDecoder::Chunks(_), None) => Piece::End,
            };
            let Piece::Text(text) = piece else {
                return Ok(());
            };
            let mut missing = mem::take(&mut message.missing);
            message.put(missing.read(text), out)?;
            message.missing = missing;
        }
    }
}

impl MessageText {
    /// Writes lines of the message. No CRLF is split over two pieces of a text.
    fn put(&self, text: &[u8], out: &mut dyn Write) -> io::Result<()> {
        for line in text.split_inclusive(|octet| *octet == b'\n') {
            let mut line = self.marked(line);
            if !self.is_binary && line.ends_with(b"\r\n") {
                line.truncate(line.len() - 2);
                line.push(b'\n');
            }
            put_line(b'M', &line, b"\n", out)?;
        }
        Ok(())
    }

    /// The line with a mark in place of the id of the message.
    fn marked(&self, line: &[u8]) -> Vec<u8> {
        let mut marked = Vec::new();
        let mut rest = line;
        while !self.id.is_empty()
            && let Some(at) = memmem::find(rest, self.id.as_bytes())
        {
            marked.extend_from_slice(&rest[..at]);
            marked.extend_from_slice(b"<id>");
            rest = &rest[at + self.id.len()..];
        }
        marked.extend_from_slice(rest);
        marked
    }
}
