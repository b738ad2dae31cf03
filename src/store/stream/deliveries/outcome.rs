//! What becomes of messages: they are acknowledged, handed out again, or set aside.

use core::fmt;
use std::time::{Duration, Instant};

use super::Deliveries;
use super::api_answer::ApiAnswer;
use super::delivery::{DeliveryStage, MailDelivery};
use super::desk::Purpose;
use super::intake::name_of;
use super::sweep::{get_subject, purge_request};
use crate::json::Members;
use crate::store::stream::record::{EXPECTED_STREAM, MESSAGE_ID, StreamRecipient};
use crate::store::stream::{SUBJECT_PREFIX, StreamFacts, StreamMessage, StreamOutput};
use crate::store::{Failure, Finished, Outcome, Ticket};

/// The tries after which a message that cannot be delivered is set aside.
const TRIES_MAX: u64 = 5;
/// The octets at most by which a message is longer once it is set aside.
const ASIDE_ROOM: usize = 1024;
/// The header that says why a message was set aside, and the most characters of that.
const ASIDE_REASON: &str = "Mailoop-Aside";
const WHY_CHARACTERS_MAX: usize = 200;
/// The wait between two lines about failures.
const FAILURE_LOG_WAIT: Duration = Duration::from_secs(1);

impl Deliveries {
    /// Decides about a message of which the store has settled all.
    pub(super) fn conclude(&mut self, sequence: u64, finished: &mut Vec<Finished>) {
        let Some(delivery) = self.deliveries.get_mut(&sequence) else {
            return;
        };
        let DeliveryStage::Mail(mail) = &delivery.stage else {
            return;
        };
        match mail.failure() {
            None => {}
            Some(failure @ Failure::BadName) => {
                let why = failure.to_string();
                return self.set_aside(sequence, why);
            }
            Some(failure) => {
                let (id, failure) = (mail.envelope.id, failure.to_string());
                self.counts.failed += 1;
                self.failures.note(id, sequence, &failure, self.now);
                return self.give_back_later(sequence);
            }
        }
        log_stored(mail, sequence, delivery.tries);
        self.counts.delivered += 1;
        self.counts.again += u64::from(delivery.tries > 1);
        // Of nobody's session: it is counted, and no more.
        let (ticket, outcome) = (Ticket(u64::MAX), Outcome::Stored);
        finished.push(Finished { ticket, outcome });
        if mail.envelope.parts > 0 {
            let id = mail.envelope.id;
            delivery.stage = DeliveryStage::Acknowledging(id);
            self.desk.ask(Purpose::Message(sequence));
        } else if let Some(delivery) = self.forget(sequence) {
            self.desk.acknowledge(delivery.reply, "+ACK");
        }
    }

    /// Sets a message aside that cannot be delivered, once it was tried often enough.
    pub(super) fn set_aside(&mut self, sequence: u64, why: String) {
        let Some(delivery) = self.deliveries.get_mut(&sequence) else {
            return;
        };
        if delivery.is_late(self.ack_wait, self.now) {
            // Somebody else has it by now.
            drop(self.forget(sequence));
            return;
        }
        if delivery.tries < TRIES_MAX {
            let id = name_of(&delivery.message);
            self.counts.failed += 1;
            self.failures.note(id, sequence, &why, self.now);
            return self.give_back_later(sequence);
        }
        let stage = std::mem::replace(&mut delivery.stage, DeliveryStage::Checking(why));
        if let DeliveryStage::Mail(mut mail) = stage {
            self.end_fetching(&mut mail);
        }
        self.desk.ask(Purpose::Message(sequence));
    }

    /// Says the request of a message's stage.
    pub(super) fn send_for_message(
        &mut self,
        sequence: u64,
        facts: &StreamFacts,
        out: &mut dyn StreamOutput,
    ) {
        let Some(delivery) = self.deliveries.get(&sequence) else {
            return;
        };
        let purpose = Purpose::Message(sequence);
        let (subject, payload) = match &delivery.stage {
            DeliveryStage::Mail(mail) => match &mail.fetching {
                Some(reader) => (get_subject(&facts.stream), reader.request()),
                None => return,
            },
            DeliveryStage::Acknowledging(_) => (delivery.reply.to_string(), b"+ACK".to_vec()),
            DeliveryStage::Purging(id) => purge_request(&facts.stream, id),
            DeliveryStage::Checking(_) => {
                let mut request = Members::default();
                request.number("seq", sequence);
                (get_subject(&facts.stream), request.into_object().into_vec())
            }
            DeliveryStage::Aside(why) => {
                if delivery.octets + ASIDE_ROOM > facts.payload_bytes_max {
                    let why = format!("{why}; and it is too long to be set aside");
                    return self.leave(sequence, &why);
                }
                let token = self.desk.begin(purpose, self.now);
                let aside = AsideRecord {
                    message: &delivery.message,
                    sequence,
                    why,
                    stream: &facts.stream,
                };
                return aside.publish(&token, out);
            }
        };
        let token = self.desk.begin(purpose, self.now);
        out.publish(&subject, Some(&token), &[], &payload);
    }

    /// Takes the answer to the request of a message's stage.
    pub(super) fn message_answered(&mut self, sequence: u64, message: &StreamMessage) {
        let Some(delivery) = self.deliveries.get_mut(&sequence) else {
            return;
        };
        let later = |deliveries: &mut Self| {
            let now = deliveries.now;
            deliveries.desk.ask_later(Purpose::Message(sequence), now);
        };
        match &mut delivery.stage {
            DeliveryStage::Mail(mail) => {
                if let Some(reader) = &mut mail.fetching {
                    let step = reader.take(ApiAnswer::read(message));
                    self.take_part(sequence, step);
                }
            }
            DeliveryStage::Acknowledging(_) if message.status.is_some() => later(self),
            DeliveryStage::Acknowledging(id) => {
                delivery.stage = DeliveryStage::Purging(*id);
                self.desk.ask(Purpose::Message(sequence));
            }
            DeliveryStage::Purging(_) => match ApiAnswer::read(message) {
                ApiAnswer::Unavailable => later(self),
                // What is left is swept.
                _ => drop(self.forget(sequence)),
            },
            DeliveryStage::Checking(why) => match ApiAnswer::read(message) {
                ApiAnswer::Done(_) => {
                    delivery.stage = DeliveryStage::Aside(std::mem::take(why));
                    self.desk.ask(Purpose::Message(sequence));
                }
                ApiAnswer::NoMessage => drop(self.forget(sequence)),
                ApiAnswer::Unavailable | ApiAnswer::Refused(_) => later(self),
            },
            DeliveryStage::Aside(_) => self.aside_answered(sequence, &ApiAnswer::read(message)),
        }
    }

    /// Takes note of whether a message is set aside.
    fn aside_answered(&mut self, sequence: u64, answer: &ApiAnswer) {
        let Some(delivery) = self.deliveries.get(&sequence) else {
            return;
        };
        let DeliveryStage::Aside(why) = &delivery.stage else {
            return;
        };
        let id = name_of(&delivery.message);
        match answer {
            ApiAnswer::Done(_) => {
                log::error!("id={id} sequence={sequence} set aside why={why:?}");
                self.counts.aside += 1;
                if let Some(delivery) = self.forget(sequence) {
                    self.desk.acknowledge(delivery.reply, "+TERM");
                }
            }
            ApiAnswer::Refused(refusal) => {
                log::error!("id={id} sequence={sequence} cannot be set aside why={refusal:?}");
                self.give_back_later(sequence);
            }
            // A stream that is full has room once others are delivered.
            ApiAnswer::NoMessage | ApiAnswer::Unavailable => self.give_back_later(sequence),
        }
    }
}

/// A message that is set aside: as it came, but for its name, and with the reason.
struct AsideRecord<'a> {
    message: &'a StreamMessage,
    sequence: u64,
    why: &'a str,
    stream: &'a str,
}

impl AsideRecord<'_> {
    /// Publishes it under the subject of those that are set aside. Its name is of this message and no other, also if a second one has
    /// its subject: the stream takes a name once.
    fn publish(&self, token: &str, out: &mut dyn StreamOutput) {
        let message = self.message;
        let name = message.subject.strip_prefix(SUBJECT_PREFIX);
        let name = name.and_then(|rest| rest.strip_prefix(".message."));
        let name = name.unwrap_or("unnamed");
        let subject = format!("{SUBJECT_PREFIX}.aside.{name}");
        let id = format!("{name}-aside-{}", self.sequence);
        let why: String = self.why.chars().take(WHY_CHARACTERS_MAX).collect();
        let ours = [
            (MESSAGE_ID, id.as_str()),
            (EXPECTED_STREAM, self.stream),
            (ASIDE_REASON, why.as_str()),
        ];
        let fields = message.headers.iter();
        let fields = fields.map(|(name, value)| (&**name, &**value));
        // The stream heeds what begins with `Nats-`, as what it expects to come before: that was for the message as it came first.
        let theirs = fields.filter(|(name, _)| !name.starts_with("Nats-") && *name != ASIDE_REASON);
        let headers: Vec<(&str, &str)> = ours.into_iter().chain(theirs).collect();
        out.publish(&subject, Some(token), &headers, &message.payload);
    }
}

/// A line about a message that is in all of its mailboxes.
fn log_stored(mail: &MailDelivery, sequence: u64, tries: u64) {
    let envelope = &mail.envelope;
    let (id, from, size) = (envelope.id, &envelope.sender, envelope.octets);
    let to = DeliveredTo(&envelope.recipients);
    log::info!("id={id} sequence={sequence} from={from} to={to} size={size} tries={tries} stored");
}

/// At most so many recipients are named.
const RECIPIENTS_NAMED_MAX: usize = 100;

/// The addresses of recipients in angle brackets, separated by commas.
struct DeliveredTo<'a>(&'a [StreamRecipient]);

impl fmt::Display for DeliveredTo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, recipient) in self.0.iter().take(RECIPIENTS_NAMED_MAX).enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}<{}>", recipient.address)?;
        }
        match self.0.len().saturating_sub(RECIPIENTS_NAMED_MAX) {
            0 => Ok(()),
            more => write!(f, ",+{more}"),
        }
    }
}

/// Lines about messages whose delivery failed, which a disk that is full makes many.
#[derive(Debug, Default)]
pub(super) struct FailureLog {
    /// No line is written before.
    quiet_until: Option<Instant>,
    /// Failures without a line.
    unsaid: u64,
}

impl FailureLog {
    /// Notes a failure, and writes a line unless there was one just before.
    fn note(&mut self, id: impl fmt::Display, sequence: u64, why: &str, now: Instant) {
        if self.quiet_until.is_some() {
            self.unsaid += 1;
            return;
        }
        self.quiet_until = Some(now + FAILURE_LOG_WAIT);
        log::warn!("id={id} sequence={sequence} not delivered now why={why:?}");
    }

    /// Tells how many lines were left out, once a new one may be written.
    pub(super) fn set_time(&mut self, now: Instant) {
        if self.quiet_until.is_some_and(|until| until <= now) {
            self.quiet_until = None;
            if self.unsaid > 0 {
                log::warn!("messages={} not delivered now", self.unsaid);
                self.unsaid = 0;
            }
        }
    }
}
