//! Negotiation: what is offered to a filter, and what both sides agreed on.

use bytes::BytesMut;

use super::commands::{NEGOTIATE, StepKind};
use super::error::MilterError;
use super::macros::{MACRO_LIST_BYTES_MAX, MacroStage};
use super::wire::{FilterPacket, PacketWriter};

/// The latest version of the protocol.
pub const VERSION_MAX: u32 = 6;
/// The first version that is still spoken.
pub const VERSION_MIN: u32 = 2;

/// The filter may add header fields, and insert some.
pub const ACTION_ADD_HEADER: u32 = 1 << 0;
/// The filter may replace the body.
pub const ACTION_CHANGE_BODY: u32 = 1 << 1;
/// The filter may add recipients.
pub const ACTION_ADD_RECIPIENT: u32 = 1 << 2;
/// The filter may delete recipients.
pub const ACTION_DELETE_RECIPIENT: u32 = 1 << 3;
/// The filter may change and delete header fields.
pub const ACTION_CHANGE_HEADER: u32 = 1 << 4;
/// The filter may have a message held.
pub const ACTION_QUARANTINE: u32 = 1 << 5;
/// The filter may change the sender.
pub const ACTION_CHANGE_SENDER: u32 = 1 << 6;
/// The filter may add recipients with parameters.
pub const ACTION_ADD_RECIPIENT_ARGUMENTS: u32 = 1 << 7;
/// The filter may say which macros it wants.
pub const ACTION_MACRO_LISTS: u32 = 1 << 8;
/// All actions there are.
pub const ACTIONS_ALL: u32 = (1 << 9) - 1;

/// Replies may say that no more steps of the kind are wanted.
pub const PROTOCOL_SKIP: u32 = 1 << 10;
/// The filter wants recipients that we refuse, too.
pub const PROTOCOL_REJECTED_RECIPIENTS: u32 = 1 << 11;
/// The value of a header field has the space after the colon.
pub const PROTOCOL_LEADING_SPACE: u32 = 1 << 20;
/// All bits of the protocol: steps that are not wanted, those without a reply, and the three above.
pub const PROTOCOL_ALL: u32 = (1 << 21) - 1;

/// The steps that each version knows, as bits of those that are not wanted.
const STEPS_V2: u32 = (1 << 7) - 1;
const STEP_UNKNOWN_V3: u32 = 1 << 8;
const STEP_DATA_V4: u32 = 1 << 9;
const STEPS_ALL: u32 = STEPS_V2 | STEP_UNKNOWN_V3 | STEP_DATA_V4;

/// What is offered to a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterOffer {
    /// The latest version that we speak.
    pub version: u32,
    /// What the filter may do: bits of `ACTION_…`.
    pub actions: u32,
    /// What the filter may ask of the protocol: bits of `PROTOCOL_…`.
    pub protocol: u32,
}

impl Default for FilterOffer {
    fn default() -> Self {
        Self {
            version: VERSION_MAX,
            actions: ACTIONS_ALL,
            protocol: PROTOCOL_ALL,
        }
    }
}

impl FilterOffer {
    /// The bits of the protocol that are offered. An older version knows fewer.
    fn protocol(&self) -> u32 {
        self.protocol & protocol_of(self.version)
    }

    pub(super) fn write(&self, out: &mut BytesMut) {
        let mut packet = PacketWriter::new(NEGOTIATE, out);
        packet.long(self.version);
        packet.long(self.actions);
        packet.long(self.protocol());
        packet.end();
    }

    /// Reads what a filter answers.
    pub(super) fn read(&self, packet: &FilterPacket) -> Result<FilterTerms, MilterError> {
        if packet.command != NEGOTIATE {
            return Err(MilterError::NoNegotiation(packet.command));
        }
        let wrong = MilterError::Arguments(NEGOTIATE);
        let mut data = &packet.data[..];
        let mut next = || take_long(&mut data).ok_or(wrong);
        let (version, actions, protocol) = (next()?, next()?, next()?);
        if !(VERSION_MIN..=self.version).contains(&version) {
            return Err(MilterError::Version(version));
        }
        if actions & !self.actions != 0 {
            return Err(MilterError::Actions(actions & !self.actions));
        }
        // libmilter names steps that it does not want even where it is not asked for any.
        let wrong_bits = protocol & !(self.protocol() | STEPS_ALL);
        if wrong_bits != 0 {
            return Err(MilterError::Protocol(wrong_bits));
        }
        let mut macros = Vec::new();
        while !data.is_empty() {
            if self.actions & ACTION_MACRO_LISTS == 0 {
                return Err(MilterError::Actions(ACTION_MACRO_LISTS));
            }
            let stage = take_long(&mut data).ok_or(wrong)?;
            let end = data.iter().position(|octet| *octet == 0).ok_or(wrong)?;
            let (names, rest) = data.split_at(end);
            data = &rest[1..];
            if names.len() > MACRO_LIST_BYTES_MAX {
                return Err(MilterError::MacroList);
            }
            // Stages of later versions are passed over.
            if let Some(stage) = MacroStage::of_number(stage) {
                macros.retain(|(other, _)| *other != stage);
                macros.push((stage, names.into()));
            }
        }
        Ok(FilterTerms {
            version,
            actions,
            protocol,
            macros,
        })
    }
}

/// What was agreed on with a filter. By default it is nothing yet.
#[derive(Debug, Default)]
pub struct FilterTerms {
    version: u32,
    actions: u32,
    protocol: u32,
    /// The names of macros that the filter wants at a stage, separated by spaces or commas.
    macros: Vec<(MacroStage, Box<[u8]>)>,
}

impl FilterTerms {
    /// The version that is spoken.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Whether the filter may do this, one of `ACTION_…`.
    #[must_use]
    pub fn allows(&self, action: u32) -> bool {
        self.actions & action != 0
    }

    /// Whether the filter wants recipients that we refuse, too.
    #[must_use]
    pub fn wants_rejected_recipients(&self) -> bool {
        self.protocol & PROTOCOL_REJECTED_RECIPIENTS != 0
    }

    /// Whether values of header fields have the space after the colon, both those that are told and those of changes.
    #[must_use]
    pub fn has_leading_space(&self) -> bool {
        self.protocol & PROTOCOL_LEADING_SPACE != 0
    }

    /// Whether the version has such a step.
    pub(super) fn knows(&self, step: StepKind) -> bool {
        match step {
            StepKind::QuitNewConnection => self.version >= 6,
            _ => unwanted_bit(step) & !protocol_of(self.version) == 0,
        }
    }

    /// Whether the version has a place for macros of the stage. Before the sixth there was none for the end of the header.
    pub(super) fn knows_stage(&self, stage: MacroStage) -> bool {
        match stage {
            MacroStage::Data => self.version >= 4,
            MacroStage::EndOfHeader => self.version >= 6,
            _ => true,
        }
    }

    /// Whether the filter wants to be told of such a step.
    pub(super) fn wants(&self, step: StepKind) -> bool {
        self.protocol & unwanted_bit(step) == 0
    }

    /// Whether the filter replies to such a step.
    pub(super) fn replies(&self, step: StepKind) -> bool {
        self.protocol & no_reply_bit(step) == 0
    }

    /// The names of the macros that are told at a stage.
    pub(super) fn macro_names(&self, stage: MacroStage) -> &[u8] {
        let own = self.macros.iter().find(|(other, _)| *other == stage);
        match own {
            Some((_, names)) if !names.is_empty() => names,
            _ => stage.usual_names(),
        }
    }
}

/// The bits of the protocol that a version knows.
fn protocol_of(version: u32) -> u32 {
    match version {
        ..=2 => STEPS_V2,
        3 => STEPS_V2 | STEP_UNKNOWN_V3,
        4 | 5 => STEPS_ALL,
        6.. => PROTOCOL_ALL,
    }
}

/// The bit by which a filter says that it does not want such steps; of some there is none.
fn unwanted_bit(step: StepKind) -> u32 {
    match step {
        StepKind::Connect => 1 << 0,
        StepKind::Hello => 1 << 1,
        StepKind::Mail => 1 << 2,
        StepKind::Recipient => 1 << 3,
        StepKind::Body => 1 << 4,
        StepKind::Header => 1 << 5,
        StepKind::EndOfHeader => 1 << 6,
        StepKind::Unknown => STEP_UNKNOWN_V3,
        StepKind::Data => STEP_DATA_V4,
        StepKind::EndOfMessage | StepKind::Abort | StepKind::QuitNewConnection | StepKind::Quit => {
            0
        }
    }
}

/// The bit by which a filter says that it does not reply to such steps.
fn no_reply_bit(step: StepKind) -> u32 {
    match step {
        StepKind::Header => 1 << 7,
        StepKind::Connect => 1 << 12,
        StepKind::Hello => 1 << 13,
        StepKind::Mail => 1 << 14,
        StepKind::Recipient => 1 << 15,
        StepKind::Data => 1 << 16,
        StepKind::Unknown => 1 << 17,
        StepKind::EndOfHeader => 1 << 18,
        StepKind::Body => 1 << 19,
        StepKind::EndOfMessage | StepKind::Abort | StepKind::QuitNewConnection | StepKind::Quit => {
            0
        }
    }
}

pub(super) fn take_long(data: &mut &[u8]) -> Option<u32> {
    let (octets, rest) = data.split_first_chunk()?;
    *data = rest;
    Some(u32::from_be_bytes(*octets))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
