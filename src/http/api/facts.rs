//! Facts about a message, as lists, searches and its own page show them.

use std::collections::HashSet;

use time::OffsetDateTime;

use super::super::mime::{self, HeaderSection, MimePart, NamedAddress};
use crate::json::{Members, texts};
use crate::store::inbox::CaughtMessage;

/// The most octets of a snippet.
const SNIPPET_BYTES_MAX: usize = 200;
/// The most octets of text that are looked at for a snippet: blanks and tags are none of it.
const SNIPPET_SOURCE_BYTES_MAX: usize = 16 << 10;
/// The links of a List-Unsubscribe field that count (RFC 2369, RFC 8058): one to write to, one to visit.
const UNSUBSCRIBE_LINKS_MAX: usize = 2;

/// A message, with its envelope and its header section.
pub(super) struct MessageFacts<'a> {
    pub caught: &'a CaughtMessage,
    pub fields: HeaderSection<'a>,
}

impl<'a> MessageFacts<'a> {
    pub(super) fn read(caught: &'a CaughtMessage) -> Self {
        let (fields, _) = HeaderSection::split(&caught.text);
        Self { caught, fields }
    }

    /// The first author; an empty one where no field names any.
    pub(super) fn from(&self) -> NamedAddress {
        let from = self.addresses("from").into_iter().next();
        from.unwrap_or_default()
    }

    pub(super) fn addresses(&self, field: &str) -> Vec<NamedAddress> {
        mime::read_addresses(self.fields.get(field))
    }

    /// The addresses of the field `Bcc`, and the recipients of the envelope that no field names.
    pub(super) fn bcc(&self) -> Vec<NamedAddress> {
        let mut bcc = self.addresses("bcc");
        let mut named = [self.addresses("to"), self.addresses("cc")].concat();
        named.extend_from_slice(&bcc);
        let named: HashSet<String> = named
            .iter()
            .map(|named| named.address.to_ascii_lowercase())
            .collect();
        let unnamed = self.caught.to.iter();
        let unnamed = unnamed.filter(|to| !named.contains(&to.to_ascii_lowercase()));
        bcc.extend(unnamed.map(|to| NamedAddress {
            name: String::new(),
            address: to.clone(),
        }));
        bcc
    }

    pub(super) fn subject(&self) -> String {
        self.fields.decoded("subject")
    }

    pub(super) fn message_id(&self) -> String {
        let id = self.fields.decoded("message-id");
        id.trim_matches(['<', '>', ' ']).to_owned()
    }

    /// The facts that the entry in a list and the message itself have in common.
    fn put(&self, members: &mut Members) {
        members.text("ID", &self.caught.id);
        members.text("MessageID", &self.message_id());
        members.value("From", &address_json(&self.from()));
        members.array("To", &addresses_json(&self.addresses("to")));
        members.array("Cc", &addresses_json(&self.addresses("cc")));
        members.array("Bcc", &addresses_json(&self.bcc()));
        members.array("ReplyTo", &addresses_json(&self.addresses("reply-to")));
        members.text("Subject", &self.subject());
        members.text("Created", &mime::date::write_now(self.caught.received));
        members.text("Username", self.caught.user.as_deref().unwrap_or_default());
        members.array("Tags", &[]);
        members.number("Size", self.caught.text.len() as u64);
    }
}

/// A message in a list.
pub(super) fn summary(caught: &CaughtMessage) -> Box<[u8]> {
    let message = mime::MimeMessage::read(&caught.text);
    let facts = MessageFacts::read(caught);
    let mut members = Members::default();
    members.boolean("Read", caught.is_read.get());
    facts.put(&mut members);
    members.number("Attachments", message.attachments().count() as u64);
    members.text("Snippet", &snippet(&message));
    members.into_object()
}

/// A message with its text and the names of its files.
pub(super) fn whole(caught: &CaughtMessage) -> Box<[u8]> {
    let message = mime::MimeMessage::read(&caught.text);
    let facts = MessageFacts::read(caught);
    let mut members = Members::default();
    // Whoever reads this has looked at it.
    members.boolean("Read", true);
    facts.put(&mut members);
    let date = mime::date::read(&facts.fields.decoded("date"));
    let date = date.unwrap_or(OffsetDateTime::from(caught.received));
    members.text("Date", &mime::date::write(date));
    members.text("ReturnPath", &caught.from);
    members.value("ListUnsubscribe", &unsubscribe_json(&facts.fields));
    members.text("Text", &message.text(mime::TEXT_BYTES_MAX));
    members.text("HTML", &message.html(mime::TEXT_BYTES_MAX));
    members.array(
        "Inline",
        &message.inline().map(part_json).collect::<Vec<_>>(),
    );
    members.array(
        "Attachments",
        &message.attachments().map(part_json).collect::<Vec<_>>(),
    );
    let mut envelope = Members::default();
    envelope.text("From", &caught.from);
    envelope.value("To", &texts(&caught.to));
    envelope.text("Hello", &caught.hello);
    envelope.text("Peer", &caught.peer);
    members.value("Envelope", &envelope.into_object());
    members.into_object()
}

fn addresses_json(addresses: &[NamedAddress]) -> Vec<Box<[u8]>> {
    addresses.iter().map(address_json).collect()
}

fn address_json(address: &NamedAddress) -> Box<[u8]> {
    let mut members = Members::default();
    members.text("Name", &address.name);
    members.text("Address", &address.address);
    members.into_object()
}

fn part_json(part: &MimePart<'_>) -> Box<[u8]> {
    let content = part.content();
    let mut members = Members::default();
    members.text("PartID", &part.id);
    let file_name = match &*part.file_name {
        "" => &*part.content_id,
        name => name,
    };
    members.text("FileName", file_name);
    members.text("ContentType", &part.media_type);
    members.text("ContentID", &part.content_id);
    members.number("Size", content.len() as u64);
    let mut checksums = Members::default();
    // Nothing here computes MD5, which proves nothing.
    checksums.text("MD5", "");
    for (name, algorithm) in [
        ("SHA1", &ring::digest::SHA1_FOR_LEGACY_USE_ONLY),
        ("SHA256", &ring::digest::SHA256),
    ] {
        let digest = ring::digest::digest(algorithm, &content);
        checksums.text(name, &hex(digest.as_ref()));
    }
    members.value("Checksums", &checksums.into_object());
    members.into_object()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// The begin of the text on one line.
fn snippet(message: &mime::MimeMessage<'_>) -> String {
    let html = message.html(SNIPPET_SOURCE_BYTES_MAX);
    let text = match &*html {
        "" => message.text(SNIPPET_SOURCE_BYTES_MAX),
        html => mime::text_of_html(html, 2 * SNIPPET_BYTES_MAX),
    };
    let mut snippet = String::new();
    for word in text.split_whitespace() {
        if !snippet.is_empty() {
            snippet.push(' ');
        }
        snippet.push_str(word);
        if snippet.len() > SNIPPET_BYTES_MAX {
            mime::truncate(&mut snippet, SNIPPET_BYTES_MAX);
            snippet.push_str("...");
            break;
        }
    }
    snippet
}

fn unsubscribe_json(fields: &HeaderSection<'_>) -> Box<[u8]> {
    let header = fields.decoded("list-unsubscribe");
    let links = header.split('<').skip(1);
    let links = links.filter_map(|link| Some(link.split_once('>')?.0));
    let links: Vec<&str> = links
        .filter(|link| {
            let scheme = link.split(':').next().unwrap_or_default();
            ["http", "https", "mailto"].contains(&&*scheme.to_ascii_lowercase())
        })
        .take(UNSUBSCRIBE_LINKS_MAX)
        .collect();
    let mut members = Members::default();
    members.text("Header", &header);
    members.value("Links", &texts(&links));
    let errors = match header.is_empty() || !links.is_empty() {
        true => "",
        false => "no valid unsubscribe links found",
    };
    members.text("Errors", errors);
    members.text("HeaderPost", &fields.decoded("list-unsubscribe-post"));
    members.into_object()
}
