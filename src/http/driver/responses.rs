//! The way out: what the server has answered is done, and a response begun.

use bytes::Bytes;

use super::{
    Http, HttpExchange, HttpState, HttpTurn, READ_TIMEOUT, SMALL_BODY_BYTES_MAX, STREAM_INTERVAL,
    UNREAD_BYTES_MAX, VIEWERS_MAX, WAIT_MAX, WAITING_MAX,
};
use crate::http::access::foreign_page;
use crate::http::events::EventQueue;
use crate::http::request::Method;
use crate::http::response::{ConnectionEnd, HttpAnswer, HttpResponse};
use crate::net::driver::{Drain, Step, Wait};

impl Http {
    /// Does what the server has answered.
    pub(super) fn follow(
        &mut self,
        answer: HttpAnswer,
        mut exchange: Box<HttpExchange>,
        turn: &mut HttpTurn<'_>,
    ) -> Step<Self> {
        match answer {
            HttpAnswer::Now(response) if is_too_much(&response, turn) => {
                let response = HttpResponse::text(503, "other clients have too much to read yet");
                self.respond(&response, &exchange, turn)
            }
            HttpAnswer::Now(response) => self.respond(&response, &exchange, turn),
            HttpAnswer::Wait(_) if exchange.is_last => {
                debug_assert!(false, "the last time it is answered");
                self.respond(
                    &HttpResponse::text(503, "nothing has come"),
                    &exchange,
                    turn,
                )
            }
            HttpAnswer::Wait(_)
                if exchange.until.is_none() && turn.shared.waiting.len() >= WAITING_MAX =>
            {
                let response = HttpResponse::text(503, "too many requests wait already");
                self.respond(&response, &exchange, turn)
            }
            HttpAnswer::Wait(wait) => {
                let until = turn.now + wait.min(WAIT_MAX);
                let until = *exchange.until.get_or_insert(until);
                if until <= turn.now || turn.drain != Drain::No {
                    exchange.is_last = true;
                    return self.ask(exchange, turn);
                }
                self.enter(HttpState::Waiting(exchange), None, turn);
                self.deadline = Some(until);
                let name = turn.name();
                turn.shared.waiting.push(name);
                Step::Continue
            }
            HttpAnswer::Metrics => {
                debug_assert!(false, "the server makes a response of them");
                self.respond(&HttpResponse::text(503, "no metrics"), &exchange, turn)
            }
            HttpAnswer::Events if !exchange.is_own_page => {
                self.respond(&foreign_page(), &exchange, turn)
            }
            HttpAnswer::Events if turn.shared.viewers.len() >= VIEWERS_MAX => {
                let response = HttpResponse::text(503, "too many look already");
                self.respond(&response, &exchange, turn)
            }
            HttpAnswer::Events => {
                let response = HttpResponse::new(200, "text/event-stream", Bytes::new());
                response.write_head(turn.shared.date.get(), ConnectionEnd::Stream, turn.output);
                if exchange.request.method == Method::Head || turn.drain != Drain::No {
                    return self.close_after_flush();
                }
                self.enter(HttpState::Streaming(EventQueue::default()), None, turn);
                self.note_progress(STREAM_INTERVAL, turn);
                let name = turn.name();
                turn.shared.viewers.push(name);
                Step::Continue
            }
        }
    }

    /// Begins the response to a request.
    pub(super) fn respond(
        &mut self,
        response: &HttpResponse,
        exchange: &HttpExchange,
        turn: &mut HttpTurn<'_>,
    ) -> Step<Self> {
        let keeps_alive = exchange.keeps_alive && turn.drain == Drain::No;
        let end = match (keeps_alive, exchange.is_http_1_0) {
            (true, false) => ConnectionEnd::No,
            (true, true) => ConnectionEnd::NoSaid,
            (false, _) => ConnectionEnd::Yes,
        };
        let has_body = exchange.request.method != Method::Head;
        self.write(response, end, has_body, turn)
    }

    /// Begins the last response, to what is no request.
    pub(super) fn refuse(
        &mut self,
        response: &HttpResponse,
        turn: &mut HttpTurn<'_>,
    ) -> Step<Self> {
        self.write(response, ConnectionEnd::Yes, true, turn)
    }

    fn write(
        &mut self,
        response: &HttpResponse,
        end: ConnectionEnd,
        has_body: bool,
        turn: &mut HttpTurn<'_>,
    ) -> Step<Self> {
        response.write_head(turn.shared.date.get(), end, turn.output);
        let mut rest = Bytes::new();
        if has_body && response.body.len() <= SMALL_BODY_BYTES_MAX {
            turn.output.extend_from_slice(&response.body);
        } else if has_body {
            if response.body.is_unique() {
                self.unread_bytes = response.body.len();
                turn.shared.unread_bytes += self.unread_bytes;
            }
            rest = response.body.clone();
        }
        let step = match rest.is_empty() {
            true => Step::Wait(Wait::Output),
            false => Step::WriteOut,
        };
        let keeps_alive = end != ConnectionEnd::Yes;
        self.enter(HttpState::Responding { rest, keeps_alive }, None, turn);
        self.note_progress(READ_TIMEOUT, turn);
        step
    }
}

/// Whether clients have so much to read already that no large response is to be added. One alone may be as large as it is, and the
/// text of a message is in memory anyway.
fn is_too_much(response: &HttpResponse, turn: &HttpTurn<'_>) -> bool {
    let (unread, more) = (turn.shared.unread_bytes, response.body.len());
    response.body.is_unique()
        && unread > 0
        && more > SMALL_BODY_BYTES_MAX
        && unread + more > UNREAD_BYTES_MAX
}
