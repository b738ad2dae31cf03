//! Parameters that ask for reports on a message: RET and ENVID of MAIL, NOTIFY and ORCPT of RCPT (RFC 3461 §4).

use crate::smtp::dsn::{
    ENVELOPE_ID_BYTES_MAX, MessageDsn, Notify, ORIGINAL_BYTES_MAX, RecipientDsn, ReturnContent,
};
use crate::smtp::reply::{self, Reply};
use crate::smtp::syntax::from_xtext;

/// Reads a parameter of MAIL, if it is one of these; whether it stood there already.
pub(super) fn mail_parameter(
    keyword: &[u8],
    value: &[u8],
    dsn: &mut Option<Box<MessageDsn>>,
) -> Result<bool, Reply> {
    if keyword.eq_ignore_ascii_case(b"RET") {
        let content = return_content(value)?;
        Ok(dsn.get_or_insert_default().ret.replace(content).is_some())
    } else if keyword.eq_ignore_ascii_case(b"ENVID") {
        let id = xtext(value, ENVELOPE_ID_BYTES_MAX)?;
        let before = dsn.get_or_insert_default().envelope_id.replace(id);
        Ok(before.is_some())
    } else {
        Err(reply::UNKNOWN_PARAMETER)
    }
}

/// Reads a parameter of RCPT, if it is one of these; whether it stood there already.
pub(super) fn rcpt_parameter(
    keyword: &[u8],
    value: &[u8],
    dsn: &mut Option<Box<RecipientDsn>>,
) -> Result<bool, Reply> {
    if keyword.eq_ignore_ascii_case(b"NOTIFY") {
        let events = notify(value)?;
        Ok(dsn.get_or_insert_default().notify.replace(events).is_some())
    } else if keyword.eq_ignore_ascii_case(b"ORCPT") {
        let address = original(value)?;
        let before = dsn.get_or_insert_default().original.replace(address);
        Ok(before.is_some())
    } else {
        Err(reply::UNKNOWN_PARAMETER)
    }
}

/// `ret-value = "FULL" / "HDRS"` (RFC 3461 §4.3).
fn return_content(value: &[u8]) -> Result<ReturnContent, Reply> {
    if value.eq_ignore_ascii_case(b"FULL") {
        Ok(ReturnContent::Full)
    } else if value.eq_ignore_ascii_case(b"HDRS") {
        Ok(ReturnContent::Headers)
    } else {
        Err(reply::BAD_ARGUMENT)
    }
}

/// `notify-esmtp-value = "NEVER" / 1#("SUCCESS" / "FAILURE" / "DELAY")`, each at most once (RFC 3461 §4.1).
fn notify(value: &[u8]) -> Result<Notify, Reply> {
    let mut notify = Notify::NEVER;
    if value.eq_ignore_ascii_case(b"NEVER") {
        return Ok(notify);
    }
    for event in value.split(|octet| *octet == b',') {
        let wanted = if event.eq_ignore_ascii_case(b"SUCCESS") {
            &mut notify.success
        } else if event.eq_ignore_ascii_case(b"FAILURE") {
            &mut notify.failure
        } else if event.eq_ignore_ascii_case(b"DELAY") {
            &mut notify.delay
        } else {
            return Err(reply::BAD_ARGUMENT);
        };
        if std::mem::replace(wanted, true) {
            return Err(reply::BAD_ARGUMENT);
        }
    }
    Ok(notify)
}

/// `original-recipient-address = addr-type ";" xtext`, where `addr-type` is an atom (RFC 3461 §4.2).
fn original(value: &[u8]) -> Result<Box<str>, Reply> {
    let is_atext =
        |octet: &u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(octet);
    let semicolon = value.iter().position(|octet| *octet == b';');
    let (kind, address) = value.split_at(semicolon.ok_or(reply::BAD_ARGUMENT)?);
    if kind.is_empty() || !kind.iter().all(is_atext) || value.len() > ORIGINAL_BYTES_MAX {
        return Err(reply::BAD_ARGUMENT);
    }
    let address = xtext(&address[1..], ORIGINAL_BYTES_MAX)?;
    let kind = str::from_utf8(kind).map_err(|_| reply::BAD_ARGUMENT)?;
    Ok(format!("{kind};{address}").into())
}

/// Reads `xtext` that stands for printable ASCII (RFC 3461 §4), and keeps it encoded, its digits in upper case. A control can be
/// hidden in it: it is decoded before it is looked at (CVE-2020-28021).
fn xtext(value: &[u8], bytes_max: usize) -> Result<Box<str>, Reply> {
    let decoded = from_xtext(value)?;
    let is_printable = |octet: &u8| *octet == b' ' || octet.is_ascii_graphic();
    if decoded.is_empty() || value.len() > bytes_max || !decoded.iter().all(is_printable) {
        return Err(reply::BAD_ARGUMENT);
    }
    let mut text = value.to_vec();
    let mut at = 0;
    while let Some(plus) = text[at..].iter().position(|octet| *octet == b'+') {
        at += plus + 3;
        text[at - 2..at].make_ascii_uppercase();
    }
    let text = String::from_utf8(text).map_err(|_| reply::BAD_ARGUMENT)?;
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use crate::smtp::command::Command;
    use crate::smtp::dsn::{MessageDsn, Notify, RecipientDsn, ReturnContent};
    use crate::smtp::reply::{self, Reply};

    fn mail(parameters: &str) -> Result<Option<MessageDsn>, Reply> {
        let line = format!("MAIL FROM:<a@b> {parameters}");
        match Command::parse(line.as_bytes())? {
            Command::Mail(_, parameters) => Ok(parameters.dsn.map(|dsn| *dsn)),
            _ => Ok(None),
        }
    }

    fn rcpt(parameters: &str) -> Result<Option<RecipientDsn>, Reply> {
        let line = format!("RCPT TO:<a@b> {parameters}");
        match Command::parse(line.as_bytes())? {
            Command::Rcpt(_, dsn) => Ok(dsn.map(|dsn| *dsn)),
            _ => Ok(None),
        }
    }

    #[test]
    fn what_asks_for_reports_is_read_in_any_case_and_order() {
        let asked = MessageDsn {
            ret: Some(ReturnContent::Headers),
            envelope_id: Some("QQ+2B1".into()),
        };
        for parameters in ["RET=HDRS ENVID=QQ+2B1", "size=1 envid=QQ+2b1 ret=hdrs"] {
            assert_eq!(mail(parameters), Ok(Some(asked.clone())), "{parameters}");
        }
        assert_eq!(mail(""), Ok(None));
        let full = mail("RET=FULL").map(|dsn| dsn.and_then(|dsn| dsn.ret));
        assert_eq!(full, Ok(Some(ReturnContent::Full)));
        let asked = RecipientDsn {
            notify: Some(Notify {
                success: true,
                failure: false,
                delay: true,
            }),
            original: Some("rfc822;Bob+2B1@example.org".into()),
        };
        for parameters in [
            "NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob+2B1@example.org",
            "orcpt=rfc822;Bob+2b1@example.org notify=delay,success",
        ] {
            assert_eq!(rcpt(parameters), Ok(Some(asked.clone())), "{parameters}");
        }
        let never = rcpt("NOTIFY=never").map(|dsn| dsn.and_then(|dsn| dsn.notify));
        assert_eq!(never, Ok(Some(Notify::NEVER)));
        assert_eq!(rcpt(""), Ok(None));
    }

    #[test]
    fn what_asks_wrongly_is_refused() {
        for wrong in [
            "RET",
            "RET=",
            "RET=BODY",
            "RET=FULL RET=FULL",
            "ENVID",
            "ENVID=",
            "ENVID=a ENVID=a",
            "ENVID=a=b",
            "ENVID=a+",
            "ENVID=a+4",
            "ENVID=a+4G",
            "ENVID=a+0A",
            "ENVID=a+00",
            "ENVID=a+7F",
            "ENVID=a+E4",
        ] {
            assert_eq!(mail(wrong), Err(reply::BAD_ARGUMENT), "{wrong}");
        }
        for wrong in [
            "NOTIFY",
            "NOTIFY=",
            "NOTIFY=ALWAYS",
            "NOTIFY=NEVER,SUCCESS",
            "NOTIFY=SUCCESS,NEVER",
            "NOTIFY=SUCCESS,",
            "NOTIFY=,SUCCESS",
            "NOTIFY=SUCCESS,SUCCESS",
            "NOTIFY=DELAY NOTIFY=DELAY",
            "ORCPT",
            "ORCPT=a@b",
            "ORCPT=;a@b",
            "ORCPT=rfc822;",
            "ORCPT=rfc.822;a@b",
            "ORCPT=rfc822;a@b+0D+0ARCPT",
            "ORCPT=rfc822;a@b ORCPT=rfc822;a@b",
        ] {
            assert_eq!(rcpt(wrong), Err(reply::BAD_ARGUMENT), "{wrong}");
        }
        assert_eq!(rcpt("RET=FULL"), Err(reply::UNKNOWN_PARAMETER));
        assert_eq!(mail("NOTIFY=NEVER"), Err(reply::UNKNOWN_PARAMETER));
    }

    #[test]
    fn what_is_asked_is_bounded() {
        let id = |length: usize| mail(&format!("ENVID={}", "x".repeat(length)));
        assert!(id(100).is_ok());
        assert_eq!(id(101), Err(reply::BAD_ARGUMENT));
        let original = |length: usize| rcpt(&format!("ORCPT=x;{}", "x".repeat(length - 2)));
        assert!(original(500).is_ok());
        assert_eq!(original(501), Err(reply::BAD_ARGUMENT));
    }
}
