//! Aliases, mailboxes and catch-all: what an address leads to, and which tables are refused.

use std::collections::BTreeSet;

use mailoop::smtp::directory::{
    AddressName, AliasFault, BadAlias, Directory, EXPANSION_MAX, NoSuchMailbox, Tables,
};
use mailoop::smtp::path::Mailbox;
use proptest::prelude::*;

fn name(text: &str) -> AddressName {
    text.parse().unwrap_or_else(|_| panic!("{text}"))
}

fn names(texts: &[&str]) -> Vec<AddressName> {
    texts.iter().map(|text| name(text)).collect()
}

fn aliases(aliases: &[(&str, &[&str])]) -> Tables {
    Tables {
        aliases: aliases
            .iter()
            .map(|(alias, targets)| (name(alias), names(targets)))
            .collect(),
        ..Tables::default()
    }
}

fn resolve(directory: &Directory, address: &str) -> Result<Vec<String>, NoSuchMailbox> {
    let resolved = directory.resolve(&address.parse().unwrap())?;
    let mailboxes = resolved.mailboxes.iter().chain(&resolved.remote);
    Ok(mailboxes.map(ToString::to_string).collect())
}

#[track_caller]
fn leads(directory: &Directory, address: &str, mailboxes: &[&str]) {
    let led = resolve(directory, address);
    assert_eq!(
        led,
        Ok(mailboxes
            .iter()
            .map(|mailbox| (*mailbox).to_owned())
            .collect()),
        "{address}"
    );
}

#[test]
fn without_tables_every_address_is_its_own_mailbox() {
    let open = Directory::default();
    for (address, mailbox) in [
        ("a@x", "a@x"),
        ("A@X", "a@x"),
        ("\"a b\"@x", "\"a b\"@x"),
        ("a+tag@x", "a@x"),
        ("a+b+c@x", "a@x"),
        ("\"a b+c\"@x", "\"a b\"@x"),
        ("a.+tag@x", "a.@x"),
        ("+tag@x", "+tag@x"),
        ("++@x", "++@x"),
        ("a+@x", "a@x"),
        ("a@[IPv6:::1]", "a@[ipv6:::1]"),
        ("u%other@x", "u%other@x"),
        ("\"u@other\"@x", "\"u@other\"@x"),
        ("postmaster@x", "postmaster@x"),
    ] {
        leads(&open, address, &[mailbox]);
    }
}

#[test]
fn an_alias_leads_to_all_that_it_names_and_that_may_be_aliases() {
    let directory = Directory::new(aliases(&[
        ("sales", &["Ann@X", "bob"]),
        ("Info@x", &["sales", "\"carl\"@y", "BOB@x"]),
        ("\"odd name\"", &["ann"]),
        ("all", &["info@x", "sales", "list+tag"]),
        ("box+tag", &["ann"]),
        ("list", &["dora"]),
    ]))
    .unwrap();
    leads(&directory, "sales@x", &["ann@x", "bob@x"]);
    leads(&directory, "SALES@z", &["ann@x", "bob@z"]);
    leads(&directory, "\"sal\\es\"@y", &["ann@x", "bob@y"]);
    // A target stands in the domain of what it is a target of.
    leads(&directory, "info@X", &["ann@x", "bob@x", "carl@y"]);
    leads(&directory, "info@y", &["info@y"]);
    leads(&directory, "\"odd name\"@x", &["ann@x"]);
    leads(
        &directory,
        "all@z",
        &["ann@x", "bob@x", "carl@y", "bob@z", "dora@z"],
    );
    leads(&directory, "sales+tag@x", &["ann@x", "bob@x"]);
    leads(&directory, "box+tag@x", &["ann@x"]);
    leads(&directory, "box+other@x", &["box@x"]);
    leads(&directory, "\"sales@x\"@z", &["\"sales@x\"@z"]);
    leads(&directory, "sales%x@z", &["sales%x@z"]);
}

#[test]
fn the_alias_of_one_domain_comes_before_that_of_all() {
    let directory = Directory::new(aliases(&[
        ("info", &["ann"]),
        ("info@x", &["bob", "info@y"]),
    ]))
    .unwrap();
    leads(&directory, "info@x", &["bob@x", "ann@y"]);
    leads(&directory, "info@z", &["ann@z"]);
}

#[test]
fn a_closed_list_knows_its_own_aliases_and_the_postmaster() {
    let tables = Tables {
        mailboxes: names(&["Ann", "bob@x", "carl+cats"]),
        closed: true,
        ..aliases(&[("sales", &["dora", "ann+sales"])])
    };
    let directory = Directory::new(tables.clone()).unwrap();
    leads(&directory, "ann@x", &["ann@x"]);
    leads(&directory, "\"ANN\"@y", &["ann@y"]);
    leads(&directory, "ann+tag@x", &["ann@x"]);
    leads(&directory, "bob@x", &["bob@x"]);
    leads(&directory, "carl+cats@x", &["carl+cats@x"]);
    // What an alias names is wanted, in the list or not.
    leads(&directory, "sales@x", &["dora@x", "ann@x"]);
    for address in ["postmaster@x", "PostMaster@y", "postmaster+tag@y"] {
        let domain = address.split_once('@').unwrap().1;
        leads(&directory, address, &[&format!("postmaster@{domain}")]);
    }
    for address in [
        "bob@y",
        "bob+tag@y",
        "dora@x",
        "carl@x",
        "carl+dogs@x",
        "+ann@x",
        "ann%y@x",
        "\"ann@x\"@x",
        "\"\"@x",
    ] {
        assert_eq!(
            resolve(&directory, address),
            Err(NoSuchMailbox),
            "{address}"
        );
    }

    let open = Directory::new(Tables {
        closed: false,
        ..tables
    })
    .unwrap();
    assert!(open.has_idle_list() && !directory.has_idle_list());
    leads(&open, "bob@y", &["bob@y"]);
    leads(&open, "carl+cats@x", &["carl+cats@x"]);
}

#[test]
fn the_catch_all_takes_what_nothing_else_is_known_of() {
    for closed in [true, false] {
        let directory = Directory::new(Tables {
            mailboxes: names(&["ann"]),
            closed,
            catch_all: Some(name("rest")),
            ..aliases(&[("sales", &["bob"]), ("rest", &["carl@y", "rest-copy"])])
        })
        .unwrap();
        leads(&directory, "ann@x", &["ann@x"]);
        leads(&directory, "ann+tag@x", &["ann@x"]);
        leads(&directory, "sales@x", &["bob@x"]);
        leads(&directory, "bob@x", &["carl@y", "rest-copy@x"]);
        leads(&directory, "postmaster@x", &["carl@y", "rest-copy@x"]);
        assert!(!directory.has_idle_list());
    }
    let directory = Directory::new(Tables {
        catch_all: Some(name("rest@y")),
        ..Tables::default()
    });
    leads(&directory.unwrap(), "bob+tag@x", &["rest@y"]);
}

#[track_caller]
fn refused(table: &[(&str, &[&str])], index: usize, reason: &str) {
    let bad = Directory::new(aliases(table)).expect_err(reason);
    assert_eq!(bad.index, index);
    let said = bad.reason.to_string();
    assert!(said.contains(reason), "{said}");
}

#[test]
fn a_loop_is_refused_wherever_it_shows() {
    refused(&[("a", &["a"])], 0, "a -> a");
    refused(&[("a", &["b", "A+tag"])], 0, "a -> a");
    refused(&[("a", &["b"]), ("b", &["c", "a"])], 0, "a -> b -> a");
    refused(
        &[("z", &["a"]), ("a", &["b"]), ("b", &["a"])],
        0,
        "a -> b -> a",
    );
    refused(
        &[("a@x", &["b@y"]), ("b@y", &["\"A\"@X"])],
        0,
        "a@x -> b@y -> a@x",
    );
    // Only in one domain.
    refused(&[("a", &["b"]), ("b@x", &["a"])], 0, "a@x -> b@x -> a@x");
    refused(
        &[("a", &["b"]), ("a@x", &["c"]), ("c@x", &["a"])],
        1,
        "a@x -> c@x -> a@x",
    );
    Directory::new(aliases(&[("a", &["b"]), ("b@x", &["a@y"])])).unwrap();
    // What is reached by two ways is no loop.
    Directory::new(aliases(&[
        ("a", &["b", "c"]),
        ("b", &["d"]),
        ("c", &["d"]),
        ("d", &["e"]),
    ]))
    .unwrap();
    // With it in the list this is a mailbox.
    let mut tables = aliases(&[("a", &["a+copy", "b"])]);
    tables.mailboxes = names(&["a+copy"]);
    leads(
        &Directory::new(tables).unwrap(),
        "a@x",
        &["a+copy@x", "b@x"],
    );
}

#[test]
fn an_alias_leads_to_so_many_addresses_and_no_more() {
    let table = |count: usize| {
        let targets = (0..count).map(|number| name(&format!("m{number}")));
        Directory::new(Tables {
            aliases: vec![(name("all"), targets.collect())],
            ..Tables::default()
        })
    };
    let directory = table(EXPANSION_MAX).unwrap();
    assert_eq!(resolve(&directory, "all@x").unwrap().len(), EXPANSION_MAX);
    let reason = AliasFault::TooMany;
    assert_eq!(
        table(EXPANSION_MAX + 1).unwrap_err(),
        BadAlias { index: 0, reason }
    );
    let chain = |length: usize| {
        let link = |number| name(&format!("m{number}"));
        Directory::new(Tables {
            aliases: (0..length)
                .map(|number| (link(number), vec![link(number + 1)]))
                .collect(),
            ..Tables::default()
        })
    };
    leads(&chain(EXPANSION_MAX).unwrap(), "m0@x", &["m100@x"]);
    assert_eq!(chain(100_000).unwrap_err().reason, AliasFault::TooMany);
    // Many ways to few addresses: 2 to the power of 40.
    let mut branching = Vec::new();
    for level in 0..40 {
        let next = names(&[&format!("a{}", level + 1), &format!("b{}", level + 1)]);
        for branch in ["a", "b"] {
            branching.push((name(&format!("{branch}{level}")), next.clone()));
        }
    }
    let directory = Directory::new(Tables {
        aliases: branching,
        ..Tables::default()
    });
    leads(&directory.unwrap(), "a0@x", &["a40@x", "b40@x"]);
}

#[test]
fn a_name_is_an_address_or_a_local_part() {
    for (text, plain) in [
        ("Sales", "sales"),
        ("a.B", "a.b"),
        ("\"a\"", "a"),
        ("\"A b\"", "\"a b\""),
        ("\"a@x\"", "\"a@x\""),
        ("a@X", "a@x"),
        ("a@[127.0.0.1]", "a@[127.0.0.1]"),
        ("a+tag", "a+tag"),
        ("B\u{dc}ro", "b\u{dc}ro"),
        #[cfg(feature = "smtputf8")]
        ("\"\u{fc} b\"@B\u{dc}CHER.x", "\"\u{fc} b\"@xn--bcher-kva.x"),
    ] {
        assert_eq!(name(text).to_string(), plain, "{text}");
        assert_eq!(name(plain), name(text));
    }
    for text in ["a..b", &"x".repeat(200)] {
        assert_eq!(name(text).to_string(), text);
    }
    for text in [
        "",
        "a b",
        "@x",
        "a@",
        "a@b@c",
        "<a@x>",
        "\"\"",
        "\"\"@x",
        "a@-\u{fc}",
        "a\n",
    ] {
        assert!(text.parse::<AddressName>().is_err(), "{text}");
    }
}

/// Names out of few, so that they meet.
fn some_name() -> impl Strategy<Value = String> {
    let local = prop_oneof![Just("a"), Just("b"), Just("c"), Just("a+b"), Just("c+a")];
    let domain = prop_oneof![Just(""), Just("@x"), Just("@y")];
    (local, domain).prop_map(|(local, domain)| format!("{local}{domain}"))
}

fn some_tables() -> impl Strategy<Value = Tables> {
    let targets = || prop::collection::vec(some_name(), 1..3);
    let aliases = prop::collection::btree_map(some_name(), targets(), 0..5);
    let catch_all = prop::option::of(some_name());
    (
        aliases,
        prop::collection::vec(some_name(), 0..3),
        any::<bool>(),
        catch_all,
    )
        .prop_map(|(aliases, mailboxes, closed, catch_all)| Tables {
            aliases: aliases
                .iter()
                .map(|(alias, targets)| {
                    let targets = targets.iter().map(|target| name(target));
                    (name(alias), targets.collect())
                })
                .collect(),
            mailboxes: mailboxes.iter().map(|mailbox| name(mailbox)).collect(),
            closed,
            catch_all: catch_all.as_deref().map(name),
        })
}

/// The rules once more, as plainly as can be. `None` for a loop.
struct Model<'a>(&'a Tables);

impl Model<'_> {
    fn targets(&self, address: &str) -> Option<Vec<String>> {
        let (local, domain) = address.split_once('@').unwrap();
        let of = |key: &str| {
            let found = self
                .0
                .aliases
                .iter()
                .find(|(name, _)| name.to_string() == key);
            found.map(|(_, targets)| targets.iter().map(|target| at(target, domain)).collect())
        };
        of(address).or_else(|| of(local))
    }

    fn is_listed(&self, address: &str) -> bool {
        let local = address.split_once('@').unwrap().0;
        let mut listed = self.0.mailboxes.iter().map(ToString::to_string);
        listed.any(|name| name == address || name == local)
    }

    /// The address that counts, with its tag or without.
    fn known(&self, address: &str) -> (String, bool) {
        let is_known = |address: &str| self.targets(address).is_some() || self.is_listed(address);
        let (local, domain) = address.split_once('@').unwrap();
        let user = format!("{}@{domain}", local.split('+').next().unwrap());
        if is_known(address) {
            (address.to_owned(), true)
        } else {
            (user.clone(), is_known(&user))
        }
    }

    fn follow(&self, address: &str, depth: usize) -> Option<BTreeSet<String>> {
        if depth > 20 {
            return None;
        }
        let (address, _) = self.known(address);
        let Some(targets) = self.targets(&address) else {
            return Some(BTreeSet::from([address]));
        };
        let sets = targets.iter().map(|target| self.follow(target, depth + 1));
        let sets: Option<Vec<_>> = sets.collect();
        Some(sets?.into_iter().flatten().collect())
    }

    fn resolve(&self, address: &str) -> Option<Result<BTreeSet<String>, NoSuchMailbox>> {
        let (user, is_known) = self.known(address);
        let domain = user.split_once('@').unwrap().1;
        match &self.0.catch_all {
            _ if is_known => self.follow(&user, 0).map(Ok),
            Some(target) => self.follow(&at(target, domain), 0).map(Ok),
            None if self.0.closed => Some(Err(NoSuchMailbox)),
            None => self.follow(&user, 0).map(Ok),
        }
    }
}

fn at(target: &AddressName, domain: &str) -> String {
    match target {
        AddressName::Mailbox(mailbox) | AddressName::Elsewhere(mailbox) => mailbox.to_string(),
        AddressName::LocalPart(local) => format!("{local}@{domain}"),
    }
}

const ADDRESSES: [&str; 9] = [
    "a@x", "b@x", "c@y", "a+b@y", "c+a@x", "b+c@z", "a@z", "d@x", "d+a@y",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn any_tables_do_as_the_rules_say(tables in some_tables()) {
        let model = Model(&tables);
        let everywhere = tables.aliases.iter().flat_map(|(name, _)| ["x", "y", "z"].map(|domain| at(name, domain)));
        let goes_round = everywhere.clone().any(|address| model.follow(&address, 0).is_none());
        match Directory::new(tables.clone()) {
            Err(BadAlias { reason: AliasFault::Loop(round), .. }) => {
                prop_assert!(goes_round);
                prop_assert!(round.len() > 1 && round.first() == round.last());
            }
            Err(bad) => return Err(TestCaseError::fail(format!("{bad:?}"))),
            Ok(directory) => {
                prop_assert!(!goes_round);
                for address in ADDRESSES {
                    let led = resolve(&directory, address);
                    let wanted = model.resolve(address).unwrap();
                    if let Ok(led) = &led {
                        prop_assert!((1..=EXPANSION_MAX).contains(&led.len()));
                        prop_assert_eq!(led.len(), led.iter().collect::<BTreeSet<_>>().len());
                    }
                    prop_assert_eq!(led.map(BTreeSet::from_iter), wanted, "{}", address);
                }
            }
        }
    }

    #[test]
    fn any_address_leads_somewhere_or_is_nobodys(
        tables in some_tables(),
        local in prop_oneof!["[abc+.]{1,5}", "[ -~]{0,8}"],
    ) {
        let quoted: String = local.chars().flat_map(|character| ['\\', character]).collect();
        let address: Mailbox = format!("\"{quoted}\"@X").parse().unwrap();
        if let Ok(directory) = Directory::new(tables) {
            let closed = directory.resolve(&address).is_err();
            let mailboxes = directory.resolve(&address).unwrap_or_default().mailboxes;
            prop_assert_eq!(mailboxes.is_empty(), closed);
            for mailbox in mailboxes {
                prop_assert_eq!(mailbox.plain(), mailbox);
            }
        }
    }

    #[test]
    fn any_text_is_a_name_or_none(text in "\\PC{0,80}") {
        if let Ok(name) = text.parse::<AddressName>() {
            prop_assert_eq!(name.to_string().parse(), Ok(name));
        }
    }
}
