//! A message as the model has it: what filters are told of it, and what becomes of it.

use mailoop::milter::body::BodyLines;
use mailoop::milter::changes::{FilterChange, MessageChanges};
use mailoop::milter::fields::{MessageField, split_message};
use mailoop::milter::reply::FilterReply;

/// A message that filters look at.
#[derive(Clone, Debug)]
pub struct Message {
    /// What came, as long as nothing was changed.
    original: Vec<u8>,
    fields: Vec<Vec<u8>>,
    body: Vec<u8>,
    /// Whether not even the line that ends a header came, and it has no new body.
    is_header_only: bool,
    is_changed: bool,
    pub sender: String,
    pub recipients: Vec<String>,
}

impl Message {
    pub fn new(text: &[u8], sender: &str, recipients: &[String]) -> Self {
        let (fields, body) = split_message(text);
        Self {
            original: text.to_vec(),
            fields: fields.iter().map(|field| field.text().to_vec()).collect(),
            body: body.to_vec(),
            is_header_only: body.is_empty() && text != b"\r\n" && !text.ends_with(b"\r\n\r\n"),
            is_changed: false,
            sender: sender.to_owned(),
            recipients: recipients.to_vec(),
        }
    }

    /// The data of the packet of each field.
    pub fn told_fields(&self, has_leading_space: bool) -> Vec<Vec<u8>> {
        let told = |text: &Vec<u8>| {
            let text = String::from_utf8_lossy(text);
            let (name, value) = text.split_once(':').unwrap_or_default();
            let value = value.strip_suffix("\r\n").unwrap_or(value);
            let value = match value.strip_prefix(' ') {
                Some(rest) if !has_leading_space => rest,
                _ => value,
            };
            format!("{name}\0{}\0", value.replace("\r\n", "\n")).into_bytes()
        };
        self.fields.iter().map(told).collect()
    }

    pub fn is_changed(&self) -> bool {
        self.is_changed
    }

    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Makes the changes of a filter.
    pub fn change(&mut self, changes: &[FilterReply], has_leading_space: bool) {
        let mut all = MessageChanges::new(has_leading_space);
        let mut body: Option<(BodyLines, Vec<u8>)> = None;
        for change in changes {
            match change {
                FilterReply::Change(change) => all.push(change.clone()).unwrap(),
                FilterReply::ReplaceBody(piece) => {
                    let (lines, body) = body.get_or_insert_default();
                    lines.write(piece, body);
                }
                reply => panic!("{reply:?} is no change"),
            }
        }
        if all.changes_header() {
            let mut fields: Vec<MessageField<'_>> = self
                .fields
                .iter()
                .map(|text| MessageField::new(text))
                .collect();
            all.apply_header(&mut fields);
            let fields = fields.iter().map(|field| field.text().to_vec()).collect();
            self.fields = fields;
            self.is_changed = true;
        }
        if let Some((mut lines, mut body)) = body {
            lines.end(&mut body);
            self.body = body;
            self.is_header_only = false;
            self.is_changed = true;
        }
        for change in all.envelope() {
            self.readdress(change);
        }
    }

    fn readdress(&mut self, change: &FilterChange) {
        let text = |address: &[u8]| String::from_utf8_lossy(address).into_owned();
        let bare = |address: &[u8]| text(address).trim_matches(['<', '>']).to_owned();
        match change {
            FilterChange::ChangeSender { address, .. } => self.sender = text(address),
            FilterChange::AddRecipient { address, .. } => {
                let address = bare(address);
                if !self.recipients.contains(&address) {
                    self.recipients.push(address);
                }
            }
            FilterChange::DeleteRecipient(address) => {
                let address = bare(address);
                self.recipients.retain(|other| *other != address);
            }
            _ => {}
        }
    }

    /// The text as it is to be stored.
    pub fn text(&self) -> Vec<u8> {
        if !self.is_changed {
            return self.original.clone();
        }
        let end = if self.is_header_only { "" } else { "\r\n" };
        [&self.fields.concat(), end.as_bytes(), &self.body].concat()
    }
}
