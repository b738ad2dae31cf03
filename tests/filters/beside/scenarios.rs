//! The scenarios: what two filters do in a session, by generated scripts.

use crate::common::filter::{
    ACCEPT, ADD_HEADER, ADD_RECIPIENT, Act, CHANGE_HEADER, CHANGE_SENDER, CONNECTION_FAIL,
    CONTINUE, CUSTOM, DELETE_RECIPIENT, DISCARD, FilterScript, INSERT_HEADER, PROGRESS, QUARANTINE,
    REJECT, REPLACE_BODY, SHUTDOWN, SKIP, STEPS, TEMPFAIL, texts,
};

/// The bits of the protocol for a filter that may ask to skip, and for one that has the space before values.
const MAY_SKIP: u32 = 1 << 10;
const LEADING_SPACE: u32 = 1 << 20;
/// Stands for the domain of a scenario.
const DOMAIN: &str = "DOMAIN";
const MESSAGE: &str = "Subject: hello\r\nX-A: 1\r\nx-a: 2\r\nX-Long: one\r\n\ttwo\r\nTo: b\r\n\r\n\
                       first\r\n..second\r\n\r\nlast\r\n";

/// What happens in one session.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) name: String,
    pub(super) filters: [FilterScript; 2],
    pub(super) to: Vec<String>,
    pub(super) message: &'static str,
}

/// The domain of the recipients of a scenario, by its number.
pub(super) fn domain(number: usize) -> String {
    format!("s{number}.example")
}

/// The number of the scenario of a recipient.
pub(super) fn number(recipient: &str) -> usize {
    let number = recipient.split("@s").nth(1).unwrap();
    number.trim_end_matches(".example").parse().unwrap()
}

/// A packet of a filter, and its name.
type Named = (String, (u8, Vec<u8>));

/// Packets by which a filter replies.
type Packets = Vec<(u8, Vec<u8>)>;

pub(super) fn all() -> Vec<Scenario> {
    let mut scenarios = Vec::new();
    add_replies(&mut scenarios);
    add_protocols(&mut scenarios);
    add_changes(&mut scenarios);
    add_several(&mut scenarios);
    scenarios
}

fn push(scenarios: &mut Vec<Scenario>, name: String, filters: [FilterScript; 2]) {
    push_with(scenarios, name, filters, MESSAGE);
}

fn push_with(
    scenarios: &mut Vec<Scenario>,
    name: String,
    mut filters: [FilterScript; 2],
    message: &'static str,
) {
    let domain = domain(scenarios.len());
    for filter in &mut filters {
        // No connection lasts for more than a session, whose script it has.
        filter.acts.push((b'K', Act::Close));
    }
    for (_, act) in filters.iter_mut().flat_map(|it| &mut it.acts) {
        let Act::Reply(packets) = act else { continue };
        for (_, data) in packets {
            if let Ok(text) = str::from_utf8(data) {
                *data = text.replace(DOMAIN, &domain).into_bytes();
            }
        }
    }
    scenarios.push(Scenario {
        name,
        filters,
        to: ["b", "other"].map(|name| format!("{name}@{domain}")).into(),
        message,
    });
}

/// A filter that replies with these packets at a step.
fn at(step: u8, packets: &[(u8, Vec<u8>)]) -> FilterScript {
    FilterScript {
        protocol: MAY_SKIP,
        acts: vec![(step, Act::Reply(packets.to_vec()))],
        only: None,
    }
}

fn bare(letter: u8) -> Packets {
    vec![(letter, Vec::new())]
}

fn custom(text: &str) -> Packets {
    vec![(CUSTOM, texts(&[text]))]
}

/// Every reply at every step.
fn add_replies(scenarios: &mut Vec<Scenario>) {
    let replies: [(&str, Packets); 20] = [
        ("continue", bare(CONTINUE)),
        ("accept", bare(ACCEPT)),
        ("reject", bare(REJECT)),
        ("tempfail", bare(TEMPFAIL)),
        ("discard", bare(DISCARD)),
        ("skip", bare(SKIP)),
        ("shutdown", bare(SHUTDOWN)),
        ("connection fails", bare(CONNECTION_FAIL)),
        (
            "progress, continue",
            [bare(PROGRESS), bare(CONTINUE)].concat(),
        ),
        (
            "progress, reject",
            [bare(PROGRESS), bare(PROGRESS), bare(REJECT)].concat(),
        ),
        ("550 own", custom("550 5.7.1 my own words")),
        ("450 own", custom("450 4.2.1 my own words")),
        ("421 own", custom("421 4.7.0 go away")),
        ("451 plain", custom("451 plain words")),
        (
            "554 lines",
            custom("554-5.7.1 one\r\n554-5.7.1 two\r\n554 5.7.1 three"),
        ),
        ("percent", custom("550 5.7.1 100%% of it")),
        ("250", custom("250 2.0.0 fine")),
        ("554 4.x.x", custom("554 4.7.1 which?")),
        ("words", custom("go away")),
        ("unknown letter", bare(b'?')),
    ];
    for step in [b'C', b'H', b'M', b'R', b'T', b'L', b'N', b'B', b'E'] {
        for (name, packets) in &replies {
            let name = format!("{}: {name}", char::from(step));
            push(
                scenarios,
                name,
                [at(step, packets), FilterScript::default()],
            );
        }
    }
    for (name, packets) in &replies[..8] {
        let script = FilterScript {
            only: Some("other@"),
            ..at(b'R', packets)
        };
        push(
            scenarios,
            format!("one R: {name}"),
            [script, FilterScript::default()],
        );
    }
    let quarantine = [(QUARANTINE, texts(&["look at it"])), (CONTINUE, Vec::new())];
    push(
        scenarios,
        "quarantine".to_owned(),
        [at(b'E', &quarantine), FilterScript::default()],
    );
}

/// The bits of the protocol, with a change of the message at its end.
fn add_protocols(scenarios: &mut Vec<Scenario>) {
    let change = [
        (ADD_HEADER, texts(&["X-New", "yes"])),
        (CONTINUE, Vec::new()),
    ];
    let mut protocols = Vec::new();
    for (step, unwanted, unanswered) in STEPS {
        let step = char::from(step);
        protocols.push((format!("no {step}"), unwanted));
        protocols.push((format!("{step} without reply"), unanswered));
    }
    let all = STEPS
        .iter()
        .fold((0, 0), |all, it| (all.0 | it.1, all.1 | it.2));
    protocols.push(("no step".to_owned(), all.0));
    protocols.push(("no reply".to_owned(), all.1));
    protocols.push(("leading space".to_owned(), LEADING_SPACE));
    for (name, protocol) in protocols {
        let script = FilterScript {
            protocol,
            ..at(b'E', &change)
        };
        push(scenarios, name, [script, FilterScript::default()]);
    }
}

fn numbered(letter: u8, index: u32, name: &str, value: &str) -> (u8, Vec<u8>) {
    let data = [&index.to_be_bytes()[..], &texts(&[name, value])].concat();
    (letter, data)
}

/// The changes that are made alone.
fn changes() -> Vec<Named> {
    let mut changes: Vec<Named> = Vec::new();
    for value in [
        "v", "", " v", "a\n\tb", "a\nb", "a\r\n b", "a\r\nb", "v\n", "v\r\n", "a\n\nb",
    ] {
        changes.push((
            format!("add {value:?}"),
            (ADD_HEADER, texts(&["X-New", value])),
        ));
    }
    for index in [0, 1, 2, 3, 5, 6, 99] {
        let packet = numbered(INSERT_HEADER, index, "X-New", "v");
        changes.push((format!("insert {index}"), packet));
    }
    changes.push((
        "insert lines".to_owned(),
        numbered(INSERT_HEADER, 1, "X-New", "a\n\tb\nc"),
    ));
    for index in [0, 1, 2, 99] {
        for (name, value) in [
            ("X-A", "v"),
            ("x-a", "a\n\tb"),
            ("X-A", ""),
            ("None", "v"),
            ("None", ""),
        ] {
            let packet = numbered(CHANGE_HEADER, index, name, value);
            changes.push((format!("change {index} {name} {value:?}"), packet));
        }
    }
    changes.push((
        "change X-Long".to_owned(),
        numbered(CHANGE_HEADER, 1, "x-long", "v"),
    ));
    changes.push((
        "delete X-Long".to_owned(),
        numbered(CHANGE_HEADER, 1, "x-long", ""),
    ));
    changes.push((
        "change last".to_owned(),
        numbered(CHANGE_HEADER, 1, "to", "v"),
    ));
    for body in [
        "new\r\n",
        "new\n",
        "new",
        "",
        "\r\n",
        "one\r\n\r\ntwo\nthree",
        ".\r\n..\r\n",
        "cr\rx\r\n",
    ] {
        changes.push((format!("body {body:?}"), (REPLACE_BODY, body.into())));
    }
    for address in ["<c@DOMAIN>", "c@DOMAIN", "<b@DOMAIN>", "<B@DOMAIN>"] {
        changes.push((format!("+{address}"), (ADD_RECIPIENT, texts(&[address]))));
        changes.push((format!("-{address}"), (DELETE_RECIPIENT, texts(&[address]))));
    }
    for address in ["<new@client.example>", "new@client.example", "<>", ""] {
        changes.push((
            format!("from {address:?}"),
            (CHANGE_SENDER, texts(&[address])),
        ));
    }
    changes
}

/// Changes alone and in pairs, in each order; and a body in several pieces.
fn add_changes(scenarios: &mut Vec<Scenario>) {
    let changes = changes();
    let end = (CONTINUE, Vec::new());
    for (name, packet) in &changes {
        let script = at(b'E', &[packet.clone(), end.clone()]);
        push(scenarios, name.clone(), [script, FilterScript::default()]);
    }
    let of_pairs = [
        "add \"v\"",
        "insert 1",
        "insert 2",
        "insert 99",
        "change 1 X-A \"v\"",
        "change 2 X-A \"\"",
        "change 1 None \"v\"",
        "body \"new\"",
        "+<c@DOMAIN>",
        "-<b@DOMAIN>",
        "from \"<>\"",
    ];
    let of_pairs: Vec<_> = changes
        .iter()
        .filter(|it| of_pairs.contains(&&*it.0))
        .collect();
    let nobody = ["<b@DOMAIN>", "<other@DOMAIN>"].map(|to| (DELETE_RECIPIENT, texts(&[to])));
    let script = at(b'E', &[&nobody[..], std::slice::from_ref(&end)].concat());
    let name = "every recipient is deleted".to_owned();
    push(scenarios, name, [script, FilterScript::default()]);
    for (first, packet) in &of_pairs {
        for (second, other) in &of_pairs {
            let script = at(b'E', &[packet.clone(), other.clone(), end.clone()]);
            let name = format!("{first}, then {second}");
            push(scenarios, name, [script, FilterScript::default()]);
        }
    }
    for pieces in [
        &["one\r", "\ntwo"][..],
        &["one", " line\r\n"],
        &["a\n", "", "b\n"],
    ] {
        let pieces = pieces
            .iter()
            .map(|it| (REPLACE_BODY, it.as_bytes().to_vec()));
        let packets: Vec<_> = pieces.chain([end.clone()]).collect();
        let name = format!("body in {} pieces", packets.len() - 1);
        push(
            scenarios,
            name,
            [at(b'E', &packets), FilterScript::default()],
        );
    }
    let messages = [
        "\r\n",
        "Subject: x\r\n\r\n",
        "Subject: x\r\n",
        "\r\nbody\r\n",
        "no field\r\n",
    ];
    for message in messages {
        for name in ["add \"v\"", "insert 1", "insert 2", "body \"new\""] {
            let (_, packet) = changes.iter().find(|it| it.0 == name).unwrap();
            let script = at(b'E', &[packet.clone(), end.clone()]);
            let name = format!("{message:?}: {name}");
            push_with(scenarios, name, [script, FilterScript::default()], message);
        }
    }
}

/// Two filters, of which each decides or changes something.
fn add_several(scenarios: &mut Vec<Scenario>) {
    let change: Packets = [
        (ADD_HEADER, texts(&["X-New", "1"])),
        (REPLACE_BODY, b"new\r\n".to_vec()),
        (ADD_RECIPIENT, texts(&["<c@DOMAIN>"])),
        (CONTINUE, Vec::new()),
    ]
    .into();
    let other = vec![
        numbered(CHANGE_HEADER, 1, "X-New", "2"),
        (CONTINUE, Vec::new()),
    ];
    let acts: [(&str, Packets); 7] = [
        ("accepts", bare(ACCEPT)),
        ("rejects", bare(REJECT)),
        ("discards", bare(DISCARD)),
        ("changes", change),
        ("changes again", other),
        ("dies", bare(b'?')),
        ("refuses", custom("550 5.7.1 no")),
    ];
    for (first, packets) in &acts {
        for (second, others) in &acts {
            let name = format!("one {first}, another {second}");
            push(scenarios, name, [at(b'E', packets), at(b'E', others)]);
        }
    }
    for step in [b'C', b'M', b'R', b'T', b'L', b'B'] {
        for (first, packets) in [&acts[0], &acts[1], &acts[2], &acts[5]] {
            let name = format!("one {first} at {}, another changes", char::from(step));
            push(scenarios, name, [at(step, packets), at(b'E', &acts[3].1)]);
        }
    }
}
