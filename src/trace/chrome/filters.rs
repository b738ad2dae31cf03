//! What filters are asked, as phases of a connection, and what they answer.

use super::ChromeTrace;
use super::connection::ConnectionTrack;
use crate::net::epoch::Nanoseconds;
use crate::observe::frame::FilterFrame;
use crate::observe::outcome::StepCode;
use crate::trace::verdicts::verdict_name;

impl ChromeTrace {
    /// Shows what filters are asked of a connection, and what they answer: after the steps of a tick, if not at once.
    pub(super) fn see_filters(
        &mut self,
        track: &mut ConnectionTrack,
        frame: &FilterFrame<'_>,
        now: Nanoseconds,
    ) {
        match *frame {
            FilterFrame::Asked { step, .. } => {
                track.enter_filters(Some(question(step)), now, &mut self.events);
            }
            FilterFrame::Decided { verdict, .. } => {
                self.of_loop.begin_answers(now, &mut self.events);
                self.instant(verdict_name(verdict), track.id(), now);
                track.enter_filters(None, now, &mut self.events);
            }
            FilterFrame::ReadDone { .. } => self.of_loop.begin_answers(now, &mut self.events),
            _ => {}
        }
    }
}

/// The phase in which filters are asked about this step.
fn question(step: StepCode<'_>) -> &'static str {
    match step {
        StepCode::Connect(_) => "filters: client",
        StepCode::Hello(_) => "filters: HELO",
        StepCode::Sender(_) => "filters: MAIL",
        StepCode::Recipient(_) => "filters: RCPT",
        StepCode::Data => "filters: DATA",
        StepCode::Unknown => "filters: unknown",
        StepCode::Message(_) => "filters: message",
    }
}
