//! Mail filters of a replay: what they are asked is compared, and what they decide comes from the record.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use super::result::ReplayError;
use super::script::{Script, SharedScript};
use super::steps::ReplayCore;
use super::store::ReplayedTexts;
use crate::filters::answers::{FilterAnswer, SessionFilters};
use crate::filters::requests::{
    FilterRequest, FilterRequests, FilterSessionId, FilterWatch, SessionStep,
};
use crate::filters::settings::{FilterDefault, FilterSettings, FilterTarget};
use crate::filters::verdict::{ChangedText, FilterVerdict, FilteredMessage};
use crate::net::driver::ConnectionId;
use crate::observe::filters::{envelope_changes, macro_octets, step_code};
use crate::observe::frame::{FilterFrame, Frame};
use crate::observe::outcome::{GivenCode, PassedCode, VerdictCode};
use crate::observe::packed::unpack;
use crate::smtp::reply::GivenReply;
use crate::store::hold::{HELD_READ_BYTES_MAX, HeldText, HoldAnswer, HoldTicket};
use crate::store::{Failure, Store, Ticket};

/// An input of filters, taken out of the record: which sessions have some from here on.
pub(super) struct FilterInput {
    has_filters: bool,
    /// Whether listeners for submission have some, where they have others.
    of_submission: Option<bool>,
}

/// The frame as an input; `None` if it is none.
pub(super) fn input(frame: &FilterFrame<'_>) -> Option<FilterInput> {
    match *frame {
        FilterFrame::Settings {
            filters,
            of_submission,
        } => Some(FilterInput {
            has_filters: !filters.is_empty(),
            of_submission: of_submission.map(|filters| !filters.is_empty()),
        }),
        _ => None,
    }
}

/// Has the core go on with an input.
///
/// # Errors
/// A build without filters has none.
pub(super) fn go_on(
    input: &FilterInput,
    core: &mut ReplayCore,
    script: &SharedScript,
    texts: &ReplayedTexts,
) -> Result<(), ReplayError> {
    let targets = |are_there: bool| -> Vec<Rc<FilterTarget>> {
        let target = || FilterTarget {
            name: "".into(),
            addresses: Vec::new(),
        };
        are_there.then(|| Rc::new(target())).into_iter().collect()
    };
    let settings = FilterSettings {
        filters: targets(input.has_filters),
        of_submission: input.of_submission.map(targets),
        default: FilterDefault::default(),
        connect_timeout: Duration::ZERO,
        command_timeout: Duration::ZERO,
        content_timeout: Duration::ZERO,
    };
    let make = || {
        Box::new(ReplayFilters {
            asked: Rc::new(AskedFilters {
                script: Rc::clone(script),
                awaited: RefCell::default(),
            }),
            messages: HashMap::new(),
            texts: Rc::clone(texts),
        }) as Box<dyn SessionFilters>
    };
    core.answer_filters(Some(Rc::new(settings)), make);
    Ok(())
}

/// What sessions ask, which is compared.
struct AskedFilters {
    script: SharedScript,
    /// What sessions wait for, by their connections.
    awaited: RefCell<HashMap<ConnectionId, (FilterSessionId, Ticket)>>,
}

/// The filters of a replay.
struct ReplayFilters {
    asked: Rc<AskedFilters>,
    /// Messages that filters look at.
    messages: HashMap<ConnectionId, HeldText>,
    texts: ReplayedTexts,
}

impl FilterWatch for AskedFilters {
    fn asked(&self, request: &FilterRequest) {
        let session = request.session();
        let connection = session.connection;
        let mut script = self.script.borrow_mut();
        let mut check = |frame: FilterFrame<'_>| script.check(&frame.into());
        match request {
            FilterRequest::Open(..) => check(FilterFrame::Opened { connection }),
            FilterRequest::Ask(_, ticket, macros, step) => {
                check(FilterFrame::Asked {
                    connection,
                    step: step_code(step, &mut Vec::new()),
                    macros: &macro_octets(macros),
                });
                let mut awaited = self.awaited.borrow_mut();
                awaited.insert(connection, (session, *ticket));
            }
            FilterRequest::Abort(_) => check(FilterFrame::Aborted { connection }),
            FilterRequest::Close(_) => {
                check(FilterFrame::Left { connection });
                self.awaited.borrow_mut().remove(&connection);
            }
        }
    }
}

impl SessionFilters for ReplayFilters {
    fn answer(&mut self, requests: &mut FilterRequests, _: &mut dyn Store) -> Vec<FilterAnswer> {
        while let Some(request) = requests.take() {
            let connection = request.session().connection;
            match request {
                FilterRequest::Ask(_, _, _, SessionStep::Message(text)) => {
                    self.messages.insert(connection, text);
                }
                FilterRequest::Close(_) => self.forget_message(connection),
                _ => {}
            }
        }
        let asked = Rc::clone(&self.asked);
        let mut script = asked.script.borrow_mut();
        let mut answers = Vec::new();
        while let Some(answer) = self.next_answer(&mut script) {
            answers.push(answer);
        }
        answers
    }

    fn watch(&self) -> Option<Rc<dyn FilterWatch>> {
        Some(Rc::clone(&self.asked) as Rc<dyn FilterWatch>)
    }
}

impl ReplayFilters {
    /// The next answer, where the record has one at this place.
    fn next_answer(&mut self, script: &mut Script) -> Option<FilterAnswer> {
        script.pass_states();
        script.take_if(|frame| match *frame {
            Frame::Filter {
                frame:
                    FilterFrame::Decided {
                        connection,
                        verdict,
                    },
            } => self.decide(connection, verdict),
            Frame::Filter {
                frame: FilterFrame::ReadDone { ticket, result, .. },
            } => Some(FilterAnswer::Held(HoldAnswer {
                ticket: HoldTicket::from_store(Ticket(ticket)),
                result: match result {
                    Ok(packed) => Ok(read_octets(packed)?.into()),
                    Err(failure) => Err(Failure::from(failure)),
                },
            })),
            _ => None,
        })
    }

    /// The verdict for a session, if it waits for one.
    fn decide(
        &mut self,
        connection: ConnectionId,
        verdict: VerdictCode<'_>,
    ) -> Option<FilterAnswer> {
        let awaited = self.asked.awaited.borrow().get(&connection).copied();
        let (session, ticket) = awaited?;
        let verdict = match verdict {
            VerdictCode::Store(passed) => {
                let text = self.messages.remove(&connection)?;
                FilterVerdict::Store(Box::new(self.passed(text, passed)))
            }
            // A message that was seen is stored, or it is not.
            VerdictCode::Pass(_) if self.messages.contains_key(&connection) => return None,
            VerdictCode::Pass(sees_message) => FilterVerdict::Pass { sees_message },
            VerdictCode::Refuse(GivenCode { code, lines }) => {
                let lines = lines.into();
                FilterVerdict::Refuse(Rc::new(GivenReply { code, lines }))
            }
            VerdictCode::Discard => FilterVerdict::Discard,
        };
        self.asked.awaited.borrow_mut().remove(&connection);
        self.forget_message(connection);
        Some(FilterAnswer::Verdict(session, ticket, verdict))
    }

    fn passed(&self, text: HeldText, passed: PassedCode<'_>) -> FilteredMessage {
        let body = passed.body.map(|body| {
            self.texts.borrow_mut().insert(body.text, body.octets);
            HeldText::new(body.text)
        });
        FilteredMessage {
            text,
            changed: passed.header.map(|header| ChangedText {
                header: header.octets.into(),
                header_bytes: header.before,
                body,
            }),
            envelope: envelope_changes(passed.envelope),
            quarantine: passed.quarantine.map(Into::into),
        }
    }

    /// Forgets a message that the filters themselves have dropped.
    fn forget_message(&mut self, connection: ConnectionId) {
        if let Some(text) = self.messages.remove(&connection) {
            self.texts.borrow_mut().remove(&text.key());
        }
    }
}

/// Octets of a text on hold that were packed; `None` if they are none.
pub(super) fn read_octets(packed: &[u8]) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    unpack(packed, HELD_READ_BYTES_MAX, &mut octets)?;
    Some(octets)
}
