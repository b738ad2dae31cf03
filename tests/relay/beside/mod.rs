//! Beside Postfix as a client: each decides alike about hops that answer anything at any step, but where a list says why not.

mod answers;
mod deviations;
mod hops;
mod scenarios;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::thread::sleep;
use std::time::Duration;

use crate::common::pauses::undisturbed;
use crate::common::program::faketime;
use crate::common::{HOSTNAME, TestServer, happens};
use crate::mail::{client, give};
use crate::postfix::{Postfix, can_run};
use crate::site::Site;
use deviations::DEVIATIONS;
use hops::Hops;
use scenarios::Scenario;

const OURS: &str = "mailoop@here.example";
const THEIRS: &str = "postfix@here.example";
/// Makes the clock of mailoop run, whose time for a hop that is silent are minutes.
const FAKETIME: &str = "libfaketime.so.1";
const CLOCK: &str = "+0 x50";
/// Those who give messages at once: each waits for the disk.
const CLIENTS: usize = 16;
/// Between two looks at logs, which take their time.
const LOOK: Duration = Duration::from_millis(50);
const TEXT: &[u8] = b"Subject: one of many\r\n\r\ntext\r\n";

/// What becomes of a recipient at the first try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Sent,
    /// The hop behind the first one took it.
    SentByNext,
    Deferred,
    Failed,
}

/// The fate of each address, and its status code.
type Fates = BTreeMap<String, (Fate, String)>;

#[test]
fn each_recipient_has_the_fate_that_postfix_gives_it() {
    if !can_run(&["postfix", FAKETIME]) {
        return;
    }
    // Each waits for some seconds for a hop that is silent, and takes one for it that is halted.
    undisturbed(compare);
}

fn compare() {
    let scenarios = scenarios::all();
    let hops = Hops::start(scenarios.clone());
    let theirs = fates_by_postfix(&scenarios, &hops);
    let mut ours = Fates::new();
    for is_silent in [false, true] {
        ours.extend(fates_by_mailoop(&scenarios, is_silent, &hops));
    }
    let mut unlisted = told_unlike_taken(&ours, OURS, &hops);
    let mut met = [0; DEVIATIONS.len()];
    for (number, scenario) in scenarios.iter().enumerate() {
        for to in addresses(number, scenario) {
            let ((ours, our_status), (theirs, their_status)) = (&ours[&to], &theirs[&to]);
            let (ours, theirs) = (*ours, *theirs);
            if (ours, theirs) == (Fate::Failed, Fate::Failed) && our_status != their_status {
                let name = &scenario.name;
                let _ = writeln!(
                    unlisted,
                    "{to} {name}: {our_status}, Postfix {their_status}"
                );
            }
            let local_part = to.split('@').next().unwrap();
            match deviations::listed(scenario, local_part, ours, theirs) {
                _ if ours == theirs => {}
                Some(place) => met[place] += 1,
                None => {
                    let _ = writeln!(
                        unlisted,
                        "{to} {}: {ours:?}, Postfix {theirs:?}",
                        scenario.name
                    );
                }
            }
        }
    }
    println!("{} scenarios, {} recipients", scenarios.len(), ours.len());
    for (deviation, met) in DEVIATIONS.iter().zip(met) {
        println!("{met} times: {}", deviation.why);
        if met == 0 && !deviation.may_be_gone {
            let _ = writeln!(unlisted, "never met: {}", deviation.why);
        }
    }
    assert!(unlisted.is_empty(), "unlisted:\n{unlisted}");
    assert!(scenarios.len() > 300 && ours.len() > 1000);
}

fn addresses(number: usize, scenario: &Scenario) -> Vec<String> {
    let domain = Scenario::domain(number);
    let to = scenario.to.iter();
    to.map(|local_part| format!("{local_part}@{domain}"))
        .collect()
}

/// Gives a message for each of these scenarios to a server, by some clients at once.
fn give_all(address: &str, from: &str, scenarios: &[(usize, &Scenario)]) {
    std::thread::scope(|scope| {
        for some in scenarios.chunks(scenarios.len().div_ceil(CLIENTS)) {
            scope.spawn(move || {
                let mut client = client(address);
                for (number, scenario) in some {
                    let to = addresses(*number, scenario);
                    let to: Vec<_> = to.iter().map(String::as_str).collect();
                    give(&mut client, from, &to, TEXT);
                }
                client.ask("QUIT", "221");
            });
        }
    });
}

/// Those of whom the log tells that they were sent, and the hop does not, or twice, or otherwise.
fn told_unlike_taken(fates: &Fates, from: &str, hops: &Hops) -> String {
    let mut copies: BTreeMap<String, Vec<bool>> = BTreeMap::new();
    for (_, to, is_next) in hops.taken().into_iter().filter(|copy| copy.0 == from) {
        copies.entry(to).or_default().push(is_next);
    }
    let wrong = fates.iter().filter(|(to, (fate, _))| {
        let taken = copies.get(*to).map_or(&[][..], |copies| copies);
        match fate {
            Fate::Sent => taken != [false],
            Fate::SentByNext => taken.last() != Some(&true),
            // Of what was taken its reply may have been lost.
            Fate::Deferred | Fate::Failed => taken.contains(&true),
        }
    });
    wrong
        .map(|(to, fate)| format!("{from} to {to}: {fate:?}, taken {:?}\n", copies.get(to)))
        .collect()
}

/// The value of a field of a log line.
fn field<'a>(line: &'a str, name: &str, end: char) -> Option<&'a str> {
    let (_, rest) = line.split_once(name)?;
    rest.split(end).next()
}

/// The fate of the recipient of a line of a log, by the name of the field that has its host.
fn fate(line: &str, host: &str) -> Option<(String, (Fate, String))> {
    let to = field(line, " to=<", '>')?;
    let is_next = field(line, host, ' ').is_some_and(|host| host.contains("127.2."));
    let fate = match field(line, " status=", ' ')? {
        "sent" if is_next => Fate::SentByNext,
        "sent" => Fate::Sent,
        "failed" | "bounced" | "expired" => Fate::Failed,
        "deferred" | "uncertain" => Fate::Deferred,
        _ => return None,
    };
    let status = field(line, " dsn=", ' ')?.trim_end_matches(',');
    Some((to.to_owned(), (fate, status.to_owned())))
}

fn fates_by_postfix(scenarios: &[Scenario], hops: &Hops) -> Fates {
    let mut transports = "here.example discard:\n".to_owned();
    for (number, scenario) in scenarios.iter().enumerate() {
        let domain = Scenario::domain(number);
        let first = hops.address(number, false);
        let (ip, port) = (first.ip(), first.port());
        let _ = match (scenario.is_lmtp, scenario.has_next) {
            (true, _) => writeln!(transports, "{domain} lmtp:inet:[{ip}]:{port}"),
            (false, false) => writeln!(transports, "{domain} smtp:[{ip}]:{port}"),
            (false, true) => {
                let next = hops.address(number, true).ip();
                writeln!(transports, "{domain} smtp:[{ip}]:{port}, [{next}]:{port}")
            }
        };
    }
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("transports");
    std::fs::write(&table, transports).unwrap();
    crate::postfix::open(folder.path());
    let settings = format!(
        "transport_maps = texthash:{}\n\
         smtp_tls_security_level = may\n\
         smtp_connection_cache_on_demand = no\n\
         in_flow_delay = 0\n\
         default_process_limit = 300\n\
         smtpd_client_connection_rate_limit = 0\n{}",
        table.display(),
        ["smtp", "lmtp"].map(short_timeouts).concat()
    );
    let postfix = Postfix::start(&settings, "");
    let all: Vec<_> = scenarios.iter().enumerate().collect();
    give_all(&postfix.address(), THEIRS, &all);
    let expected: usize = scenarios.iter().map(|scenario| scenario.to.len()).sum();
    let mut fates = Fates::new();
    let is_settled = happens(|| {
        sleep(LOOK);
        let log = postfix.log();
        let lines = log.lines().filter(|line| line.contains(".example>"));
        fates = lines.filter_map(|line| fate(line, " relay=")).collect();
        fates.retain(|to, _| !to.ends_with("@here.example"));
        fates.len() == expected
    });
    let told = fates.len();
    assert!(is_settled, "Postfix has told of {told} of {expected}");
    fates
}

/// How long Postfix waits for a hop that is silent.
fn short_timeouts(client: &str) -> String {
    let steps = [
        "connect",
        "starttls",
        "mail",
        "rcpt",
        "data_init",
        "data_xfer",
        "data_done",
        "rset",
        "quit",
    ];
    let hello = if client == "smtp" { "helo" } else { "lhlo" };
    let steps = steps.into_iter().chain([hello]);
    steps
        .map(|step| format!("{client}_{step}_timeout = 2s\n"))
        .collect()
}

/// The fates in the scenarios in which a hop falls silent, by a clock that runs, or in the others.
fn fates_by_mailoop(scenarios: &[Scenario], is_silent: bool, hops: &Hops) -> Fates {
    let site = Site::new();
    let routes = routes(scenarios, hops);
    let config = site.write("routes.toml", &format!("[routes]\n{routes}"));
    // There is one try, at the beginning.
    let options = ["--config", &config, "--retry", "86400"];
    let listening = ["--listen", "127.0.0.1:0", "--hostname", HOSTNAME];
    let options = [&options[..], &listening].concat();
    let library = format!("LD_PRELOAD={}", faketime().unwrap());
    let clock = format!("FAKETIME={CLOCK}");
    let mut server = match is_silent {
        true => site.start_under(&["/usr/bin/env", &library, &clock], &options),
        false => site.start(&options),
    };
    let scenarios = scenarios.iter().enumerate();
    let scenarios: Vec<_> = scenarios
        .filter(|(_, it)| it.is_silent() == is_silent)
        .collect();
    give_all(server.address(), OURS, &scenarios);
    let expected: usize = scenarios.iter().map(|(_, it)| it.to.len()).sum();
    let mut fates = Fates::new();
    let mut waker = client(server.address());
    let is_settled = happens(|| {
        sleep(LOOK);
        // A wait of the system takes no part in the clock: the server looks at it when something comes.
        waker.ask("NOOP", "250");
        fates = fates_in(&server);
        fates.len() == expected && !is_at_work(&site)
    });
    fates = fates_in(&server);
    assert!(
        is_settled,
        "{} of {expected}:\n{}",
        fates.len(),
        server.log()
    );
    server.stop();
    fates
}

/// The routes, as a configuration has them.
fn routes(scenarios: &[Scenario], hops: &Hops) -> String {
    let mut routes = String::new();
    for (number, scenario) in scenarios.iter().enumerate() {
        let domain = Scenario::domain(number);
        let first = hops.address(number, false);
        let _ = match (scenario.is_lmtp, scenario.has_next) {
            (true, _) => writeln!(routes, "\"{domain}\" = \"lmtp://{first}\""),
            (false, false) => writeln!(routes, "\"{domain}\" = \"smtp://{first}\""),
            (false, true) => {
                let next = hops.address(number, true);
                writeln!(routes, "\"{domain}\" = \"smtp://{first},smtp://{next}\"")
            }
        };
    }
    routes
}

fn fates_in(server: &TestServer) -> Fates {
    let log = server.log();
    let lines = log.lines().filter(|line| line.starts_with("id="));
    let fates = lines.filter_map(|line| fate(line, " hop="));
    fates
        .filter(|(to, _)| !to.ends_with("@here.example"))
        .collect()
}

/// Whether a message is on its way or about to be.
fn is_at_work(site: &Site) -> bool {
    let list = site.queue_says(&["list", "--json"]);
    let states = ["ready", "active"].map(|state| format!("\"state\":\"{state}\""));
    states.iter().any(|state| list.contains(state))
}
