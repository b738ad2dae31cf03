//! Responses, and the other answers to a request.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

/// The answer to a request.
#[derive(Debug)]
pub enum HttpAnswer {
    /// This response.
    Now(HttpResponse),
    /// Not yet: the same request is answered again whenever a message has come, and for the last time this long after it was made.
    Wait(Duration),
    /// A stream of server-sent events, which ends with the connection.
    Events,
    /// The metrics of the server, which only that knows.
    Metrics,
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status code (RFC 9110 §15).
    pub status: u16,
    /// The media type of the body; empty where there is none.
    pub content_type: String,
    /// Further fields, as `Content-Disposition`.
    pub fields: Vec<(&'static str, String)>,
    /// The body. It is shared, not copied, with what it is a part of.
    pub body: Bytes,
}

impl HttpResponse {
    /// A response of this status with a body.
    #[must_use]
    pub fn new(status: u16, content_type: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            content_type: content_type.into(),
            fields: Vec::new(),
            body: body.into(),
        }
    }

    /// A response of this status with one line of text.
    #[must_use]
    pub fn text(status: u16, line: &str) -> Self {
        Self::new(status, "text/plain; charset=utf-8", format!("{line}\n"))
    }

    /// The response to a method that is not for this path, where others are.
    #[must_use]
    pub fn not_allowed(allowed: &str) -> Self {
        let mut response = Self::text(405, "this method is not for this path");
        response.fields.push(("Allow", allowed.to_owned()));
        response
    }

    /// The response to a request that is malformed.
    #[must_use]
    pub fn bad_request(why: &str) -> Self {
        Self::text(400, why)
    }
}

/// The fields of every response that does not set them otherwise. Nothing here is for a cache, for a page of another server, or to be
/// taken for another kind of content than it is.
const DEFAULT_FIELDS: [(&str, &str); 5] = [
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'"),
    ("Referrer-Policy", "no-referrer"),
    // A link in a message names a host, which a browser would look up before anybody follows it.
    ("X-DNS-Prefetch-Control", "off"),
];

impl HttpResponse {
    /// Writes status line and fields (RFC 9112 §4). A stream has no length, and ends with the connection.
    pub(super) fn write_head(&self, date: &str, end: ConnectionEnd, output: &mut BytesMut) {
        let reason = reason(self.status);
        put(
            output,
            &["HTTP/1.1 ", &self.status.to_string(), " ", reason, "\r\n"],
        );
        put(output, &["Date: ", date, "\r\n"]);
        if !self.content_type.is_empty() {
            put_field(output, "Content-Type", &self.content_type);
        }
        if end != ConnectionEnd::Stream {
            put(
                output,
                &["Content-Length: ", &self.body.len().to_string(), "\r\n"],
            );
        }
        match end {
            ConnectionEnd::No => {}
            ConnectionEnd::NoSaid => put(output, &["Connection: keep-alive\r\n"]),
            ConnectionEnd::Yes | ConnectionEnd::Stream => put(output, &["Connection: close\r\n"]),
        }
        for (name, value) in &self.fields {
            put_field(output, name, value);
        }
        for (name, value) in DEFAULT_FIELDS {
            let is_set = |field: &(&str, String)| field.0.eq_ignore_ascii_case(name);
            if !self.fields.iter().any(is_set) {
                put_field(output, name, value);
            }
        }
        put(output, &["\r\n"]);
    }
}

/// Whether a connection ends after a response, and how its client learns of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConnectionEnd {
    /// It goes on, as always in HTTP/1.1.
    No,
    /// It goes on, which a client of HTTP/1.0 has asked for and is to be told.
    NoSaid,
    /// It ends.
    Yes,
    /// It ends with the body, whose length nobody knows.
    Stream,
}

fn put(output: &mut BytesMut, parts: &[&str]) {
    for part in parts {
        output.extend_from_slice(part.as_bytes());
    }
}

/// Writes a field. A value may come out of a message: no control character in it ends the field.
fn put_field(output: &mut BytesMut, name: &str, value: &str) {
    put(output, &[name, ": "]);
    let octets = value.bytes();
    output.extend(octets.map(|octet| {
        if octet.is_ascii_control() {
            b' '
        } else {
            octet
        }
    }));
    put(output, &["\r\n"]);
}

/// The reason phrase of a status code (RFC 9110 §15).
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        302 => "Found",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
