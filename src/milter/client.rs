//! One connection to a filter: what is told to it, and what it replies.

use bytes::BytesMut;

use super::commands::{NEGOTIATE, StepKind};
use super::error::MilterError;
use super::macros::{FilterMacros, MacroStage};
use super::reply::{FilterReply, action_of};
use super::step::FilterStep;
use super::terms::{FilterOffer, FilterTerms};
use super::wire::{FilterPacket, PacketDecoder};

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepOutcome {
    /// The filter will reply; nothing but a step without a reply may be told until its verdict is read.
    Awaited,
    /// The filter is told, and does not reply.
    Told,
    /// The filter does not want such a step, or not now. Macros may have been written: those of a step are told even so, as Postfix
    /// and Sendmail do.
    Unwanted,
}

/// One connection to a filter.
///
/// First the filter's answer to the negotiation is [read](Self::read). Then each step is [told](Self::tell), and where a reply is
/// awaited replies are read up to the [verdict](FilterReply::is_verdict). After an error there is nothing more to tell or read.
#[derive(Debug)]
pub struct FilterClient {
    offer: FilterOffer,
    terms: FilterTerms,
    decoder: PacketDecoder,
    state: FilterState,
    /// The step whose verdict is awaited.
    awaited: Option<StepKind>,
    /// The number of verdicts that are still to come of steps which were given up.
    stale: u32,
    /// The kind of steps that the filter asked to skip, until another one comes.
    skipped: Option<StepKind>,
    /// Whether MAIL came, and neither the end of the message nor an abort.
    has_transaction: bool,
    /// Whether the filter has said all that it has to say of this message.
    is_message_done: bool,
    /// The stages whose macros the filter knows, as bits.
    stages: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FilterState {
    /// The answer to the negotiation is awaited.
    Negotiating,
    /// No client has connected yet.
    Ready,
    /// The client is known.
    Connected,
    /// The filter wants to see no more of this connection.
    Accepted,
    /// The filter has refused this connection.
    Refused,
    /// Nothing more is told or read.
    Closed,
}

impl FilterClient {
    /// A connection on which this is offered.
    #[must_use]
    pub fn new(offer: FilterOffer, out: &mut BytesMut) -> Self {
        offer.write(out);
        Self {
            offer,
            terms: FilterTerms::default(),
            decoder: PacketDecoder::default(),
            state: FilterState::Negotiating,
            awaited: None,
            stale: 0,
            skipped: None,
            has_transaction: false,
            is_message_done: false,
            stages: 0,
        }
    }

    /// What was agreed on.
    #[must_use]
    pub fn terms(&self) -> &FilterTerms {
        &self.terms
    }

    /// The step whose verdict is awaited.
    #[must_use]
    pub fn awaited(&self) -> Option<StepKind> {
        self.awaited
    }

    /// Whether the answer to the negotiation is still to come.
    #[must_use]
    pub fn is_negotiating(&self) -> bool {
        self.state == FilterState::Negotiating
    }

    /// Whether the filter has accepted or refused the whole connection, or is gone: the socket may be closed.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(
            self.state,
            FilterState::Accepted | FilterState::Refused | FilterState::Closed
        )
    }

    /// Whether the filter would be told such a step now.
    #[must_use]
    pub fn wants(&self, step: StepKind) -> bool {
        self.takes(step) && self.terms.wants(step)
    }

    /// Tells the filter a step, with the macros that it wants to know then: appends it to `out`.
    ///
    /// A transaction that was neither ended nor aborted is aborted by MAIL, HELO and a new connection.
    pub fn tell(
        &mut self,
        step: FilterStep<'_>,
        macros: &FilterMacros,
        out: &mut BytesMut,
    ) -> StepOutcome {
        let kind = step.kind();
        match kind {
            StepKind::Abort | StepKind::Quit => return self.give_up(step, out),
            StepKind::QuitNewConnection => {
                // Within a transaction libmilter does not understand it.
                self.give_up(FilterStep::Abort, out);
                return self.give_up(step, out);
            }
            StepKind::Hello | StepKind::Mail => drop(self.give_up(FilterStep::Abort, out)),
            _ => {}
        }
        debug_assert!(self.awaited.is_none(), "a verdict is awaited at {kind:?}");
        if !self.takes(kind) {
            return StepOutcome::Unwanted;
        }
        self.skipped = None;
        self.state = FilterState::Connected;
        self.has_transaction |= kind == StepKind::Mail;
        if let Some(stage) = MacroStage::of(kind).filter(|it| self.terms.knows_stage(*it)) {
            let names = self.terms.macro_names(stage);
            let was_told = self.stages & stage.bit() != 0;
            match macros.write(kind, names, was_told, out) {
                true => self.stages |= stage.bit(),
                false => self.stages &= !stage.bit(),
            }
        }
        if !self.terms.wants(kind) {
            return StepOutcome::Unwanted;
        }
        step.write(self.terms.has_leading_space(), out);
        if !self.terms.replies(kind) {
            return StepOutcome::Told;
        }
        self.awaited = Some(kind);
        StepOutcome::Awaited
    }

    /// Takes what it can use off the front of `input`; the next reply if it is all there. Nothing is left of `input` where it is not.
    ///
    /// # Errors
    /// [`MilterError`] for octets that a filter does not say, or not now. The connection is over then.
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<FilterReply>, MilterError> {
        if self.state == FilterState::Closed {
            *input = &[];
            return Ok(None);
        }
        let reply = self.read_reply(input);
        if reply.is_err() {
            self.close();
        }
        reply
    }

    /// Octets that it keeps of a reply that is not all there.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.decoder.kept()
    }

    fn close(&mut self) {
        self.state = FilterState::Closed;
        self.awaited = None;
        self.decoder = PacketDecoder::default();
    }

    /// Whether such a step may be told now, as far as it is known without what the filter wants.
    fn takes(&self, step: StepKind) -> bool {
        let is_of_message = !matches!(step, StepKind::Connect | StepKind::Hello | StepKind::Mail);
        match self.state {
            FilterState::Ready => step == StepKind::Connect,
            FilterState::Connected => {
                step != StepKind::Connect
                    && self.skipped != Some(step)
                    && self.terms.knows(step)
                    && !(is_of_message && self.is_message_done)
            }
            FilterState::Negotiating
            | FilterState::Accepted
            | FilterState::Refused
            | FilterState::Closed => false,
        }
    }

    /// Tells that the transaction, the client or all is over. Replies that are still to come are for nobody then.
    fn give_up(&mut self, step: FilterStep<'_>, out: &mut BytesMut) -> StepOutcome {
        let kind = step.kind();
        let is_told = match kind {
            StepKind::Abort => self.state == FilterState::Connected && self.has_transaction,
            StepKind::QuitNewConnection => {
                let is_open = self.state == FilterState::Connected;
                is_open && self.terms.knows(kind)
            }
            _ => !matches!(self.state, FilterState::Negotiating | FilterState::Closed),
        };
        self.has_transaction = false;
        self.is_message_done = false;
        self.skipped = None;
        if kind == StepKind::Quit {
            self.close();
        }
        if !is_told {
            return StepOutcome::Unwanted;
        }
        self.stale += u32::from(self.awaited.take().is_some());
        if kind == StepKind::QuitNewConnection {
            self.state = FilterState::Ready;
            self.stages = 0;
        }
        step.write(false, out);
        StepOutcome::Told
    }

    fn read_reply(&mut self, input: &mut &[u8]) -> Result<Option<FilterReply>, MilterError> {
        while let Some(packet) = self.decoder.next(input)? {
            if self.state == FilterState::Negotiating {
                self.terms = self.offer.read(&packet)?;
                self.state = FilterState::Ready;
                return Ok(Some(FilterReply::Negotiated));
            }
            if self.stale > 0 {
                let reply = FilterReply::parse(packet);
                self.stale -= u32::from(reply?.is_verdict());
                continue;
            }
            return self.take_reply(packet).map(Some);
        }
        Ok(None)
    }

    /// Reads the reply to the step that was told last, and notes what comes of it.
    fn take_reply(&mut self, packet: FilterPacket) -> Result<FilterReply, MilterError> {
        let command = packet.command;
        let step = self.awaited.ok_or(MilterError::Unasked(command))?;
        let is_agreed = match action_of(command) {
            Some(_) if step != StepKind::EndOfMessage => {
                return Err(MilterError::WrongStep(command, step));
            }
            Some(action) => self.terms.allows(action),
            // libmilter skips even where that was not offered.
            None => true,
        };
        if command == NEGOTIATE {
            return Err(MilterError::WrongStep(command, step));
        }
        if !is_agreed {
            return Err(MilterError::NotAgreed(command));
        }
        let reply = FilterReply::parse(packet)?;
        if reply.is_verdict() {
            self.awaited = None;
            self.note(step, &reply);
        }
        Ok(reply)
    }

    fn note(&mut self, step: StepKind, verdict: &FilterReply) {
        let is_of_client = matches!(step, StepKind::Connect | StepKind::Hello);
        // A refused recipient or command says nothing of the message.
        let is_of_message = !matches!(step, StepKind::Recipient | StepKind::Unknown);
        match verdict {
            FilterReply::Accept if is_of_client => self.state = FilterState::Accepted,
            FilterReply::Reject | FilterReply::Tempfail | FilterReply::Custom(_)
                if is_of_client =>
            {
                self.state = FilterState::Refused;
            }
            FilterReply::ConnectionFail | FilterReply::Shutdown => {
                self.state = FilterState::Refused;
            }
            FilterReply::Accept | FilterReply::Discard => self.is_message_done = !is_of_client,
            FilterReply::Reject | FilterReply::Tempfail | FilterReply::Custom(_) => {
                self.is_message_done = is_of_message;
            }
            FilterReply::Skip => self.skipped = Some(step),
            _ => {}
        }
        if step == StepKind::EndOfMessage {
            self.has_transaction = false;
            self.is_message_done = false;
        }
    }
}
