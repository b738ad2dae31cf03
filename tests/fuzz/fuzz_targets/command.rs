//! Command lines, cut anywhere: the reader against a naive one, and what every command that is read must keep to.

#![no_main]

mod cuts;

use libfuzzer_sys::fuzz_target;
use mailoop::smtp::command::{Command, MailParameters};
use mailoop::smtp::line::{
    BareNewline, COMMAND_LINE_BYTES_MAX, Line, LineReader, MAIL_PARAMETERS_BYTES_MAX, Reading,
};
use mailoop::smtp::path::{DOMAIN_BYTES_MAX, ForwardPath};

// The first octet chooses the mode and the second how the others are cut.
fuzz_target!(|bytes: &[u8]| {
    let [mode, cut, input @ ..] = bytes else {
        return;
    };
    let mode = match mode % 3 {
        0 => BareNewline::Normalize,
        1 => BareNewline::Reject,
        _ => BareNewline::Accept,
    };
    let lines = naive_lines(input, mode);
    assert_eq!(read_lines(input, *cut, mode), lines);
    for line in lines.iter().flatten() {
        check(line);
    }
});

/// A line, or what is wrong with it.
type Read = Result<Vec<u8>, &'static str>;

fn read_lines(input: &[u8], cut: u8, mode: BareNewline) -> Vec<Read> {
    let mut reader = LineReader::default();
    let mut kept = Vec::new();
    let mut lines = Vec::new();
    for piece in cuts::pieces(input, cut) {
        kept.extend_from_slice(piece);
        let mut rest = &kept[..];
        loop {
            match reader.next(&mut rest, mode, Reading::Commands) {
                Line::Incomplete => break,
                Line::Complete(line) => lines.push(Ok(line.to_vec())),
                Line::TooLong => lines.push(Err("too long")),
                Line::Malformed => lines.push(Err("malformed")),
            }
        }
        assert!(rest.len() <= COMMAND_LINE_BYTES_MAX + MAIL_PARAMETERS_BYTES_MAX);
        kept = rest.to_vec();
    }
    lines
}

fn naive_lines(input: &[u8], mode: BareNewline) -> Vec<Read> {
    let end = match mode {
        BareNewline::Reject => &b"\r\n"[..],
        BareNewline::Normalize | BareNewline::Accept => b"\n",
    };
    let mut lines = Vec::new();
    let mut rest = input;
    while let Some(at) = rest.windows(end.len()).position(|octets| octets == end) {
        let (line, behind) = rest.split_at(at + end.len());
        rest = behind;
        let mail = line.len() >= 5 && line[..5].eq_ignore_ascii_case(b"MAIL ");
        let limit = COMMAND_LINE_BYTES_MAX + if mail { MAIL_PARAMETERS_BYTES_MAX } else { 0 };
        let text = &line[..line.len() - 1];
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        lines.push(if line.len() > limit {
            Err("too long")
        } else if text.iter().any(|octet| b"\0\r\n".contains(octet)) {
            Err("malformed")
        } else {
            Ok(text.to_vec())
        });
    }
    lines
}

fn check(line: &[u8]) {
    let command = Command::parse(line);
    assert_eq!(Command::parse(&[line, b"  "].concat()), command);
    let verb = line
        .iter()
        .position(|octet| *octet == b' ')
        .unwrap_or(line.len());
    let mut shouted = line.to_vec();
    shouted[..verb].make_ascii_uppercase();
    assert_eq!(Command::parse(&shouted), command);
    match command {
        Err(reply) => assert!((500..=555).contains(&reply.code)),
        Ok(Command::Hello { name, .. }) => {
            assert!((1..=DOMAIN_BYTES_MAX).contains(&name.len()));
            assert!(
                name.bytes()
                    .all(|octet| octet == b' ' || octet.is_ascii_graphic())
            );
        }
        Ok(Command::Mail(path, parameters)) => {
            let (parameter, smtputf8) = if path.is_ascii() {
                ("", false)
            } else {
                (" SMTPUTF8", true)
            };
            assert!(parameters.smtputf8 || !smtputf8);
            let shown = format!("MAIL FROM:{path}{parameter}");
            let only = MailParameters {
                smtputf8,
                ..MailParameters::default()
            };
            let plain = Command::Mail(path, only);
            assert_eq!(Command::parse(shown.as_bytes()), Ok(plain));
            if parameters == MailParameters::default() {
                assert!(!line.ends_with(b"="));
            }
        }
        Ok(Command::Rcpt(ForwardPath::Mailbox(mailbox), _)) => {
            let shown = format!("RCPT TO:<{mailbox}>");
            let same = Command::Rcpt(ForwardPath::Mailbox(mailbox), None);
            assert_eq!(Command::parse(shown.as_bytes()), Ok(same));
        }
        Ok(_) => {}
    }
}
