//! Aliases and mailboxes in a configuration file: what they make, how they are shown, and what a mistake is answered
//! with.

use mailoop::config::options::{DOMAIN, HOSTNAME};
use mailoop::config::settings::Settings;
use mailoop::config::value::Origin;
use mailoop::config::{Config, file};
use mailoop::exit::{ExitCode, Failed};

/// What this file amounts to, for a server with these domains.
fn settle(domains: &[&str], text: &str) -> Result<(Settings, Config), Failed> {
    let mut settings = Settings::defaults();
    settings.imply(&HOSTNAME.option, "mx.example", &Origin::Default);
    settings.overlay(file::parse("mailoop.toml", text)?);
    settings.set(
        &DOMAIN.option,
        domains.iter().map(Into::into),
        &Origin::Flag,
    );
    let config = Config::new(&settings)?;
    Ok((settings, config))
}

fn resolve(config: &Config, address: &str) -> Option<Vec<String>> {
    let mailboxes = config.policy.directory.resolve(&address.parse().unwrap());
    let mailboxes = mailboxes.ok()?;
    Some(
        mailboxes
            .mailboxes
            .iter()
            .map(ToString::to_string)
            .collect(),
    )
}

#[track_caller]
fn leads(config: &Config, address: &str, mailboxes: &[&str]) {
    let led = resolve(config, address).expect(address);
    assert_eq!(led, mailboxes, "{address}");
}

fn may_send(config: &Config, user: &str, address: &str) -> bool {
    config.policy.may_send(user, &address.parse().unwrap())
}

/// Of some addresses these are the user's own.
#[track_caller]
fn sends(config: &Config, user: &str, addresses: &[&str]) {
    for other in ["ann@y.example", "bob@y.example", "dora@z.example"] {
        assert!(!may_send(config, user, other), "{user}: {other}");
    }
    for own in addresses {
        assert!(may_send(config, user, own), "{user}: {own}");
    }
}

#[track_caller]
fn refused(domains: &[&str], text: &str, message: &str) {
    let failed = settle(domains, text).map(|_| ()).expect_err(text);
    assert_eq!(failed.code, ExitCode::Configuration);
    let expected = format!("mailoop.toml{message}");
    assert!(
        failed.message.starts_with(&expected),
        "{expected:?} was expected, and came {:?}",
        failed.message
    );
}

const TABLES: &str = r#"
max-errors = 7
catch-all = "rest"

[aliases]
sales = ["ann@x.example", "bob"]
"First.Last" = "ann"
"\"odd name\"" = "ann"
"rest@x.example" = "dora"

[mailboxes]
closed = true
names = [
  "ann",
  "Bob@X.Example",
]

[senders]
Ann = ["Ann@X.example", "@Other.example"]
"Bob@Y.example" = '"odd name"@y.example'
nobody = []
"#;

#[test]
fn tables_are_heard_and_shown_as_tables_that_say_the_same() {
    let (settings, config) = settle(&["x.example", "y.example"], TABLES).unwrap();
    let shown = settings.to_string();
    for line in [
        "catch-all = \"rest\"  # mailoop.toml:3",
        "[aliases]",
        "\"sales\" = [\"ann@x.example\", \"bob\"]  # mailoop.toml:6",
        "\"first.last\" = [\"ann\"]  # mailoop.toml:7",
        "\"\\\"odd name\\\"\" = [\"ann\"]  # mailoop.toml:8",
        "closed = true  # mailoop.toml:12",
        "names = [\"ann\", \"bob@x.example\"]  # mailoop.toml:14",
        "[senders]",
        "\"ann\" = [\"ann@x.example\", \"@other.example\"]  # mailoop.toml:19",
        "\"bob@y.example\" = [\"\\\"odd name\\\"@y.example\"]  # mailoop.toml:20",
        "\"nobody\" = []  # mailoop.toml:21",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}: {shown}");
    }
    let (_, again) = settle(&["x.example", "y.example"], &shown).unwrap();
    for config in [config, again] {
        leads(
            &config,
            "sales@y.example",
            &["ann@x.example", "bob@y.example"],
        );
        leads(&config, "\"odd name\"@y.example", &["ann@y.example"]);
        leads(&config, "first.last@y.example", &["ann@y.example"]);
        leads(&config, "bob@x.example", &["bob@x.example"]);
        leads(&config, "bob@y.example", &["rest@y.example"]);
        leads(&config, "bob+tag@mx.example", &["rest@mx.example"]);
        leads(&config, "who@x.example", &["dora@x.example"]);
        sends(&config, "ann", &["ann@x.example", "any@other.example"]);
        sends(&config, "bob@y.example", &["\"odd name\"@y.example"]);
        assert!(!may_send(&config, "nobody", "nobody@x.example"));
        sends(&config, "dora", &["dora@x.example", "dora@y.example"]);
        assert_eq!(config.warnings(&[]).len(), 0);
    }
}

#[cfg(feature = "smtputf8")]
#[test]
fn a_domain_is_the_same_as_u_labels_and_as_a_labels() {
    for text in [
        "catch-all = 'a@BÜCHER.example'",
        "[aliases]\n'büro@xn--bcher-kva.example' = 'ü@bücher.example'",
    ] {
        settle(&["bücher.example"], text).unwrap();
        settle(&["bucher.example"], text).unwrap_err();
    }
    let (settings, config) = settle(&[], "[senders]\nann = '@Bücher.example'").unwrap();
    let line = "\"ann\" = [\"@xn--bcher-kva.example\"]";
    assert!(settings.to_string().contains(line), "{settings}");
    sends(&config, "ann", &["any@bücher.example"]);
}

#[cfg(not(feature = "smtputf8"))]
#[test]
fn without_smtputf8_a_domain_is_to_be_written_as_a_labels() {
    let remedy = "this build takes no domain beyond ASCII: write its A-labels, as xn--";
    for (text, label) in [
        (
            "catch-all = 'a@bücher.example'",
            ":1: catch-all = 'a@bücher.example'",
        ),
        (
            "[aliases]\n'ü@bücher.example' = 'a'",
            ":2: [aliases] 'ü@bücher.example'",
        ),
        (
            "[senders]\nann = '@bücher.example'",
            ":2: [senders] ann = '@bücher.example'",
        ),
    ] {
        refused(&[], text, &format!("{label}: {remedy}"));
    }
}

#[test]
fn without_tables_nothing_is_shown_and_nobody_refused() {
    for text in ["", "[aliases]\n[mailboxes]\n"] {
        let (settings, config) = settle(&[], text).unwrap();
        let shown = settings.to_string();
        assert!(!shown.contains("\n["), "{shown}");
        leads(&config, "who+tag@x", &["who@x"]);
    }
}

#[test]
fn a_list_may_be_open_closed_or_of_no_use() {
    let text = "[mailboxes]\nnames = ['ann']\n";
    let (_, idle) = settle(&[], text).unwrap();
    assert_eq!(idle.warnings(&[]).len(), 1);
    leads(&idle, "bob@x", &["bob@x"]);
    let (_, closed) = settle(&[], &format!("{text}closed = true")).unwrap();
    assert_eq!(closed.warnings(&[]).len(), 0);
    assert_eq!(resolve(&closed, "bob@x"), None);
    let (_, nobody) = settle(&[], "[mailboxes]\nclosed = true").unwrap();
    assert_eq!(resolve(&nobody, "bob@x"), None);
    leads(&nobody, "postmaster@x", &["postmaster@x"]);
    let (_, caught) = settle(&[], &format!("{text}catch-all = 'rest@y'")).unwrap();
    assert_eq!(caught.warnings(&[]).len(), 0);
    leads(&caught, "bob@x", &["rest@y"]);
}

#[test]
fn a_mistake_is_told_with_its_line_its_key_and_what_would_be_right() {
    for (text, message) in [
        (
            "aliases = 'x'",
            ":1: aliases: write [aliases] and below it lines as \"sales\" = [",
        ),
        (
            "\n[[mailboxes]]\nnames = []",
            ":2: mailboxes: write [mailboxes] and below it lines as names = [",
        ),
        (
            "[aliases]\n\nsales = 3",
            ":3: [aliases] sales = 3: write it as \"sales\" = [\"ann@example.org\", \"bob\"]",
        ),
        (
            "[aliases]\nsales = [\n'ann',\ntrue]",
            ":4: [aliases] sales = true: write it as \"sales\" = [",
        ),
        (
            "[aliases]\nsales = 'a b'",
            ":2: [aliases] sales = 'a b': write a user, as sales, or an address, as sales@example.org",
        ),
        (
            "[aliases]\nsales = ''",
            ":2: [aliases] sales = '': write a user",
        ),
        (
            "[aliases]\n\"<a@b>\" = 'a'",
            ":2: [aliases] \"<a@b>\": write a user",
        ),
        (
            "[aliases]\n\"@b\" = 'a'",
            ":2: [aliases] \"@b\": write a user",
        ),
        (
            "[aliases]\nsales = []",
            ":2: [aliases] sales: it leads to nobody",
        ),
        (
            "[aliases]\nfirst.last = 'a'",
            ":2: [aliases] first: put a name with a dot in quotes",
        ),
        (
            "[aliases]\ncatch-all = 'a'",
            ":2: [aliases] catch-all: this is no name here: move it above all tables",
        ),
        ("[aliases]\na@b = 'a'", ":2: a@b = 'a': "),
        (
            "[aliases]\nSales = 'a'\nsales = 'b'",
            ":3: [aliases] sales: it stands there twice",
        ),
        (
            "[aliases]\na = 'b'\nb = ['c', 'a']",
            ":2: [aliases] a: it goes round in a loop, a -> b -> a: an alias must end at mailboxes",
        ),
        (
            "[mailboxes]\nclosed = 'yes'",
            ":2: [mailboxes] closed = 'yes': write true or false",
        ),
        (
            "[mailboxes]\nnames = 'ann'",
            ":2: [mailboxes] names = 'ann': write it as names = [",
        ),
        (
            "[mailboxes]\nnames = [\n'ann',\n'b c']",
            ":4: [mailboxes] names = 'b c': write a user",
        ),
        (
            "[mailboxes]\nname = ['ann']",
            ":2: [mailboxes] name: there is no such key; it has closed, names and catch-all",
        ),
        (
            "catch-all = ['ann']",
            ":1: catch-all = ['ann']: write it as catch-all = \"ann@example.org\"",
        ),
        ("catch-all = '@x'", ":1: catch-all = '@x': write a user"),
        (
            "catch-all = 'a'\n[mailboxes]\ncatch-all = 'a'",
            ":3: catch-all: it stands in line 1 already",
        ),
        (
            "senders = 'x'",
            ":1: senders: write [senders] and below it lines as \"ann\" = [\"ann@example.org\", \"@example.net\"]",
        ),
        (
            "[senders]\n\nann = 3",
            ":3: [senders] ann = 3: write it as \"ann\" = [",
        ),
        (
            "[senders]\nann = [\n'@x',\n'ann']",
            ":4: [senders] ann = 'ann': write an address, as ann@example.org, or all those of a domain, as @example.org",
        ),
        (
            "[senders]\nann = '@'",
            ":2: [senders] ann = '@': write an address",
        ),
        (
            "[senders]\nann = '@a@b'",
            ":2: [senders] ann = '@a@b': write an address",
        ),
        (
            "[senders]\nfirst.last = 'a@b'",
            ":2: [senders] first: put a name with a dot in quotes",
        ),
        (
            "[senders]\n'' = 'a@b'",
            ":2: [senders] '': write the name of a user",
        ),
        (
            "[senders]\n\"a\\n\" = 'a@b'",
            ":2: [senders] \"a\\n\": write the name of a user",
        ),
        (
            "[senders]\nann = 'a@b'\nAnn = 'a@b'",
            ":3: [senders] Ann: this user stands there twice",
        ),
        (
            "sender = 1",
            ":1: sender: there is no such option in a file; did you mean senders?",
        ),
        (
            "max-error = 1\n[aliases]\nsales = 3",
            ":1: max-error: there is no such option",
        ),
    ] {
        refused(&[], text, message);
    }
    let many: Vec<_> = (0..101).map(|number| format!("'m{number}'")).collect();
    let text = format!("[aliases]\n\nall = [{}]", many.join(", "));
    refused(
        &[],
        &text,
        ":3: [aliases] all: it leads to more than 100 addresses",
    );
}

#[test]
fn where_domains_are_named_no_table_leads_out_of_them() {
    for (text, what) in [
        (
            "[aliases]\nsales = ['a@x.example',\n'a@elsewhere.example']",
            ":3: [aliases] sales = a@elsewhere.example: ",
        ),
        (
            "[aliases]\n\"a@elsewhere.example\" = 'b'",
            ":2: [aliases] a@elsewhere.example: ",
        ),
        (
            "[mailboxes]\nnames = ['a@sub.x.example']",
            ":2: [mailboxes] a@sub.x.example: ",
        ),
        (
            "catch-all = 'a@elsewhere.example'",
            ":1: catch-all = a@elsewhere.example: ",
        ),
    ] {
        refused(&["x.example"], text, what);
        settle(&[], text).unwrap();
    }
    // The postmaster without a domain is at home under the server's own name.
    for text in [
        "catch-all = 'a@X.Example'",
        "[aliases]\n'postmaster@MX.example' = 'a@mx.example'",
    ] {
        settle(&["x.example"], text).unwrap();
    }
}
