use super::*;

const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;

/// A desk, and what comes of what it is told, in words.
struct Told {
    desk: PolicyDesk,
    now_ms: u64,
}

fn policy(max_age: u64, host: &str) -> StsPolicy {
    let text = format!("version: STSv1\nmode: enforce\nmx: {host}\nmax_age: {max_age}");
    StsPolicy::parse(text.as_bytes()).unwrap()
}

fn shown(answer: &NameResult) -> String {
    match answer.as_ref().map(|found| &found.records) {
        Ok(NameRecords::Policy(text)) => {
            let policy = StsPolicy::parse(text).unwrap();
            policy.patterns.iter().map(ToString::to_string).collect()
        }
        Ok(other) => format!("{other:?}"),
        Err(error) => format!("{error:?}"),
    }
}

impl Told {
    fn new() -> Self {
        let now_ms = 1_800_000_000_000;
        let desk = PolicyDesk::default();
        Self { desk, now_ms }
    }

    /// One that knows the policy of a domain by this id, with this host.
    fn knowing(domain: &str, id: &str, max_age: u64, host: &str) -> Self {
        let mut told = Self::new();
        assert_eq!(told.ask(domain), format!("Texts {domain}"));
        assert_eq!(told.texts(domain, id), format!("Fetch {domain}"));
        assert_eq!(told.fetched(domain, Ok(&policy(max_age, host))), host);
        told
    }

    fn after(&mut self, ms: u64) -> &mut Self {
        self.now_ms += ms;
        self
    }

    /// All that is new, in its order; what is asked for first.
    fn news(&mut self) -> String {
        let mut news = Vec::new();
        while let Some(step) = self.desk.next_step() {
            news.push(match step {
                PolicyStep::Texts(domain) => format!("Texts {domain}"),
                PolicyStep::Fetch(domain) => format!("Fetch {domain}"),
            });
        }
        let answers = self.desk.take_answers();
        news.extend(answers.iter().map(|(_, answer)| shown(answer)));
        news.join(", ")
    }

    fn ask(&mut self, domain: &str) -> String {
        match self.desk.ask(domain, self.now_ms) {
            NameAnswer::Now(answer) => format!("now {}", shown(&answer)),
            NameAnswer::Later(ticket) => {
                assert!(PolicyDesk::is_own(ticket));
                self.news()
            }
        }
    }

    fn answer(&mut self, domain: &str, answer: &NameResult) -> String {
        let domain = HostName::parse(domain).unwrap();
        self.desk.found_texts(&domain, answer, self.now_ms);
        self.news()
    }

    fn texts(&mut self, domain: &str, id: &str) -> String {
        let text = format!("v=STSv1; id={id}").into_bytes().into();
        let texts = NameRecords::Texts([text].into());
        let found = NameFound::addresses([].into());
        self.answer(
            domain,
            &Ok(NameFound {
                records: texts,
                ..found
            }),
        )
    }

    fn fetched(&mut self, domain: &str, outcome: Result<&StsPolicy, &PolicyFetchError>) -> String {
        let domain = HostName::parse(domain).unwrap();
        self.desk.fetched(&domain, outcome, self.now_ms);
        self.news()
    }
}

#[test]
fn a_policy_is_fetched_and_then_known() {
    let mut told = Told::knowing("a.example", "1", 86_400, "mx.a.example");
    assert_eq!(told.ask("A.Example."), "Texts a.example");
    assert_eq!(told.texts("a.example", "1"), "mx.a.example");
    assert_eq!(told.ask("a.example"), "Texts a.example");
    assert_eq!(told.ask("a.example"), "", "it waits with the other");
    assert_eq!(told.texts("a.example", "1"), "mx.a.example, mx.a.example");
}

#[test]
fn a_domain_without_a_record_has_no_policy() {
    let mut told = Told::new();
    told.ask("a.example");
    assert_eq!(
        told.answer("a.example", &Err(NameError::NoSuchName)),
        "NoSuchName"
    );
    told.ask("a.example");
    assert_eq!(
        told.answer("a.example", &Err(NameError::NoData)),
        "NoSuchName"
    );
    told.ask("a.example");
    assert_eq!(told.texts("a.example", "not-an-id"), "NoSuchName");
    told.ask("a.example");
    assert_eq!(
        told.answer("a.example", &Err(NameError::ServerFailure)),
        "ServerFailure"
    );
    assert!(told.desk.inquiries.is_empty() && told.desk.known.is_empty());
}

#[test]
fn what_is_known_holds_whatever_dns_says() {
    let mut told = Told::knowing("a.example", "1", 86_400, "mx");
    for error in [
        NameError::NoSuchName,
        NameError::Timeout,
        NameError::ServerFailure,
    ] {
        told.ask("a.example");
        assert_eq!(told.answer("a.example", &Err(error)), "mx", "{error}");
    }
    told.ask("a.example");
    assert_eq!(told.texts("a.example", "?"), "mx");
    told.after(DAY_MS - 1).ask("a.example");
    assert_eq!(told.answer("a.example", &Err(NameError::Timeout)), "mx");
    told.after(1).ask("a.example");
    assert_eq!(
        told.answer("a.example", &Err(NameError::Timeout)),
        "Timeout"
    );
}

#[test]
fn another_id_is_waited_for_and_where_it_fails_what_is_known_holds() {
    let mut told = Told::knowing("a.example", "1", 86_400, "old");
    told.ask("a.example");
    assert_eq!(told.texts("a.example", "2"), "Fetch a.example");
    assert_eq!(told.ask("a.example"), "");
    assert_eq!(
        told.fetched("a.example", Err(&PolicyFetchError::Timeout)),
        "old, old"
    );
    // It is not tried again for five minutes, unless there is another id.
    told.after(5 * MINUTE_MS - 1).ask("a.example");
    assert_eq!(told.texts("a.example", "2"), "old");
    told.ask("a.example");
    assert_eq!(told.texts("a.example", "3"), "Fetch a.example");
    assert_eq!(
        told.fetched("a.example", Err(&PolicyFetchError::NotHttp)),
        "old"
    );
    told.after(1).ask("a.example");
    assert_eq!(told.texts("a.example", "3"), "old");
    told.after(5 * MINUTE_MS).ask("a.example");
    assert_eq!(told.texts("a.example", "3"), "Fetch a.example");
    assert_eq!(told.fetched("a.example", Ok(&policy(60, "new"))), "new");
    assert_eq!(told.desk.known().len(), 1);
}

#[test]
fn a_policy_that_cannot_be_fetched_is_none() {
    let mut told = Told::new();
    for (number, (error, name)) in [
        (PolicyFetchError::Status(404), "BadAnswer"),
        (PolicyFetchError::Timeout, "Timeout"),
        (PolicyFetchError::Tls("no".to_owned()), "Refused"),
        (
            PolicyFetchError::Address(NameError::NoSuchName),
            "Unreachable",
        ),
    ]
    .iter()
    .enumerate()
    {
        let (domain, id) = (format!("{number}.example"), "1");
        told.ask(&domain);
        assert_eq!(told.texts(&domain, id), format!("Fetch {domain}"));
        assert_eq!(told.fetched(&domain, Err(error)), *name);
        told.ask(&domain);
        assert_eq!(told.texts(&domain, id), *name, "it is remembered");
    }
    told.ask("a.example");
    told.texts("a.example", "1");
    assert_eq!(
        told.fetched("a.example", Err(&PolicyFetchError::Busy)),
        "Busy"
    );
    told.ask("a.example");
    assert_eq!(
        told.texts("a.example", "1"),
        "Fetch a.example",
        "nobody was asked"
    );
}

#[test]
fn a_policy_is_refreshed_while_it_holds_and_nobody_waits_for_that() {
    let mut told = Told::knowing("a.example", "1", 1000, "old");
    told.after(500_000).ask("a.example");
    assert_eq!(told.texts("a.example", "1"), "Fetch a.example, old");
    assert_eq!(told.ask("a.example"), "now old");
    assert_eq!(
        told.fetched("a.example", Err(&PolicyFetchError::Unreachable)),
        ""
    );
    told.ask("a.example");
    assert_eq!(told.texts("a.example", "1"), "old", "it failed lately");
    told.after(300_000).ask("a.example");
    assert_eq!(told.texts("a.example", "1"), "Fetch a.example, old");
    // It ends meanwhile: who asks now has to wait.
    assert_eq!(told.after(200_000).ask("a.example"), "");
    assert_eq!(told.fetched("a.example", Ok(&policy(1000, "new"))), "new");
}

#[test]
fn a_policy_for_no_time_is_in_force_once() {
    let mut told = Told::knowing("a.example", "1", 0, "mx");
    told.ask("a.example");
    assert_eq!(told.texts("a.example", "1"), "Fetch a.example");
}

#[test]
fn a_failure_tells_what_stays_in_force() {
    let mut told = Told::knowing("a.example", "1", 1000, "mx");
    told.ask("a.example");
    told.texts("a.example", "2");
    let domain = HostName::parse("a.example").unwrap();
    let error = PolicyFetchError::CutShort;
    let mode = told.desk.fetched(&domain, Err(&error), told.now_ms);
    assert_eq!(mode, Some(StsMode::Enforce));
}

#[test]
fn what_is_no_domain_is_not_asked_for() {
    let long = format!("{0}.{0}.{0}.{1}", "a".repeat(60), "b".repeat(63));
    for domain in ["", "[192.0.2.1]", "a b", "ä.example", &long] {
        assert_eq!(Told::new().ask(domain), "now NoHostName", "{domain}");
    }
}

#[test]
fn inquiries_and_failures_are_bounded() {
    let mut told = Told::knowing("known.example", "1", 1000, "mx");
    for number in 0..INQUIRIES_MAX {
        told.ask(&format!("{number}.example"));
    }
    assert_eq!(told.ask("more.example"), "now Busy");
    assert_eq!(told.ask("known.example"), "now mx");
    for _ in 1..TICKETS_MAX {
        assert_eq!(told.ask("0.example"), "");
    }
    assert_eq!(told.ask("0.example"), "now Busy");
    let mut failures = FetchFailures::default();
    let name = |number: usize| HostName::parse(&format!("{number}.example")).unwrap();
    for number in 0..FAILURES_MAX + 5 {
        failures.note(&name(number), "1", NameError::Timeout, 7);
    }
    for _ in 0..3 {
        failures.note(&name(FAILURES_MAX), "1", NameError::Timeout, 8);
    }
    assert!(failures.by_domain.len() <= FAILURES_MAX);
    assert_eq!(failures.in_order.len(), FAILURES_MAX);
    assert!(
        failures
            .get(&name(FAILURES_MAX), "1", 8 + FAILURE_MS - 1)
            .is_some()
    );
    assert!(
        failures
            .get(&name(FAILURES_MAX), "1", 8 + FAILURE_MS)
            .is_none()
    );
    failures.note(&name(0), "1", NameError::Timeout, 8 + FAILURE_MS);
    assert_eq!((failures.by_domain.len(), failures.in_order.len()), (1, 1));
}
