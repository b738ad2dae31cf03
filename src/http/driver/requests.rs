//! The way in: a request is read, let in or refused, and the server asked.

use std::cell::Cell;
use std::mem;
use std::rc::Rc;

use bytes::Bytes;

use super::{BODY_TIMEOUT, HEAD_TIMEOUT, HEAD_WORK, Http, HttpExchange, HttpState, HttpTurn};
use crate::http::body::{BodyDecoder, BodyLength};
use crate::http::parse::{HEAD_BYTES_MAX, RequestHead, parse_head};
use crate::http::request::HttpRequest;
use crate::http::shared::HttpQuestion;
use crate::net::driver::{Step, Wait};

impl Http {
    pub(super) fn read_head(&mut self, input: &mut &[u8], turn: &mut HttpTurn<'_>) -> Step<Self> {
        let HttpState::Head { seen } = &mut self.state else {
            return Step::Continue;
        };
        // Empty lines before a request are skipped (RFC 9112 §2.2).
        while let [b'\r' | b'\n', rest @ ..] = *input
            && *seen == 0
        {
            *input = rest;
        }
        if input.len() == *seen {
            return Step::Continue;
        }
        if *seen == 0 {
            let whole = turn.now + HEAD_TIMEOUT;
            self.deadline = Some(self.deadline.map_or(whole, |before| before.min(whole)));
        }
        // Only a line end tells more than was known before, or too many octets without one.
        let is_worth_a_look = *seen == 0
            || memchr::memchr(b'\n', &input[*seen..]).is_some()
            || input.len() >= HEAD_BYTES_MAX;
        *seen = input.len();
        if !is_worth_a_look {
            return Step::Continue;
        }
        turn.work.charge(HEAD_WORK);
        match parse_head(input) {
            Ok(None) => Step::Continue,
            Ok(Some((head, length))) => {
                *input = &input[length..];
                self.begin(head, input, turn)
            }
            Err(response) => self.refuse(&response, turn),
        }
    }

    /// Goes on with a request whose head is there.
    fn begin(
        &mut self,
        head: RequestHead,
        input: &mut &[u8],
        turn: &mut HttpTurn<'_>,
    ) -> Step<Self> {
        let access = &turn.shared.access;
        let is_unix = turn.peer().ip().is_none();
        let refusal = access.refusal(&head, is_unix);
        let is_own_page = is_unix || access.is_own_page(&head);
        let has_body = head.body != BodyLength::Octets(0);
        let mut exchange = Box::new(HttpExchange {
            request: Rc::new(HttpRequest {
                method: head.method,
                path: head.target.path,
                query: head.target.query,
                body: Bytes::new(),
                progress: Cell::default(),
            }),
            keeps_alive: head.keeps_alive,
            is_http_1_0: head.is_http_1_0,
            is_own_page,
            is_last: false,
            until: None,
        });
        if let Some(response) = refusal {
            exchange.keeps_alive &= !has_body;
            return self.respond(&response, &exchange, turn);
        }
        if head.expects_continue && has_body && input.is_empty() {
            turn.output
                .extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        let body = BodyDecoder::new(head.body);
        self.enter(HttpState::Body(exchange, body), Some(BODY_TIMEOUT), turn);
        self.read_body(input, turn)
    }

    pub(super) fn read_body(&mut self, input: &mut &[u8], turn: &mut HttpTurn<'_>) -> Step<Self> {
        let HttpState::Body(_, decoder) = &mut self.state else {
            return Step::Continue;
        };
        match decoder.take(input) {
            Ok(None) => Step::Continue,
            Ok(Some(body)) => {
                if let HttpState::Body(mut exchange, _) =
                    mem::replace(&mut self.state, HttpState::Over)
                {
                    // Nobody else has it yet.
                    if let Some(request) = Rc::get_mut(&mut exchange.request) {
                        request.body = body;
                    }
                    return self.ask(exchange, turn);
                }
                Step::Continue
            }
            Err(response) => self.refuse(&response, turn),
        }
    }

    /// Asks the server, which answers in this tick or in the next.
    pub(super) fn ask(
        &mut self,
        exchange: Box<HttpExchange>,
        turn: &mut HttpTurn<'_>,
    ) -> Step<Self> {
        let ticket = turn.id.0;
        turn.shared.questions.push_back(HttpQuestion {
            ticket,
            request: Rc::clone(&exchange.request),
            is_again: exchange.until.is_some(),
            is_last: exchange.is_last,
        });
        self.enter(HttpState::Asked(exchange), None, turn);
        Step::Wait(Wait::Completion(ticket))
    }

    /// Asks the server again, if it has made the client wait.
    pub(super) fn ask_again(&mut self, is_last: bool, turn: &mut HttpTurn<'_>) -> Step<Self> {
        match mem::replace(&mut self.state, HttpState::Over) {
            HttpState::Waiting(mut exchange) => {
                turn.shared.waiting.retain(|name| name.id() != turn.id);
                exchange.is_last = is_last;
                self.ask(exchange, turn)
            }
            state => {
                self.state = state;
                Step::Continue
            }
        }
    }
}
