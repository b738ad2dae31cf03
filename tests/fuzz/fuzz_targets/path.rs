//! Addresses: what is taken is an address of one line within its limits, and is taken again as it is shown.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mailoop::smtp::path::{
    DOMAIN_BYTES_MAX, ForwardPath, Mailbox, PATH_BYTES_MAX, PathError, ReversePath, forward_path,
    reverse_path,
};

fuzz_target!(|argument: &[u8]| {
    let reverse = reverse_path(argument);
    let forward = forward_path(argument);
    if let Ok((path, rest)) = &reverse {
        is_behind_a_path(argument, rest);
        let shown = path.to_string();
        assert_eq!(reverse_path(shown.as_bytes()), Ok((path.clone(), &b""[..])));
        if let ReversePath::Mailbox(mailbox) = path {
            is_sound(mailbox);
        }
    }
    if let Ok((path, rest)) = &forward {
        is_behind_a_path(argument, rest);
        if let ForwardPath::Mailbox(mailbox) = path {
            is_sound(mailbox);
        }
    }
    match (reverse, forward) {
        (Ok((ReversePath::Null, _)), Err(_)) | (Err(_), Ok((ForwardPath::Postmaster, _))) => {}
        (Err(PathError::Syntax), Ok((ForwardPath::WithoutDomain(local_part), _))) => {
            assert!(format!("{local_part}@d").parse::<Mailbox>().is_ok());
        }
        (Ok((ReversePath::Mailbox(reverse), _)), Ok((ForwardPath::Mailbox(forward), _))) => {
            assert_eq!(reverse, forward);
        }
        (Err(_), Err(_)) if argument.starts_with(b"<>") => {}
        (Err(reverse), Err(forward)) => assert_eq!(reverse, forward),
        (reverse, forward) => panic!("{reverse:?} and {forward:?} of one argument"),
    }
    if let Ok(text) = str::from_utf8(argument)
        && let Ok(mailbox) = text.parse::<Mailbox>()
    {
        let dots = ['.', '\u{3002}', '\u{ff0e}', '\u{ff61}'];
        let without_root = text.strip_suffix(dots).unwrap_or(text);
        assert_eq!(mailbox.as_str(), without_root);
        is_sound(&mailbox);
    }
});

fn is_behind_a_path(argument: &[u8], rest: &[u8]) {
    assert!(argument.ends_with(rest) && rest.len() < argument.len());
    assert!(matches!(rest.first(), None | Some(b' ')));
}

fn is_sound(mailbox: &Mailbox) {
    let (local_part, domain) = (mailbox.local_part(), mailbox.domain());
    assert_eq!(mailbox.as_str(), format!("{local_part}@{domain}"));
    assert!(!local_part.is_empty());
    assert!((1..=DOMAIN_BYTES_MAX).contains(&domain.len()));
    let line_end =
        |character: char| character.is_control() || "\u{2028}\u{2029}".contains(character);
    assert!(!mailbox.as_str().chars().any(line_end));
    let ascii = mailbox.ascii_domain();
    assert!((1..=DOMAIN_BYTES_MAX).contains(&ascii.len()));
    assert!(ascii.bytes().all(|byte| byte.is_ascii_graphic()));
    let plain = mailbox.plain();
    assert_eq!(plain.domain(), ascii.to_ascii_lowercase());
    assert_eq!(plain.plain(), plain);
    assert_eq!(mailbox.as_str().parse().as_ref(), Ok(mailbox));
    // The longest path is shorter than the longest local-part and domain together.
    let shown = format!("<{mailbox}>");
    match forward_path(shown.as_bytes()) {
        Ok(path) => assert_eq!(path, (ForwardPath::Mailbox(mailbox.clone()), &b""[..])),
        Err(error) => {
            let with_a_labels = local_part.len() + ascii.len() + "<@>".len();
            assert!(shown.len().max(with_a_labels) > PATH_BYTES_MAX, "{error:?}");
        }
    }
    let quoted: String = mailbox
        .local_part_unquoted()
        .chars()
        .flat_map(|character| {
            character
                .is_ascii()
                .then_some('\\')
                .into_iter()
                .chain([character])
        })
        .collect();
    let requoted: Mailbox = format!("\"{quoted}\"@d").parse().expect("an address");
    assert_eq!(
        requoted.local_part_unquoted(),
        mailbox.local_part_unquoted()
    );
}
