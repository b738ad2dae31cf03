//! The values of options about mail filters.

pub use crate::filters::settings::{FilterAddress, FilterDefault};

/// Reads the address of a filter.
///
/// # Errors
/// What would be right.
pub fn address(text: &str) -> Result<FilterAddress, String> {
    let wanted = "write inet:HOST:PORT as inet:localhost:11332, inet:[IPV6]:PORT, or unix:PATH";
    text.parse().map_err(|_| wanted.to_owned())
}

/// Reads what holds where a filter cannot be asked.
///
/// # Errors
/// What would be right.
pub fn default_action(text: &str) -> Result<FilterDefault, String> {
    match text {
        "tempfail" => Ok(FilterDefault::Tempfail),
        "accept" => Ok(FilterDefault::Accept),
        "reject" => Ok(FilterDefault::Reject),
        _ => Err("write tempfail, accept or reject".to_owned()),
    }
}
