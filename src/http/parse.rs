//! The heads of requests (RFC 9112 §3 to §5), read and checked.
//!
//! A head is looked at whole, so octets that come one by one cost no more than the line ends among them: only at those it is worth
//! another look.

use super::body::BodyLength;
use super::request::Method;
use super::response::HttpResponse;
use super::target::Target;

/// The most octets of a head: request line, fields, and the empty line.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;
/// The most octets of a request target.
pub const TARGET_BYTES_MAX: usize = 8 * 1024;
/// The most fields of a head.
pub const FIELDS_MAX: usize = 64;

/// The head of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// The path and the query.
    pub target: Target,
    /// Whether the client takes another response on this connection.
    pub keeps_alive: bool,
    /// Whether it speaks HTTP/1.0, whose connections end unless both sides say otherwise.
    pub is_http_1_0: bool,
    /// The length of the body.
    pub body: BodyLength,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
    /// The name and port of the server, as the client knows it; only HTTP/1.0 may leave it out.
    pub host: Option<String>,
    /// The page that made a browser send this, if one did.
    pub origin: Option<String>,
    /// The credentials.
    pub authorization: Option<String>,
}

/// Reads the head at the start of `input`, and how many octets it is; `None` while it is not whole.
///
/// # Errors
/// The response to what is no request that this server understands. The connection has to end after it: nobody knows where the
/// next request would begin.
pub fn parse_head(input: &[u8]) -> Result<Option<(RequestHead, usize)>, HttpResponse> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut fields);
    let window = &input[..input.len().min(HEAD_BYTES_MAX)];
    match request.parse(window) {
        Ok(httparse::Status::Complete(length)) => Ok(Some((read(&request)?, length))),
        Ok(httparse::Status::Partial) if input.len() < HEAD_BYTES_MAX => {
            let target = request.path.map_or(0, str::len);
            if target > TARGET_BYTES_MAX {
                return Err(too_long_target());
            }
            Ok(None)
        }
        Ok(httparse::Status::Partial) if request.version.is_none() => Err(too_long_target()),
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => Err(
            HttpResponse::text(431, "the head of the request is too large"),
        ),
        Err(httparse::Error::Version) => Err(HttpResponse::text(
            505,
            "HTTP/1.1 and HTTP/1.0 are spoken here",
        )),
        Err(error) => Err(HttpResponse::bad_request(&format!(
            "this is no HTTP request: {error}"
        ))),
    }
}

/// The fields that occur at most once, as far as anything depends on them.
#[derive(Default)]
struct Fields<'a> {
    host: Option<&'a str>,
    origin: Option<&'a str>,
    authorization: Option<&'a str>,
    content_length: Option<&'a str>,
    transfer_encoding: Option<&'a str>,
    expect: Option<&'a str>,
    closes: bool,
    keeps_alive: bool,
}

fn read(request: &httparse::Request<'_, '_>) -> Result<RequestHead, HttpResponse> {
    let method = request.method.unwrap_or_default();
    let target = request.path.unwrap_or_default();
    if target.len() > TARGET_BYTES_MAX {
        return Err(too_long_target());
    }
    let fields = Fields::read(request.headers)?;
    let Some(method) = Method::named(method) else {
        return Err(HttpResponse::text(501, "this method is not known"));
    };
    let (target, authority) = Target::parse(target)?;
    let is_http_1_0 = request.version == Some(0);
    if fields.host.is_none() && !is_http_1_0 {
        return Err(HttpResponse::bad_request("there must be one Host"));
    }
    let expects_continue = match fields.expect {
        None => false,
        Some(expectation) if expectation.eq_ignore_ascii_case("100-continue") => !is_http_1_0,
        Some(_) => return Err(HttpResponse::text(417, "100-continue is all that is met")),
    };
    let body = BodyLength::of(fields.content_length, fields.transfer_encoding)?;
    if is_http_1_0 && body == BodyLength::Chunked {
        return Err(HttpResponse::bad_request(
            "HTTP/1.0 has no Transfer-Encoding",
        ));
    }
    Ok(RequestHead {
        method,
        target,
        keeps_alive: !fields.closes && (!is_http_1_0 || fields.keeps_alive),
        is_http_1_0,
        body,
        expects_continue,
        // An absolute target names the server in place of the field (RFC 9112 §3.2.2).
        host: authority.or(fields.host).map(str::to_owned),
        origin: fields.origin.map(str::to_owned),
        authorization: fields.authorization.map(str::to_owned),
    })
}

impl<'a> Fields<'a> {
    fn read(headers: &[httparse::Header<'a>]) -> Result<Self, HttpResponse> {
        let mut fields = Self::default();
        for header in headers {
            let named = |name| header.name.eq_ignore_ascii_case(name);
            let field = if named("Host") {
                &mut fields.host
            } else if named("Origin") {
                &mut fields.origin
            } else if named("Authorization") {
                &mut fields.authorization
            } else if named("Content-Length") {
                &mut fields.content_length
            } else if named("Transfer-Encoding") {
                &mut fields.transfer_encoding
            } else if named("Expect") {
                &mut fields.expect
            } else {
                if named("Connection") {
                    fields.read_connection(header.value);
                }
                continue;
            };
            let value = str::from_utf8(header.value).map_err(|_| {
                HttpResponse::bad_request(&format!("{} must be ASCII", header.name))
            })?;
            // Two parties that each believe another one of them can be played off against each other (RFC 9112 §11.2).
            if field.replace(value.trim()).is_some() {
                return Err(HttpResponse::bad_request(&format!(
                    "{} may be there once only",
                    header.name
                )));
            }
        }
        Ok(fields)
    }

    fn read_connection(&mut self, value: &[u8]) {
        for option in value.split(|octet| *octet == b',') {
            let option = option.trim_ascii();
            self.closes |= option.eq_ignore_ascii_case(b"close");
            self.keeps_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }
}

fn too_long_target() -> HttpResponse {
    HttpResponse::text(414, "the target of the request is too long")
}
