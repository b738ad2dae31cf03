//! Messages that the consumer hands out, and their way back to it.

use std::time::Duration;

use super::Deliveries;
use super::api_answer::ApiAnswer;
use super::consumer::{CONSUMER, nanoseconds, octets_of};
use super::delivery::{DeliveryStage, MailDelivery, StreamDelivery, Unreadable};
use super::delivery_subject::DeliverySubject;
use super::desk::Purpose;
use crate::store::stream::StreamMessage;
use crate::store::stream::record::MESSAGE_ID;

/// The wait before the consumer is made again that was refused.
const CONSUMER_RETRY_WAIT: Duration = Duration::from_secs(5);
/// The wait before a message is handed out again that stays in the stream, by then perhaps to another program.
const FOREIGN_WAIT: Duration = Duration::from_secs(600);
/// The wait before a message is handed out again that came too late: we are gone by then.
const DRAIN_WAIT: Duration = Duration::from_secs(2);
/// The shortest and the longest wait before a message is handed out again whose delivery failed. The consumer hands these out before all
/// others: as many as it may have are a small share of what is delivered in the longest wait.
const FAILURE_WAIT: Duration = Duration::from_secs(1);
const FAILURE_WAIT_MAX: Duration = Duration::from_secs(300);

impl Deliveries {
    /// Takes note of whether the consumer is there.
    pub(super) fn consumer_answered(&mut self, answer: ApiAnswer) {
        match answer {
            ApiAnswer::Done(answer) => {
                let ack_wait = self.consumer.made(&answer);
                self.note_ack_wait(ack_wait.unwrap_or(self.ack_wait));
            }
            ApiAnswer::NoMessage | ApiAnswer::Unavailable => {
                self.desk.ask_later(Purpose::Consumer, self.now);
            }
            ApiAnswer::Refused(why) => {
                log::error!("stream consumer={CONSUMER} refused why={why:?}");
                let due = self.now + CONSUMER_RETRY_WAIT;
                self.desk.ask_at(Purpose::Consumer, due);
            }
        }
    }

    /// Takes note of how long the consumer waits for an acknowledgement, which is the same for all who take from it: as whoever has
    /// connected last has asked.
    fn note_ack_wait(&mut self, ack_wait: Duration) {
        if self.ack_wait_told.replace(ack_wait) == Some(ack_wait) {
            return;
        }
        let (seconds, wanted) = (ack_wait.as_secs_f64(), self.ack_wait.as_secs_f64());
        match ack_wait == self.ack_wait {
            true => log::info!("stream consumer={CONSUMER} ack_wait={seconds}"),
            false => log::warn!("stream consumer={CONSUMER} ack_wait={seconds} wanted={wanted}"),
        }
    }

    /// Takes a message in that was handed out.
    pub(super) fn take_in(&mut self, message: StreamMessage, subject: &DeliverySubject) {
        let octets = octets_of(&message);
        let now_ms = self.now_ms();
        let may_be_there = self.consumer.handed_out(subject, octets, now_ms);
        let Some(reply) = message.reply.clone() else {
            return;
        };
        if self.drain_end.is_some() {
            // Of a pull that was said before. Without a wait it would come back by that.
            return self.desk.acknowledge(reply, back_after(DRAIN_WAIT));
        }
        if let Some(known) = self.deliveries.get_mut(&subject.sequence) {
            // It took too long, and is handed out again: that we work on it is told by the new subject from here on.
            known.reply = reply;
            known.tries = known.tries.max(subject.tries);
            known.touched = self.now;
            return;
        }
        let read = MailDelivery::read(&message, subject.sequence, may_be_there);
        let (stage, fault) = match read {
            Ok(mail) => (DeliveryStage::Mail(Box::new(mail)), None),
            Err(Unreadable::Foreign(why)) => {
                let (id, sequence) = (name_of(&message), subject.sequence);
                log::warn!("id={id} sequence={sequence} left in the stream why={why:?}");
                return self.desk.acknowledge(reply, back_after(FOREIGN_WAIT));
            }
            Err(Unreadable::Damaged(why)) => (DeliveryStage::Checking(why.clone()), Some(why)),
        };
        self.octets += octets;
        self.deliveries.insert(
            subject.sequence,
            StreamDelivery {
                message,
                octets,
                reply,
                tries: subject.tries,
                may_be_there,
                touched: self.now,
                stage,
            },
        );
        match fault {
            Some(why) => self.set_aside(subject.sequence, why),
            None => self.ready.push_back(subject.sequence),
        }
    }

    /// Forgets a message, which was acknowledged in whatever way. The store has nothing of it that is not settled.
    pub(super) fn forget(&mut self, sequence: u64) -> Option<StreamDelivery> {
        let mut delivery = self.deliveries.remove(&sequence)?;
        self.octets -= delivery.octets;
        if let DeliveryStage::Mail(mail) = &mut delivery.stage {
            debug_assert_eq!(mail.submitted, 0);
            self.end_fetching(mail);
        }
        self.desk.forget(Purpose::Message(sequence));
        for waiting in [&mut self.ready, &mut self.long, &mut self.held] {
            waiting.retain(|known| *known != sequence);
        }
        Some(delivery)
    }

    /// Gives a message back to the stream, which hands it out again after a wait that grows with each try.
    pub(super) fn give_back_later(&mut self, sequence: u64) {
        if let Some(delivery) = self.forget(sequence) {
            let doublings = u32::try_from(delivery.tries.saturating_sub(1)).unwrap_or(u32::MAX);
            let wait = FAILURE_WAIT.saturating_mul(2_u32.saturating_pow(doublings));
            let how = back_after(wait.min(FAILURE_WAIT_MAX));
            self.desk.acknowledge(delivery.reply, how);
        }
    }

    /// Leaves a message in the stream that can neither be delivered nor set aside.
    pub(super) fn leave(&mut self, sequence: u64, why: &str) {
        if let Some(delivery) = self.forget(sequence) {
            let id = name_of(&delivery.message);
            log::error!("id={id} sequence={sequence} left in the stream why={why:?}");
            self.desk
                .acknowledge(delivery.reply, back_after(FOREIGN_WAIT));
        }
    }

    /// Gives messages back that were not begun.
    pub(super) fn give_back_unbegun(&mut self) {
        self.give_back_where(|delivery| match &delivery.stage {
            DeliveryStage::Mail(mail) => !mail.is_begun,
            _ => false,
        });
    }

    /// Gives all messages back that the store does not have: there is no time for them.
    pub(super) fn give_back_all(&mut self) {
        self.give_back_where(|delivery| match &delivery.stage {
            DeliveryStage::Mail(mail) => mail.submitted == 0,
            DeliveryStage::Checking(_) | DeliveryStage::Aside(_) => true,
            DeliveryStage::Acknowledging(_) | DeliveryStage::Purging(_) => false,
        });
        let rest: Vec<u64> = self.deliveries.keys().copied().collect();
        for sequence in rest {
            let is_delivered = self.deliveries.get(&sequence).is_some_and(|delivery| {
                matches!(
                    delivery.stage,
                    DeliveryStage::Acknowledging(_) | DeliveryStage::Purging(_)
                )
            });
            if is_delivered && let Some(delivery) = self.forget(sequence) {
                self.desk.acknowledge(delivery.reply, "+ACK");
            }
        }
    }

    fn give_back_where(&mut self, is_given_back: impl Fn(&StreamDelivery) -> bool) {
        let deliveries = self.deliveries.iter();
        let given_back = deliveries.filter(|(_, delivery)| is_given_back(delivery));
        let given_back: Vec<u64> = given_back.map(|(sequence, _)| *sequence).collect();
        for sequence in given_back {
            if let Some(delivery) = self.forget(sequence) {
                self.desk.acknowledge(delivery.reply, "-NAK");
            }
        }
    }
}

/// What a message is called in the log: its queue id, as far as anybody can tell.
pub(super) fn name_of(message: &StreamMessage) -> String {
    let id = message.header(MESSAGE_ID);
    let subject = || message.subject.rsplit('.').next();
    let name = id.or_else(subject).unwrap_or_default();
    let plain = name.chars().filter(char::is_ascii_alphanumeric);
    plain
        .take(crate::smtp::envelope::QUEUE_ID_BYTES_MAX)
        .collect()
}

/// The acknowledgement by which a message is handed out again after a wait.
fn back_after(wait: Duration) -> String {
    format!("-NAK {{\"delay\":{}}}", nanoseconds(wait))
}
