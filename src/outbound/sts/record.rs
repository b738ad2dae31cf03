//! The TXT record by which a domain says that it has a policy (RFC 8461 §3.1).

/// The start of a record; all others at the name are not for us.
const VERSION: &[u8] = b"v=STSv1";
/// The most octets of an id, and of the name of a field that is not known here.
const WORD_BYTES_MAX: usize = 32;

/// The id of the policy that a domain has, by the texts at the name `_mta-sts` in it: `None` unless exactly one of them is a record,
/// and that a valid one.
#[must_use]
pub fn policy_id<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> Option<&'a str> {
    let mut records = texts.into_iter().filter_map(fields_of);
    match (records.next(), records.next()) {
        (Some(fields), None) => id_in(fields),
        _ => None,
    }
}

/// The fields of a record, each behind a semicolon.
fn fields_of(text: &[u8]) -> Option<&[u8]> {
    let rest = text.strip_prefix(VERSION)?.trim_ascii_start();
    rest.strip_prefix(b";")
}

fn id_in(fields: &[u8]) -> Option<&str> {
    let mut id = None;
    let mut fields = fields.split(|octet| *octet == b';').peekable();
    while let Some(field) = fields.next() {
        let field = trimmed(field);
        if field.is_empty() && fields.peek().is_none() {
            // The last semicolon ends the record.
            break;
        }
        let equals = field.iter().position(|octet| *octet == b'=')?;
        let (name, value) = (field.get(..equals)?, field.get(equals + 1..)?);
        if name == b"id" {
            // A field that stands twice counts where it stands first.
            id = id.or(Some(value).filter(|value| is_id(value)));
            id?;
        } else if !is_extension(name, value) {
            return None;
        }
    }
    str::from_utf8(id?).ok()
}

/// A field without the blanks and tabs around it.
fn trimmed(field: &[u8]) -> &[u8] {
    let is_space = |octet: &u8| matches!(octet, b' ' | b'\t');
    let start = field.iter().position(|octet| !is_space(octet));
    let end = field.iter().rposition(|octet| !is_space(octet));
    match (start, end) {
        (Some(start), Some(end)) => field.get(start..=end).unwrap_or_default(),
        _ => &[],
    }
}

/// Whether this is the id of a policy.
pub(super) fn is_id(text: &[u8]) -> bool {
    is_word(text) && text.iter().all(u8::is_ascii_alphanumeric)
}

fn is_word(word: &[u8]) -> bool {
    (1..=WORD_BYTES_MAX).contains(&word.len())
}

/// Whether this is a field as later versions may add them.
fn is_extension(name: &[u8], value: &[u8]) -> bool {
    let is_name = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-' | b'.');
    let is_value = |octet: &u8| octet.is_ascii_graphic() && !matches!(octet, b'=' | b';');
    is_word(name)
        && name.first().is_some_and(u8::is_ascii_alphanumeric)
        && name.iter().all(is_name)
        && !value.is_empty()
        && value.iter().all(is_value)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(texts: &[&str]) -> Option<String> {
        policy_id(texts.iter().map(|text| text.as_bytes())).map(str::to_owned)
    }

    #[test]
    fn a_record_has_the_id_of_its_policy() {
        // The first one is the example of RFC 8461 §3.1.
        for record in [
            "v=STSv1; id=20160831085700Z;",
            "v=STSv1;id=20160831085700Z",
            "v=STSv1 ;\tid=20160831085700Z ; ",
            "v=STSv1; new=a,b:c; id=20160831085700Z; x-1.y_z=1",
            "v=STSv1; id=20160831085700Z; id=2",
        ] {
            assert_eq!(id(&[record]), Some("20160831085700Z".into()), "{record}");
        }
        let longest = "a".repeat(32);
        assert_eq!(id(&[&format!("v=STSv1; id={longest}")]), Some(longest));
    }

    #[test]
    fn a_record_that_is_not_valid_is_none() {
        let long = format!("v=STSv1; id={}", "a".repeat(33));
        let long_name = format!("v=STSv1; id=1; {}=1", "a".repeat(33));
        for record in [
            "",
            "v=STSv1",
            "v=STSv1;",
            "v=STSv1; ",
            "v=STSv1; id=",
            "v=STSv1; id",
            "v=STSv1; ID=1",
            "v=STSv1; id=2016-08-31",
            "v=STSv1; id=1; id",
            "v=STSv1; id=1;; x=1",
            "v=STSv1; id=1; x=",
            "v=STSv1; id=1; -x=1",
            "v=STSv1; id=1; x=1=2",
            "v=STSv1; id=1; x=a b",
            "v=STSv1; id=1; =1",
            "v=STSv1; id=\u{e4}",
            "v=STSv1, id=1",
            &long,
            &long_name,
        ] {
            assert_eq!(id(&[record]), None, "{record}");
        }
        assert_eq!(policy_id([&b"v=STSv1; id=1; x=\xff"[..]]), None);
    }

    #[test]
    fn one_record_counts_and_two_are_none() {
        let (one, two) = ("v=STSv1; id=1", "v=STSv1; id=2;");
        for other in [
            "v=spf1 -all",
            "v=STSv2; id=9",
            "V=STSv1; id=9",
            " v=STSv1; id=9",
            "v=STSv10;",
        ] {
            assert_eq!(id(&[other, one, other]), Some("1".into()), "{other}");
        }
        assert_eq!(id(&[]), None);
        assert_eq!(id(&[one, two]), None);
        assert_eq!(id(&[one, one]), None);
        assert_eq!(id(&[one, "v=STSv1;"]), None, "a broken one counts as well");
    }

    proptest! {
        #[test]
        fn any_text_is_read_and_only_words_are_ids(
            texts in proptest::collection::vec("(v=STSv1[ ;]{0,2})?(.|id=[a-z]{0,40}|;| ){0,20}", 0..4),
        ) {
            if let Some(id) = policy_id(texts.iter().map(String::as_bytes)) {
                prop_assert!(is_word(id.as_bytes()));
                prop_assert!(id.bytes().all(|octet| octet.is_ascii_alphanumeric()));
            }
        }
    }
}
