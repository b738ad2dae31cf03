//! A message as filters see it: its header field by field, its body in pieces, then its end, at which they may change it.

mod text;

use std::time::Instant;

use super::desk::{FilterDesk, FilterExchangeId};
use super::verdict::{EnvelopeChange, EnvelopeChanges};
use crate::milter::body::BodyLines;
use crate::milter::changes::{FilterChange, MessageChanges};
use crate::milter::client::StepOutcome;
use crate::milter::commands::StepKind;
use crate::milter::fields::take_field;
use crate::milter::macros::FilterMacros;
use crate::milter::reply::FilterReply;
use crate::milter::step::FilterStep;
use crate::store::Failure;
use crate::store::hold::{HeldText, Hold};
pub(super) use text::MessageText;

/// The most octets of a body that a filter puts in the place of another.
const NEW_BODY_BYTES_MAX: u64 = 1 << 30;
/// The most octets of a header field of which a filter is told; what is stored is whole.
const FIELD_BYTES_MAX: usize = 64 * 1024;

/// How far one filter has seen a message, and what it wants to change.
#[derive(Default)]
pub(super) struct ContentPass {
    stage: PassStage,
    changes: Option<MessageChanges>,
    new_body: Option<ReplacedBody>,
    quarantine: Option<Box<str>>,
}

/// A body that a filter puts in the place of another.
struct ReplacedBody {
    held: HeldText,
    lines: BodyLines,
}

/// What a filter is told of a message next, or has to reply to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum PassStage {
    #[default]
    Begun,
    /// The field of the header that begins here is to be told.
    Field(usize),
    EndOfHeader,
    /// The piece of the body that begins here is to be told.
    Body(u64),
    End,
    /// A reply is awaited, after which this comes.
    AwaitingReply(AfterReply),
}

/// What comes after a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AfterReply {
    Field(usize),
    Body(u64),
    Nothing,
}

/// All that a filter is told a message with.
pub(super) struct PassContext<'a> {
    pub(super) desk: &'a mut FilterDesk,
    pub(super) hold: &'a mut Hold,
    pub(super) exchange: FilterExchangeId,
    pub(super) macros: &'a FilterMacros,
    /// Until when a reply has to come.
    pub(super) deadline: Instant,
}

/// What a filter thinks of a message in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContentEnd {
    /// The message may be stored, as the filter has changed it.
    Accepted,
    /// The message is to vanish.
    Discarded,
    /// The message cannot be shown to a filter: its header is too long to be kept in memory.
    HeaderTooLong,
}

/// Why a message cannot be put before a filter, or a filter not be believed, in words for the log.
#[derive(Debug)]
pub(super) enum ContentFault {
    /// The filter cannot be relied on.
    Filter(Box<str>),
    /// The text was lost here, or found no room, which is no fault of the filter.
    Text(Box<str>),
}

impl From<&str> for ContentFault {
    fn from(fault: &str) -> Self {
        Self::Filter(fault.into())
    }
}

impl PassContext<'_> {
    fn tell(&mut self, step: FilterStep<'_>) -> Result<StepOutcome, ContentFault> {
        let told = self
            .desk
            .tell(self.exchange, step, self.macros, self.deadline);
        told.ok_or_else(|| "the exchange is over".into())
    }

    fn wants(&mut self, step: StepKind) -> bool {
        let client = self.desk.client(self.exchange);
        client.is_some_and(|client| client.wants(step))
    }

    fn has_room(&mut self) -> bool {
        self.desk.has_room(self.exchange, self.deadline)
    }
}

impl ContentPass {
    /// Tells the filter as much as it takes. The end, if it has no need to reply to that.
    ///
    /// # Errors
    /// The message cannot be read.
    pub(super) fn advance(
        &mut self,
        text: &mut MessageText,
        context: &mut PassContext<'_>,
    ) -> Result<Option<ContentEnd>, ContentFault> {
        loop {
            self.stage = match self.stage {
                PassStage::AwaitingReply(_) => return Ok(None),
                PassStage::Begun => {
                    if !text.read_header(context.hold).map_err(unread)? {
                        return Ok(None);
                    }
                    if text.has_long_header() {
                        return Ok(Some(ContentEnd::HeaderTooLong));
                    }
                    PassStage::Field(0)
                }
                PassStage::Field(at) => match self.tell_field(at, text, context)? {
                    Some(next) => next,
                    None => return Ok(None),
                },
                PassStage::EndOfHeader => match context.tell(FilterStep::EndOfHeader)? {
                    StepOutcome::Awaited => PassStage::AwaitingReply(AfterReply::Body(0)),
                    StepOutcome::Told | StepOutcome::Unwanted => PassStage::Body(0),
                },
                PassStage::Body(at) => match self.tell_body(at, text, context)? {
                    Some(next) => next,
                    None => return Ok(None),
                },
                PassStage::End => match context.tell(FilterStep::EndOfMessage)? {
                    StepOutcome::Awaited => PassStage::AwaitingReply(AfterReply::Nothing),
                    StepOutcome::Told | StepOutcome::Unwanted => {
                        return Ok(Some(ContentEnd::Accepted));
                    }
                },
            };
        }
    }

    /// Tells a field of the header; the next stage, or `None` where there is no room for it now.
    fn tell_field(
        &self,
        at: usize,
        text: &MessageText,
        context: &mut PassContext<'_>,
    ) -> Result<Option<PassStage>, ContentFault> {
        let header = text.header();
        let mut rest = &header[at.min(header.len())..];
        let Some(field) = take_field(&mut rest).filter(|_| context.wants(StepKind::Header)) else {
            return Ok(Some(PassStage::EndOfHeader));
        };
        let next = header.len() - rest.len();
        if field.name().is_empty() {
            return Ok(Some(PassStage::Field(next)));
        }
        if !context.has_room() {
            return Ok(None);
        }
        let value = field.value();
        let step = FilterStep::Header {
            name: field.name(),
            value: &value[..value.len().min(FIELD_BYTES_MAX)],
        };
        Ok(Some(match context.tell(step)? {
            StepOutcome::Awaited => PassStage::AwaitingReply(AfterReply::Field(next)),
            StepOutcome::Told => PassStage::Field(next),
            StepOutcome::Unwanted => PassStage::EndOfHeader,
        }))
    }

    /// Tells a piece of the body; the next stage, or `None` where it is not there, or there is no room for it now.
    fn tell_body(
        &self,
        at: u64,
        text: &mut MessageText,
        context: &mut PassContext<'_>,
    ) -> Result<Option<PassStage>, ContentFault> {
        if !context.wants(StepKind::Body) {
            return Ok(Some(PassStage::End));
        }
        if !context.has_room() {
            return Ok(None);
        }
        let Some(piece) = text.read_body(at, context.hold).map_err(unread)? else {
            return Ok(None);
        };
        if piece.is_empty() {
            return Ok(Some(PassStage::End));
        }
        let next = at + piece.len() as u64;
        let told = context.desk.tell(
            context.exchange,
            FilterStep::Body(&piece),
            context.macros,
            context.deadline,
        );
        Ok(Some(match told {
            Some(StepOutcome::Awaited) => PassStage::AwaitingReply(AfterReply::Body(next)),
            Some(StepOutcome::Told) => PassStage::Body(next),
            Some(StepOutcome::Unwanted) => PassStage::End,
            None => return Err("the exchange is over".into()),
        }))
    }

    /// Goes on as the filter has replied, which is no refusal. The end, if it was that.
    ///
    /// # Errors
    /// What it wants cannot be done.
    pub(super) fn on_reply(
        &mut self,
        reply: FilterReply,
        has_leading_space: bool,
        hold: &mut Hold,
    ) -> Result<Option<ContentEnd>, ContentFault> {
        let PassStage::AwaitingReply(after) = self.stage else {
            return Err("a reply comes unasked".into());
        };
        match reply {
            FilterReply::ReplaceBody(piece) => {
                self.replace_body(&piece, hold)?;
                return Ok(None);
            }
            FilterReply::Change(change) => {
                let changes = self
                    .changes
                    .get_or_insert_with(|| MessageChanges::new(has_leading_space));
                let pushed = changes.push(change);
                pushed.map_err(|error| ContentFault::Filter(error.to_string().into()))?;
                return Ok(None);
            }
            FilterReply::Quarantine(reason) => {
                self.quarantine = Some(String::from_utf8_lossy(&reason).into());
                return Ok(None);
            }
            FilterReply::Discard => return Ok(Some(ContentEnd::Discarded)),
            FilterReply::Accept => return Ok(Some(ContentEnd::Accepted)),
            _ => {}
        }
        self.stage = match after {
            AfterReply::Field(at) => PassStage::Field(at),
            AfterReply::Body(at) => PassStage::Body(at),
            AfterReply::Nothing => return Ok(Some(ContentEnd::Accepted)),
        };
        Ok(None)
    }

    /// Appends to the body that takes the place of the present one.
    fn replace_body(&mut self, piece: &[u8], hold: &mut Hold) -> Result<(), ContentFault> {
        let body = self.new_body.get_or_insert_with(|| ReplacedBody {
            held: hold.begin(),
            lines: BodyLines::default(),
        });
        let mut lines = Vec::new();
        body.lines.write(piece, &mut lines);
        if hold.len(&body.held) + lines.len() as u64 > NEW_BODY_BYTES_MAX {
            return Err("it makes the body too long".into());
        }
        hold.write(&mut body.held, &lines).map_err(unread)
    }

    /// Makes the changes of the filter, which has accepted the message. Returns what is to be told of them.
    ///
    /// # Errors
    /// The new body cannot be kept.
    pub(super) fn apply(
        mut self,
        text: &mut MessageText,
        envelope: &mut EnvelopeChanges,
        quarantine: &mut Option<Box<str>>,
        hold: &mut Hold,
    ) -> Result<PassResult, ContentFault> {
        let mut result = PassResult::default();
        if let Some(reason) = self.quarantine.take() {
            result.quarantine = Some(reason.clone());
            *quarantine = Some(reason);
        }
        if let Some(mut body) = self.new_body.take() {
            let mut end = Vec::new();
            body.lines.end(&mut end);
            let ended = hold.write(&mut body.held, &end);
            text.replace_body(body.held, hold);
            ended.map_err(unread)?;
            result.has_new_body = true;
        }
        if let Some(changes) = self.changes.take() {
            if changes.changes_header() {
                text.change_header(&changes);
                result.has_new_header = true;
            }
            let names = changes.ignored_fields();
            let names = names.map(|name| String::from_utf8_lossy(name).into_owned());
            result.ignored = names.collect();
            envelope
                .0
                .extend(changes.envelope().filter_map(of_envelope));
            result.has_new_envelope = changes.envelope().next().is_some();
        }
        Ok(result)
    }

    /// Drops what it has put aside.
    pub(super) fn drop_from(self, hold: &mut Hold) {
        if let Some(body) = self.new_body {
            hold.drop_text(body.held);
        }
    }
}

/// What one filter has changed, for the log.
#[derive(Debug, Default)]
pub(super) struct PassResult {
    pub(super) has_new_header: bool,
    pub(super) has_new_body: bool,
    pub(super) has_new_envelope: bool,
    pub(super) quarantine: Option<Box<str>>,
    /// Names of fields that no field can have.
    pub(super) ignored: Vec<String>,
}

fn of_envelope(change: &FilterChange) -> Option<EnvelopeChange> {
    let text = |address: &[u8]| String::from_utf8_lossy(address).into();
    Some(match change {
        FilterChange::AddRecipient { address, .. } => EnvelopeChange::AddRecipient(text(address)),
        FilterChange::DeleteRecipient(address) => EnvelopeChange::DeleteRecipient(text(address)),
        FilterChange::ChangeSender { address, .. } => EnvelopeChange::Sender(text(address)),
        _ => return None,
    })
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn unread(failure: Failure) -> ContentFault {
    ContentFault::Text(failure.to_string().into())
}
