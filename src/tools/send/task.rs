//! The delivery of one message, as the task of a dialogue.

use core::ops::ControlFlow;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::Duration;

use super::error::SendError;
use super::transcript::Transcript;
use super::verdict::Judge;
use crate::net::endpoint::Endpoint;
use crate::net::probe::Probe;
use crate::smtp::client::{ClientEvent, ClientSession};
use crate::tools::dialogue::{DialogueError, Task, TaskTurn};
use crate::tools::opening::Opening;

/// How long a server may take to say good-bye, when nothing depends on it any more.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(5);

/// Everything but the message: who reads the dialogue, and where its outcome goes.
pub(super) struct Desk<'a> {
    transcript: Transcript<'a>,
    outcome: Option<SendOutcome>,
    probe: Option<Rc<dyn Probe>>,
}

impl<'a> Desk<'a> {
    pub(super) fn new(transcript: Transcript<'a>, probe: Option<Rc<dyn Probe>>) -> Self {
        let outcome = None;
        Self {
            transcript,
            outcome,
            probe,
        }
    }

    /// Takes the outcome of a dialogue that is over.
    pub(super) fn take_outcome(&mut self) -> Option<SendOutcome> {
        self.outcome.take()
    }
}

/// SendOutcome of a dialogue.
pub(super) enum SendOutcome {
    /// Nobody answers at this address.
    Unreachable(io::Error),
    /// The message was accepted or not.
    Over(Result<(), SendError>),
}

/// One message for one server.
pub(super) struct SendTask<'a> {
    opening: &'a Opening,
    /// The verdict on the message, once there is one.
    verdict: Option<Result<(), SendError>>,
}

impl<'a> SendTask<'a> {
    pub(super) fn new(opening: &'a Opening) -> Self {
        let verdict = None;
        Self { opening, verdict }
    }

    fn server(&self) -> &'a Endpoint {
        &self.opening.server
    }

    fn timeout(&self) -> Duration {
        match self.verdict {
            Some(_) => self.opening.timeout.min(GOODBYE_TIMEOUT),
            None => self.opening.timeout,
        }
    }

    fn judge<'b>(&'b self, session: &'b ClientSession) -> Judge<'b> {
        Judge {
            opening: self.opening,
            session,
        }
    }

    fn begin(&mut self, session: &mut ClientSession, turn: &mut TaskTurn<'_, Self>) {
        if let Err(too_large) = session.begin(Rc::clone(&self.opening.mail), turn.output) {
            let what = format!(
                "the message has {} octets, {} takes {} at most",
                self.opening.mail.size,
                self.server(),
                too_large.limit
            );
            self.decide_and_quit(Err(SendError::Refused(what)), session, turn);
        }
    }

    fn decide_and_quit(
        &mut self,
        verdict: Result<(), SendError>,
        session: &mut ClientSession,
        turn: &mut TaskTurn<'_, Self>,
    ) {
        self.verdict = Some(verdict);
        session.quit(turn.output);
    }

    /// Ends the dialogue. Once the message is decided, a good-bye that fails changes nothing (RFC 5321 §4.1.1.10).
    fn end(&mut self, ended: Result<(), SendError>, desk: &mut Desk<'_>) {
        let verdict = match (self.verdict.take(), ended) {
            (Some(verdict), Ok(()) | Err(SendError::Unavailable(_) | SendError::TryAgain(_))) => {
                verdict
            }
            (_, ended) => ended,
        };
        desk.outcome = Some(SendOutcome::Over(verdict));
    }

    /// Ends the dialogue if that cannot be shown any more.
    fn end_unless_shown(&mut self, shown: io::Result<()>, desk: &mut Desk<'_>) -> ControlFlow<()> {
        match shown {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.end(Err(error.into()), desk);
                ControlFlow::Break(())
            }
        }
    }

    /// The dialogue broke off.
    fn lost(&self, why: &str) -> SendError {
        SendError::TryAgain(format!("{}: {why}; try again later", self.server()))
    }

    /// The handshake failed.
    fn no_tls(&self, error: &io::Error) -> SendError {
        let server = self.server();
        let trust = self.opening.trust.as_ref();
        match trust.and_then(|trust| trust.explain(error, server)) {
            Some(why) => SendError::Unavailable(format!("{server}: {why}")),
            None => self.lost(&format!("the TLS handshake broke off: {error}")),
        }
    }
}

impl<'a> Task for SendTask<'a> {
    type Shared = Desk<'a>;

    fn probe<'b>(desk: &'b Desk<'a>) -> Option<&'b Rc<dyn Probe>> {
        desk.probe.as_ref()
    }

    fn replied(
        &mut self,
        event: ClientEvent,
        session: &mut ClientSession,
        turn: &mut TaskTurn<'_, Self>,
    ) -> ControlFlow<()> {
        let shown = turn.shared.transcript.received(session.reply());
        self.end_unless_shown(shown, turn.shared)?;
        match event {
            ClientEvent::NeedInput
            | ClientEvent::Replied
            | ClientEvent::StartTls
            | ClientEvent::SendMessage => {}
            ClientEvent::Unacceptable(fault) => {
                let verdict = self.judge(session).verdict_of(fault);
                self.decide_and_quit(verdict, session, turn);
            }
            ClientEvent::Ready => self.begin(session, turn),
            ClientEvent::Accepted => {
                let verdict = self.judge(session).verdict_of_server(true);
                if verdict.is_ok() {
                    let transcript = &mut turn.shared.transcript;
                    transcript.accepted(self.server(), session.reply());
                }
                self.decide_and_quit(verdict, session, turn);
            }
            ClientEvent::Refused => {
                let verdict = self.judge(session).verdict_of_server(false);
                self.decide_and_quit(verdict, session, turn);
            }
            ClientEvent::Closed => {
                if self.verdict.is_none() {
                    self.verdict = Some(self.judge(session).verdict_of_server(false));
                }
                self.end(Ok(()), turn.shared);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    fn sent(
        &mut self,
        bytes: &[u8],
        session: &ClientSession,
        desk: &mut Desk<'a>,
    ) -> ControlFlow<()> {
        let shown = desk.transcript.sent(bytes, session.is_logging_in());
        self.end_unless_shown(shown, desk)
    }

    fn timeout(&self, _: &Desk<'a>) -> Option<Duration> {
        Some(Self::timeout(self))
    }

    fn failed(&mut self, error: DialogueError, turn: &mut TaskTurn<'_, Self>) {
        let server = self.server();
        let error = match error {
            DialogueError::Dial(error) => {
                turn.shared.outcome = Some(SendOutcome::Unreachable(error));
                return;
            }
            DialogueError::Eof => self.lost("the server closed the connection"),
            // Under TLS an end is announced; else anybody may have caused it.
            DialogueError::Socket(error) if error.kind() == ErrorKind::UnexpectedEof => {
                self.lost("the connection was cut")
            }
            DialogueError::Socket(error) => self.lost(&error.to_string()),
            DialogueError::Handshake(error) => self.no_tls(&error),
            DialogueError::Protocol(error) => {
                SendError::Unavailable(format!("{server} does not speak SMTP: {error}"))
            }
            DialogueError::Timeout => {
                let seconds = Self::timeout(self).as_secs_f32();
                self.lost(&format!("no progress for {seconds} s"))
            }
        };
        self.end(Err(error), turn.shared);
    }
}
