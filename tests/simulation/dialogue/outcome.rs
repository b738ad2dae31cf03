//! What is said behind a message: once, or in LMTP once for each recipient.

use mailoop::smtp::reply::{self, Reply};
use mailoop::smtp::service::Service;

use super::super::store::Fate;
use super::Dialogue;

impl Dialogue {
    /// Expects what is said behind a whole message.
    pub fn hear_end(&mut self, fate: Fate) {
        self.recipients = None;
        match fate {
            Fate::Unwritten(_, fault) | Fate::Uncommitted(fault) => {
                self.hear_of_message(fault.reply());
            }
            _ => self.hear_stored(),
        }
    }

    /// Expects `reply` for a whole message: in LMTP once for each recipient, as one error.
    pub fn hear_of_message(&mut self, reply: Reply) {
        if self.profile.service == Service::Lmtp {
            for _ in 1..self.lost.len() {
                self.expect_reply(reply);
            }
        }
        self.hear(reply);
    }

    /// Expects that a message is stored, less what is lost of it.
    fn hear_stored(&mut self) {
        let lost = match self.profile.service {
            Service::Lmtp => self.lost.clone(),
            _ => vec![false],
        };
        for lost in &lost {
            if *lost {
                self.expect_reply(reply::STORE_FULL);
            } else {
                let status = if self.extended { "2.0.0 " } else { "" };
                self.expect(format!("250 {status}Ok: queued as "), true);
            }
        }
        if lost.contains(&false) {
            self.errors = 0;
        }
    }
}
