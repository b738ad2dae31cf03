//! Mail filters that are recorded: what sessions ask them, and what they answer.

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::Recorder;
use crate::filters::answers::{FilterAnswer, SessionFilters};
use crate::filters::requests::{FilterRequest, FilterRequests, FilterWatch};
use crate::filters::settings::FilterSettings;
use crate::filters::verdict::{FilterVerdict, FilteredMessage};
use crate::net::channel::Readiness;
use crate::net::driver::ConnectionId;
use crate::observe::filters::{envelope_octets, macro_octets, names, step_code};
use crate::observe::frame::FilterFrame;
use crate::observe::mask::{DecisiveText, HiddenText};
use crate::observe::outcome::{GivenCode, HeldBody, NewHeader, PassedCode, VerdictCode};
use crate::store::Store;

/// Filters whose answers are recorded.
struct RecordedFilters {
    inner: Box<dyn SessionFilters>,
    recorder: Rc<Recorder>,
}

impl Recorder {
    pub(super) fn filter_settings(&self, settings: Option<&FilterSettings>) {
        let filters = settings.map_or(&[][..], |settings| &settings.filters);
        let of_submission = settings.and_then(|settings| settings.of_submission.as_ref());
        let of_submission = of_submission.map(|filters| names(filters.iter().map(|it| &**it)));
        self.put_filter(FilterFrame::Settings {
            filters: &names(filters.iter().map(|it| &**it)),
            of_submission: of_submission.as_deref(),
        });
    }

    /// Stands around filters.
    pub(super) fn watched_filters(
        self: &Rc<Self>,
        inner: Box<dyn SessionFilters>,
    ) -> Box<dyn SessionFilters> {
        let recorder = Rc::clone(self);
        Box::new(RecordedFilters { inner, recorder })
    }

    fn saw_verdict(
        &self,
        connection: ConnectionId,
        verdict: &FilterVerdict,
        store: &mut dyn Store,
    ) {
        let decided = |verdict| {
            self.put_filter(FilterFrame::Decided {
                connection,
                verdict,
            });
        };
        match verdict {
            FilterVerdict::Pass { sees_message } => decided(VerdictCode::Pass(*sees_message)),
            FilterVerdict::Refuse(reply) => decided(VerdictCode::Refuse(GivenCode {
                code: reply.code,
                lines: &reply.lines,
            })),
            FilterVerdict::Discard => decided(VerdictCode::Discard),
            FilterVerdict::Store(message) => {
                let header = self.header(message);
                let changed = message.changed.as_ref();
                let body = changed.and_then(|changed| changed.body.as_ref());
                decided(VerdictCode::Store(PassedCode {
                    header: changed.map(|changed| NewHeader {
                        octets: &header,
                        before: changed.header_bytes,
                    }),
                    body: body.map(|body| HeldBody {
                        text: body.key(),
                        octets: store.hold().map_or(0, |hold| hold.len(body)),
                    }),
                    envelope: &envelope_octets(&message.envelope),
                    quarantine: message.quarantine.as_deref(),
                }));
            }
        }
    }

    /// The header of a message that filters have changed, as a record holds it.
    fn header(&self, message: &FilteredMessage) -> Vec<u8> {
        let changed = message.changed.as_ref();
        let header = changed.map_or(&[][..], |changed| &changed.header);
        match self.options.with_text {
            true => header.to_vec(),
            false => HiddenText::new().hide(header, &DecisiveText::default()),
        }
    }
}

impl FilterWatch for Recorder {
    fn asked(&self, request: &FilterRequest) {
        let connection = request.session().connection;
        self.put_filter(match request {
            FilterRequest::Open(..) => FilterFrame::Opened { connection },
            FilterRequest::Ask(_, _, macros, step) => {
                return self.put_filter(FilterFrame::Asked {
                    connection,
                    step: step_code(step, &mut Vec::new()),
                    macros: &macro_octets(macros),
                });
            }
            FilterRequest::Abort(_) => FilterFrame::Aborted { connection },
            FilterRequest::Close(_) => FilterFrame::Left { connection },
        });
    }
}

impl SessionFilters for RecordedFilters {
    fn set_time(&mut self, now: Instant) {
        self.inner.set_time(now);
    }

    fn on_event(&mut self, key: usize, readiness: Readiness) {
        self.inner.on_event(key, readiness);
    }

    fn answer(
        &mut self,
        requests: &mut FilterRequests,
        store: &mut dyn Store,
    ) -> Vec<FilterAnswer> {
        let answers = self.inner.answer(requests, store);
        for answer in &answers {
            match answer {
                FilterAnswer::Held(read) => self.recorder.saw_read(read),
                FilterAnswer::Verdict(session, _, verdict) => {
                    self.recorder
                        .saw_verdict(session.connection, verdict, store);
                }
            }
        }
        answers
    }

    fn next_wake(&self) -> Option<Instant> {
        self.inner.next_wake()
    }

    fn begin_drain(&mut self, timeout: Duration) {
        self.inner.begin_drain(timeout);
    }

    fn watch(&self) -> Option<Rc<dyn FilterWatch>> {
        Some(Rc::clone(&self.recorder) as Rc<dyn FilterWatch>)
    }
}
