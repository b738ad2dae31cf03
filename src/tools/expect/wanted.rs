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

/// What a message is, beside the one that is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MailMatch {
    /// The wanted one, and what was extracted from it; empty if nothing is to be.
    Wanted(String),
    /// The wanted one, but for what is to be extracted, which is not in it.
    Lacking,
    /// Another one.
    Other,
}

impl WantedMail {
    /// Looks at a message, as REST tells of it.
    pub(super) fn compare(&self, message: &JsonValue) -> MailMatch {
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
            return MailMatch::Other;
        }
        let Some(extract) = &self.extract else {
            return MailMatch::Wanted(String::new());
        };
        let found = bodies.iter().find_map(|body| extract.captures(body));
        match found.and_then(|found| found.get(1).or(found.get(0))) {
            Some(part) => MailMatch::Wanted(part.as_str().to_owned()),
            None => MailMatch::Lacking,
        }
    }
}

/// One line on a message: from whom, to whom and on what. The envelope stands in place of fields that are missing.
pub(super) fn told(message: &JsonValue) -> String {
    let envelope = |name| message.get("Envelope").and_then(|it| it.get(name));
    let shown = |addresses: Vec<&str>, envelope: Vec<&str>| {
        let named: Vec<&str> = addresses.into_iter().filter(|it| !it.is_empty()).collect();
        match (named.is_empty(), envelope.is_empty()) {
            (true, false) => format!("{} (envelope)", envelope.join(",")),
            _ => named.join(","),
        }
    };
    let sender = envelope("From").and_then(JsonValue::as_text);
    let sender = sender.map(|it| if it.is_empty() { "<>" } else { it });
    let to = message.get("To").and_then(JsonValue::as_array);
    let to = to.into_iter().flatten().map(|to| text(to, "Address"));
    let recipients = envelope("To").and_then(JsonValue::as_texts);
    let from = message.get("From").map(|from| text(from, "Address"));
    let from = shown(from.into_iter().collect(), sender.into_iter().collect());
    let to = shown(to.collect(), recipients.unwrap_or_default());
    let subject = text(message, "Subject");
    let line = format!("from {from} to {to}: {subject}");
    line.escape_debug().to_string()
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
            let found = match wanted.compare(&message) {
                MailMatch::Wanted(found) => Some(found),
                _ => None,
            };
            assert_eq!(found.as_deref(), extracted, "{wanted:?}");
        }
        let subject = |text| WantedMail {
            subject: regex(text),
            ..WantedMail::default()
        };
        assert!(subject("(?i)CODE$").compare(&message) != MailMatch::Other);
        assert!(subject("^code").compare(&message) == MailMatch::Other);
        let body = |text| WantedMail {
            body: regex(text),
            ..WantedMail::default()
        };
        assert!(body("654").compare(&message) != MailMatch::Other);
        assert!(body("765").compare(&message) == MailMatch::Other);
        assert_eq!(extract("none").compare(&message), MailMatch::Lacking);
        let both = WantedMail {
            extract: regex("none"),
            ..to("zed@example.org")
        };
        assert_eq!(both.compare(&message), MailMatch::Other);
    }

    #[test]
    fn a_message_is_told_by_its_fields_or_else_by_its_envelope() {
        let envelope = r#""Envelope":{"From":"bounce@example.com","To":["bob@example.org","eve@example.org"]}"#;
        for (fields, line) in [
            (
                r#""From":{"Address":"ann@example.com"},"To":[{"Address":"bob@example.org"}],"Subject":"a\tb""#,
                r"from ann@example.com to bob@example.org: a\tb",
            ),
            (
                r#""From":{"Name":"","Address":""},"To":[],"Subject":"""#,
                "from bounce@example.com (envelope) to bob@example.org,eve@example.org (envelope): ",
            ),
        ] {
            let message = JsonValue::parse(format!("{{{fields},{envelope}}}").as_bytes()).unwrap();
            assert_eq!(told(&message), line);
        }
        let null = JsonValue::parse(br#"{"Envelope":{"From":"","To":["a@b"]}}"#).unwrap();
        assert_eq!(told(&null), "from <> (envelope) to a@b (envelope): ");
    }
}
