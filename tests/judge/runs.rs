//! Whole runs: against mailoop itself, against servers that are silent or die, and without any server.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::common::TestServer;
use crate::common::json::Json;
use crate::common::pauses::undisturbed;
use crate::common::ports::deserted_address;
use crate::judged::{judge, whole_run};

/// A listener and its address.
fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// A session with a server that says 250 to everything but QUIT.
fn agree(mut stream: TcpStream) {
    let Ok(copy) = stream.try_clone() else { return };
    let mut lines = BufReader::new(copy).lines();
    let mut reply = "220 name ready\r\n";
    while stream.write_all(reply.as_bytes()).is_ok() && !reply.starts_with("221") {
        let Some(Ok(line)) = lines.next() else { return };
        reply = match line.as_str() {
            "QUIT" => "221 bye\r\n",
            _ => "250 as you say\r\n",
        };
    }
}

#[test]
fn mailoop_itself_passes_every_check() {
    let server = TestServer::start(&[]);
    let judged = ["server", server.address(), "--json"];
    let run = whole_run(|only| judge(&[&judged[..], only].concat()));
    let text = &run.told.text;
    assert_eq!(run.failed, [""; 0], "{text}");
    assert_eq!(run.told.with_result("skipped"), [""; 0], "{text}");
}

/// Filters that have nothing against it make no difference, however they say so.
#[cfg(feature = "milter")]
#[test]
fn mailoop_with_filters_passes_every_check() {
    use crate::common::filter::{
        ACCEPT, ADD_HEADER, Act, CONTINUE, FilterScript, PROGRESS, STEPS, ScriptedFilter, texts,
    };

    let changing = vec![
        (PROGRESS, Vec::new()),
        (ADD_HEADER, texts(&["X-Seen", "yes"])),
        (CONTINUE, Vec::new()),
    ];
    let silent = STEPS.iter().fold(0, |bits, step| bits | step.2);
    let scripts = [
        FilterScript::default(),
        FilterScript {
            protocol: silent,
            acts: vec![(b'E', Act::Reply(changing))],
            only: None,
        },
        FilterScript {
            acts: vec![(b'C', Act::Reply(vec![(ACCEPT, Vec::new())]))],
            ..FilterScript::default()
        },
    ];
    let passes = |script| {
        let filter = ScriptedFilter::start(script);
        let server = TestServer::start(&["--milter", &filter.address]);
        let judged = ["server", server.address(), "--json"];
        let run = whole_run(|only| judge(&[&judged[..], only].concat()));
        let text = &run.told.text;
        assert_eq!(run.failed, [""; 0], "{text}");
        assert_eq!(run.told.with_result("skipped"), [""; 0], "{text}");
        assert!(!filter.told().is_empty());
    };
    // Most of it is waiting.
    thread::scope(|scope| {
        for judging in scripts.map(|script| scope.spawn(move || passes(script))) {
            judging.join().unwrap();
        }
    });
}

#[test]
fn the_classroom_learns_the_end_of_a_message_from_the_reply_to_data() {
    let server = TestServer::start(&["--end-of-data", "end of email", "--listen", "unix:socket"]);
    let address = format!("unix:{}", server.folder().join("socket").display());
    let classroom = ["server", &*address, "--dialect", "classroom"];
    let run = whole_run(|only| judge(&[&classroom[..], &["--json"], only].concat()));
    assert_eq!(run.failed, [""; 0], "{}", run.told.text);
    let patient = ["--timeout", "60", "--only", "message", "quit"];
    let told = judge(&[&classroom[..], &patient].concat());
    assert!(told.text.contains("ok      message"), "{}", told.text);
    assert!(told.text.ends_with("Every must holds.\n"), "{}", told.text);
}

#[test]
fn a_server_that_never_speaks_keeps_nobody_waiting() {
    let (listener, address) = listener();
    thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            kept.push(stream);
        }
    });
    let told = undisturbed(|| {
        let begun = Instant::now();
        let told = judge(&["server", &address, "--json", "--timeout", "1"]);
        assert_eq!(told.code, Some(1), "{}", told.errors);
        let taken = begun.elapsed();
        assert!(taken < Duration::from_secs(40), "{taken:?}");
        told
    });
    let json = told.json();
    assert_eq!(json.text("read_first"), Some("greeting"));
    assert_eq!(told.with_result("passed"), [""; 0]);
    assert!(told.with_result("not-run").contains(&"message".to_owned()));
}

#[test]
fn a_server_that_dies_is_named_with_the_check_it_died_in() {
    // One that is late is not one that dies.
    let told = undisturbed(|| {
        let (listener, address) = listener();
        thread::spawn(move || {
            for stream in listener.incoming().take(3) {
                agree(stream.unwrap());
            }
        });
        let told = judge(&["server", &address, "--json", "--timeout", "2"]);
        assert_eq!(told.code, Some(1), "{}", told.errors);
        assert!(told.json().text("died_in").is_some(), "{}", told.text);
        told
    });
    let json = told.json();
    let died_in = json.text("died_in").unwrap();
    let listed = judge(&["server", "--list", "--only", died_in]);
    assert!(listed.text.contains(died_in), "{died_in}");
    let not_run = told.with_result("not-run");
    assert!(
        not_run.contains(&"second-client".to_owned()),
        "{}",
        told.text
    );
    let text = &told.text;
    assert!(
        text.contains("the server is gone: nobody listens at"),
        "{text}"
    );
}

#[test]
fn without_a_server_there_is_nothing_to_judge() {
    let address = deserted_address();
    let told = judge(&["server", &address]);
    assert_eq!((told.code, told.text.as_str()), (Some(69), ""));
    let what = format!("cannot connect to {address}");
    assert!(told.errors.contains(&what), "{}", told.errors);
    let told = judge(&["server"]);
    assert_eq!(told.code, Some(64), "{}", told.errors);
    let told = judge(&["server", &address, "--only", "nosuch"]);
    assert_eq!(told.code, Some(64));
    assert!(
        told.errors.contains("no check is called \"nosuch\""),
        "{}",
        told.errors
    );
}

#[test]
fn a_teacher_adds_checks_and_points_and_hears_of_mistakes() {
    let (listener, address) = listener();
    thread::spawn(move || {
        for stream in listener.incoming() {
            agree(stream.unwrap());
        }
    });
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("week-1.txt");
    let results = folder.path().join("results.json");
    let own = "group: week-1\n\ncheck: agrees\nmust: The server says 250 to TRUE.\npoints: 7\nS: 220\nC: TRUE\nS: 250\n\n\
               check: objects\nshould: The server refuses FALSE.\nS: 220\nC: FALSE\nS: 5\n";
    fs::write(&path, own).unwrap();
    let (folder, file) = (folder.path().to_str().unwrap(), results.to_str().unwrap());
    let only = ["--timeout", "60", "--only", "week-1", "--checks", folder];
    let options = [&["server", &*address][..], &only].concat();
    let told = judge(&[&options[..], &["--tap", "--gradescope", file]].concat());
    let tap = "TAP version 14\n1..2\nok 1 - agrees: The server says 250 to TRUE.\nnot ok 2 - objects: The server refuses \
               FALSE. # TODO a should\n  ---\n";
    assert!(told.text.starts_with(tap), "{}", told.text);
    assert!(told.text.contains("C: FALSE\\r\\n"), "{}", told.text);
    assert_eq!(told.code, Some(0), "a should fails nobody: {}", told.errors);
    let json = Json::parse(&fs::read_to_string(results).unwrap());
    assert_eq!(json.get("score"), Some(&Json::Number("7".to_owned())));

    fs::write(&path, own.replace("S: 5", "S: no")).unwrap();
    let told = judge(&options);
    assert_eq!(told.code, Some(64));
    let what = "week-1.txt:14: \"no\" is no reply: write a code as 250";
    assert!(told.errors.contains(what), "{}", told.errors);
}
