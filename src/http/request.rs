//! Requests, as far as anything here depends on them.

use std::cell::Cell;

use bytes::Bytes;

/// The methods that are known (RFC 9110 §9.3). Any other is answered with 501.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET.
    Get,
    /// HEAD: GET without the body of the response.
    Head,
    /// PUT.
    Put,
    /// POST.
    Post,
    /// DELETE.
    Delete,
    /// OPTIONS.
    Options,
}

impl Method {
    /// The method of this name; names are told apart by case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "PUT" => Self::Put,
            "POST" => Self::Post,
            "DELETE" => Self::Delete,
            "OPTIONS" => Self::Options,
            _ => return None,
        })
    }
}

/// A whole request, whose `Host`, `Origin` and authorization were found good.
#[derive(Clone, Debug)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// The path, percent-decoded, without the query.
    pub path: String,
    /// The parameters of the query, percent-decoded, in their order.
    pub query: Vec<(String, String)>,
    /// The body, of bounded size.
    pub body: Bytes,
    /// How far the request has got that waits for messages; at its beginning, the default.
    pub progress: Cell<WaitProgress>,
}

/// Messages that a waiting request has looked at, so that it looks at each but once however often it is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaitProgress {
    /// The number of the newest one.
    pub newest: u64,
    /// The number of those among them that it waits for.
    pub found: usize,
}

impl HttpRequest {
    /// The first value of a parameter of the query.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let mut query = self.query.iter();
        query
            .find(|(key, _)| key == name)
            .map(|(_, value)| &**value)
    }
}
