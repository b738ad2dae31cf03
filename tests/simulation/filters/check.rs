//! Compares what a client has heard, and what is stored of it, with the model.

use mailoop::filters::settings::FilterDefault;

use super::client::{Client, Sent};
use super::message::Message;
use super::model::{Decision, ModelFilters, Unknown};
use super::store::{Shelf, Stage};

/// The transaction of the model.
#[derive(Default)]
struct Transaction {
    sender: String,
    recipients: Vec<String>,
    is_discarded: bool,
    /// Whether the filters have let DATA or the first chunk pass, and whether they want to see the message.
    begun: Option<bool>,
    /// Whether they have not, so that the chunks that follow have no place.
    is_refused: bool,
}

/// How a step is to be answered.
enum Expected {
    Reply(u16, String),
    Code(u16),
    /// A refusal of any kind.
    Refusal,
    /// The message is stored so, or is nowhere.
    Stored(Option<Message>),
}

/// What was seen of one client.
#[derive(Debug, Default)]
pub struct Seen {
    pub steps: usize,
    pub stored: usize,
    pub changed: usize,
    pub discarded: usize,
    pub refused: usize,
    pub is_unknown: bool,
}

/// A session, as the model has it.
pub struct ModelSession<'a> {
    pub filters: ModelFilters,
    pub client: &'a Client,
    pub shelf: &'a Shelf,
    /// Whether anything may be refused for now as well, or cut short.
    pub has_trouble: bool,
    has_hello: bool,
    is_unwelcome: bool,
    denied: Option<(u16, String)>,
    transaction: Option<Transaction>,
}

impl<'a> ModelSession<'a> {
    pub fn new(
        filters: ModelFilters,
        client: &'a Client,
        shelf: &'a Shelf,
        has_trouble: bool,
    ) -> Self {
        Self {
            filters,
            client,
            shelf,
            has_trouble,
            has_hello: false,
            is_unwelcome: false,
            denied: None,
            transaction: None,
        }
    }

    /// Goes through all that the client has heard.
    ///
    /// # Panics
    /// If the model has it otherwise.
    pub fn check(&mut self) -> Seen {
        let mut seen = Seen::default();
        let steps = self.client.sent.iter().zip(&self.client.replies);
        for (at, (sent, reply)) in steps.enumerate() {
            let client = self.client.address.ip();
            let code: u16 = reply[..3].parse().unwrap();
            // Nobody knows what was lost with a text, nor when a server ends.
            let has_default = self.filters.default == FilterDefault::Accept;
            let is_lenient = self.has_trouble && (code / 100 == 4 || has_default);
            self.filters.be_lenient(is_lenient);
            let expected = match self.step(sent) {
                Ok(expected) => expected,
                Err(Unknown) => {
                    seen.is_unknown = true;
                    return seen;
                }
            };
            seen.steps += 1;
            if self.has_trouble && code / 100 == 4 && !is_as_expected(&expected, reply) {
                seen.is_unknown = true;
                return seen;
            }
            let shown = format!("{client}, step {at}, {sent:.60?}: {reply:?}");
            match expected {
                Expected::Stored(message) => {
                    self.check_stored(reply, message, &shown, &mut seen);
                }
                expected => {
                    assert!(
                        is_as_expected(&expected, reply),
                        "{shown} instead of {}",
                        show(&expected)
                    );
                    let is_end = matches!(sent, Sent::Text(_) | Sent::Chunk(Some(_)));
                    seen.refused += usize::from(is_end);
                }
            }
            if code == 421 {
                break;
            }
        }
        seen
    }

    fn check_stored(&self, reply: &str, message: Option<Message>, shown: &str, seen: &mut Seen) {
        let id = queued_as(reply);
        assert!(id.is_some(), "{shown} instead of a name");
        let kept = id.and_then(|id| self.shelf.find(id));
        let kept = kept.filter(|kept| kept.stage == Stage::Stored);
        let Some(message) = message else {
            assert!(kept.is_none(), "{shown}, and it is stored");
            seen.discarded += 1;
            return;
        };
        let Some(kept) = kept else {
            panic!("{shown}, and it is not stored");
        };
        let text = message.text();
        if kept.text() != text {
            let is = String::from_utf8_lossy(kept.text());
            let was = String::from_utf8_lossy(&text);
            panic!("{shown}: {is:?} is stored instead of {was:?}");
        }
        assert_eq!(kept.sender, message.sender, "{shown}");
        assert_eq!(kept.recipients, message.recipients, "{shown}");
        seen.stored += 1;
        seen.changed += usize::from(message.is_changed());
    }

    fn step(&mut self, sent: &Sent) -> Result<Expected, Unknown> {
        if self.is_unwelcome && !matches!(sent, Sent::Quit) {
            return Ok(Expected::Refusal);
        }
        Ok(match sent {
            Sent::Connect => self.connect()?,
            Sent::Hello if self.denied.is_some() => {
                self.has_hello = true;
                Expected::Code(250)
            }
            Sent::Hello => match self.filters.ask(b'H', b"client.example\0")? {
                Decision::Refuse(code, text) => Expected::Reply(code, text),
                _ => {
                    self.has_hello = true;
                    Expected::Code(250)
                }
            },
            Sent::Mail(sender) => self.mail(sender)?,
            Sent::Recipient(recipient) => self.recipient(recipient)?,
            Sent::Data => self.data()?.unwrap_or(Expected::Code(354)),
            Sent::Text(text) => self.end(text)?,
            Sent::Chunk(last) => self.chunk(last.as_deref())?,
            Sent::Reset => {
                self.transaction = None;
                self.filters.abort();
                Expected::Code(250)
            }
            Sent::Noop => Expected::Code(250),
            Sent::Quit => Expected::Code(221),
        })
    }

    fn connect(&mut self) -> Result<Expected, Unknown> {
        Ok(match self.filters.ask(b'C', b"")? {
            Decision::Refuse(421, _) => Expected::Code(421),
            Decision::Refuse(code, text) if code < 500 => {
                self.denied = Some((code, text));
                Expected::Code(220)
            }
            Decision::Refuse(..) => {
                self.is_unwelcome = true;
                Expected::Code(554)
            }
            _ => Expected::Code(220),
        })
    }

    fn mail(&mut self, sender: &str) -> Result<Expected, Unknown> {
        if !self.has_hello {
            return Ok(Expected::Refusal);
        }
        if let Some((code, text)) = self.denied.clone() {
            return Ok(Expected::Reply(code, text));
        }
        let decision = self.filters.ask(b'M', format!("{sender}\0").as_bytes())?;
        if let Decision::Refuse(code, text) = decision {
            return Ok(Expected::Reply(code, text));
        }
        self.transaction = Some(Transaction {
            sender: sender.to_owned(),
            is_discarded: matches!(decision, Decision::Discard),
            ..Transaction::default()
        });
        Ok(Expected::Code(250))
    }

    fn recipient(&mut self, recipient: &str) -> Result<Expected, Unknown> {
        let Some(transaction) = &mut self.transaction else {
            return Ok(Expected::Refusal);
        };
        if !transaction.is_discarded {
            let data = format!("<{recipient}>\0");
            match self.filters.ask(b'R', data.as_bytes())? {
                Decision::Refuse(code, text) => return Ok(Expected::Reply(code, text)),
                Decision::Discard => transaction.is_discarded = true,
                Decision::Pass => {}
            }
        }
        transaction.recipients.push(recipient.to_owned());
        Ok(Expected::Code(250))
    }

    /// The reply to DATA or the first chunk, where it is no good one.
    fn data(&mut self) -> Result<Option<Expected>, Unknown> {
        let Some(transaction) = &mut self.transaction else {
            return Ok(Some(Expected::Refusal));
        };
        if transaction.recipients.is_empty() || transaction.is_refused {
            return Ok(Some(Expected::Refusal));
        }
        if !transaction.is_discarded {
            match self.filters.ask(b'T', b"")? {
                Decision::Refuse(code, text) => {
                    transaction.is_refused = true;
                    return Ok(Some(Expected::Reply(code, text)));
                }
                Decision::Discard => transaction.is_discarded = true,
                Decision::Pass => {}
            }
        }
        transaction.begun = Some(self.filters.sees_message());
        Ok(None)
    }

    fn chunk(&mut self, last: Option<&[u8]>) -> Result<Expected, Unknown> {
        let begun = self.transaction.as_ref().and_then(|it| it.begun);
        if begun.is_none()
            && let Some(refusal) = self.data()?
        {
            return Ok(refusal);
        }
        match last {
            None => Ok(Expected::Code(250)),
            Some(text) => self.end(text),
        }
    }

    fn end(&mut self, text: &[u8]) -> Result<Expected, Unknown> {
        let Some(transaction) = self.transaction.take() else {
            return Ok(Expected::Refusal);
        };
        if transaction.is_discarded {
            self.filters.abort();
            return Ok(Expected::Stored(None));
        }
        let Transaction {
            sender, recipients, ..
        } = &transaction;
        let mut message = Message::new(text, sender, recipients);
        if transaction.begun == Some(true) {
            match self.filters.see(&mut message)? {
                (Decision::Refuse(code, text), _) => return Ok(Expected::Reply(code, text)),
                (Decision::Discard, _) => return Ok(Expected::Stored(None)),
                (Decision::Pass, true) => return Ok(Expected::Code(451)),
                (Decision::Pass, false) => {}
            }
        }
        if message.recipients.is_empty() {
            return Ok(Expected::Stored(None));
        }
        Ok(Expected::Stored(Some(message)))
    }
}

/// The name of a message that a reply acknowledges.
pub fn queued_as(reply: &str) -> Option<&str> {
    let (_, id) = reply.split_once("queued as ")?;
    reply.starts_with("250 ").then_some(id.trim_end())
}

fn is_as_expected(expected: &Expected, reply: &str) -> bool {
    match expected {
        Expected::Reply(code, text) => reply == format!("{code} {text}\r\n"),
        Expected::Code(code) => reply.starts_with(&code.to_string()),
        Expected::Refusal => reply.starts_with(['4', '5']),
        Expected::Stored(_) => queued_as(reply).is_some(),
    }
}

fn show(expected: &Expected) -> String {
    match expected {
        Expected::Reply(code, text) => format!("{code} {text}"),
        Expected::Code(code) => code.to_string(),
        Expected::Refusal => "a refusal".to_owned(),
        Expected::Stored(_) => "a message that is stored".to_owned(),
    }
}
