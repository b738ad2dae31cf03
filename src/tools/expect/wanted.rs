//! The message that is waited for, and whether one is it.

use regex_lite::Regex;

use crate::json::JsonValue;

/// What is waited for.
#[derive(Debug, Default)]
pub struct WantedMail {
    /// A recipient, of the envelope or in a field: an address, or a part of one.
    pub to: Option<String>,
    /// The sender likewise.
    pub from: Option<String>,
    /// A part of the subject.
    pub subject: Option<Regex>,
    /// A part of the decoded text.
    pub body: Option<Regex>,
    /// What is to be extracted from the decoded text.
    pub extract: Option<Regex>,
}

impl WantedMail {
    /// What is extracted from a message, as REST tells of it; empty if nothing is to be. `None` if the message is another one.
    pub(super) fn extracted(&self, message: &JsonValue) -> Option<String> {
        let is_to = fits(self.to.as_deref(), &recipients(message));
        let is_from = fits(self.from.as_deref(), &senders(message));
        let subject = text(message, "Subject");
        let is_about = |regex: &Regex| regex.is_match(subject);
        // An expression knows LF only as the end of a line.
        let body = |name| text(message, name).replace("\r\n", "\n");
        let bodies = [body("Text"), body("HTML")];
        let says = |regex: &Regex| bodies.iter().any(|body| regex.is_match(body));
        let is_wanted = is_to
            && is_from
            && self.subject.as_ref().is_none_or(is_about)
            && self.body.as_ref().is_none_or(says);
        if !is_wanted {
            return None;
        }
        let Some(extract) = &self.extract else {
            return Some(String::new());
        };
        let found = bodies.iter().find_map(|body| extract.captures(body))?;
        let part = found.get(1).or(found.get(0))?;
        Some(part.as_str().to_owned())
    }
}

/// Whether one of these addresses is the wanted one: a whole address, or else a part of one; case does not count.
fn fits(wanted: Option<&str>, addresses: &[&str]) -> bool {
    let Some(wanted) = wanted.map(str::to_lowercase) else {
        return true;
    };
    let mut addresses = addresses.iter().map(|address| address.to_lowercase());
    addresses.any(
        |address| match wanted.contains('@') && !wanted.starts_with('@') {
            true => address == wanted,
            false => address.contains(&wanted),
        },
    )
}

fn text<'a>(value: &'a JsonValue, name: &str) -> &'a str {
    value
        .get(name)
        .and_then(JsonValue::as_text)
        .unwrap_or_default()
}

fn recipients(message: &JsonValue) -> Vec<&str> {
    let lists = ["To", "Cc", "Bcc"].into_iter();
    let fields = lists
        .filter_map(|list| message.get(list)?.as_array())
        .flatten()
        .map(|address| text(address, "Address"));
    let envelope = message.get("Envelope").and_then(|it| it.get("To"));
    let envelope = envelope
        .and_then(JsonValue::as_array)
        .into_iter()
        .flatten()
        .filter_map(JsonValue::as_text);
    fields.chain(envelope).collect()
}

fn senders(message: &JsonValue) -> Vec<&str> {
    let field = message.get("From").map(|from| text(from, "Address"));
    let envelope = message.get("Envelope").map(|it| text(it, "From"));
    field.into_iter().chain(envelope).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn regex(text: &str) -> Option<Regex> {
        Some(Regex::new(text).unwrap())
    }

    #[test]
    fn a_message_is_the_wanted_one_or_not() {
        let message = JsonValue::parse(
            br#"{"From":{"Name":"","Address":"Ann@example.com"},"To":[{"Name":"Bob","Address":"bob@example.org"}],
                "Cc":[],"Bcc":[],"Envelope":{"From":"bounce@example.com","To":["bob@example.org","eve@example.org"]},
                "Subject":"Your code","Text":"The code is 123456.\n","HTML":"<b>654321</b>"}"#,
        )
        .unwrap();
        let to = |to: &str| WantedMail {
            to: Some(to.to_owned()),
            ..WantedMail::default()
        };
        let from = |from: &str| WantedMail {
            from: Some(from.to_owned()),
            ..WantedMail::default()
        };
        let extract = |extract| WantedMail {
            extract: regex(extract),
            ..WantedMail::default()
        };
        for (wanted, extracted) in [
            (WantedMail::default(), Some("")),
            (to("BOB@example.org"), Some("")),
            (to("eve@example.org"), Some("")),
            (to("ob@example.org"), None),
            (to("ob"), Some("")),
            (to("@example.org"), Some("")),
            (from("ann@example.com"), Some("")),
            (from("bounce@example.com"), Some("")),
            (from("bob@example.org"), None),
            (extract(r"\d{6}"), Some("123456")),
            (extract(r"code is (\d+)"), Some("123456")),
            (extract(r"<b>(\d+)"), Some("654321")),
            (extract("none"), None),
        ] {
            assert_eq!(
                wanted.extracted(&message).as_deref(),
                extracted,
                "{wanted:?}"
            );
        }
        let subject = |text| WantedMail {
            subject: regex(text),
            ..WantedMail::default()
        };
        assert!(subject("(?i)CODE$").extracted(&message).is_some());
        assert!(subject("^code").extracted(&message).is_none());
        let body = |text| WantedMail {
            body: regex(text),
            ..WantedMail::default()
        };
        assert!(body("654").extracted(&message).is_some());
        assert!(body("765").extracted(&message).is_none());
    }
}
