//! A server with a route to anywhere, the name server that it asks, and all hosts that it may come to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use crate::common::client::Client;
use crate::common::pauses::undisturbed;
use crate::common::ports::free_port;
use crate::common::{TestServer, happens};
use crate::name_server;
use crate::script::Script;
use crate::sink::{Answer, Sink};
use crate::zone::MailZone;

/// The only special range that mail may go to: the hosts of zone N are at `127.2.N.*`.
const ALLOWED: &str = "127.2.0.0/16";
/// An address that is ours by the word of the operator, and one at which the server listens for mail.
pub(crate) const OURS: &str = "127.2.255.1";
pub(crate) const LISTENER: &str = "127.2.255.2";
/// Addresses that no mail may go to, at which somebody waits for it. The operator has not opened them.
const TRAPS: [&str; 4] = ["127.0.0.1", "127.0.1.1", "127.3.0.1", "[::1]"];
/// The most hosts of one kind in a zone.
const HOSTS_MAX: usize = 25;

/// Connections so far: who was connected to, by the zone.
type ConnectionList = Arc<Mutex<BTreeMap<String, Vec<String>>>>;

/// The hosts of all zones.
pub(crate) struct MailHosts {
    port: u16,
    connections: ConnectionList,
    _sinks: Vec<Sink>,
    /// It keeps the port from other tests.
    _reserved: TcpListener,
}

/// The address of a host of a zone.
fn address(zone: usize, kind: &str, number: usize) -> String {
    let first = match kind {
        "up" => 0,
        "busy" => 100,
        _ => 200,
    };
    format!("127.2.{zone}.{}", first + number)
}

/// The hosts that a script names, by kind and number.
fn named(script: &str) -> BTreeSet<(&'static str, usize)> {
    let all = ["up", "busy", "down"]
        .into_iter()
        .flat_map(|kind| (1..=HOSTS_MAX).map(move |number| (kind, number)));
    all.filter(|(kind, number)| script.contains(&format!("{{{kind}{number}}}")))
        .collect()
}

impl MailHosts {
    /// Starts all hosts at a port that is free at each of the addresses.
    fn start(zones: &[MailZone]) -> Self {
        for _ in 0..20 {
            let port = free_port();
            let Ok(free) = TcpListener::bind(("127.2.255.254", port)) else {
                continue;
            };
            let is_free = |trap: &&str| TcpListener::bind(format!("{trap}:{port}")).is_ok();
            if TRAPS.iter().chain([&LISTENER]).all(is_free) {
                return Self::start_at(port, zones, free);
            }
        }
        panic!("no port is free at all addresses");
    }

    /// Starts all hosts at a port.
    pub(crate) fn start_at(port: u16, zones: &[MailZone], reserved: TcpListener) -> Self {
        let connections = ConnectionList::default();
        let listen = |address: &str, zone: String, name: String| {
            let connections = Arc::clone(&connections);
            let is_busy = name.starts_with("busy");
            let rule = move |_: usize, said: &str| {
                if said.is_empty() {
                    let mut connections = connections.lock().unwrap();
                    let of_zone = connections.entry(zone.clone()).or_default();
                    of_zone.push(name.clone());
                    if is_busy {
                        return Answer::SayAndClose("421 4.3.2 Busy");
                    }
                }
                Answer::Usual
            };
            Sink::listen(&format!("{address}:{port}"), rule, false)
        };
        let mut sinks = Vec::new();
        for (number, zone) in zones.iter().enumerate() {
            for (kind, host) in named(&zone.script) {
                if kind != "down" {
                    let address = address(number, kind, host);
                    sinks.push(listen(&address, domain(number), format!("{kind}{host}")));
                }
            }
        }
        sinks.extend(TRAPS.map(|trap| listen(trap, "trap".to_owned(), trap.to_owned())));
        Self {
            port,
            connections,
            _sinks: sinks,
            _reserved: reserved,
        }
    }
}

/// The domain of a zone.
pub(crate) fn domain(zone: usize) -> String {
    format!("z{zone:02}.example")
}

/// The script of a zone with its names and addresses.
fn expanded(number: usize, zone: &MailZone, port: u16) -> String {
    let mut script = zone.script.replace('@', &domain(number));
    script = script.replace("PORT", &port.to_string());
    for (kind, host) in named(&zone.script) {
        let address = address(number, kind, host);
        script = script.replace(&format!("{{{kind}{host}}}"), &address);
    }
    script.replace(';', "\n")
}

/// The rules of all zones: of a name that is in one there is nothing else, other names are not there.
pub(crate) fn script_of_all(zones: &[MailZone], port: u16) -> Script {
    let mut text = String::new();
    let mut owners = BTreeSet::new();
    for (number, zone) in zones.iter().enumerate() {
        if zone.script.starts_with("literal ") {
            continue;
        }
        let script = expanded(number, zone, port);
        for line in script.lines().map(str::trim) {
            let words = line.split_whitespace().filter(|word| *word != "once");
            owners.extend(words.take(1).map(str::to_owned));
        }
        text += &script;
        text += "\n";
    }
    for owner in owners {
        text += &format!("{owner} * = nodata 60\n");
    }
    text += "* * = nxdomain 60\n";
    Script::new(&text)
}

/// Sends a message to each of the zones, and returns all that is not as expected.
fn deviations(zones: &[MailZone]) -> Vec<String> {
    let hosts = MailHosts::start(zones);
    let port = hosts.port.to_string();
    let names = name_server::start("127.0.0.1:0", script_of_all(zones, hosts.port)).to_string();
    let own_listener = format!("{LISTENER}:{port}");
    let literals = recipients(zones, hosts.port).into_iter().filter_map(|to| {
        Some(format!(
            "{}=mx",
            to.strip_prefix("bob@")
                .filter(|domain| domain.starts_with('['))?
        ))
    });
    let literals: Vec<String> = literals.collect();
    let literals = literals.iter().flat_map(|route| ["--route", &**route]);
    let options = [
        "--listen",
        "127.0.0.1:0",
        "--listen",
        &own_listener,
        "--dns",
        &names,
        "--route",
        "*=mx",
        "--relay-from",
        "127.0.0.1",
        "--retry",
        "3600",
        "--spool",
        "spool",
        "--mx-port",
        &port,
        "--mx-allow",
        ALLOWED,
        "--own-address",
        OURS,
    ];
    let options: Vec<&str> = options.into_iter().chain(literals).collect();
    let mut server = TestServer::start(&options);
    let recipients = recipients(zones, hosts.port);
    send_to_all(server.address(), &recipients);
    let tries = recipients.iter().map(|to| tries_of(&server, to)).collect();
    server.stop();
    let connections = hosts.connections.lock().unwrap().clone();
    compare(zones, tries, &connections)
}

/// Sends a message to each recipient by the server at an address.
pub(crate) fn send_to_all(address: &str, recipients: &[String]) {
    let mut client = Client::connect(address);
    client.hello();
    for to in recipients {
        // Nobody hears of what fails.
        client.ask("MAIL FROM:<>", "250");
        client.ask(&format!("RCPT TO:<{to}>"), "250");
        client.ask("DATA", "354");
        client.say("Subject: zones\r\n\r\n.\r\n");
        client.expect("250");
    }
}

/// A recipient in each zone.
pub(crate) fn recipients(zones: &[MailZone], port: u16) -> Vec<String> {
    let numbered = zones.iter().enumerate();
    let recipients = numbered.map(|(number, zone)| {
        let script = expanded(number, zone, port);
        match script.strip_prefix("literal ") {
            Some(address) => format!("bob@[{address}]"),
            None => format!("bob@{}", domain(number)),
        }
    });
    recipients.collect()
}

/// The lines of the log about a recipient, once there is one.
fn tries_of(server: &TestServer, to: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let word = format!("to=<{to}> hop=");
    happens(|| {
        let log = server.log();
        let found = log.lines().filter(|line| line.contains(&word));
        lines = found.map(str::to_owned).collect();
        !lines.is_empty()
    });
    lines
}

fn compare(
    zones: &[MailZone],
    tries: Vec<Vec<String>>,
    connections: &BTreeMap<String, Vec<String>>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for (number, (zone, tries)) in zones.iter().zip(tries).enumerate() {
        let fate = match &tries[..] {
            [line] => fate(line),
            _ => format!("{} tries", tries.len()),
        };
        let made = connections.get(&domain(number));
        let made = made.map_or(String::new(), |made| made.join(" "));
        let is_expected = zone.connections.split(" or ").any(|those| those == made);
        // Where nobody was to be reached, nobody was tried.
        let tries_some = !zone.connections.is_empty() || zone.script.contains("{down");
        let is_local = tries_some || tries.iter().all(|line| no_host(line));
        if fate != zone.fate || !is_expected || !is_local {
            let (about, script) = (&zone.about, &zone.script);
            wrong.push(format!(
                "{about} ({script}): {fate}, connections: {made:?}\n  expected {}, {:?}\n  {tries:?}",
                zone.fate, zone.connections
            ));
        }
    }
    let trapped = connections.get("trap");
    wrong.extend(trapped.map(|trapped| format!("connections to what is refused: {trapped:?}")));
    wrong
}

/// Whether nobody was reached, and nobody was tried to be.
fn no_host(line: &str) -> bool {
    line.contains(" hop=none ") && !line.contains("connect")
}

/// What became of mail, and its status but where it was sent.
fn fate(line: &str) -> String {
    let value = |name: &str| {
        let (_, rest) = line.split_once(name).expect(line);
        rest.split(' ').next().unwrap().to_owned()
    };
    match value(" status=") {
        status if status == "sent" => status,
        status => format!("{status} {}", value(" dsn=")),
    }
}

/// Sends a message to each of the zones, all at one time.
#[track_caller]
pub(crate) fn expect(zones: &[MailZone]) {
    assert!(zones.len() < 255, "a zone has an octet of the addresses");
    // Answers of name servers have their times.
    undisturbed(|| {
        let wrong = deviations(zones);
        assert!(
            wrong.is_empty(),
            "{} of {} zones:\n{}",
            wrong.len(),
            zones.len(),
            wrong.join("\n")
        );
    });
    println!("{} zones", zones.len());
}
