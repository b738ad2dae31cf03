//! What filters reply to a step, and what comes of it.

use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;

use super::{AskProgress, AskedContent, AskedStep, FilterSession, FilterWork, PresentStep, Stance};
use crate::filters::content::{ContentEnd, ContentFault};
use crate::filters::desk::FilterExchangeId;
use crate::filters::requests::SessionStep;
use crate::filters::settings::{FilterDefault, header_too_long, reject, shutdown, tempfail};
use crate::filters::verdict::FilterVerdict;
use crate::milter::custom_reply::CustomReply;
use crate::milter::reply::FilterReply;
use crate::smtp::reply::GivenReply;

/// How long filters may have progress with one step. No client waits that long (RFC 5321 §4.5.3.2), and one that has closed its
/// connection may be told from one that listens by nothing but a reply.
const PROGRESS_TIME_MAX: Duration = Duration::from_secs(3600);

impl FilterSession {
    /// Takes the replies of the filter that is asked now, up to its verdict.
    pub(super) fn take_replies(
        &mut self,
        exchange: FilterExchangeId,
        work: &mut FilterWork<'_>,
    ) -> AskProgress {
        if work.hold.is_congested() && work.desk.replies_with_body(exchange) {
            self.is_held_back = true;
            return AskProgress::Waits;
        }
        match work.desk.reply(exchange) {
            Ok(None) => AskProgress::Waits,
            Ok(Some(FilterReply::Negotiated)) => AskProgress::Goes,
            Ok(Some(FilterReply::Progress)) => {
                let timeout = match self.asked.as_ref().map(|asked| &asked.step) {
                    Some(AskedStep::Content(_)) => self.settings.content_timeout,
                    _ => self.settings.command_timeout,
                };
                let asked = self.asked.as_mut();
                let first = asked.map(|asked| *asked.progressed.get_or_insert(work.now));
                let latest = first.unwrap_or(work.now) + PROGRESS_TIME_MAX;
                let deadline = latest.min(work.now + timeout);
                work.desk.set_deadline(exchange, deadline);
                AskProgress::Goes
            }
            Ok(Some(reply)) => self.on_reply(reply, work),
            Err(fault) => self.fail(&fault, work),
        }
    }

    /// Goes on as a filter has replied.
    fn on_reply(&mut self, reply: FilterReply, work: &mut FilterWork<'_>) -> AskProgress {
        let Some(asked) = &mut self.asked else {
            return AskProgress::Waits;
        };
        if let AskedStep::Content(content) = &mut asked.step
            && let Some(pass) = &mut content.pass
            && !is_refusal(&reply)
        {
            let client = self.filters[asked.at]
                .exchange
                .and_then(|it| work.desk.client(it));
            let spaced = client.is_some_and(|client| client.terms().has_leading_space());
            return match pass.on_reply(reply, spaced, work.hold) {
                Ok(None) => AskProgress::Goes,
                Ok(Some(end)) => self.end_content(end, work),
                Err(fault) => self.fail_content(&fault, work),
            };
        }
        let is_of_client = matches!(
            asked.step,
            AskedStep::Command(SessionStep::Connect { .. } | SessionStep::Hello(_))
        );
        let filter = &mut self.filters[asked.at];
        let (action, reply) = match reply {
            FilterReply::Accept => {
                filter.stance = match is_of_client {
                    true => Stance::AcceptsClient,
                    false => Stance::AcceptsMessage,
                };
                return AskProgress::Passed;
            }
            // There is no message yet: Postfix goes on as well.
            FilterReply::Discard if is_of_client => return AskProgress::Passed,
            FilterReply::Discard => {
                filter.stance = Stance::AcceptsMessage;
                self.log
                    .action(&filter.target, "discard", None, &self.macros);
                return AskProgress::Decided(FilterVerdict::Discard);
            }
            FilterReply::Reject => ("reject", reject()),
            FilterReply::Tempfail => ("tempfail", tempfail()),
            FilterReply::Custom(reply) => {
                let reply = given(&reply);
                let action = match reply.code {
                    500.. => "reject",
                    _ => "tempfail",
                };
                (action, reply)
            }
            FilterReply::Shutdown => ("shutdown", shutdown()),
            FilterReply::ConnectionFail => return self.fail("it cannot serve", work),
            // Nothing else is a verdict on a command.
            _ => return AskProgress::Passed,
        };
        self.log
            .action(&filter.target, action, Some(&reply), &self.macros);
        if is_of_client || action == "shutdown" {
            filter.stance = Stance::Refuses(Rc::clone(&reply));
        }
        AskProgress::Decided(FilterVerdict::Refuse(reply))
    }

    /// A filter has seen the message.
    pub(super) fn end_content(
        &mut self,
        end: ContentEnd,
        work: &mut FilterWork<'_>,
    ) -> AskProgress {
        let Some(PresentStep {
            step: AskedStep::Content(content),
            at,
            ..
        }) = &mut self.asked
        else {
            return AskProgress::Waits;
        };
        let Some(pass) = content.pass.take() else {
            return AskProgress::Passed;
        };
        let filter = &mut self.filters[*at];
        if end == ContentEnd::HeaderTooLong {
            pass.drop_from(work.hold);
            let reply = header_too_long();
            self.log
                .action(&filter.target, "reject", Some(&reply), &self.macros);
            return AskProgress::Decided(FilterVerdict::Refuse(reply));
        }
        if end == ContentEnd::Discarded {
            pass.drop_from(work.hold);
            self.log
                .action(&filter.target, "discard", None, &self.macros);
            return AskProgress::Decided(FilterVerdict::Discard);
        }
        let AskedContent {
            text,
            envelope,
            quarantine,
            ..
        } = &mut **content;
        filter.stance = Stance::AcceptsMessage;
        match pass.apply(text, envelope, quarantine, work.hold) {
            Ok(result) => {
                self.log.changed(&filter.target, &result, &self.macros);
                AskProgress::Passed
            }
            Err(fault) => self.fail_content(&fault, work),
        }
    }

    /// Goes on after a fault with a message. One of ours refuses the message for now, whatever holds for filters.
    pub(super) fn fail_content(
        &mut self,
        fault: &ContentFault,
        work: &mut FilterWork<'_>,
    ) -> AskProgress {
        let fault = match fault {
            ContentFault::Filter(fault) => return self.fail(fault, work),
            ContentFault::Text(fault) => fault,
        };
        if let Some(asked) = &mut self.asked {
            let filter = &mut self.filters[asked.at];
            if let Some(exchange) = filter.exchange {
                // It may be in the midst of the message.
                work.desk.abort(exchange, work.now);
            }
            self.log
                .fault(&filter.target, fault, FilterDefault::Tempfail, &self.macros);
        }
        AskProgress::Decided(FilterVerdict::Refuse(tempfail()))
    }

    /// Goes on without a filter that cannot be asked, as the operator has decided.
    pub(super) fn fail(&mut self, fault: &str, work: &mut FilterWork<'_>) -> AskProgress {
        let Some(asked) = &mut self.asked else {
            return AskProgress::Waits;
        };
        let filter = &mut self.filters[asked.at];
        if let AskedStep::Content(content) = &mut asked.step
            && let Some(pass) = content.pass.take()
        {
            // What it has changed before counts for nothing.
            pass.drop_from(work.hold);
        }
        if let Some(exchange) = filter.exchange.take() {
            work.desk.leave(exchange);
        }
        self.log
            .fault(&filter.target, fault, self.settings.default, &self.macros);
        match self.settings.default.reply() {
            None => {
                filter.stance = Stance::AcceptsClient;
                AskProgress::Passed
            }
            Some(reply) => {
                filter.stance = Stance::Refuses(Rc::clone(&reply));
                AskProgress::Decided(FilterVerdict::Refuse(reply))
            }
        }
    }
}

fn is_refusal(reply: &FilterReply) -> bool {
    matches!(
        reply,
        FilterReply::Reject
            | FilterReply::Tempfail
            | FilterReply::Custom(_)
            | FilterReply::ConnectionFail
            | FilterReply::Shutdown
    )
}

fn given(reply: &CustomReply) -> Rc<GivenReply> {
    let mut lines = BytesMut::new();
    reply.write(&mut lines);
    Rc::new(GivenReply {
        code: reply.code(),
        lines: lines.to_vec().into(),
    })
}
