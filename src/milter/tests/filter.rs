//! A filter in memory: it says what a test has it say, and notes what it was told.

use bytes::BytesMut;

use crate::milter::client::{FilterClient, StepOutcome};
use crate::milter::error::MilterError;
use crate::milter::macros::FilterMacros;
use crate::milter::reply::FilterReply;
use crate::milter::step::{ClientAddress, FilterStep};
use crate::milter::terms::FilterOffer;

/// One packet.
pub(crate) fn packet(command: u8, data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len() + 1).unwrap();
    [&length.to_be_bytes()[..], &[command], data].concat()
}

/// The answer to a negotiation.
pub(crate) fn answer(version: u32, actions: u32, protocol: u32) -> Vec<u8> {
    let numbers = [version, actions, protocol].map(u32::to_be_bytes);
    packet(b'O', &numbers.concat())
}

/// The packets in some octets, as text: the command, then the data with escapes.
pub(crate) fn shown(octets: &[u8]) -> Vec<String> {
    let mut shown = Vec::new();
    let mut rest = octets;
    while let Some((length, after)) = rest.split_first_chunk() {
        let (body, after) = after.split_at(u32::from_be_bytes(*length) as usize);
        shown.push(body.escape_ascii().to_string());
        rest = after;
    }
    assert_eq!(rest, b"", "a packet is cut");
    shown
}

pub(crate) const PEER: FilterStep<'_> = FilterStep::Connect {
    name: b"client.example",
    address: ClientAddress::Unknown,
};
pub(crate) const MAIL: FilterStep<'_> = FilterStep::Mail(&[b"<ada@example.org>"]);
pub(crate) const RCPT: FilterStep<'_> = FilterStep::Recipient(&[b"<bob@example.org>"]);
pub(crate) const FIELD: FilterStep<'_> = FilterStep::Header {
    name: b"Subject",
    value: b" x\r\n",
};

/// A connection to a filter, from which both sides are seen.
pub(crate) struct Scene {
    pub(crate) client: FilterClient,
    pub(crate) macros: FilterMacros,
    out: BytesMut,
}

impl Scene {
    /// A filter that gave this answer.
    pub(crate) fn new(answer: &[u8]) -> Self {
        Self::offered(FilterOffer::default(), answer)
    }

    pub(crate) fn offered(offer: FilterOffer, answer: &[u8]) -> Self {
        let mut scene = Self::unanswered(offer);
        assert_eq!(scene.say(answer), Ok(vec![FilterReply::Negotiated]));
        scene
    }

    pub(crate) fn unanswered(offer: FilterOffer) -> Self {
        let mut out = BytesMut::new();
        let client = FilterClient::new(offer, &mut out);
        let macros = FilterMacros::default();
        out.clear();
        Self {
            client,
            macros,
            out,
        }
    }

    /// A filter that wants all, may do all, and knows the client.
    pub(crate) fn connected() -> Self {
        let mut scene = Self::new(&answer(6, 0x1ff, 0x400));
        scene.go(PEER);
        scene
    }

    /// A filter to which all up to the end of a message was told.
    pub(crate) fn at_end() -> Self {
        let mut scene = Self::connected();
        scene.go(MAIL);
        scene.go(RCPT);
        scene.awaits(FilterStep::EndOfMessage);
        scene
    }

    /// Tells a step; what is written.
    pub(crate) fn tell(&mut self, step: FilterStep<'_>) -> (StepOutcome, Vec<String>) {
        let outcome = self.client.tell(step, &self.macros, &mut self.out);
        (outcome, shown(&self.out.split()))
    }

    pub(crate) fn awaits(&mut self, step: FilterStep<'_>) {
        assert_eq!(self.tell(step).0, StepOutcome::Awaited, "{step:?}");
    }

    pub(crate) fn is_unwanted(&mut self, step: FilterStep<'_>) {
        let (outcome, written) = self.tell(step);
        assert_eq!(outcome, StepOutcome::Unwanted, "{step:?}");
        assert_eq!(written, [""; 0], "{step:?}");
    }

    /// Has the filter say these octets; all that is read of them.
    pub(crate) fn say(&mut self, octets: &[u8]) -> Result<Vec<FilterReply>, MilterError> {
        let mut rest = octets;
        let mut replies = Vec::new();
        while let Some(reply) = self.client.read(&mut rest)? {
            replies.push(reply);
        }
        assert_eq!(rest, b"", "nothing is left where nothing more is read");
        Ok(replies)
    }

    /// Tells a step to which the filter replies so.
    pub(crate) fn replied(&mut self, step: FilterStep<'_>, reply: &[u8]) -> FilterReply {
        self.awaits(step);
        let mut replies = self.say(reply).unwrap();
        assert_eq!(replies.len(), 1);
        replies.pop().unwrap()
    }

    /// Tells a step with which the filter goes on.
    pub(crate) fn go(&mut self, step: FilterStep<'_>) {
        let reply = self.replied(step, &packet(b'c', b""));
        assert_eq!(reply, FilterReply::Continue);
    }
}
