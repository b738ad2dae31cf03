//! The metrics, as a strict reader of OpenMetrics takes them.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};

use super::start;
use crate::common::TestServer;
use crate::common::client::Client;
use crate::common::http::HttpClient;

/// A family of metrics.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    /// The values by their names and labels, as they stand there.
    samples: Vec<(String, f64)>,
}

/// Reads the text of metrics, as OpenMetrics 1.0 has it: families one after the other, each with its type first, no name twice.
#[track_caller]
fn read(text: &str) -> BTreeMap<String, Family> {
    let text = text.strip_suffix("# EOF\n").expect("the end is missing");
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let (mut current, mut seen) = (String::new(), BTreeSet::new());
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let words: Vec<&str> = comment.splitn(3, ' ').collect();
            let [what, name, value] = words[..] else {
                panic!("{line}");
            };
            match what {
                "TYPE" => {
                    assert!(!families.contains_key(name), "{name} is there twice");
                    current = name.to_owned();
                    families.entry(current.clone()).or_default().kind = value.to_owned();
                }
                "UNIT" => assert!(
                    name == current && name.ends_with(&format!("_{value}")),
                    "{line}"
                ),
                "HELP" => assert!(name == current && value.ends_with('.'), "{line}"),
                _ => panic!("{line}"),
            }
            continue;
        }
        let (name, value) = line.rsplit_once(' ').expect("no value");
        assert!(seen.insert(name), "{name} is there twice");
        let family = families.get_mut(&current).expect("no TYPE before");
        let bare = name.split('{').next().unwrap();
        let suffix = bare
            .strip_prefix(&*current)
            .unwrap_or_else(|| panic!("{line} in {current}"));
        let allowed: &[&str] = match &*family.kind {
            "counter" => &["_total"],
            "gauge" => &[""],
            "info" => &["_info"],
            "histogram" => &["_bucket", "_count", "_sum"],
            kind => panic!("{kind}"),
        };
        assert!(allowed.contains(&suffix), "{line} of a {}", family.kind);
        family
            .samples
            .push((name.to_owned(), value.parse().unwrap()));
    }
    for (name, family) in families
        .iter()
        .filter(|(_, family)| family.kind == "histogram")
    {
        let with = |suffix: &str| {
            let prefix = format!("{name}{suffix}");
            let samples = family.samples.iter();
            samples
                .filter(move |(name, _)| name.starts_with(&prefix))
                .map(|(_, value)| *value)
                .collect::<Vec<_>>()
        };
        let buckets = with("_bucket");
        assert!(buckets.is_sorted(), "{family:?}");
        assert_eq!(buckets.last(), with("_count").first(), "{family:?}");
    }
    families
}

#[track_caller]
fn scrape(server: &TestServer) -> BTreeMap<String, f64> {
    let reply = HttpClient::connect(server).get("/metrics");
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(reply.field("Content-Type"), Some(content_type));
    let families = read(reply.text()).into_values();
    families.flat_map(|family| family.samples).collect()
}

#[test]
fn metrics_count_what_mail_came() {
    let mut server = start(&[]);
    let before = scrape(&server);
    for sum in [
        "mailoop_messages_total",
        "mailoop_received_octets_total",
        "mailoop_store_wait_seconds_count",
    ] {
        assert_eq!(before[sum], 0.0, "{sum}");
    }
    let mut client = Client::connect(server.address());
    client.begin_message("ann@example.org");
    client.say("hello\r\n.\r\nNONSENSE\r\n");
    client.expect("250");
    client.expect("500");
    // Also of a connection that goes on.
    let during = scrape(&server);
    assert_eq!(during["mailoop_open_connections"], 1.0);
    assert_eq!(during["mailoop_messages_total"], 1.0);
    assert_eq!(during["mailoop_errors_total{reason=\"reply\"}"], 1.0);
    assert!(during["mailoop_received_octets_total"] > 80.0);
    client.say("QUIT\r\n");
    client.expect("221");
    client.rest();
    let after = scrape(&server);
    for (name, value) in [
        ("mailoop_connections_total{reason=\"quit\"}", 1.0),
        ("mailoop_open_connections", 0.0),
        ("mailoop_messages_total", 1.0),
        // 220, HELO, MAIL, RCPT, the message, QUIT.
        ("mailoop_replies_total{class=\"2yz\"}", 6.0),
        ("mailoop_replies_total{class=\"3yz\"}", 1.0),
        ("mailoop_replies_total{class=\"4yz\"}", 0.0),
        ("mailoop_replies_total{class=\"5yz\"}", 1.0),
        ("mailoop_store_wait_seconds_count", 1.0),
        ("mailoop_commit_group_messages_sum", 1.0),
        ("mailoop_errors_total{reason=\"reply\"}", 1.0),
        ("mailoop_errors_total{reason=\"store\"}", 0.0),
    ] {
        assert_eq!(after[name], value, "{name}");
    }
    assert!(after["mailoop_sent_octets_total"] > during["mailoop_sent_octets_total"]);
    assert!(after["mailoop_tick_seconds_count"] > before["mailoop_tick_seconds_count"]);
    server.stop();
}

/// What Prometheus itself takes, where its client for Python is installed.
#[test]
fn the_reader_of_prometheus_takes_them() {
    use crate::common::program::{foreign, installed, python_with};

    if !installed(&["prometheus-client"]) {
        return;
    }
    let server = start(&[]);
    let script = "import sys\nfrom prometheus_client.openmetrics.parser import text_string_to_metric_families as families\n\
                  print(len(list(families(sys.stdin.read()))))";
    let text = HttpClient::connect(&server).get("/metrics").body;
    let mut python: Command = foreign(&python_with("prometheus-client"));
    python
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = python.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), &text).unwrap();
    let output = child.wait_with_output().unwrap();
    let families: usize = String::from_utf8(output.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    assert!(families >= 12, "{families}");
}
