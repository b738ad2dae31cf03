//! The start of HTTP, and its reload.

use super::parts::HttpParts;
use crate::server::descriptors::connections_allowed;
use crate::server::http_clients::HTTP_CLIENTS_MAX;

/// What this build has for HTTP.
pub(super) fn built() -> Option<HttpParts> {
    Some(HttpParts {
        clients_max,
        open: |listeners, config, server| {
            server.open_http(listeners, config.http.access.clone(), clients_max())
        },
        reload: |config, server| server.set_http_access(config.http.access.clone()),
    })
}

/// The most clients of HTTP: half of what the descriptors allow, at most.
fn clients_max() -> usize {
    HTTP_CLIENTS_MAX.min(connections_allowed() / 2).max(1)
}
