//! Beside Postfix: with filters that follow a script the client hears alike, the filters are told alike and the stored octets are the
//! same but for the trace, where a list does not say why not.

mod deviations;
mod macros;
mod scenarios;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use crate::common::client::Client;
use crate::common::filter::{FilterScript, ScriptedFilter};
use crate::common::{TestServer, wait_until, without_trace};
use crate::hear;
use crate::postfix::{Postfix, can_run};
use crate::sink::Sink;
use deviations::DEVIATIONS;
use scenarios::Scenario;

/// All that can be seen of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    /// The first word of each command, and the reply to it.
    replies: Vec<(String, String)>,
    /// What each filter was told, without macros, the body in one piece.
    told: Vec<Vec<String>>,
    /// By recipient: the sender and the text.
    stored: BTreeMap<String, (String, String)>,
}

impl Seen {
    /// The reply with this number, counted from the greeting.
    fn reply(&self, number: usize) -> &str {
        self.replies.get(number).map_or("", |(_, reply)| reply)
    }

    /// Whether a reply begins so.
    fn says(&self, text: &str) -> bool {
        self.replies
            .iter()
            .any(|(_, reply)| reply.starts_with(text))
    }
}

/// The aspects in which two sessions may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aspect {
    Replies,
    Told,
    Stored,
}

#[test]
fn filters_do_what_they_do_before_postfix() {
    if !can_run(&["postfix"]) {
        return;
    }
    let scenarios = scenarios::all();
    let (ours, theirs) = std::thread::scope(|scope| {
        let theirs = scope.spawn(|| by_postfix(&scenarios));
        (by_mailoop(&scenarios), theirs.join().unwrap())
    });
    let mut met = [0; DEVIATIONS.len()];
    let mut unlisted = String::new();
    for (scenario, (ours, theirs)) in scenarios.iter().zip(ours.iter().zip(&theirs)) {
        for (aspect, shown) in differences(ours, theirs) {
            match deviations::listed(scenario, aspect, ours, theirs) {
                Some(place) => met[place] += 1,
                None => {
                    let _ = writeln!(unlisted, "{}: {aspect:?}: {shown}", scenario.name);
                }
            }
        }
    }
    println!("{} scenarios", scenarios.len());
    for (deviation, met) in DEVIATIONS.iter().zip(met) {
        println!("{met} times: {}", deviation.why);
        if met == 0 {
            let _ = writeln!(unlisted, "never met: {}", deviation.why);
        }
    }
    assert!(unlisted.is_empty(), "unlisted:\n{unlisted}");
    assert!(scenarios.len() > 300);
}

/// Where two sessions differ, and how.
fn differences(ours: &Seen, theirs: &Seen) -> Vec<(Aspect, String)> {
    let mut found = Vec::new();
    let is_alike = ours.replies.len() == theirs.replies.len()
        && ours.replies.iter().zip(&theirs.replies).all(is_alike);
    if !is_alike {
        let shown = format!("{:?}, Postfix {:?}", ours.replies, theirs.replies);
        found.push((Aspect::Replies, shown));
    }
    if ours.told != theirs.told {
        let shown = format!("{:?}, Postfix {:?}", ours.told, theirs.told);
        found.push((Aspect::Told, shown));
    }
    if ours.stored != theirs.stored {
        let shown = format!("{:?}, Postfix {:?}", ours.stored, theirs.stored);
        found.push((Aspect::Stored, shown));
    }
    found
}

/// Whether two replies are alike: those that refuse in each octet, others in their code. The names of servers are their own.
fn is_alike((ours, theirs): (&(String, String), &(String, String))) -> bool {
    let is_good = ours.1.starts_with(['2', '3']);
    let (our_reply, their_reply) = (
        ours.1.replace(crate::common::HOSTNAME, "HOST"),
        theirs.1.replace("postfix.example.com", "HOST"),
    );
    ours.0 == theirs.0
        && match is_good {
            true => ours.1.get(..3) == theirs.1.get(..3),
            false => our_reply == their_reply,
        }
}

/// A session with one transaction, and the beginning of another one. It ends where the server has it end.
fn session(mut client: Client<std::net::TcpStream>, scenario: &Scenario) -> Vec<(String, String)> {
    let mut replies = Vec::new();
    let mut said = |words: &str, is_due: bool| -> u8 {
        let last = replies
            .last()
            .map_or("", |(_, reply): &(String, String)| reply);
        let is_over = !replies.is_empty() && (last.is_empty() || last.starts_with("421"));
        if is_over || !is_due {
            return 0;
        }
        client.say(words);
        let verb = words.split(['\r', ':']).next().unwrap().to_owned();
        let reply = hear(&mut client);
        let class = reply.bytes().next().unwrap_or(0);
        replies.push((verb, reply));
        class
    };
    said("", true);
    said("EHLO client.example\r\n", true);
    let is_begun = said("MAIL FROM:<a@client.example>\r\n", true) == b'2';
    let mut has_recipient = false;
    for to in &scenario.to {
        has_recipient |= said(&format!("RCPT TO:<{to}>\r\n"), is_begun) == b'2';
    }
    if said("DATA\r\n", has_recipient) == b'3' {
        said(&format!("{}.\r\n", scenario.message), true);
    }
    said("RSET\r\n", true);
    said("MAIL FROM:<again@client.example>\r\n", true);
    said("QUIT\r\n", true);
    replies
}

/// Has each session of a server begin with filters that follow its scripts.
fn run_all(
    scenarios: &[Scenario],
    filters: &[ScriptedFilter; 2],
    connect: impl Fn(usize) -> Client<std::net::TcpStream>,
) -> Vec<Seen> {
    let runs = scenarios.iter().enumerate().map(|(number, scenario)| {
        for (filter, script) in filters.iter().zip(&scenario.filters) {
            filter.follow(script.clone());
        }
        let replies = session(connect(number), scenario);
        wait_until("the filters to be left", || {
            filters.iter().all(|it| it.connections() == 0)
        });
        Seen {
            replies,
            told: filters.iter().map(|it| steps(&it.told())).collect(),
            stored: BTreeMap::new(),
        }
    });
    runs.collect()
}

/// The steps, the octets of a body in one piece. The ends of transactions that come to nothing are told when each server likes.
fn steps(told: &[String]) -> Vec<String> {
    let mut steps: Vec<String> = Vec::new();
    for step in told {
        match step.as_bytes().first() {
            Some(b'O' | b'D' | b'A' | b'K' | b'Q') => {}
            Some(b'C') => steps.push("C".to_owned()),
            Some(b'B') if steps.last().is_some_and(|last| last.starts_with('B')) => {
                steps.last_mut().unwrap().push_str(&step[1..]);
            }
            _ => steps.push(step.clone()),
        }
    }
    steps
}

fn start_filters() -> [ScriptedFilter; 2] {
    [0, 1].map(|_| ScriptedFilter::start(FilterScript::default()))
}

fn by_postfix(scenarios: &[Scenario]) -> Vec<Seen> {
    let (filters, sink) = (start_filters(), Sink::start());
    let port = sink.address().rsplit(':').next().unwrap();
    let settings = format!(
        "smtpd_milters = {}, {}\n\
         milter_default_action = tempfail\n\
         relayhost = [127.0.0.1]:{port}\n\
         smtp_dns_support_level = disabled\n\
         local_header_rewrite_clients =\n\
         smtpd_peername_lookup = no\n\
         smtpd_error_sleep_time = 0\n\
         smtpd_soft_error_limit = 1000\n\
         smtpd_client_connection_rate_limit = 0\n\
         disable_mime_output_conversion = yes\n\
         in_flow_delay = 0\n",
        filters[0].address, filters[1].address
    );
    let postfix = Postfix::start(&settings, "");
    let mut seen = run_all(scenarios, &filters, |_| Client::connect(&postfix.address()));
    wait_until("Postfix to send all on", || postfix.is_idle());
    for message in sink.taken() {
        let text = String::from_utf8(message.text).unwrap();
        let text = without_received(&text);
        for to in message.to {
            let number = scenarios::number(&to);
            seen[number]
                .stored
                .insert(to, (message.from.clone(), text.clone()));
        }
    }
    seen
}

/// A text without the trace of Postfix, which filters may put fields before.
fn without_received(text: &str) -> String {
    let begin = match text.starts_with("Received: from ") {
        true => 0,
        false => text.find("\r\nReceived: from ").unwrap() + 2,
    };
    let ends = text.match_indices("\r\n").map(|(at, _)| at + 2);
    let mut ends = ends.filter(|at| *at > begin && !text[*at..].starts_with(['\t', ' ']));
    let end = ends.next().unwrap();
    [&text[..begin], &text[end..]].concat()
}

fn by_mailoop(scenarios: &[Scenario]) -> Vec<Seen> {
    let filters = start_filters();
    let [first, second] = filters.each_ref().map(|it| &*it.address);
    let mut server = TestServer::start(&[
        "--listen",
        "127.0.0.1:0",
        "--milter",
        first,
        "--milter",
        second,
    ]);
    // Each client comes from an address of its own: new mailboxes are counted by these.
    let mut seen = run_all(scenarios, &filters, |number| {
        Client::connect_from(number, server.address())
    });
    server.stop();
    for (number, seen) in seen.iter_mut().enumerate() {
        let domain = scenarios::domain(number);
        let folder = server.maildir().join(&domain);
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let to = format!("{}@{domain}", entry.unwrap().file_name().display());
            for file in server.new_mail(&to) {
                let mail = fs::read(file).unwrap();
                let text = String::from_utf8(without_trace(&mail).to_vec()).unwrap();
                let mail = String::from_utf8(mail).unwrap();
                let from = mail.split(['<', '>']).nth(1).unwrap().to_owned();
                let former = seen
                    .stored
                    .insert(to.clone(), (from, text.replace('\n', "\r\n")));
                assert_eq!(former, None, "stored twice");
            }
        }
    }
    seen
}
