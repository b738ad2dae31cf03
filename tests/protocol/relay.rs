//! What options and tables say of mail that is sent on.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use mailoop::cli::{self, Request};
use mailoop::config::sources::Sources;
use mailoop::config::{Config, RelayConfig};
use mailoop::exit::{ExitCode, Failed};
use mailoop::smtp::path::Mailbox;
use mailoop::smtp::policy::Reach;
use mailoop::smtp::route::TlsLevel;
use tempfile::TempDir;

/// A folder with a configuration file, and what a server makes of it.
struct Setting {
    folder: TempDir,
}

impl Setting {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// Writes a file that everybody, or only its owner, may read.
    fn write(&self, name: &str, text: &str, mode: u32) -> String {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        path
    }

    fn read(
        &self,
        flags: &[&str],
        variables: &[(&str, &str)],
        text: &str,
    ) -> Result<Config, Failed> {
        let file = self.write("mailoop.toml", text, 0o644);
        let arguments = ["mailoop", "serve", "--config", &file];
        let arguments = arguments.iter().chain(flags).map(|text| (*text).into());
        let Ok(Request::Serve(flags)) = cli::parse(arguments) else {
            panic!("{flags:?}");
        };
        let variables = variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        Config::new(&Sources::new(*flags, variables).settings()?)
    }
}

fn relay(flags: &[&str], variables: &[(&str, &str)], text: &str) -> RelayConfig {
    let config = Setting::new().read(flags, variables, text);
    config.unwrap().relay.unwrap()
}

fn routes(relay: &RelayConfig) -> Vec<String> {
    let routes = relay.routes.all();
    routes.iter().map(ToString::to_string).collect()
}

fn mailbox(address: &str) -> Mailbox {
    address.parse().unwrap()
}

#[track_caller]
fn refused(read: Result<Config, Failed>, code: ExitCode, message: &str) {
    let failed = read.map(|_| ()).expect_err(message);
    assert!(
        failed.message.contains(message),
        "{message:?} was expected, and came {:?}",
        failed.message
    );
    assert_eq!(failed.code, code, "{}", failed.message);
}

#[test]
fn without_a_route_nothing_is_sent_on() {
    let config = Setting::new().read(&[], &[], "").unwrap();
    assert!(config.relay.is_none() && config.policy.routes.is_none());
    assert_eq!(config.policy.reach(&mailbox("a@b.example")), Reach::Here);
    let flags = ["--relay-from", "10.0.0.0/8", "--retry", "1", "--spool", "s"];
    let config = Setting::new().read(&flags, &[], "").unwrap();
    assert!(config.relay.is_none());
    let warnings = config.warnings(&[]).join("\n");
    for name in ["relay-from", "retry", "spool"] {
        let warning = format!("--{name} makes no difference: without a --route");
        assert!(warnings.contains(&warning), "{warnings}");
    }
}

#[test]
fn a_route_has_the_defaults_of_the_help() {
    let relay = relay(&["--route", "*=smtp://next.example"], &[], "");
    assert_eq!(routes(&relay), ["*=smtp://next.example:25?tls=may"]);
    assert!(relay.relay_from.is_empty() && relay.name_servers.is_empty());
    assert_eq!(relay.spool, Path::new("./spool"));
    let retry = [300, 600, 1200, 2400, 4800, 7200].map(Duration::from_secs);
    assert_eq!(relay.retry, retry);
    let days = |days: u64| Duration::from_secs(24 * 3600 * days);
    assert_eq!(
        (relay.queue_lifetime, relay.bounce_lifetime),
        (days(5), days(2))
    );
    assert_eq!(relay.delay_notice, Some(Duration::from_secs(14400)));
    assert_eq!(relay.queued_max, 1_000_000);
    assert_eq!((relay.outgoing_max, relay.outgoing_per_site_max), (200, 20));
    assert_eq!((relay.outgoing.v4, relay.outgoing.v6), (None, None));
}

#[test]
fn every_option_reaches_its_place() {
    let text = "route = ['a.example=smtp://a']\nspool = 's'\nretry = [1, 2]\nqueue-lifetime = 3\nbounce-lifetime = 4\n\
                delay-notice = 0\nmax-queue-messages = 5\nmax-outgoing = 6\nmax-outgoing-per-site = 7\nuser-rate = 8\n\
                relay-from = ['10.0.0.0/8']\noutgoing-address = ['192.0.2.1', '2001:db8::1']\n\
                dns = ['192.0.2.53', '[::1]:5353']\n[routes]\n'*' = ['smtp://b', 'smtp://c']\n'*.d.example' = 'smtp://d,smtp://e'";
    let config = Setting::new().read(&[], &[], text).unwrap();
    assert_eq!(config.limits.user_rate, 8);
    let rules = config.rules();
    assert_eq!(rules.relay_peers.len(), 1);
    let relay = config.relay.unwrap();
    assert_eq!(
        routes(&relay),
        [
            "*=smtp://b:25?tls=may,smtp://c:25?tls=may",
            "*.d.example=smtp://d:25?tls=may,smtp://e:25?tls=may",
            "a.example=smtp://a:25?tls=may",
        ]
    );
    assert_eq!(relay.spool, Path::new("s"));
    assert_eq!(relay.retry, [1, 2].map(Duration::from_secs));
    assert_eq!(relay.queue_lifetime, Duration::from_secs(3));
    assert_eq!(relay.bounce_lifetime, Duration::from_secs(4));
    assert_eq!((relay.delay_notice, relay.queued_max), (None, 5));
    assert_eq!((relay.outgoing_max, relay.outgoing_per_site_max), (6, 7));
    assert!(relay.outgoing.v4.is_some() && relay.outgoing.v6.is_some());
    let servers: Vec<_> = relay.name_servers.iter().map(ToString::to_string).collect();
    assert_eq!(servers, ["192.0.2.53:53", "[::1]:5353"]);
}

#[test]
fn the_nearest_place_has_all_routes_and_commas_part_hops() {
    let file = "[routes]\n'*' = 'smtp://file'";
    let variables = [(
        "MAILOOP_ROUTE",
        "*=smtp://a,smtps://b?tls=verify, x.example=lmtp:unix:/l,lmtp://c:24",
    )];
    let both = relay(&[], &variables, file);
    assert_eq!(
        routes(&both),
        [
            "*=smtp://a:25?tls=may,smtps://b:465?tls=verify",
            "x.example=lmtp:unix:/l?tls=none,lmtp://c:24?tls=may",
        ]
    );
    let nearest = relay(&["--route", "y.example=smtp://y"], &variables, file);
    assert_eq!(routes(&nearest), ["y.example=smtp://y:25?tls=may"]);
}

#[test]
fn a_mistake_is_told_with_its_place_and_what_would_be_right() {
    let setting = Setting::new();
    for (text, message) in [
        (
            "route = ['x']",
            "mailoop.toml:1: route = ['x']: write a pattern, =",
        ),
        (
            "[routes]\n\"*\" = \"mx?auth=ada\"",
            "mailoop.toml:2: [routes] \"*\" = \"mx?auth=ada\": mx is whatever servers a domain names",
        ),
        (
            "[routes]\n\n'x.example' = 'smtp://h?tls=yes'",
            "mailoop.toml:3: [routes] 'x.example' = 'smtp://h?tls=yes': after tls= write none, may",
        ),
        (
            "[routes]\nx.example = 'smtp://h'",
            "mailoop.toml:2: [routes] x: put a name with a dot in quotes",
        ),
        (
            "[routes]\n'*' = 1",
            "mailoop.toml:2: [routes] '*' = 1: write the next server",
        ),
        (
            "[routes]\n'*' = []",
            "mailoop.toml:2: [routes] '*' = []: write the next server",
        ),
        (
            "routes = 'smtp://h'",
            "mailoop.toml:1: routes: write [routes] and below it",
        ),
        (
            "[routes]\n'*' = 'smtp://h'\nmax-errors = 3",
            "mailoop.toml:3: [routes] max-errors: this is no name here",
        ),
        (
            "route = ['X.example=smtp://a']\n[routes]\n'x.example' = 'smtp://b'",
            "mailoop.toml:3: [routes] 'x.example' = 'smtp://b': x.example stands there twice",
        ),
        (
            "route = ['*=smtps://h?auth=ada']",
            "the password of ada is missing: name the file that has it with --route-passwords",
        ),
        (
            "route = ['*=smtp://h?auth=ada&tls=may']",
            "write tls=verify in place of tls=may",
        ),
        (
            "route = ['*=smtp://h?ca=/nowhere/ca.pem']",
            "cannot read /nowhere/ca.pem",
        ),
        (
            "retry = [1, 0]",
            "mailoop.toml:1: retry = [0]: write up to 100 waits",
        ),
        (
            "retry = 1",
            "mailoop.toml:1: retry = 1: write it as retry = [300, 600",
        ),
        (
            "delay-notice = 'x'",
            "mailoop.toml:1: delay-notice = 'x': write seconds",
        ),
        (
            "dns = ['ns.example']",
            "mailoop.toml:1: dns = ['ns.example']: write the address",
        ),
        (
            "route = ['*=smtp://h']\noutgoing-address = ['192.0.2.1', '192.0.2.2']",
            "mailoop.toml:2: outgoing-address = ['192.0.2.2']: there is another of its family",
        ),
        (
            "route = ['*=smtp://h']\ndiscard = true",
            "mailoop.toml:2: discard = true: it excludes --route",
        ),
        (
            "domain = ['example.org']\nroute = ['*.example.net=smtp://h']\n[aliases]\n'a' = ['b', 'c@example.net']",
            "mailoop.toml:4: [aliases] a = c@example.net: example.net is none of our domains, and no route leads there",
        ),
        (
            "domain = ['example.org']\nroute = ['*.example.net=smtp://h']\n[aliases]\n'a@x.example.net' = 'b'",
            "mailoop.toml:4: [aliases] a@x.example.net: x.example.net is none of our domains",
        ),
    ] {
        refused(
            setting.read(&[], &[], text),
            ExitCode::Configuration,
            message,
        );
    }
    let flag = setting.read(&["--route", "*=h"], &[], "");
    refused(flag, ExitCode::Usage, "--route *=h: write the next server");
    // What is wrong with a value only beside others is a matter of the configuration, whoever says it.
    let flag = setting.read(&["--route", "*=smtp://h?auth=ada&tls=encrypt"], &[], "");
    refused(
        flag,
        ExitCode::Configuration,
        "write tls=verify in place of tls=encrypt",
    );
    for (option, value, message) in [
        ("--own-address", "mail.example.org", "write an address"),
        ("--mx-allow", "10.0.0.1/8", "10.0.0.0/8"),
        ("--mx-port", "0", "write a port"),
    ] {
        let flag = setting.read(&["--route", "*=mx", option, value], &[], "");
        refused(flag, ExitCode::Usage, message);
    }
}

#[test]
fn all_mistakes_of_routes_are_told_at_once() {
    let setting = Setting::new();
    let text = "[routes]\n'a.example' = 'smtp//'\n'b.example' = 'smtps://h?auth=ada'\n'c.example' = 'smtp://::1'";
    let failed = setting.read(&[], &[], text).map(|_| ()).unwrap_err();
    for message in [
        ":2: [routes] 'a.example' = 'smtp//': write the next server",
        ":4: [routes] 'c.example' = 'smtp://::1': write an IPv6 address in brackets",
    ] {
        assert!(failed.message.contains(message), "{}", failed.message);
    }
    if cfg!(all(feature = "tls", feature = "auth")) {
        let message = "the password of ada is missing";
        assert!(failed.message.contains(message), "{}", failed.message);
    }
}

#[test]
fn a_spool_is_where_its_socket_can_be_and_no_mailbox_is() {
    let setting = Setting::new();
    let mail = setting.path("mail");
    let route = "route = ['*=smtp://h']\n";
    for spool in [
        mail.clone(),
        format!("{mail}/spool"),
        format!("{mail}/./../mail/x"),
    ] {
        let text = format!("{route}maildir = '{mail}'\nspool = '{spool}'");
        let message = format!("it is in the --maildir {mail}: choose another");
        refused(
            setting.read(&[], &[], &text),
            ExitCode::Configuration,
            &message,
        );
    }
    let beside = format!("{route}maildir = '{mail}'\nspool = '{mail}-spool'");
    setting.read(&[], &[], &beside).unwrap();
    for (bytes, fits) in [(96, true), (97, false)] {
        let text = format!("{route}spool = '/{}'", "x".repeat(bytes - 1));
        let read = setting.read(&[], &[], &text);
        if fits {
            read.unwrap();
        } else {
            let message = "choose a spool of at most 96 octets";
            refused(read, ExitCode::Configuration, message);
        }
    }
}

#[test]
fn what_makes_no_difference_or_an_open_relay_is_warned_of() {
    let setting = Setting::new();
    let file = setting.write("ca.pem", "", 0o644);
    let warnings = |text: &str| {
        let text = format!("domain = ['example.org']\n{text}");
        let config = setting.read(&[], &[], &text).unwrap();
        config.warnings(&[]).join("\n")
    };
    let (all, open) = ("relay-from = ['::/0']\n", "listen = ['0.0.0.0:2525']\n");
    let route = "route = ['*=smtp://h']\n";
    let warned = warnings(&format!("{all}{open}{route}"));
    assert!(
        warned.contains("--relay-from ::/0 makes this an open relay"),
        "{warned}"
    );
    let some = "relay-from = ['10.0.0.0/8']\n";
    for text in [format!("{all}{route}"), format!("{some}{open}{route}")] {
        assert_eq!(warnings(&text), "");
    }
    for (level, is_warned) in [("may", true), ("none", true), ("verify", false)] {
        let warned = warnings(&format!(
            "{some}route = ['*=smtp://h?tls={level}&ca={file}']"
        ));
        assert_eq!(
            warned.contains("ca= makes no difference"),
            is_warned,
            "{warned}"
        );
    }
    for (notice, is_warned) in [(99, false), (101, true), (0, false)] {
        let text = format!("{some}{route}queue-lifetime = 100\ndelay-notice = {notice}");
        let warned = warnings(&text);
        let no_difference = format!("--delay-notice {notice} makes no difference");
        assert_eq!(warned.contains(&no_difference), is_warned, "{warned}");
    }
}

#[cfg(all(feature = "tls", feature = "auth"))]
#[test]
fn passwords_are_read_from_a_file_that_nobody_else_can_read() {
    let setting = Setting::new();
    let secret = "# ours\nada  two blanks \n\nbob@example.org\ttab\r\n";
    let file = setting.write("passwords", secret, 0o600);
    let options = |file: &str| {
        format!(
            "route-passwords = '{file}'\nroute = ['*=smtps://h?auth=ada', 'x.example=smtp://h?auth=bob@example.org']"
        )
    };
    let config = setting.read(&[], &[], &options(&file)).unwrap();
    let relay = config.relay.unwrap();
    assert_eq!(relay.passwords.of("ada"), Some(" two blanks "));
    let route = relay.routes.find(&mailbox("a@x.example")).unwrap();
    assert_eq!(relay.password(&route.hops[0]), Some("tab"));
    assert_eq!(route.hops[0].tls, TlsLevel::Verify);
    let shown = format!("{relay:?}");
    assert!(
        !shown.contains("blanks") && !shown.contains("tab"),
        "{shown}"
    );
    for mode in [0o640, 0o604, 0o660, 0o644] {
        let file = setting.write("passwords", secret, mode);
        let read = setting.read(&[], &[], &options(&file));
        let message = format!(
            "others can read it, who could then log in with these passwords: chmod 600 {file}"
        );
        refused(read, ExitCode::Configuration, &message);
    }
    for (text, message) in [
        (
            "bob@example.org x",
            "the password of ada is missing: add a line `ada PASSWORD` to",
        ),
        ("ada x\nada y", "passwords:2: this user stands there twice"),
        ("ada", "passwords:1: write a user, a blank and the password"),
        (
            "ada ",
            "passwords:1: write a user, a blank and the password",
        ),
        (" x", "passwords:1: write a user, a blank and the password"),
    ] {
        let file = setting.write("passwords", text, 0o600);
        let read = setting.read(&[], &[], &options(&file));
        refused(read, ExitCode::Configuration, message);
    }
    let read = setting.read(&[], &[], &options("/nowhere/passwords"));
    refused(read, ExitCode::Configuration, "cannot read it");
}

#[test]
fn authorities_are_read_once_for_all_hops() {
    let setting = Setting::new();
    let file = setting.write("ca.pem", "what it holds", 0o644);
    let text = format!("route = ['*=smtp://a?ca={file},smtp://b?ca={file}']");
    let relay = setting.read(&[], &[], &text).unwrap().relay.unwrap();
    let contents: Vec<_> = relay.authorities.into_iter().collect();
    assert_eq!(contents, [(file.into(), b"what it holds".to_vec())]);
}

#[test]
fn with_a_route_only_what_is_named_is_ours() {
    let setting = Setting::new();
    let flags = ["--hostname", "mx.example.org", "--route", "*=smtp://h"];
    let policy = setting.read(&flags, &[], "").unwrap().policy;
    for (address, reach) in [
        ("a@MX.example.org", Reach::Here),
        ("a@example.org", Reach::Elsewhere),
        ("a@[192.0.2.1]", Reach::Nowhere),
    ] {
        assert_eq!(policy.reach(&mailbox(address)), reach, "{address}");
    }
    // So a server may be reached from other machines without a --domain: it is not open to any.
    let public = [&flags[..], &["--listen", "0.0.0.0:25"]].concat();
    assert!(setting.read(&public, &[], "").is_ok());
    let text = "domain = ['a.example', 'b.example']\nroute = ['b.example=smtp://h', '*.a.example=smtp://h']";
    let policy = setting.read(&[], &[], text).unwrap().policy;
    for (address, reach) in [
        ("u@a.example", Reach::Here),
        ("u@B.example", Reach::OursByRoute),
        ("u@x.a.example", Reach::Elsewhere),
        ("u@x.b.example", Reach::Nowhere),
    ] {
        assert_eq!(policy.reach(&mailbox(address)), reach, "{address}");
    }
}

#[test]
fn aliases_lead_out_with_their_tags_and_a_routed_domain_keeps_what_was_written() {
    let text = "domain = ['a.example', 'b.example']\n\
                route = ['b.example=smtp://h', '*.out.example=smtp://h']\n\
                [aliases]\n'sales' = ['sales@x.out.example', 'ann+w@x.out.example', 'bob', 'eve@b.example']\n\
                'info' = 'sales'";
    let policy = Setting::new().read(&[], &[], text).unwrap().policy;
    let resolve = |address: &str| {
        let recipient = policy.resolve(mailbox(address)).unwrap();
        let [here, remote] = [recipient.mailboxes.to_vec(), recipient.remote];
        let shown = |all: Vec<Mailbox>| all.iter().map(ToString::to_string).collect::<Vec<_>>();
        (shown(here), shown(remote))
    };
    for address in ["sales@a.example", "Info+tag@a.example"] {
        let (here, mut remote) = resolve(address);
        remote.sort();
        assert_eq!(here, ["bob@a.example"], "{address}");
        assert_eq!(
            remote,
            [
                "ann+w@x.out.example",
                "eve@b.example",
                "sales@x.out.example"
            ],
            "{address}"
        );
    }
    assert_eq!(
        resolve("Ann+Tag@B.example"),
        (vec![], vec!["Ann+Tag@B.example".to_owned()])
    );
    assert_eq!(
        resolve("Ann+Tag@A.example"),
        (vec!["ann@a.example".to_owned()], vec![])
    );
    for (sender, is_ours) in [
        ("<ann@a.example>", true),
        ("<eve@b.example>", true),
        ("<sales@x.out.example>", false),
    ] {
        let argument = sender.as_bytes();
        let (path, _) = mailoop::smtp::path::reverse_path(argument).unwrap();
        assert_eq!(policy.is_our_sender(&path), is_ours, "{sender}");
    }
}

#[test]
fn a_route_that_nobody_may_use_is_warned_of() {
    let warned = |text: &str| {
        let config = Setting::new().read(&[], &[], text).unwrap();
        let warnings = config.warnings(&[]);
        warnings
            .iter()
            .any(|warning| warning.starts_with("nobody may send by a route"))
    };
    assert!(warned("domain = ['a.example']\nroute = ['*=smtp://h']"));
    for text in [
        "domain = ['a.example']\nroute = ['*=smtp://h']\nrelay-from = ['127.0.0.1']",
        "domain = ['a.example']\nroute = ['A.example=smtp://h']",
        "domain = ['a.example']\nroute = ['*=smtp://h']\n[aliases]\n'a' = 'b@b.example'",
    ] {
        assert!(!warned(text), "{text}");
    }
}

/// A record holds the rules of a server, and a replay runs by them.
#[cfg(feature = "record")]
#[test]
fn a_record_holds_what_is_sent_on() {
    let text = "domain = ['a.example']\nroute = ['*.out.example=smtp://h?tls=none', 'b.example=lmtp:unix:/l']\n\
                relay-from = ['10.0.0.0/8']\nuser-rate = 7\n[aliases]\n'x' = ['x@x.out.example', 'y']";
    for text in [text, "domain = ['a.example']"] {
        let rules = Setting::new().read(&[], &[], text).unwrap().rules();
        let mut octets = Vec::new();
        mailoop::observe::rules::put(&rules, &mut octets);
        let again = mailoop::observe::rules::take(&octets, None, None).unwrap();
        assert_eq!(again.policy.routes, rules.policy.routes);
        assert_eq!(again.relay_peers, rules.relay_peers);
        let tables = |rules: &mailoop::inbound::Rules| format!("{:?}", rules.policy.directory);
        assert_eq!(tables(&again), tables(&rules));
        if rules.policy.routes.is_some() {
            assert_eq!(again.limits.user_rate, 7);
        }
    }
}
