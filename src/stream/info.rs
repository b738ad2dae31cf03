//! What a server says of itself (INFO), as far as it matters.

use super::target::{NODES_MAX, Node};
use crate::json::{JsonError, JsonValue};

/// Facts about a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerInfo {
    /// Its id, which is new whenever it starts.
    pub id: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// Its version.
    pub version: Box<str>,
    /// The most octets of a message.
    pub payload_bytes_max: usize,
    /// Whether it knows headers.
    pub has_headers: bool,
    /// Whether it keeps streams.
    pub has_jetstream: bool,
    /// Whether it wants a login.
    pub wants_login: bool,
    /// Whether it wants TLS.
    pub wants_tls: bool,
    /// Whether it can do TLS, though it may not want it.
    pub has_tls: bool,
    /// The servers of its cluster to which a client may connect.
    pub servers: Vec<Node>,
    /// Whether it is about to shut down (lame duck mode).
    pub is_leaving: bool,
}

impl ServerInfo {
    /// Reads the JSON of INFO. What is not there is false, empty or 0.
    ///
    /// # Errors
    /// The text is no JSON.
    pub fn parse(text: &[u8]) -> Result<Self, JsonError> {
        let json = JsonValue::parse(text)?;
        let text = |name| json.get(name).and_then(JsonValue::as_text);
        let flag = |name| json.get(name) == Some(&JsonValue::Bool(true));
        let urls = json.get("connect_urls").and_then(JsonValue::as_array);
        let urls = urls.unwrap_or_default().iter();
        let servers = urls.filter_map(|url| url.as_text()?.parse().ok());
        Ok(Self {
            id: text("server_id").unwrap_or_default().into(),
            name: text("server_name").unwrap_or_default().into(),
            version: text("version").unwrap_or_default().into(),
            payload_bytes_max: json.get("max_payload").map_or(0, count),
            has_headers: flag("headers"),
            has_jetstream: flag("jetstream"),
            wants_login: flag("auth_required"),
            wants_tls: flag("tls_required"),
            has_tls: flag("tls_available"),
            servers: servers.take(NODES_MAX).collect(),
            is_leaving: flag("ldm"),
        })
    }
}

/// A number that counts something; 0 for whatever is none.
#[must_use]
pub fn count(value: &JsonValue) -> usize {
    match value {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "what is beyond the range becomes the end of that"
        )]
        JsonValue::Number(number) => *number as usize,
        _ => 0,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_of_an_info_is_read() {
        let info = ServerInfo::parse(
            br#"{"server_id":"NA2W","server_name":"n0","version":"2.15.1","proto":1,"headers":true,"max_payload":1048576,
            "jetstream":true,"auth_required":true,"tls_required":true,"tls_available":true,"ldm":true,
            "connect_urls":["127.0.0.1:4222","[::1]:4223","n3","no server at all",7]} "#,
        )
        .unwrap();
        let servers: Vec<String> = info.servers.iter().map(Node::to_string).collect();
        assert_eq!(servers, ["127.0.0.1:4222", "[::1]:4223", "n3:4222"]);
        assert_eq!(
            (&*info.id, &*info.name, &*info.version),
            ("NA2W", "n0", "2.15.1")
        );
        assert_eq!(info.payload_bytes_max, 1024 * 1024);
        assert!(info.has_headers && info.has_jetstream && info.wants_login);
        assert!(info.wants_tls && info.has_tls && info.is_leaving);
    }

    #[test]
    fn what_an_info_leaves_out_is_nothing() {
        assert_eq!(ServerInfo::parse(b"{}"), Ok(ServerInfo::default()));
        assert_eq!(ServerInfo::parse(b"[1]"), Ok(ServerInfo::default()));
        let odd = br#"{"max_payload":-1,"connect_urls":"x","headers":"true","server_name":1}"#;
        assert_eq!(ServerInfo::parse(odd), Ok(ServerInfo::default()));
        ServerInfo::parse(b"{").unwrap_err();
    }

    #[test]
    fn of_many_servers_some_are_known() {
        let urls: Vec<String> = (0..200).map(|n| format!("\"n{n}:4222\"")).collect();
        let text = format!("{{\"connect_urls\":[{}]}}", urls.join(","));
        let info = ServerInfo::parse(text.as_bytes()).unwrap();
        assert_eq!(info.servers.len(), NODES_MAX);
    }
}
