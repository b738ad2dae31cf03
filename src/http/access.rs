//! Access: whether a request is let in, by its `Host`, `Origin` and `Authorization`.
//!
//! A browser that was led to this server by the name of another, which points here (DNS rebinding), says that name in `Host`; a page of
//! another server that sends something here says so in `Origin`. Neither is let in.

use core::fmt;
use std::net::{IpAddr, Ipv6Addr};

use subtle::ConstantTimeEq;

use super::parse::RequestHead;
use super::request::Method;
use super::response::HttpResponse;

/// Requests that never need the token: those of whoever looks whether the server is there.
const PROBES: [&str; 2] = ["/livez", "/readyz"];

/// A secret that clients have to know.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken(Box<str>);

impl AccessToken {
    /// A token. An empty one is none, and one with a blank or a character beyond ASCII cannot be sent.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let is_fit = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_graphic());
        is_fit.then(|| Self(text.into()))
    }

    /// Whether these are the credentials (RFC 6750 §2.1). They are compared in a time that tells nothing but the length.
    fn is_shown_by(&self, credentials: &str) -> bool {
        let (scheme, token) = credentials.split_once(' ').unwrap_or_default();
        let is_same = token.trim_start().as_bytes().ct_eq(self.0.as_bytes());
        scheme.eq_ignore_ascii_case("Bearer") && is_same.into()
    }
}

/// Shows that there is one, not which.
impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken")
    }
}

/// The rules by which requests are let in.
#[derive(Clone, Debug, Default)]
pub struct AccessRules {
    /// The names of this server, besides all addresses and `localhost`.
    pub hosts: Vec<String>,
    /// The secret that clients have to know, if any.
    pub token: Option<AccessToken>,
}

impl AccessRules {
    /// Why a request is not let in, if so. The client of a unix socket may call the server what it will.
    #[must_use]
    pub fn refusal(&self, head: &RequestHead, is_unix: bool) -> Option<HttpResponse> {
        if let Some(host) = &head.host
            && !is_unix
            && !self.is_own(host)
        {
            let why = "this server has another name; see --http-host";
            return Some(HttpResponse::text(403, why));
        }
        if !matches!(head.method, Method::Get | Method::Head) && !self.is_own_page(head) {
            return Some(foreign_page());
        }
        let token = self.token.as_ref()?;
        let shown = head.authorization.as_deref().unwrap_or_default();
        if PROBES.contains(&&*head.target.path) || token.is_shown_by(shown) {
            return None;
        }
        let mut response = HttpResponse::text(401, "a token is needed");
        let field = ("WWW-Authenticate", "Bearer".to_owned());
        response.fields.push(field);
        Some(response)
    }

    /// Whether a request was sent by no page, or by one of this server.
    #[must_use]
    pub fn is_own_page(&self, head: &RequestHead) -> bool {
        head.origin.as_deref().is_none_or(|origin| {
            let schemes = ["http://", "https://"];
            let host = schemes.iter().find_map(|it| origin.strip_prefix(it));
            host.is_some_and(|host| self.is_own(host))
        })
    }

    /// Whether `host`, with or without a port, is an address, `localhost`, or a name of this server.
    fn is_own(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) => name,
            _ => host,
        };
        let bracketed = name.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        match bracketed {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None if name.contains(':') => false,
            None => {
                name.parse::<IpAddr>().is_ok()
                    || name.eq_ignore_ascii_case("localhost")
                    || self.hosts.iter().any(|own| own.eq_ignore_ascii_case(name))
            }
        }
    }
}

/// The response to a page of another server.
#[must_use]
pub fn foreign_page() -> HttpResponse {
    HttpResponse::text(403, "a page of another server must not do this")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_addresses_localhost_and_the_names_given() {
        let rules = AccessRules {
            hosts: vec!["mail".to_owned(), "Mail.Example.org".to_owned()],
            token: None,
        };
        for host in [
            "127.0.0.1",
            "127.0.0.1:8025",
            "192.0.2.1:80",
            "[::1]",
            "[::1]:8025",
            "[fe80::1]:1",
            "localhost",
            "LOCALHOST:1",
            "mail:8025",
            "mail",
            "mail.example.org:8025",
            "localhost:",
        ] {
            assert!(rules.is_own(host), "{host}");
        }
        for host in [
            "",
            ":",
            ":80",
            "evil.example",
            "evil.example:8025",
            "mail.evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "::1",
            "[::1",
            "[mail]",
            "[127.0.0.1]",
            "mail:80:80",
            "mail@evil",
            "mail ",
        ] {
            assert!(!rules.is_own(host), "{host}");
        }
    }

    #[test]
    fn a_token_is_shown_whole() {
        let token = AccessToken::new("s3cret");
        let is_shown_by = |shown: &str| token.as_ref().is_some_and(|it| it.is_shown_by(shown));
        assert!(is_shown_by("Bearer s3cret") && is_shown_by("bearer  s3cret"));
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "s3cret",
            "Basic s3cret",
            "Bearer s3cre",
            "Bearer s3cretx",
        ] {
            assert!(!is_shown_by(wrong), "{wrong}");
        }
        assert!(AccessToken::new("").is_none() && AccessToken::new("a b").is_none());
    }
}
