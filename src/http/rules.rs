//! Rules for faults by REST: a test sets its own, and takes them away again.

use super::request::{HttpRequest, Method};
use super::response::HttpResponse;
use crate::json::{JsonValue, Members};
use crate::smtp::faults::{FaultRule, FaultRules, RULES_MAX};

/// Answers a request for the rules, or of others in their place. `None` if its path is not theirs.
pub(super) fn answer(request: &HttpRequest, rules: &mut FaultRules) -> Option<HttpResponse> {
    if request.path != "/api/v1/rules" {
        return None;
    }
    let set = match request.method {
        Method::Get | Method::Head => Ok(()),
        Method::Put => read(&request.body).map(|read| rules.replace(read)),
        Method::Delete => {
            rules.replace(Vec::new());
            return Some(HttpResponse::new(200, "", ""));
        }
        Method::Post | Method::Options => {
            return Some(HttpResponse::not_allowed("GET, HEAD, PUT, DELETE"));
        }
    };
    Some(match set {
        Ok(()) => HttpResponse::new(200, "application/json", list(rules)),
        Err(why) => HttpResponse::text(400, &why),
    })
}

/// Reads a list of rules.
///
/// # Errors
/// What is wrong, and with which rule, counted from 1.
fn read(body: &[u8]) -> Result<Vec<FaultRule>, String> {
    let json = JsonValue::parse(body).map_err(|error| error.to_string())?;
    let Some(texts) = json.as_texts() else {
        return Err("no list of texts: send [\"rcpt *@busy.example = 450 4.2.1 busy\"]".to_owned());
    };
    if texts.len() > RULES_MAX {
        return Err(format!("at most {RULES_MAX} rules"));
    }
    let rules = (1..).zip(texts).map(|(number, text)| {
        let rule = text.parse();
        rule.map_err(|error| format!("rule {number}, {error}"))
    });
    rules.collect()
}

/// The rules with the number of times that each has decided.
fn list(rules: &FaultRules) -> Vec<u8> {
    let rules: Vec<_> = rules
        .all()
        .map(|(rule, hits)| {
            let mut members = Members::default();
            members.text("rule", &rule.to_string());
            members.number("hits", hits);
            members.into_object()
        })
        .collect();
    let mut members = Members::default();
    members.array("rules", &rules);
    members.into_object().into()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use bytes::Bytes;

    use super::*;

    fn ask(method: Method, body: &str, rules: &mut FaultRules) -> (u16, String) {
        let request = HttpRequest {
            method,
            path: "/api/v1/rules".to_owned(),
            query: Vec::new(),
            body: Bytes::copy_from_slice(body.as_bytes()),
            progress: Cell::default(),
        };
        match answer(&request, rules) {
            Some(response) => {
                let text = String::from_utf8_lossy(&response.body).into_owned();
                (response.status, text)
            }
            None => (404, String::new()),
        }
    }

    #[test]
    fn rules_are_replaced_whole_or_not_at_all() {
        let mut rules = FaultRules::default();
        let none = (200, "{\"rules\":[]}".to_owned());
        assert_eq!(ask(Method::Get, "", &mut rules), none);
        let two = r#"["rcpt * #1 = 451", "mail = 421 \"bye\""]"#;
        let listed = r#"{"rules":[{"rule":"rcpt * #1 = 451","hits":0},{"rule":"mail = 421 \"bye\"","hits":0}]}"#;
        let listed = (200, listed.to_owned());
        assert_eq!(ask(Method::Put, two, &mut rules), listed);
        for (bad, why) in [
            ("", "no JSON: a value is missing at octet 0\n"),
            (
                "{}",
                "no list of texts: send [\"rcpt *@busy.example = 450 4.2.1 busy\"]\n",
            ),
            (
                r#"["mail = 450", "mail = 250"]"#,
                "rule 2, column 8: 250 refuses nothing: a reply is 4yz or 5yz\n",
            ),
        ] {
            assert_eq!(ask(Method::Put, bad, &mut rules), (400, why.to_owned()));
            assert_eq!(ask(Method::Get, "", &mut rules), listed, "nothing changes");
        }
        let many = format!("[{}\"mail = 450\"]", "\"mail = 450\",".repeat(RULES_MAX));
        let too_many = (400, "at most 1000 rules\n".to_owned());
        assert_eq!(ask(Method::Put, &many, &mut rules), too_many);
        assert_eq!(ask(Method::Post, two, &mut rules).0, 405);
        assert_eq!(ask(Method::Options, "", &mut rules).0, 405);
        assert_eq!(ask(Method::Delete, "", &mut rules), (200, String::new()));
        assert_eq!(ask(Method::Get, "", &mut rules), none);
    }
}
