//! Verdicts on a message, from what its server has replied.

use super::error::SendError;
use crate::smtp::client::{ClientFault, ClientSession, Refusal, Subject};
use crate::tools::encryption::no_starttls;
use crate::tools::opening::Opening;

/// A session, and the message that was to go over it.
pub(super) struct Judge<'a> {
    pub(super) opening: &'a Opening,
    pub(super) session: &'a ClientSession,
}

impl Judge<'_> {
    /// The verdict on a session that cannot go on.
    pub(super) fn verdict_of(&self, fault: ClientFault) -> Result<(), SendError> {
        let server = &self.opening.server;
        let what = match fault {
            ClientFault::Refused => return self.verdict_of_server(false),
            ClientFault::NoRandomness => "the system has nothing random to offer".to_owned(),
            ClientFault::NoStartTls => no_starttls(server),
            ClientFault::NoLogin if self.opening.tls.is_none() => {
                format!(
                    "{server} offers no login that we know in the clear; try --starttls or --tls"
                )
            }
            ClientFault::NoLogin => {
                format!("{server} offers no login that we know; is this where mail is submitted?")
            }
            ClientFault::InTheClear => format!(
                "{server} wants the password itself, which anybody could read on its way; use --starttls or --tls"
            ),
            ClientFault::BadChallenge => {
                format!("{server} does not log in as its mechanism has it")
            }
            ClientFault::Impostor => format!(
                "{server} says that the login has worked, but not that it knows the password: it may be anybody"
            ),
        };
        Err(SendError::Unavailable(what))
    }

    /// The verdict of the replies so far. A refusal for good outweighs those for now: sending the
    /// same again would meet it again.
    pub(super) fn verdict_of_server(&self, accepted: bool) -> Result<(), SendError> {
        let refusals = self.session.refusals();
        if accepted && refusals.is_empty() {
            return Ok(());
        }
        let mut what: Vec<String> = refusals
            .iter()
            .map(|refusal| self.describe(refusal))
            .collect();
        if accepted {
            let reply = self.session.reply();
            what.push(format!(
                "the other recipients will get the message: {reply}"
            ));
        }
        let what = what.join("; ");
        if refusals.iter().any(|refusal| refusal.reply.code() >= 500) {
            Err(SendError::Refused(what))
        } else {
            Err(SendError::TryAgain(format!("{what}; try again later")))
        }
    }

    fn describe(&self, refusal: &Refusal) -> String {
        let server = &self.opening.server;
        let subject = match refusal.subject {
            Subject::Session => "the session".to_owned(),
            Subject::StartTls => "to begin TLS".to_owned(),
            Subject::Login => match &self.opening.login {
                Some(credentials) => format!("the login of {}", credentials.user()),
                None => "the login".to_owned(),
            },
            Subject::Sender => format!("the sender {}", self.opening.mail.from),
            Subject::Recipient(place) => match self.opening.mail.to.get(place) {
                Some(recipient) => format!("the recipient <{recipient}>"),
                None => "a recipient".to_owned(),
            },
            Subject::Message | Subject::Stored(_) => "the message".to_owned(),
        };
        format!("{server} refused {subject}: {}", refusal.reply)
    }
}
