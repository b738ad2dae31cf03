//! Questions about names and their answers: as a record holds them, and as text.

use core::fmt;
use std::net::IpAddr;
use std::rc::Rc;

use super::codec::RecordValue;
use super::outcome::NameCode;
use crate::net::trust::TlsAssociation;
use crate::outbound::dns::answer::{
    MailExchanger, NameError, NameFound, NameKind, NameRecords, NameResult,
};
use crate::smtp::escape::escape;

/// The most records of an answer.
const RECORDS_MAX: usize = 256;
/// The kinds of questions, by their number in a record.
const KINDS: [NameKind; 6] = [
    NameKind::Host,
    NameKind::MailHost,
    NameKind::Exchangers,
    NameKind::Associations,
    NameKind::Texts,
    NameKind::Policy,
];
/// The reasons why nothing was found, by their number in a record.
const NAME_ERRORS: [NameError; 9] = [
    NameError::NoHostName,
    NameError::NoSuchName,
    NameError::NoData,
    NameError::ServerFailure,
    NameError::Refused,
    NameError::BadAnswer,
    NameError::Unreachable,
    NameError::Timeout,
    NameError::Busy,
];

/// The number of a kind of question.
#[must_use]
pub fn kind_code(kind: NameKind) -> u8 {
    let place = KINDS.iter().position(|other| *other == kind);
    place.and_then(|place| place.try_into().ok()).unwrap_or(0)
}

/// An answer as a record holds it, with what was found in `octets`.
pub(super) fn name_code<'a>(answer: &NameResult, octets: &'a mut Vec<u8>) -> NameCode<'a> {
    match answer {
        Ok(found) => {
            put_found(found, octets);
            NameCode::Found(octets)
        }
        Err(error) => {
            let place = NAME_ERRORS.iter().position(|other| other == error);
            NameCode::Failed(place.and_then(|place| place.try_into().ok()).unwrap_or(0))
        }
    }
}

/// The answer that a record holds; `None` if it is to come, or is none.
#[must_use]
pub fn name_answer(code: NameCode<'_>) -> Option<NameResult> {
    Some(match code {
        NameCode::Later => return None,
        NameCode::Failed(error) => Err(*NAME_ERRORS.get(usize::from(error))?),
        NameCode::Found(mut octets) => Ok(take_found(&mut octets)?),
    })
}

/// An answer as text, as a person reads a zone file.
pub struct NameAnswerText<'a>(pub &'a NameResult);

/// The most octets of one text or of the data of one association that are shown.
const SHOWN_BYTES_MAX: usize = 64;

impl fmt::Display for NameAnswerText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = match self.0 {
            Ok(found) => found,
            Err(error) => return write!(f, "nothing: {error}"),
        };
        let all: Vec<String> = match &found.records {
            NameRecords::Addresses(addresses) => {
                addresses.iter().map(ToString::to_string).collect()
            }
            NameRecords::Exchangers(exchangers) => exchangers
                .iter()
                .map(|MailExchanger { preference, host }| format!("MX {preference} {host}."))
                .collect(),
            NameRecords::Associations(associations) => {
                associations.iter().map(association_text).collect()
            }
            NameRecords::Texts(texts) => texts
                .iter()
                .map(|text| format!("TXT \"{}\"", shown_text(text)))
                .collect(),
            NameRecords::Policy(text) => vec![format!("policy \"{}\"", shown_text(text))],
        };
        f.write_str(&all.join(", "))?;
        if let Some(canonical) = &found.canonical {
            write!(f, ", an alias of {canonical}")?;
        }
        if found.is_authenticated {
            f.write_str(", authenticated")?;
        }
        Ok(())
    }
}

fn association_text(association: &TlsAssociation) -> String {
    let TlsAssociation {
        usage,
        selector,
        matching,
        data,
    } = association;
    let shown = data.iter().take(SHOWN_BYTES_MAX);
    let digits: String = shown.map(|octet| format!("{octet:02x}")).collect();
    let more = if data.len() > SHOWN_BYTES_MAX {
        "…"
    } else {
        ""
    };
    format!("TLSA {usage} {selector} {matching} {digits}{more}")
}

fn shown_text(text: &[u8]) -> String {
    let mut shown = Vec::new();
    escape(text.get(..SHOWN_BYTES_MAX).unwrap_or(text), &mut shown);
    let more = if text.len() > SHOWN_BYTES_MAX {
        "…"
    } else {
        ""
    };
    String::from_utf8_lossy(&shown).into_owned() + more
}

fn put_found(found: &NameFound, out: &mut Vec<u8>) {
    let NameFound {
        records,
        canonical,
        is_authenticated,
    } = found;
    canonical.as_deref().put(out);
    is_authenticated.put(out);
    match records {
        NameRecords::Addresses(addresses) => {
            out.push(0);
            addresses.iter().for_each(|address| address.put(out));
        }
        NameRecords::Exchangers(exchangers) => {
            out.push(1);
            for MailExchanger { preference, host } in &**exchangers {
                preference.put(out);
                (&**host).put(out);
            }
        }
        NameRecords::Associations(associations) => {
            out.push(2);
            for association in &**associations {
                association.usage.put(out);
                association.selector.put(out);
                association.matching.put(out);
                (&*association.data).put(out);
            }
        }
        NameRecords::Texts(texts) => {
            out.push(3);
            texts.iter().for_each(|text| (&**text).put(out));
        }
        NameRecords::Policy(text) => {
            out.push(4);
            (&**text).put(out);
        }
    }
}

fn take_found(from: &mut &[u8]) -> Option<NameFound> {
    let canonical = <Option<&str> as RecordValue>::take(from)?;
    let is_authenticated = bool::take(from)?;
    let records = match u8::take(from)? {
        0 => NameRecords::Addresses(take_all(from, |from| IpAddr::take(from))?.into()),
        1 => NameRecords::Exchangers(take_all(from, take_exchanger)?.into()),
        2 => NameRecords::Associations(take_all(from, take_association)?.into()),
        3 => NameRecords::Texts(take_all(from, take_octets)?.into()),
        4 => NameRecords::Policy(<&[u8]>::take(from)?.into()),
        _ => return None,
    };
    Some(NameFound {
        records,
        canonical: canonical.map(Rc::from),
        is_authenticated,
    })
}

fn take_all<T>(from: &mut &[u8], mut take: impl FnMut(&mut &[u8]) -> Option<T>) -> Option<Vec<T>> {
    let mut all = Vec::new();
    while !from.is_empty() && all.len() < RECORDS_MAX {
        all.push(take(from)?);
    }
    Some(all)
}

fn take_exchanger(from: &mut &[u8]) -> Option<MailExchanger> {
    Some(MailExchanger {
        preference: u16::take(from)?,
        host: <&str>::take(from)?.into(),
    })
}

fn take_association(from: &mut &[u8]) -> Option<TlsAssociation> {
    Some(TlsAssociation {
        usage: u8::take(from)?,
        selector: u8::take(from)?,
        matching: u8::take(from)?,
        data: take_octets(from)?,
    })
}

fn take_octets(from: &mut &[u8]) -> Option<Box<[u8]>> {
    <&[u8]>::take(from).map(Box::from)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn all_answers() -> Vec<(NameResult, &'static str)> {
        let found = |records, canonical: Option<&str>, is_authenticated| {
            Ok(NameFound {
                records,
                canonical: canonical.map(Rc::from),
                is_authenticated,
            })
        };
        let addresses = ["192.0.2.1", "2001:db8::1"].map(|text| text.parse().unwrap());
        let exchangers = [(10, "mx.example"), (20, ""), (30, "a\\.b")];
        let exchangers = exchangers.map(|(preference, host)| MailExchanger {
            preference,
            host: host.into(),
        });
        let associations = [vec![0xab, 1], vec![7; 70]].map(|data| TlsAssociation {
            usage: 3,
            selector: 1,
            matching: 2,
            data: data.into(),
        });
        let texts = [&b"v=STSv1; id=1"[..], b"\x1b[2J\xff"].map(Box::from);
        let long = format!(
            "TLSA 3 1 2 ab01, TLSA 3 1 2 {}…, authenticated",
            "07".repeat(64)
        );
        vec![
            (
                found(NameRecords::Addresses(addresses.into()), None, false),
                "192.0.2.1, 2001:db8::1",
            ),
            (
                found(
                    NameRecords::Exchangers(exchangers.into()),
                    Some("b.example"),
                    true,
                ),
                "MX 10 mx.example., MX 20 ., MX 30 a\\.b., an alias of b.example, authenticated",
            ),
            (
                found(NameRecords::Associations(associations.into()), None, true),
                long.leak(),
            ),
            (
                found(NameRecords::Texts(texts.into()), None, false),
                "TXT \"v=STSv1; id=1\", TXT \"\\x1B[2J\\xFF\"",
            ),
            (
                found(
                    NameRecords::Policy((*b"version: STSv1\r\n").into()),
                    None,
                    false,
                ),
                "policy \"version: STSv1\\r\\n\"",
            ),
            (
                Err(NameError::NoData),
                "nothing: the name has no such record",
            ),
            (
                Err(NameError::Busy),
                "nothing: too many names are being looked up",
            ),
        ]
    }

    #[test]
    fn answers_are_read_as_they_were_written() {
        for (answer, text) in all_answers() {
            let mut octets = Vec::new();
            let code = name_code(&answer, &mut octets);
            assert_eq!(name_answer(code), Some(answer.clone()));
            assert_eq!(NameAnswerText(&answer).to_string(), text);
        }
    }

    #[test]
    fn octets_that_are_no_answer_are_read_as_none() {
        assert_eq!(name_answer(NameCode::Later), None);
        assert_eq!(name_answer(NameCode::Failed(200)), None);
        for (answer, _) in all_answers() {
            let mut octets = Vec::new();
            let _ = name_code(&answer, &mut octets);
            for end in 0..octets.len() {
                let cut = name_answer(NameCode::Found(octets.get(..end).unwrap()));
                assert_ne!(cut, Some(answer.clone()), "{end}");
            }
        }
    }
}
