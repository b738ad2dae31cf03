//! A step of a session, on its way through the filters.

use std::mem;
use std::time::Instant;

use crate::filters::content::{ContentPass, MessageText};
use crate::filters::desk::{FilterDesk, FilterExchangeId};
use crate::filters::requests::SessionStep;
use crate::filters::verdict::{EnvelopeChanges, FilterVerdict, FilteredMessage};
use crate::milter::client::StepOutcome;
use crate::milter::commands::StepKind;
use crate::milter::macros::FilterMacros;
use crate::milter::step::{ClientAddress, FilterStep};
use crate::net::peer::PeerAddress;
use crate::store::hold::Hold;

/// A step of a session, on its way through the filters.
pub(super) enum AskedStep {
    Command(SessionStep),
    Content(Box<AskedContent>),
}

/// A message on its way through the filters.
pub(super) struct AskedContent {
    pub(super) text: MessageText,
    pub(super) envelope: EnvelopeChanges,
    pub(super) quarantine: Option<Box<str>>,
    /// How far the filter is that is asked now.
    pub(super) pass: Option<ContentPass>,
}

impl AskedContent {
    /// The message, as all filters want it stored.
    pub(super) fn passed(self) -> FilterVerdict {
        let Self {
            text,
            envelope,
            quarantine,
            pass,
        } = self;
        debug_assert!(pass.is_none(), "the last filter has spoken");
        let (text, changed) = text.into_parts();
        FilterVerdict::Store(Box::new(FilteredMessage {
            text,
            changed,
            envelope,
            quarantine,
        }))
    }

    pub(super) fn drop_from(mut self, hold: &mut Hold) {
        if let Some(pass) = mem::take(&mut self.pass) {
            pass.drop_from(hold);
        }
        self.text.drop_from(hold);
    }
}

/// Tells a filter a step that is a command.
pub(super) fn tell(
    step: &SessionStep,
    exchange: FilterExchangeId,
    desk: &mut FilterDesk,
    macros: &FilterMacros,
    deadline: Instant,
) -> Option<StepOutcome> {
    let words = |words: &[Box<[u8]>], kind: StepKind, desk: &mut FilterDesk| {
        let words: Vec<&[u8]> = words.iter().map(|word| &**word).collect();
        let step = match kind {
            StepKind::Mail => FilterStep::Mail(&words),
            _ => FilterStep::Recipient(&words),
        };
        desk.tell(exchange, step, macros, deadline)
    };
    let step = match step {
        SessionStep::Connect { name, address } => FilterStep::Connect {
            name: name.as_bytes(),
            address: match address {
                PeerAddress::Tcp(address) => ClientAddress::Ip(*address),
                PeerAddress::Unix => ClientAddress::Unix(b""),
                PeerAddress::Unknown => ClientAddress::Unknown,
            },
        },
        SessionStep::Hello(name) => FilterStep::Hello(name.as_bytes()),
        SessionStep::Sender(arguments) => return words(arguments, StepKind::Mail, desk),
        SessionStep::Recipient(arguments) => return words(arguments, StepKind::Recipient, desk),
        SessionStep::Data => FilterStep::Data,
        SessionStep::Unknown(line) => FilterStep::Unknown(line),
        SessionStep::Message(_) => {
            debug_assert!(false, "a message is no command");
            return None;
        }
    };
    desk.tell(exchange, step, macros, deadline)
}
