//! Connections as their driver tells of them, with what is hidden in their octets.

use std::borrow::Cow;
use std::collections::HashMap;

use super::Recorder;
use crate::net::budget::TurnBudget;
use crate::net::driver::ConnectionId;
use crate::net::probe::{Content, Probe, Seen};
use crate::observe::frame::{ClientFrame, Frame};
use crate::observe::mask::{DecisiveText, HiddenText};
use crate::smtp::mask::{
    HiddenReplies, hide, hide_challenges, hide_command, hide_response, hide_said_credentials,
};

/// The connections that are recorded.
#[derive(Default)]
pub(super) struct WatchedConnections {
    all: HashMap<ConnectionId, WatchedConnection>,
    /// What stays to be seen in the text of those that connect now.
    pub(super) decisive: DecisiveText,
}

/// One connection that is recorded.
struct WatchedConnection {
    text: HiddenText,
    /// What stays to be seen in its text. A reload changes it for others only.
    decisive: DecisiveText,
    state: &'static str,
    /// Whether no line without a verb is shown.
    is_guarded: bool,
    /// Whether output that is unsent may hold a part of a login.
    has_secret: bool,
    /// Whether the driver's own text is being written, and hidden.
    writes_hidden_text: bool,
    replies: HiddenReplies,
}

impl WatchedConnections {
    pub(super) fn add(&mut self, connection: ConnectionId) {
        let watched = WatchedConnection {
            text: HiddenText::new(),
            decisive: self.decisive.clone(),
            state: "",
            is_guarded: false,
            has_secret: false,
            writes_hidden_text: false,
            replies: HiddenReplies::default(),
        };
        self.all.insert(connection, watched);
    }

    pub(super) fn has(&self, connection: ConnectionId) -> bool {
        self.all.contains_key(&connection)
    }

    /// Begins the text of a message.
    pub(super) fn begin_text(&mut self, connection: ConnectionId) {
        if let Some(watched) = self.all.get_mut(&connection) {
            watched.text = HiddenText::new();
        }
    }

    /// Whether octets that are offered now may be hidden ones; a part of a login not any more once `all_taken`.
    pub(super) fn hides_output(&mut self, connection: ConnectionId, all_taken: bool) -> bool {
        let Some(watched) = self.all.get_mut(&connection) else {
            return false;
        };
        let has_secret = watched.has_secret;
        watched.has_secret &= !all_taken;
        has_secret || watched.writes_hidden_text
    }
}

impl Recorder {
    /// What a record holds in the place of octets that were used.
    fn hidden<'a>(
        &self,
        connection: ConnectionId,
        content: Content,
        octets: &'a [u8],
    ) -> Cow<'a, [u8]> {
        let mut connections = self.connections.borrow_mut();
        let Some(watched) = connections.all.get_mut(&connection) else {
            return hide(octets).into();
        };
        match content {
            Content::Protocol => hide_command(octets, &mut watched.is_guarded),
            Content::Credentials => hide_response(octets).into(),
            Content::Text if self.options.with_text => octets.into(),
            Content::Text => {
                let WatchedConnection { text, decisive, .. } = watched;
                text.hide(octets, decisive).into()
            }
            Content::Dropped => hide(octets).into(),
            Content::Reply => watched.replies.hide(octets).into(),
        }
    }

    /// What a record holds in the place of octets that were said.
    fn hidden_said<'a>(&self, connection: ConnectionId, octets: &'a [u8]) -> Cow<'a, [u8]> {
        let Some(hidden) = hide_challenges(octets) else {
            return octets.into();
        };
        if let Some(watched) = self.connections.borrow_mut().all.get_mut(&connection) {
            watched.has_secret = true;
        }
        hidden.into()
    }

    /// Records octets in which a client showed who it is.
    fn saw_credentials(&self, connection: ConnectionId, octets: &[u8]) {
        let octets = &*hide_said_credentials(octets);
        if let Some(watched) = self.connections.borrow_mut().all.get_mut(&connection) {
            watched.has_secret = true;
        }
        self.put(&Frame::Said { connection, octets });
    }

    /// Records that so much of a driver's own text is left.
    fn saw_own_text(&self, connection: ConnectionId, left: usize) {
        if let Some(watched) = self.connections.borrow_mut().all.get_mut(&connection) {
            watched.writes_hidden_text = left > 0 && !self.options.with_text;
        }
        self.put(&ClientFrame::OwnText { connection, left }.into());
    }

    /// Whether the state is news.
    fn is_news(&self, connection: ConnectionId, name: &'static str) -> bool {
        let mut connections = self.connections.borrow_mut();
        let watched = connections.all.get_mut(&connection);
        watched.is_some_and(|watched| std::mem::replace(&mut watched.state, name) != name)
    }
}

impl Probe for Recorder {
    fn began_turn(&self, connection: ConnectionId, budget: TurnBudget) -> TurnBudget {
        self.current.set(connection);
        let TurnBudget {
            has_work,
            iterations,
        } = budget;
        let frame = Frame::Turn {
            connection,
            at: self.at(),
            has_work,
            iterations,
        };
        self.put_of(connection, &frame);
        budget
    }

    fn decided(&self, connection: ConnectionId, decision: Option<String>) -> Option<String> {
        if let Some(rule) = decision.as_deref() {
            self.put_of(connection, &Frame::Decided { connection, rule });
        }
        decision
    }

    fn saw(&self, connection: ConnectionId, step: Seen<'_>) {
        self.current.set(connection);
        if !self.records_connection(connection) {
            return;
        }
        match step {
            Seen::Served | Seen::Read(_) | Seen::Wrote(_) | Seen::Waits(_) => {}
            Seen::Used(content, octets) => {
                let octets = &*self.hidden(connection, content, octets);
                self.put(&Frame::Used {
                    connection,
                    content,
                    octets,
                });
            }
            Seen::Left(octets) => self.put(&Frame::Left { connection, octets }),
            Seen::Said(octets) => {
                let octets = &*self.hidden_said(connection, octets);
                self.put(&Frame::Said { connection, octets });
            }
            Seen::SaidCredentials(octets) => self.saw_credentials(connection, octets),
            Seen::OwnText { left } => self.saw_own_text(connection, left),
            Seen::State(name) => {
                if self.is_news(connection, name) {
                    self.put(&Frame::State { connection, name });
                }
            }
            Seen::Entered(stage) => self.put(&Frame::Entered { connection, stage }),
            Seen::Closed(reason, bytes_in, bytes_out) => {
                self.put(&Frame::Closed {
                    connection,
                    reason,
                    bytes_in,
                    bytes_out,
                });
                self.connections.borrow_mut().all.remove(&connection);
            }
        }
    }
}
