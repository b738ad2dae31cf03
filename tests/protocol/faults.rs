//! Faults by rule: the language, and which rule decides on what, against a naive model.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use mailoop::smtp::faults::{
    FaultError, FaultOutcome, FaultPlace, FaultRule, FaultRules, FaultSubject,
};
use proptest::prelude::{Just, Strategy, prop_oneof, proptest};
use proptest::{collection, option, prop_assert_eq};

fn rule(text: &str) -> FaultRule {
    let read = text.parse();
    read.unwrap_or_else(|error: FaultError| panic!("{text}: {error}"))
}

/// A rule in a few words: its delay in milliseconds, then what happens.
fn told(rule: &FaultRule) -> String {
    let mut told = match rule.delay().as_millis() {
        0 => String::new(),
        delay => format!("{delay} "),
    };
    told += &match rule.outcome() {
        FaultOutcome::Proceed => "proceed".to_owned(),
        FaultOutcome::Close => "close".to_owned(),
        FaultOutcome::Drop => "drop".to_owned(),
        FaultOutcome::Reply { reply, closes } => {
            let mut out = BytesMut::new();
            reply.write(&mut out, true);
            let line = String::from_utf8(out.to_vec()).unwrap();
            let closes = if *closes { " |" } else { "" };
            format!("{}{closes}", line.trim_end())
        }
    };
    told
}

#[test]
fn what_happens_is_read() {
    for (text, what) in [
        ("rcpt = 450 4.2.1 busy", "450 4.2.1 busy"),
        ("rcpt *@busy.example = 450 4.2.1 busy", "450 4.2.1 busy"),
        ("rcpt = 450 busy, or so", "450 4.2.0 busy, or so"),
        (
            "rcpt = 450",
            "450 4.2.0 Mailbox unavailable, try again later",
        ),
        ("rcpt = 550", "550 5.1.1 No such user here"),
        ("mail = 550", "550 5.7.1 Not accepted"),
        ("mail = 550 5.7.26", "550 5.7.26 Not accepted"),
        ("auth = 454", "454 4.7.0 Temporary authentication failure"),
        (
            "mail #3 = 421",
            "421 4.3.2 Service not available, try again later |",
        ),
        ("end = 554 no, close", "554 5.6.0 no |"),
        ("end = 554, close", "554 5.6.0 Transaction failed |"),
        ("end = 554 5.6.1, close", "554 5.6.1 Transaction failed |"),
        ("end = 554 up close", "554 5.6.0 up close"),
        ("end = 451 we drop it", "451 4.7.1 we drop it"),
        ("end = 451 please, no delay", "451 4.7.1 please, no delay"),
        ("end = delay 3s", "3000 proceed"),
        ("end = delay 500ms, close", "500 close"),
        ("end = delay 10m, drop", "600000 drop"),
        ("rcpt = delay 1s, 451 later", "1000 451 4.7.1 later"),
        (
            "rcpt = delay 1s, 451 later, close",
            "1000 451 4.7.1 later |",
        ),
        (
            "  CONNECT 10/min by ip   =  421  ",
            "421 4.3.2 Service not available, try again later |",
        ),
        ("rcpt a=b@example.org = drop", "drop"),
        ("data = close", "close"),
    ] {
        let rule = rule(text);
        assert_eq!(told(&rule), what, "{text}");
        assert_eq!(
            rule.to_string(),
            text.trim(),
            "it is shown as it was written"
        );
    }
}

#[test]
fn faults_of_a_rule_are_told_with_their_column() {
    let no_count = |what: &str| {
        format!(
            "`{what}` is no count: write #3 for the third, #3+ from the third on, 3/min beyond three a minute"
        )
    };
    const FORM: &str = "write WHERE [PATTERN] [#N|#N+|N/min] [by ip|from|rcpt] = WHAT";
    let joined = |what: &str| {
        format!(
            "`{what}` cannot be joined so: one delay may stand before another thing, as in `delay 1s, drop`, and close behind a reply, as in `450 busy, close`"
        )
    };
    for (text, column, what) in [
        ("", 1, format!("an empty rule: {FORM}")),
        (
            "recipient * = 450",
            1,
            "`recipient` is no place: write connect, hello, auth, mail, rcpt, data or end".into(),
        ),
        ("rcpt *", 7, format!("` = ` is missing: {FORM}")),
        ("rcpt *=450", 11, format!("` = ` is missing: {FORM}")),
        ("rcpt a b = 450", 8, format!("`b` is out of place: {FORM}")),
        ("rcpt #1 a = 450", 9, format!("`a` is out of place: {FORM}")),
        (
            "rcpt #1 #2 = 450",
            9,
            format!("`#2` is out of place: {FORM}"),
        ),
        ("rcpt #0 = 450", 6, no_count("#0")),
        ("rcpt #+1 = 450", 6, no_count("#+1")),
        ("rcpt x/min = 450", 6, no_count("x/min")),
        ("rcpt 3/hour = 450", 6, no_count("3/hour")),
        ("hello 3/sec = 450", 7, no_count("3/sec")),
        ("rcpt 3/MIN = 450", 6, no_count("3/MIN")),
        ("rcpt a@* 3/hour = 450", 10, no_count("3/hour")),
        ("rcpt #x = 450", 6, no_count("#x")),
        ("rcpt #3..5 = 450", 6, no_count("#3..5")),
        ("mail 3 = 450", 6, no_count("3")),
        ("rcpt 3+ = 450", 6, no_count("3+")),
        ("rcpt 50% = 450", 6, no_count("50%")),
        (
            "rcpt by = 450",
            9,
            "`by =`: write by ip, by from or by rcpt".into(),
        ),
        (
            "rcpt by user = 450",
            9,
            "`by user`: write by ip, by from or by rcpt".into(),
        ),
        (
            "connect by from = 421",
            12,
            "`by from` is not known at connect, but at mail, rcpt, data, end".into(),
        ),
        (
            "mail by rcpt = 450",
            9,
            "`by rcpt` is not known at mail, but at rcpt, data, end".into(),
        ),
        (
            "rcpt =",
            7,
            "what is to happen is missing: a reply as 450 4.2.1 busy, delay 3s, close or drop"
                .into(),
        ),
        (
            "rcpt = 250 ok",
            8,
            "250 refuses nothing: a reply is 4yz or 5yz".into(),
        ),
        (
            "data = 354 go",
            8,
            "354 refuses nothing: a reply is 4yz or 5yz".into(),
        ),
        (
            "rcpt = 600",
            8,
            "600 is no code of a reply: write 4yz or 5yz".into(),
        ),
        (
            "rcpt = 490",
            8,
            "490 is no code of a reply: write 4yz or 5yz".into(),
        ),
        (
            "rcpt = 0450",
            8,
            "0450 is no code of a reply: write 4yz or 5yz".into(),
        ),
        (
            "rcpt = busy",
            8,
            "`busy` is nothing that can happen: a reply as 450 4.2.1 busy, delay 3s, close or drop"
                .into(),
        ),
        (
            "rcpt = 450 5.1.1 no",
            12,
            "5.1.1 does not go with 450".into(),
        ),
        (
            "rcpt = 450 grüß",
            14,
            "the text of a reply is printable ASCII".into(),
        ),
        (
            "rcpt = 450 a\tb",
            13,
            "the text of a reply is printable ASCII".into(),
        ),
        (
            "rcpt = 450 later, delay 1s",
            19,
            "a delay stands before a reply, and drop goes with none".into(),
        ),
        (
            "rcpt = 450 later, drop",
            19,
            "a delay stands before a reply, and drop goes with none".into(),
        ),
        (
            "rcpt = 450, busy",
            11,
            "only `close` comes after the comma behind a reply".into(),
        ),
        (
            "rcpt = delay",
            13,
            "`` is no time: write 500ms, 3s or 2m".into(),
        ),
        (
            "rcpt = delay 3",
            14,
            "`3` is no time: write 500ms, 3s or 2m".into(),
        ),
        (
            "rcpt = delay 3h, 450",
            14,
            "`3h` is no time: write 500ms, 3s or 2m".into(),
        ),
        (
            "rcpt = delay 601s",
            14,
            "`601s` is too long: a delay has at most 10m".into(),
        ),
        (
            "rcpt = delay 1s 450",
            17,
            "after a delay comes a comma, as in `delay 1s, 451 later`".into(),
        ),
        (
            "rcpt = delay 1s,",
            17,
            "nothing comes after the comma".into(),
        ),
        ("rcpt = delay 1s, delay 2s", 18, joined("delay")),
        ("rcpt = close, 450", 8, joined("close")),
        ("rcpt = drop, close", 8, joined("drop")),
        ("rcpt = drop,close", 8, joined("drop")),
        ("rcpt = drop close", 8, joined("drop")),
        (
            "rcpt = 450,close",
            8,
            "`450,close`: a blank is missing behind the comma".into(),
        ),
        (
            "rcpt=450",
            1,
            format!("`rcpt=450`: a blank is missing at `=`: {FORM}"),
        ),
        (
            "rcpt= 450",
            1,
            format!("`rcpt=`: a blank is missing at `=`: {FORM}"),
        ),
    ] {
        let error = text.parse::<FaultRule>().unwrap_err();
        assert_eq!((error.column, error.what), (column, what), "{text}");
    }
    let long = format!("rcpt = 450 {}", "x".repeat(1014));
    let error = long.parse::<FaultRule>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "column 1: a rule has at most 1024 octets"
    );
    let long = format!("rcpt = 450 {}", "x".repeat(501));
    let error = long.parse::<FaultRule>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "column 12: a reply has at most 510 octets"
    );
    assert!(
        format!("rcpt = 450 {}", "x".repeat(500))
            .parse::<FaultRule>()
            .is_ok()
    );
}

/// An event at a place, as the tests write it.
#[derive(Clone, Debug)]
struct Happening {
    place: FaultPlace,
    names: Vec<String>,
    ip: String,
    from: String,
    /// Seconds since the one before.
    after: u64,
}

impl Happening {
    fn subject(&self) -> FaultSubject<'_> {
        FaultSubject {
            place: self.place,
            names: &self.names,
            ip: &self.ip,
            from: &self.from,
        }
    }
}

/// Which rule decides each time that a recipient comes, by its place in the list.
fn deciding(texts: &[&str], recipients: &[&str]) -> Vec<Option<usize>> {
    let mut rules = FaultRules::new(texts.iter().map(|text| rule(text)), false);
    let now = Instant::now();
    let each = recipients.iter().map(|recipient| {
        let subject = FaultSubject {
            place: FaultPlace::Rcpt,
            names: &[(*recipient).to_owned()],
            ip: "192.0.2.7",
            from: "ann@example.org",
        };
        let decided = rules.decide(subject, now)?;
        texts.iter().position(|text| *text == decided.to_string())
    });
    each.collect()
}

#[test]
fn the_first_rule_that_fits_decides_and_all_count() {
    let rules = [
        "rcpt a@* #2 = 450",
        "rcpt *@x #2+ = 451",
        "rcpt *@x #1 = 452",
    ];
    let recipients = ["b@x", "a@x", "a@x", "a@x", "b@y"];
    let decided = [Some(2), Some(1), Some(0), Some(1), None];
    assert_eq!(deciding(&rules, &recipients), decided);
}

#[test]
fn greylisting_is_one_rule() {
    let decided = deciding(
        &["rcpt * #1 by rcpt = 451"],
        &["a@x", "b@x", "A@X", "b@x", "a@x"],
    );
    assert_eq!(decided, [Some(0), Some(0), None, None, None]);
}

#[test]
fn a_rate_lets_so_many_pass_a_minute() {
    let mut rules = FaultRules::new([rule("connect 2/min by ip = 421")], false);
    let start = Instant::now();
    let mut at = |seconds, ip: &str| {
        let subject = FaultSubject {
            place: FaultPlace::Connect,
            names: &[ip.to_owned()],
            ip,
            from: "",
        };
        let now = start + Duration::from_secs(seconds);
        rules.decide(subject, now).is_some()
    };
    let seen = [
        (0, "a"),
        (1, "a"),
        (2, "a"),
        (2, "b"),
        (59, "a"),
        (60, "a"),
        (61, "a"),
        (61, "a"),
    ];
    let refused = seen.map(|(seconds, ip)| at(seconds, ip));
    assert_eq!(
        refused,
        [false, false, true, false, true, false, false, true]
    );
    let hits: Vec<_> = rules.all().map(|(_, hits)| hits).collect();
    assert_eq!(hits, [3]);
}

#[test]
fn at_the_end_any_recipient_fits() {
    let mut rules = FaultRules::new(
        [rule("end a@* #2 = 451"), rule("end #2 by rcpt = 452")],
        false,
    );
    let mut end = |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let subject = FaultSubject {
            place: FaultPlace::End,
            names: &names,
            ip: "192.0.2.7",
            from: "<>",
        };
        let decided = rules.decide(subject, Instant::now());
        decided.map(|rule| told(&rule)[..3].to_owned())
    };
    // A transaction counts once for a rule without a key, and once for each recipient for one with.
    assert_eq!(end(&["b@x", "a@x", "a@y"]), None);
    assert_eq!(end(&["c@x"]), None);
    assert_eq!(end(&["b@x", "d@x"]).as_deref(), Some("452"));
    assert_eq!(end(&["d@x", "a@z"]).as_deref(), Some("451"));
    assert_eq!(end(&["d@x"]), None);
}

#[test]
fn the_oldest_key_is_forgotten() {
    let mut rules = FaultRules::new([rule("rcpt #1 by rcpt = 451")], false);
    let mut is_new = |name: String| {
        let subject = FaultSubject {
            place: FaultPlace::Rcpt,
            names: &[name],
            ip: "",
            from: "",
        };
        rules.decide(subject, Instant::now()).is_some()
    };
    for number in 0..10_000 {
        assert!(is_new(format!("{number}@x")));
    }
    assert!(!is_new("0@x".into()), "it is remembered");
    assert!(is_new("one more@x".into()));
    assert!(!is_new("1@x".into()), "so is what came after the oldest");
    assert!(is_new("0@x".into()), "only the oldest is forgotten");
}

#[test]
fn a_recipient_carries_a_rule_only_where_it_may() {
    for by_recipients in [false, true] {
        let mut rules = FaultRules::new([rule("rcpt *@first = 452")], by_recipients);
        let mut decide = |place, name: &str| {
            let subject = FaultSubject {
                place,
                names: &[name.to_owned()],
                ip: "",
                from: "",
            };
            let decided = rules.decide(subject, Instant::now());
            decided.map(|rule| told(&rule)[..3].to_owned())
        };
        let own = by_recipients.then_some("450");
        assert_eq!(decide(FaultPlace::Rcpt, "bounce+450@x").as_deref(), own);
        assert_eq!(decide(FaultPlace::Mail, "bounce+450@x"), None);
        let listed = decide(FaultPlace::Rcpt, "bounce+450@first");
        assert_eq!(
            listed.as_deref(),
            Some("452"),
            "a rule of the operator comes first"
        );
    }
}

/// A rule as a model has it.
#[derive(Clone, Debug)]
struct ModelRule {
    place: FaultPlace,
    /// The first letter of what fits.
    letter: Option<char>,
    pace: ModelPace,
    key: Option<&'static str>,
}

#[derive(Clone, Debug)]
enum ModelPace {
    Always,
    Nth(usize),
    From(usize),
    PerMinute(usize),
}

impl ModelRule {
    fn text(&self, code: usize) -> String {
        let letter = self.letter.map(|letter| format!(" {letter}*"));
        let pace = match self.pace {
            ModelPace::Always => String::new(),
            ModelPace::Nth(count) => format!(" #{count}"),
            ModelPace::From(count) => format!(" #{count}+"),
            ModelPace::PerMinute(count) => format!(" {count}/min"),
        };
        let key = self.key.map(|key| format!(" by {key}"));
        let (letter, key) = (letter.unwrap_or_default(), key.unwrap_or_default());
        format!("{}{letter}{pace}{key} = {code}", self.place.name())
    }

    /// The keys that a happening counts for; none if it does not fit.
    fn keys(&self, happening: &Happening) -> Vec<String> {
        let fits = |name: &&String| {
            self.letter
                .is_none_or(|letter| name.to_lowercase().starts_with(letter))
        };
        let fitting: Vec<_> = happening.names.iter().filter(fits).collect();
        if self.place != happening.place || fitting.is_empty() {
            return Vec::new();
        }
        match self.key {
            Some("ip") => vec![happening.ip.clone()],
            Some("from") => vec![happening.from.to_lowercase()],
            Some(_) => fitting.iter().map(|name| name.to_lowercase()).collect(),
            None => vec![String::new()],
        }
    }

    /// Whether it decides on the last of these, by looking at all of them.
    fn decides(&self, happenings: &[Happening]) -> bool {
        let mut at = 0;
        let mut seen: Vec<(String, u64)> = Vec::new();
        let mut is_last_due = false;
        for happening in happenings {
            at += happening.after;
            is_last_due = false;
            for key in self.keys(happening) {
                seen.push((key.clone(), at));
                let times: Vec<u64> = seen
                    .iter()
                    .filter(|(of, _)| *of == key)
                    .map(|(_, at)| *at)
                    .collect();
                is_last_due |= match self.pace {
                    ModelPace::Always => true,
                    ModelPace::Nth(count) => times.len() == count,
                    ModelPace::From(count) => times.len() >= count,
                    ModelPace::PerMinute(count) => in_last_minute(&times) > count,
                };
            }
        }
        is_last_due
    }
}

/// The number of these times in the minute of the last one, where a minute begins with the first time after the one before.
fn in_last_minute(times: &[u64]) -> usize {
    let mut start = 0;
    for (place, at) in times.iter().enumerate() {
        if at - times[start] >= 60 {
            start = place;
        }
    }
    times.len() - start
}

fn model_rules() -> impl Strategy<Value = ModelRule> {
    let place = prop_oneof![Just(FaultPlace::Rcpt), Just(FaultPlace::End)];
    let pace = prop_oneof![
        Just(ModelPace::Always),
        (1..5_usize).prop_map(ModelPace::Nth),
        (1..5_usize).prop_map(ModelPace::From),
        (1..5_usize).prop_map(ModelPace::PerMinute),
    ];
    let letter = option::of(prop_oneof![Just('a'), Just('b')]);
    let key = option::of(prop_oneof![Just("ip"), Just("from"), Just("rcpt")]);
    (place, letter, pace, key).prop_map(|(place, letter, pace, key)| ModelRule {
        place,
        letter,
        pace,
        key,
    })
}

fn happenings() -> impl Strategy<Value = Happening> {
    let name = prop_oneof![Just("a1"), Just("A1"), Just("a2"), Just("b1")].prop_map(str::to_owned);
    let names = prop_oneof![
        name.clone().prop_map(|name| (FaultPlace::Rcpt, vec![name])),
        collection::vec(name, 1..4).prop_map(|names| (FaultPlace::End, names)),
    ];
    let (ip, from) = (
        prop_oneof![Just("i"), Just("j")],
        prop_oneof![Just("f"), Just("F"), Just("g")],
    );
    (names, ip, from, 0..40_u64).prop_map(|((place, names), ip, from, after)| Happening {
        place,
        names,
        ip: ip.to_owned(),
        from: from.to_owned(),
        after,
    })
}

proptest! {
    #[test]
    fn rules_decide_as_the_model(
        model in collection::vec(model_rules(), 1..5),
        happenings in collection::vec(happenings(), 1..30),
    ) {
        let texts: Vec<_> = (400..).zip(&model).map(|(code, rule)| rule.text(code)).collect();
        let mut rules = FaultRules::new(texts.iter().map(|text| rule(text)), false);
        let mut hits = vec![0; model.len()];
        let mut now = Instant::now();
        for (place, happening) in happenings.iter().enumerate() {
            now += Duration::from_secs(happening.after);
            let decided = rules.decide(happening.subject(), now).map(|rule| rule.to_string());
            let expected = model.iter().position(|rule| rule.decides(&happenings[..=place]));
            prop_assert_eq!(decided.as_ref(), expected.map(|index| &texts[index]));
            if let Some(index) = expected {
                hits[index] += 1;
            }
        }
        let counted: Vec<u64> = rules.all().map(|(_, hits)| hits).collect();
        prop_assert_eq!(counted, hits);
    }

    #[test]
    fn no_text_upsets_the_parser(text in "(connect|hello|rcpt|end|x)?( ?[#*=,+@a0-9.é]| by| ip| /min| delay| 450| 3s| close| drop|, ){0,12}") {
        match text.parse::<FaultRule>() {
            Ok(rule) => prop_assert_eq!(rule.to_string(), text.trim()),
            Err(error) => assert!(error.column <= text.chars().count() + 1),
        }
    }
}

#[test]
fn rules_come_by_file_and_environment() {
    let text = "rule = [\"mail = 450\"]\n[[rules]]\nrule = \"rcpt = 451 later, or so\"\n";
    let file = mailoop::config::file::parse("c.toml", text).unwrap();
    let variable = (
        "MAILOOP_RULE",
        "rcpt = delay 1s, 451 later, or so,mail = close",
    );
    let environment = mailoop::config::environment::read([(variable.0.into(), variable.1.into())]);
    for (settings, expected) in [
        (file, ["mail = 450", "rcpt = 451 later, or so"]),
        (
            environment,
            ["rcpt = delay 1s, 451 later, or so", "mail = close"],
        ),
    ] {
        let rules = settings.get(&mailoop::config::options::RULE).unwrap();
        let rules: Vec<_> = rules.iter().map(ToString::to_string).collect();
        assert_eq!(rules, expected);
    }
    for (text, fault) in [
        (
            "[[rules]]\nrules = \"x\"\n",
            "c.toml:2: [[rules]] rules: write [[rules]] and below it rule = ",
        ),
        (
            "[rules]\nrule = \"mail = 450\"\n",
            "c.toml:1: rules: write [[rules]] and below it rule = ",
        ),
    ] {
        let settings = mailoop::config::file::parse("c.toml", text).unwrap();
        let told = &settings.mistakes()[0].message;
        assert!(told.starts_with(fault), "{told}");
    }
}
