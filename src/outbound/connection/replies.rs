//! Replies of a hop, and what they mean for recipients: 4yz defers, 5yz fails, 421 is the host's fault.

use super::{Relay, RelayTurn};
use crate::net::driver::Step;
use crate::outbound::delivery::{RecipientResult, ResultClass};
use crate::smtp::client::{ClientEvent, ReplyKind, Subject};

impl Relay {
    /// Reads replies and acts on them, as far as there are any. A step if that is not to go on as ever.
    pub(super) fn converse(
        &mut self,
        input: &mut &[u8],
        turn: &mut RelayTurn<'_>,
    ) -> Option<Step<Self>> {
        while !input.is_empty() {
            let awaited = self.session.awaited();
            let before = *input;
            let next = self.session.next(input, turn.output);
            Self::tell_used(before, input, turn);
            let event = match next {
                Ok(ClientEvent::NeedInput) => break,
                Ok(event) => event,
                Err(error) => return Some(self.lose_to_nonsense(&error, turn)),
            };
            self.session.forget_refusals();
            self.silent_since = turn.now;
            if self.session.reply().kind() == ReplyKind::Closing {
                return Some(self.be_closed(turn));
            }
            if self.has_own_name(awaited) {
                return Some(self.refuse_own_name(turn));
            }
            self.settle(event);
            if let Some(step) = self.follow(event, turn) {
                return Some(step);
            }
        }
        None
    }

    /// Settles what the reply decides.
    fn settle(&mut self, event: ClientEvent) {
        let is_over = matches!(
            event,
            ClientEvent::Accepted | ClientEvent::Refused | ClientEvent::Closed
        );
        let kind = self.session.reply().kind();
        match self.session.subject() {
            Subject::Session | Subject::StartTls | Subject::Login => {}
            Subject::Sender => {
                self.ledger.sender_answered();
                if kind != ReplyKind::Completed {
                    let result = self.result();
                    self.ledger.refuse_sender(&result);
                }
            }
            Subject::Recipient(place) if kind == ReplyKind::Completed => self.ledger.accept(place),
            Subject::Recipient(place) if self.is_one_too_many() => {
                // What was taken is as much as it takes.
                self.recipients_max = self.ledger.accepted();
                self.ledger.put_back(place);
            }
            Subject::Recipient(place) | Subject::Stored(place) => {
                let result = self.result();
                self.ledger.decide(place, result);
            }
            Subject::Message if is_over => {
                let result = self.result();
                self.ledger.decide_rest(&result);
            }
            Subject::Message => {}
        }
    }

    /// The result that the reply gives.
    fn result(&self) -> RecipientResult {
        let reply = self.session.reply();
        let class = match reply.kind() {
            ReplyKind::Completed | ReplyKind::GoAhead => ResultClass::Sent,
            ReplyKind::NotNow | ReplyKind::Closing => ResultClass::Deferred,
            // It is the route that lacks TLS or a login, not the message (RFC 3207 §4, RFC 4954 §6).
            ReplyKind::Refused if matches!(reply.code(), 530 | 534 | 535 | 538) => {
                ResultClass::Deferred
            }
            ReplyKind::Refused => ResultClass::Failed,
        };
        let status = self.session.status();
        let status = match class {
            ResultClass::Deferred => status.with_class(4),
            _ => status,
        };
        RecipientResult::remote(class, status, reply)
    }

    /// Whether the reply to RCPT says that the transaction has too many recipients, of which some were accepted (RFC 5321
    /// §4.5.3.1.10). Where there is a status code it tells that from a full disk or mailbox.
    fn is_one_too_many(&self) -> bool {
        let status = self.session.status();
        let says_so = matches!((status.subject(), status.detail()), (0, 0) | (5, 3));
        matches!(self.session.reply().code(), 452 | 552) && says_so && self.ledger.accepted() > 0
    }

    /// Goes on after a reply.
    fn follow(&mut self, event: ClientEvent, turn: &mut RelayTurn<'_>) -> Option<Step<Self>> {
        match event {
            ClientEvent::NeedInput | ClientEvent::Replied => None,
            ClientEvent::StartTls => Some(self.start_tls()),
            ClientEvent::Unacceptable(fault) => Some(self.be_turned_away(fault, turn)),
            ClientEvent::Ready => self.open_for_messages(turn),
            ClientEvent::SendMessage => self.send_message(turn),
            ClientEvent::Accepted | ClientEvent::Refused => {
                self.ledger.end_transaction();
                self.tell_decided(turn.shared);
                self.cancel(turn).or_else(|| self.begin(turn))
            }
            // The message was refused before its end, after which there is no way on.
            ClientEvent::Closed => {
                self.ledger.end_transaction();
                let account = "the server refused another message before its end";
                Some(self.abandon(account, turn))
            }
        }
    }
}
