//! The connection of a store to its stream, as the core of the server sees it.

pub(super) use crate::stream::service::StreamService;
