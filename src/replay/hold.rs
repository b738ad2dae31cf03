//! The texts on hold of a replay: what a session does with them is compared, and what it reads comes from the record.

use super::filters::read_octets;
use super::store::{ReplayStore, over};
use crate::observe::crc::crc32;
use crate::observe::frame::FilterFrame;
use crate::observe::outcome::ReadCode;
use crate::store::hold::{HeldRead, HeldText, HeldTexts, HoldTicket};
use crate::store::{Failure, Ticket};

impl HeldTexts for ReplayStore {
    fn begin(&mut self) -> HeldText {
        let connection = self.current.get();
        let made = FilterFrame::Begun {
            connection,
            text: 0,
        };
        let mut script = self.script.borrow_mut();
        let text = script.call_filter(made, |recorded| match *recorded {
            FilterFrame::Begun { text, .. } => Some(text),
            _ => None,
        });
        let key = text.unwrap_or(usize::MAX);
        self.texts.borrow_mut().insert(key, 0);
        HeldText::new(key)
    }

    fn write(&mut self, text: &mut HeldText, octets: &[u8]) -> Result<(), Failure> {
        let (key, made_octets) = (text.key(), octets.len());
        let made = FilterFrame::Text {
            connection: self.current.get(),
            text: key,
            octets: made_octets,
            crc: None,
            result: Ok(()),
        };
        let mut script = self.script.borrow_mut();
        let result = script.call_filter(made, |recorded| match *recorded {
            FilterFrame::Text {
                text,
                octets: count,
                crc,
                result,
                ..
            } if (text, count) == (key, made_octets)
                && crc.is_none_or(|crc| crc == crc32(octets)) =>
            {
                Some(result.map_err(Failure::from))
            }
            _ => None,
        });
        let result = result.unwrap_or(Ok(()));
        if result.is_ok() {
            *self.texts.borrow_mut().entry(key).or_default() += made_octets as u64;
        }
        result
    }

    fn len(&mut self, text: &HeldText) -> u64 {
        self.texts.borrow().get(&text.key()).copied().unwrap_or(0)
    }

    fn read(
        &mut self,
        text: &HeldText,
        offset: u64,
        bytes_max: usize,
    ) -> Result<HeldRead<'_>, Failure> {
        let own = (text.key(), offset);
        let made = FilterFrame::Read {
            connection: self.current.get(),
            text: own.0,
            from: own.1,
            result: ReadCode::Now,
            octets: b"",
        };
        let mut script = self.script.borrow_mut();
        let read = script.call_filter(made, |recorded| match *recorded {
            FilterFrame::Read {
                text,
                from,
                result,
                octets,
                ..
            } if (text, from) == own => {
                let octets = read_octets(octets).filter(|octets| octets.len() <= bytes_max)?;
                match result {
                    ReadCode::Now => Some(Ok((octets, None))),
                    ReadCode::Later(ticket) => Some(Ok((octets, Some(ticket)))),
                    ReadCode::Failed(failure) => Some(Err(failure.into())),
                    ReadCode::Gone => None,
                }
            }
            _ => None,
        });
        let (octets, ticket) = read.unwrap_or_else(|| Err(over()))?;
        self.read = octets;
        Ok(match ticket {
            Some(ticket) => HeldRead::Asked(HoldTicket::from_store(Ticket(ticket))),
            None => HeldRead::Text(&self.read),
        })
    }

    fn drop_text(&mut self, text: HeldText) {
        let made = FilterFrame::Dropped {
            connection: self.current.get(),
            text: text.key(),
        };
        self.script.borrow_mut().check(&made.into());
        self.texts.borrow_mut().remove(&text.key());
    }
}
