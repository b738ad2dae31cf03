//! Filters in all places where the server takes mail, and what they hear of clients there.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;

use crate::common::client::Client;
use crate::common::filter::{
    ADD_HEADER, Act, CONTINUE, CUSTOM, FilterScript, REJECT, ScriptedFilter, texts,
};
use crate::common::{TestServer, wait_until};
use crate::hear;

/// A filter that adds a field to each message.
fn adding() -> FilterScript {
    let packets = vec![
        (ADD_HEADER, texts(&["X-Seen", "yes"])),
        (CONTINUE, Vec::new()),
    ];
    FilterScript {
        acts: vec![(b'E', Act::Reply(packets))],
        ..FilterScript::default()
    }
}

/// Sends a message in a session that was greeted; the reply to it.
fn send(client: &mut Client<TcpStream>) -> String {
    client.hello_again();
    client.envelope("b@example.org");
    client.say("Subject: x\r\n\r\ntext\r\n.\r\n");
    hear(client)
}

/// What a filter was told that begins so.
fn told(filter: &ScriptedFilter, start: &str) -> String {
    let told = filter.told();
    let found = told.iter().find(|it| it.starts_with(start));
    found
        .unwrap_or_else(|| panic!("no {start}: {told:?}"))
        .clone()
}

#[test]
fn those_who_are_spoken_for_are_named_to_filters() {
    let filter = ScriptedFilter::start(FilterScript::default());
    let options = ["--milter", &filter.address, "--proxy-from", "127.0.0.1"];
    let server = TestServer::start(&options);
    let mut client = Client::connect(server.address());
    client.say("PROXY TCP4 192.0.2.7 198.51.100.1 4242 25\r\n");
    client.expect("220");
    assert!(send(&mut client).starts_with("250"));
    let connect = told(&filter, "C");
    assert!(
        connect.starts_with("Cunknown|4") && connect.ends_with("192.0.2.7|"),
        "{connect}"
    );
    let macros = told(&filter, "DC");
    assert!(macros.contains("{client_port}|4242|"), "{macros}");

    let filter = ScriptedFilter::start(FilterScript::default());
    let options = ["--milter", &filter.address, "--xclient-from", "127.0.0.1"];
    let server = TestServer::start(&options);
    let mut client = Client::connect(server.address());
    client.expect("220");
    client.ask("XCLIENT NAME=client.example ADDR=192.0.2.8 PORT=77", "220");
    assert!(send(&mut client).starts_with("250"));
    let told = filter.told();
    let connects: Vec<_> = told.iter().filter(|it| it.starts_with('C')).collect();
    let last = connects.last().unwrap();
    assert!(
        last.starts_with("Cclient.example|4") && last.ends_with("192.0.2.8|"),
        "{connects:?}"
    );
}

#[test]
fn in_lmtp_each_recipient_has_its_reply() {
    let reply = Act::Reply(vec![(CUSTOM, texts(&["550 5.7.1 spam"]))]);
    let refusing = FilterScript {
        acts: vec![(b'R', reply.clone())],
        only: Some("other@"),
        ..FilterScript::default()
    };
    let at_end = FilterScript {
        acts: vec![(b'E', reply)],
        ..FilterScript::default()
    };
    for (script, at_rcpt, at_dot) in [
        (adding(), "250", ["250", "250"]),
        (refusing, "550", ["250", ""]),
        (at_end, "250", ["550", "550"]),
    ] {
        let filter = ScriptedFilter::start(script);
        let options = ["--listen-lmtp", "127.0.0.1:0", "--milter", &filter.address];
        let mut server = TestServer::start(&options);
        let mut client = Client::connect(server.address());
        client.expect("220");
        client.say("LHLO client.example\r\n");
        hear(&mut client);
        client.ask("MAIL FROM:<a@client.example>", "250");
        client.ask("RCPT TO:<b@example.org>", "250");
        client.ask("RCPT TO:<other@example.org>", at_rcpt);
        client.ask("DATA", "354");
        client.say("Subject: x\r\n\r\ntext\r\n.\r\n");
        for code in at_dot.iter().filter(|code| !code.is_empty()) {
            client.expect(code);
        }
        client.ask("QUIT", "221");
        server.stop();
        let is_stored = at_dot[0] == "250";
        assert_eq!(
            server.new_mail("b@example.org").len(),
            usize::from(is_stored)
        );
    }
}

#[test]
fn what_is_thrown_away_is_put_before_filters_too() {
    let filter = ScriptedFilter::start(adding());
    let server = TestServer::start(&["--discard", "--milter", &filter.address]);
    let mut client = Client::connect(server.address());
    client.expect("220");
    assert!(send(&mut client).starts_with("250"));
    assert_eq!(told(&filter, "B"), "Btext\r\n");
    let filter = ScriptedFilter::acting(b'E', Act::Reply(vec![(REJECT, Vec::new())]));
    let server = TestServer::start(&["--discard", "--milter", &filter.address]);
    let mut client = Client::connect(server.address());
    client.expect("220");
    assert_eq!(send(&mut client), "550 5.7.1 Command rejected");
}

#[cfg(feature = "catch")]
#[test]
fn the_test_inbox_has_what_filters_have_changed() {
    let filter = ScriptedFilter::start(adding());
    let server = TestServer::start_catch(&["--listen", "127.0.0.1:0", "--milter", &filter.address]);
    let mut client = Client::connect(&server.address_for("smtp"));
    client.expect("220");
    assert!(send(&mut client).starts_with("250"));
    let raw = server.get("/api/v1/message/latest/raw");
    assert!(
        raw.ends_with("Subject: x\r\nX-Seen: yes\r\n\r\ntext\r\n"),
        "{raw}"
    );
}

#[test]
fn a_reload_names_other_filters_to_new_sessions() {
    let [first, second] = [(), ()].map(|()| ScriptedFilter::start(FilterScript::default()));
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("mailoop.toml");
    let write = |filters: &str| {
        let text = format!("listen = ['127.0.0.1:0']\nmilter = [{filters}]\n");
        fs::write(&config, text).unwrap();
    };
    write(&format!("'{}'", first.address));
    let server = TestServer::start(&["--config", config.to_str().unwrap()]);
    let mut old = Client::connect(server.address());
    old.expect("220");
    let reload = || {
        let reloads = || server.log().matches("configuration reloaded").count();
        let before = reloads();
        server.signal(Signal::HUP);
        wait_until("the server to read it again", || reloads() > before);
    };
    write(&format!("'{}'", second.address));
    reload();
    let mut new = Client::connect(server.address());
    new.expect("220");
    assert!(send(&mut new).starts_with("250"));
    assert!(send(&mut old).starts_with("250"));
    let messages = |filter: &ScriptedFilter| filter.told().iter().filter(|it| *it == "E").count();
    assert_eq!([&first, &second].map(messages), [1, 1]);
    write("");
    reload();
    let mut last = Client::connect(server.address());
    last.expect("220");
    assert!(send(&mut last).starts_with("250"));
    assert_eq!([&first, &second].map(messages), [1, 1]);
}

/// By a socket that only its folder leads to, also for a server that is confined and another user.
#[test]
fn a_filter_is_at_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let permit = |path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    permit(folder.path(), 0o755);
    let socket = folder.path().join("filter");
    let filter = ScriptedFilter::start_at(&socket, adding());
    permit(&socket, 0o666);
    let is_root = rustix::process::geteuid().is_root();
    let user: &[&str] = if is_root { &["--user", "nobody"] } else { &[] };
    let options = ["--discard", "--milter", &filter.address];
    let server = TestServer::start(&[&options[..], user].concat());
    let mut client = Client::connect(server.address());
    client.expect("220");
    assert!(send(&mut client).starts_with("250"), "{}", server.log());
    assert_eq!(told(&filter, "B"), "Btext\r\n");
}

#[cfg(feature = "tls")]
#[test]
fn filters_hear_of_tls() {
    use crate::common::tls;

    let filter = ScriptedFilter::start(FilterScript::default());
    let server = TestServer::start(&["--tls-self-signed", "--milter", &filter.address]);
    let mut client = Client::connect(server.address());
    client.hello();
    client.ask("STARTTLS", "220");
    let stream = client.stream.into_inner();
    let mut client = Client::new(rustls::StreamOwned::new(tls::client(), stream));
    client.hello_again();
    client.envelope("b@example.org");
    client.stream.get_mut().flush().unwrap();
    let told = filter.told();
    let macros: Vec<_> = told.iter().filter(|it| it.starts_with("DH")).collect();
    let last = macros.last().unwrap();
    assert!(
        last.contains("{tls_version}|TLSv1.3|{cipher}|TLS_"),
        "{macros:?}"
    );
    // What was said in the clear is forgotten, and said again.
    assert_eq!(macros.len(), 1, "{macros:?}");
    let hellos = told.iter().filter(|it| it.starts_with('H'));
    assert_eq!(hellos.count(), 2, "{told:?}");
}

#[cfg(feature = "auth")]
#[test]
fn filters_hear_of_logins() {
    use crate::common::logins::{RIGHT, UsersFile};

    let [everywhere, own] = [(), ()].map(|()| ScriptedFilter::start(FilterScript::default()));
    let users = UsersFile::new();
    let server = TestServer::start(&[
        "--listen-submission",
        "127.0.0.1:0",
        "--auth-insecure",
        "--users",
        &users.path(),
        "--milter",
        &everywhere.address,
        "--milter-submission",
        &own.address,
    ]);
    let mut client = Client::connect(server.address());
    client.hello();
    client.say(RIGHT);
    client.expect("235");
    client.ask("MAIL FROM:<ada@example.org>", "250");
    let mail = told(&own, "DM");
    assert!(mail.contains("{auth_authen}|ada|"), "{mail}");
    assert!(mail.contains("{auth_type}|PLAIN|"), "{mail}");
    assert!(everywhere.told().is_empty());
}
