//! Domains, in ASCII and beyond.

use std::borrow::Cow;

use super::grammar::{DOMAIN_BYTES_MAX, PathError};

/// The most octets between two dots of a domain in ASCII (RFC 1035 §2.3.4).
const LABEL_BYTES_MAX: usize = 63;

/// Whether a domain in ASCII may hold this octet. An underscore is in no standard, but in the names of real hosts.
pub(super) fn is_ascii_octet(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-_".contains(&byte)
}

/// The domain without the dot at its end, if it has one: the root of the DNS, which is there in any case.
pub(super) fn without_root(domain: &str) -> &str {
    // The others are what IDNA takes for a dot (RFC 3490 §3.1).
    let dots = ['.', '\u{3002}', '\u{ff0e}', '\u{ff61}'];
    domain.strip_suffix(dots).unwrap_or(domain)
}

/// Checks a domain that is no address literal.
///
/// # Errors
/// The text is no domain, or too long as A-labels.
pub(super) fn check(domain: &str) -> Result<(), PathError> {
    let ascii = to_ascii(domain).ok_or(PathError::NonAscii)?;
    check_ascii(ascii.as_bytes())
}

/// Checks a domain in ASCII.
///
/// # Errors
/// The text is no domain, or too long.
pub(super) fn check_ascii(ascii: &[u8]) -> Result<(), PathError> {
    for label in ascii.split(|byte| *byte == b'.') {
        let edge = label.starts_with(b"-") || label.ends_with(b"-");
        if label.is_empty() || edge || !label.iter().copied().all(is_ascii_octet) {
            return Err(PathError::Syntax);
        }
        if label.len() > LABEL_BYTES_MAX {
            return Err(PathError::TooLong);
        }
    }
    if ascii.len() > DOMAIN_BYTES_MAX {
        return Err(PathError::TooLong);
    }
    Ok(())
}

/// The domain with its U-labels as A-labels (RFC 5890 §2.3.2.1); one in ASCII as it is. `None` if a label is none.
///
/// UTS 46 is what people's programs do with a domain that is typed in: upper case, full width and the like are mapped to
/// what IDNA allows, and `ß` is a letter of its own.
pub(super) fn to_ascii(domain: &str) -> Option<Cow<'_, str>> {
    // What is in ASCII was one already, and no fault of it is of interest to anybody but a DNS server.
    if domain.is_ascii() {
        return Some(Cow::Borrowed(domain));
    }
    A_LABELS?(domain)
}

/// Writes a domain beyond ASCII as A-labels, if it is one.
pub(in crate::smtp) type ToALabels = fn(&str) -> Option<Cow<'_, str>>;

/// The tables of Unicode that A-labels take, which a build without the feature `smtputf8` lacks: there are no labels then but
/// those in ASCII.
pub(in crate::smtp) const A_LABELS: Option<&ToALabels> = {
    const BUILT_IN: &[ToALabels] = &[
        #[cfg(feature = "smtputf8")]
        |domain| {
            use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

            let (deny_list, hyphens) = (AsciiDenyList::EMPTY, Hyphens::CheckFirstLast);
            Uts46::new()
                .to_ascii(domain.as_bytes(), deny_list, hyphens, DnsLength::Ignore)
                .ok()
        },
    ];
    BUILT_IN.first()
};
