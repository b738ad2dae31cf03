//! Request targets (RFC 9112 §3.2): a path and a query, percent-decoded.

use super::response::HttpResponse;

/// The path and the query of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The path, percent-decoded.
    pub path: String,
    /// The parameters of the query, percent-decoded, in their order.
    pub query: Vec<(String, String)>,
}

impl Target {
    /// Reads a target, and the authority of an absolute one.
    ///
    /// # Errors
    /// The response to what is no target.
    pub fn parse(target: &str) -> Result<(Self, Option<&str>), HttpResponse> {
        let (authority, target) = match absolute(target) {
            Some((authority, rest)) => (Some(authority), rest),
            None => (None, target),
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if !path.starts_with('/') && path != "*" {
            return Err(HttpResponse::bad_request("the target must be a path"));
        }
        let path = decode(path, false)?;
        if path.contains(char::is_control) {
            return Err(HttpResponse::bad_request(
                "there is a control character in the path",
            ));
        }
        let mut parameters = Vec::new();
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            parameters.push((decode(name, true)?, decode(value, true)?));
        }
        let query = parameters;
        Ok((Self { path, query }, authority))
    }
}

/// The authority of an absolute target, and what follows it.
fn absolute(target: &str) -> Option<(&str, &str)> {
    const SCHEME: &str = "http://";
    let scheme = target.get(..SCHEME.len())?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return None;
    }
    let rest = &target[SCHEME.len()..];
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    Some((authority, if path.is_empty() { "/" } else { path }))
}

/// Decodes percent-encoding; in a query also `+`, which is a space there.
fn decode(text: &str, is_query: bool) -> Result<String, HttpResponse> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'%' => {
                let digit = |octet: Option<u8>| char::from(octet?).to_digit(16);
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                let pair = high.zip(low).map(|(high, low)| high << 4 | low);
                let octet = pair.and_then(|octet| u8::try_from(octet).ok());
                octet.ok_or_else(|| {
                    HttpResponse::bad_request(
                        "behind a % in the target there must be two hex digits",
                    )
                })?
            }
            b'+' if is_query => b' ',
            octet => octet,
        });
    }
    String::from_utf8(octets).map_err(|_| HttpResponse::bad_request("the target must be UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_queries_are_decoded() {
        let parsed = Target::parse("/a%20b/%C3%A9?query=to%3Aann+x&empty&a=b=c&");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let target = Target {
            path: "/a b/é".to_owned(),
            query: vec![
                pair("query", "to:ann x"),
                pair("empty", ""),
                pair("a", "b=c"),
            ],
        };
        assert_eq!(parsed, Ok((target, None)));
    }

    #[test]
    fn an_absolute_target_names_its_server() {
        for (text, authority, path) in [
            ("http://mail:8025/livez", "mail:8025", "/livez"),
            ("HTTP://mail", "mail", "/"),
        ] {
            let parsed = Target::parse(text).map(|(target, name)| (target.path, name));
            assert_eq!(parsed, Ok((path.to_owned(), Some(authority))), "{text}");
        }
    }

    #[test]
    fn what_is_no_target_is_refused() {
        for text in [
            "",
            "livez",
            "/%",
            "/%4",
            "/%zz",
            "/%ff",
            "/?a=%",
            "/%00",
            "/%0a",
            "https://mail/",
        ] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
    }
}
