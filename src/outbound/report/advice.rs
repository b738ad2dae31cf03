//! What a person can do about a failure, by its enhanced status code (RFC 3463).

/// Advice by the subject and detail of a code, the first that fits. A detail that is left out fits all.
const ADVICE: &[(&str, &str)] = &[
    ("1.2", DOMAIN),
    (
        "1.8",
        "The other server does not take your own address. Please show this report to your postmaster.",
    ),
    (
        "1.7",
        "The other server does not take your own address. Please show this report to your postmaster.",
    ),
    (
        "1.10",
        "This domain takes no mail at all. Please ask the recipient for another address.",
    ),
    (
        "1.6",
        "The recipient has moved. Please ask for the new address.",
    ),
    (
        "1",
        "Please check the address for typing errors. If it is right, the mailbox may no longer exist: ask the recipient in another way.",
    ),
    (
        "2.1",
        "The mailbox is closed. Please ask the recipient in another way for an address that works.",
    ),
    (
        "2.2",
        "The mailbox is full. Please send it again later, or tell the recipient in another way.",
    ),
    ("2.3", LARGE),
    ("3.4", LARGE),
    ("4.4", DOMAIN),
    (
        "4.6",
        "The message goes round in circles, by a forwarding that leads back to itself. Please tell the recipient, or show this report to your postmaster.",
    ),
    (
        "4",
        "The other server cannot be reached, or was not ready for too long. Please send it again later, or tell the recipient in another way.",
    ),
    (
        "5.3",
        "The message has too many recipients for the other server. Please send it to fewer at a time.",
    ),
    (
        "6.7",
        "The address has letters that the recipient's server does not know. Please ask the recipient for one in plain letters.",
    ),
    (
        "6",
        "The recipient's server does not take the format of the message. Please send it in a simpler one, as plain text without attachments.",
    ),
    (
        "7",
        "The recipient's server does not want this message: its rules refuse it, often as suspected spam. Its words may say what to change. Else tell the recipient in another way, or show this report to your postmaster.",
    ),
];

const DOMAIN: &str =
    "The part of the address after the @ is unknown. Please check it for typing errors.";
const LARGE: &str =
    "The message is too large for the recipient's server. Please send less of it, or a link to it.";
const ANY: &str =
    "If the words of the other server do not help, please show this report to your postmaster.";

/// The advice about a failure with this code.
pub(super) fn advice(status: &str) -> &'static str {
    let about = status.split_once('.').map_or("", |(_, about)| about);
    let fits = |code: &str| {
        let rest = about.strip_prefix(code);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let row = ADVICE.iter().find(|(code, _)| fits(code));
    row.map_or(ANY, |(_, advice)| advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_code_gives_the_advice() {
        for (status, begins) in [
            ("5.1.1", "Please check the address"),
            ("5.1.10", "This domain takes no mail"),
            ("4.2.2", "The mailbox is full"),
            ("4.4.7", "The other server cannot be reached"),
            ("5.4.6", "The message goes round"),
            ("5.7.26", "The recipient's server does not want"),
            ("5.0.0", "If the words"),
            ("", "If the words"),
        ] {
            assert!(advice(status).starts_with(begins), "{status}");
        }
    }
}
