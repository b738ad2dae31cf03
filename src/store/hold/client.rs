//! The hold client: the server's side of the protocol between the server and its hold process, without I/O (sans-IO).

use std::io::{self, ErrorKind};
use std::mem;

use bytes::{Bytes, BytesMut};

use super::HoldTicket;
use super::ipc::{HoldReport, HoldRequest, TextName};
use crate::store::Failure;
use crate::store::process::StoreClient;
use crate::store::process::client::RequestOutput;
use crate::store::process::frame::next_frame;

/// The server's side of a hold process, and of those after it.
#[derive(Debug, Default)]
pub(super) struct HoldClient {
    output: RequestOutput,
    /// The start of a report that is not complete.
    input: BytesMut,
    /// Whether the process has started, or why it could not.
    start: Option<io::Result<()>>,
    /// The error by which the process was lost.
    lost: Option<io::Error>,
    /// What was reported since it was last taken.
    news: Vec<HoldNews>,
}

/// A report about a text.
#[derive(Debug)]
pub(super) enum HoldNews {
    /// Octets of a text were read, or could not be.
    Read(HoldTicket, Result<Bytes, Failure>),
    /// A text could not be written.
    Failed(TextName, Failure),
    /// The process is lost, with all texts that it had.
    Lost(Failure),
}

impl StoreClient for HoldClient {
    fn output(&self) -> &[u8] {
        self.output.octets()
    }

    fn sent(&mut self, octets: usize) {
        self.output.sent(octets);
    }

    fn received(&mut self, octets: &[u8]) -> io::Result<()> {
        self.input.extend_from_slice(octets);
        while let Some(frame) = next_frame(&mut self.input) {
            match HoldReport::read(frame).ok_or(ErrorKind::InvalidData)? {
                HoldReport::Ready => self.start = Some(Ok(())),
                HoldReport::Unable(error) => self.start = Some(Err(error)),
                HoldReport::Failed(text, failure) => {
                    self.news.push(HoldNews::Failed(text, failure));
                }
                HoldReport::Octets(ticket, octets) => {
                    self.news.push(HoldNews::Read(ticket, Ok(octets)));
                }
                HoldReport::Unread(ticket, failure) => {
                    self.news.push(HoldNews::Read(ticket, Err(failure)));
                }
                HoldReport::Log(level, line) => log::log!(level, "{line}"),
            }
        }
        Ok(())
    }

    fn disconnected(&mut self, why: io::Error) {
        self.lost = Some(why);
    }

    fn take_start(&mut self) -> Option<io::Result<()>> {
        self.start.take()
    }
}

impl HoldClient {
    /// Appends a request to the output.
    pub(super) fn send(&mut self, request: &HoldRequest<'_>) {
        request.write(self.output.end());
    }

    /// Takes why the process was lost, if it was.
    pub(super) fn take_loss(&mut self) -> Option<io::Error> {
        self.lost.take()
    }

    /// Takes what was reported since the last call.
    pub(super) fn take_news(&mut self) -> Vec<HoldNews> {
        mem::take(&mut self.news)
    }

    /// Whether there is anything to be taken at once.
    pub(super) fn is_pending(&self) -> bool {
        self.lost.is_some() || self.start.is_some() || !self.news.is_empty()
    }

    /// Whether the output to the process has reached its bound.
    pub(super) fn is_congested(&self) -> bool {
        self.output.is_congested()
    }
}
