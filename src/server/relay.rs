//! Mail that is sent on, as the core of the server sees it.

pub(super) use crate::outbound::relay::Outbound;
