//! A part of a message that has no parts itself.

use std::borrow::Cow;

use super::charset;
use super::fields::HeaderSection;
use super::parameters::ParameterizedValue;
use super::transfer::TransferEncoding;

const MULTIPART: &str = "multipart/";

/// The place of a part, as its sender has it (RFC 2183).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disposition {
    /// No word of it.
    Unsaid,
    /// Within the text.
    Inline,
    /// Into a file.
    Attachment,
}

/// A part, which is decoded when it is asked for.
#[derive(Debug)]
pub(crate) struct MimePart<'a> {
    /// The position of the part, as Mailpit names it: `2`, `1.3` within the first one, `0` for a message without parts.
    pub id: String,
    /// The media type, in lower case.
    pub media_type: String,
    /// The name of the file; empty where there is none.
    pub file_name: String,
    /// The content id, without brackets.
    pub content_id: String,
    /// The fields and the body as they came.
    pub source: &'a [u8],
    pub(super) body: &'a [u8],
    disposition: Disposition,
    charset: Option<String>,
    boundary: Option<String>,
    encoding: TransferEncoding,
}

impl<'a> MimePart<'a> {
    /// The part with these fields and this body, which its source was split into.
    pub(crate) fn new(
        id: String,
        fields: &HeaderSection<'_>,
        source: &'a [u8],
        body: &'a [u8],
    ) -> Self {
        let content_type = ParameterizedValue::read(fields.get("content-type"));
        let disposition = ParameterizedValue::read(fields.get("content-disposition"));
        let boundary = content_type.parameter("boundary");
        let boundary = boundary.filter(|boundary| !boundary.trim_end().is_empty());
        let media_type = match &*content_type.value {
            "" => "text/plain",
            // A multipart that names no delimiter is shown as it is.
            value if value.starts_with(MULTIPART) && boundary.is_none() => "text/plain",
            value => value,
        };
        let file_name = disposition.parameter("filename");
        let content_id = fields.decoded("content-id");
        let encoding = fields.decoded("content-transfer-encoding");
        Self {
            id,
            media_type: media_type.to_owned(),
            file_name: file_name
                .or_else(|| content_type.parameter("name"))
                .unwrap_or_default(),
            content_id: content_id.trim_matches(['<', '>', ' ']).to_owned(),
            source,
            body,
            disposition: match &*disposition.value {
                "" => Disposition::Unsaid,
                "inline" => Disposition::Inline,
                // An unknown word is an attachment (RFC 2183 §2.8).
                _ => Disposition::Attachment,
            },
            charset: content_type.parameter("charset"),
            boundary: boundary.filter(|_| media_type.starts_with(MULTIPART)),
            encoding: TransferEncoding::from_value(&encoding),
        }
    }

    /// The text of the delimiters of a multipart.
    pub(super) fn boundary(&self) -> Option<Vec<u8>> {
        let boundary = self.boundary.as_deref();
        boundary.map(|boundary| boundary.trim_end().as_bytes().to_vec())
    }

    /// The content without its transfer encoding.
    pub(crate) fn content(&self) -> Cow<'a, [u8]> {
        self.encoding.decode(self.body)
    }

    /// The content as text, at most so many octets of it.
    pub(crate) fn text(&self, bytes_max: usize) -> String {
        // An encoding takes up to three octets for one.
        let body = &self.body[..self.body.len().min(bytes_max.saturating_mul(3))];
        let mut text = charset::decode(self.charset.as_deref(), &self.encoding.decode(body));
        super::truncate(&mut text, bytes_max);
        text
    }

    /// The media type and character set, fit for a field of HTTP.
    pub(crate) fn content_type(&self) -> String {
        let is_token = |text: &str| {
            let is_fit = |octet: u8| octet.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&octet);
            !text.is_empty() && text.bytes().all(is_fit)
        };
        let names = self.media_type.split_once('/');
        if !names.is_some_and(|(name, subtype)| is_token(name) && is_token(subtype)) {
            return "application/octet-stream".to_owned();
        }
        match self.charset.as_deref() {
            Some(charset) if is_token(charset) => {
                format!("{}; charset={charset}", self.media_type)
            }
            _ => self.media_type.clone(),
        }
    }

    /// Whether this is a text of this media type to be read, not a file.
    pub(super) fn is_text(&self, media_type: &str) -> bool {
        self.media_type == media_type && self.disposition != Disposition::Attachment
    }

    /// Whether this is a file.
    pub(super) fn is_attachment(&self) -> bool {
        let is_kept = matches!(
            &*self.media_type,
            "application/octet-stream" | "message/rfc822"
        );
        match self.disposition {
            Disposition::Attachment => true,
            Disposition::Inline => false,
            // A message that is no text at all is a file.
            Disposition::Unsaid => is_kept || (self.id == "0" && !self.is_read_as_text()),
        }
    }

    /// Whether this belongs into the text and can be named there, as an image of HTML.
    pub(super) fn is_inline(&self) -> bool {
        let has_name = !self.file_name.is_empty() || !self.content_id.is_empty();
        let is_meant = match self.disposition {
            Disposition::Inline => true,
            Disposition::Unsaid => !self.is_read_as_text() && !self.is_attachment(),
            Disposition::Attachment => false,
        };
        has_name && is_meant
    }

    fn is_read_as_text(&self) -> bool {
        matches!(&*self.media_type, "text/plain" | "text/html")
    }
}
