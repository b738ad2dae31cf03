//! What a filter wants in quarantine is held in the spool until an operator releases it, with the reason, also after a kill.

use std::io::{Read, Write};

use rustix::process::Signal;

use crate::common::client::Client;
use crate::common::filter::{
    ADD_HEADER, Act, CONTINUE, DISCARD, FilterScript, QUARANTINE, REJECT, REPLACE_BODY,
    ScriptedFilter, texts,
};
use crate::common::ports::deserted_address;
use crate::common::{TestServer, wait_until};
use crate::hear;
use crate::sink::Sink;
use crate::site::{Site, await_log, route_to};

const HERE: &str = "b@here.example";
const THERE: &str = "c@there.example";
const REASON: &str = "looks \"odd\" to me";

fn at_end(packets: Vec<(u8, Vec<u8>)>) -> FilterScript {
    FilterScript {
        acts: vec![(b'E', Act::Reply(packets))],
        ..FilterScript::default()
    }
}

/// A filter that changes each message, and wants it held for this reason.
fn holding(reason: &str) -> FilterScript {
    at_end(vec![
        (ADD_HEADER, texts(&["X-Seen", "yes"])),
        (QUARANTINE, texts(&[reason])),
        (REPLACE_BODY, b"other\r\n".to_vec()),
        (CONTINUE, Vec::new()),
    ])
}

/// Gives a message to recipients in a session that was greeted, and returns its replies, one for each recipient under LMTP.
fn give<S: Read + Write>(client: &mut Client<S>, to: &[&str], replies: usize) -> Vec<String> {
    client.ask("MAIL FROM:<ada@here.example>", "250");
    for to in to {
        client.ask(&format!("RCPT TO:<{to}>"), "250");
    }
    client.ask("DATA", "354");
    client.say("Subject: x\r\n\r\ntext\r\n.\r\n");
    (0..replies).map(|_| hear(client)).collect()
}

/// Gives a message to a server in a session of its own.
fn send(server: &TestServer, to: &[&str]) -> String {
    let mut client = Client::connect(server.address());
    client.hello();
    let reply = give(&mut client, to, 1).remove(0);
    client.ask("QUIT", "221");
    reply
}

/// The queue id in a reply.
#[track_caller]
fn id_in(reply: &str) -> &str {
    let id = reply.strip_prefix("250 2.0.0 Ok: queued as ");
    id.unwrap_or_else(|| panic!("not taken: {reply}"))
}

/// Asserts that all in the queue is held, so many messages, and says why.
#[track_caller]
fn assert_held(site: &Site, ids: &[String]) {
    assert_eq!(site.queued(), ids);
    let list = site.queue_says(&["list"]);
    let (mails, recipients): (Vec<&str>, Vec<&str>) =
        list.lines().partition(|line| !line.starts_with("  "));
    assert!(mails.iter().all(|line| line.ends_with(" held")), "{list}");
    let told = format!(" held: quarantine: {REASON}");
    assert!(
        recipients.iter().all(|line| line.ends_with(&told)),
        "{list}"
    );
    let json = site.queue_says(&["list", "--json"]);
    let told = "\"quarantine\":\"looks \\\"odd\\\" to me\"}";
    assert!(json.lines().all(|line| line.ends_with(told)), "{json}");
    for id in ids {
        let whole = site.queue_says(&["show", id]);
        let told = format!("\n  quarantine: {REASON}\n");
        assert!(whole.contains(&told), "{whole}");
    }
}

#[test]
fn what_is_in_quarantine_is_held_until_it_is_released_also_after_a_kill() {
    let sink = Sink::start();
    let site = Site::recorded();
    let first = ScriptedFilter::start(holding(REASON));
    let second = ScriptedFilter::start(at_end(vec![
        (ADD_HEADER, texts(&["X-Too", "yes"])),
        (CONTINUE, Vec::new()),
    ]));
    let route = route_to("*", sink.address());
    let options = ["--route", &route, "--milter", &first.address];
    let options = [&options[..], &["--milter", &second.address]].concat();
    let mut server = site.start(&options);
    let mut ids = Vec::new();
    for to in [&[HERE][..], &[THERE], &[HERE, THERE]] {
        let reply = send(&server, to);
        let id = id_in(&reply);
        await_log(
            &server,
            &[&format!(" id={id} held=\"looks \\\"odd\\\" to me\"")],
        );
        await_log(&server, &[&format!(" id={id} from="), " stored"]);
        ids.push(id.to_owned());
    }
    assert!(ids.iter().all(|id| id.starts_with('Q')), "{ids:?}");
    await_log(&server, &["action=quarantine reason="]);
    wait_until("all to be queued", || site.queued() == ids);
    assert_held(&site, &ids);

    server.signal(Signal::KILL);
    wait_until("the server to end", || server.has_ended());
    assert_held(&site, &ids);
    let mut server = site.start(&options);
    wait_until("the scan", || site.queued() == ids);
    assert_held(&site, &ids);
    // What comes after them and is not held goes its way, and they do not go along.
    first.follow(FilterScript::default());
    id_in(&send(&server, &[HERE, THERE]));
    site.await_stored(HERE, 1);
    assert_eq!(sink.await_taken(1).len(), 1);
    wait_until("it to be over", || site.queued() == ids);
    site.queue_says(&["retry", "--all"]);
    assert_held(&site, &ids);

    site.queue_says(&["delete", &ids[0]]);
    site.queue_says(&["release", &ids[2]]);
    let stored = site.await_stored(HERE, 2);
    let wanted = b"Subject: x\nX-Seen: yes\nX-Too: yes\n\nother\n";
    let changed = |it: &&Vec<u8>| it.ends_with(wanted) && it.starts_with(b"Return-Path: <ada@here");
    assert_eq!(stored.iter().filter(changed).count(), 1);
    let taken = sink.await_taken(2);
    let wanted = b"Subject: x\r\nX-Seen: yes\r\nX-Too: yes\r\n\r\nother\r\n";
    assert!(taken[1].text.ends_with(wanted));
    wait_until("it to be over", || site.queued() == ids[1..2]);
    // Released, it stays so.
    site.queue_says(&["hold", &ids[1]]);
    site.queue_says(&["release", "--all"]);
    sink.await_taken(3);
    site.await_empty();
    server.stop();
    let mut server = site.start(&options);
    site.await_empty();
    assert_eq!((sink.taken_count(), site.stored(HERE).len()), (3, 2));
    server.stop();
}

#[test]
fn a_release_lasts_over_a_kill() {
    let site = Site::new();
    // A hop that nobody listens at.
    let route = route_to("*", &deserted_address());
    let filter = ScriptedFilter::start(holding(REASON));
    let options = [
        "--route",
        &route,
        "--retry",
        "3600",
        "--milter",
        &filter.address,
    ];
    let mut server = site.start(&options);
    let id = id_in(&send(&server, &[THERE])).to_owned();
    wait_until("it to be queued", || site.queued() == [&*id]);
    site.queue_says(&["release", &id]);
    await_log(&server, &[&format!("id={id}"), "status=deferred"]);
    server.signal(Signal::KILL);
    wait_until("the server to end", || server.has_ended());
    let list = site.queue_says(&["list"]);
    assert!(
        list.contains(" waiting\n") && !list.contains("held"),
        "{list}"
    );
    let mut server = site.start(&options);
    wait_until("the scan", || site.queued() == [&*id]);
    let list = site.queue_says(&["list"]);
    assert!(!list.contains("held"), "{list}");
    server.stop();
}

#[cfg(feature = "auth")]
#[test]
fn lmtp_and_submission_hold_alike() {
    use crate::common::logins::{RIGHT, UsersFile};

    let users = UsersFile::new();
    let sink = Sink::start();
    let site = Site::new();
    let filter = ScriptedFilter::start(holding(REASON));
    let route = route_to("*", sink.address());
    let any = "127.0.0.1:0";
    let mut server = site.start(&[
        "--route",
        &route,
        "--milter",
        &filter.address,
        "--listen-lmtp",
        any,
        "--listen-submission",
        any,
        "--auth-insecure",
        "--users",
        &users.path(),
    ]);
    let mut client = Client::connect(&server.address_for("lmtp"));
    client.expect("220");
    client.say("LHLO client\r\n");
    hear(&mut client);
    let replies = give(&mut client, &[HERE, THERE], 2);
    let mut ids = vec![id_in(&replies[0]).to_owned()];
    assert_eq!(id_in(&replies[1]), ids[0]);
    let mut client = Client::connect(&server.address_for("submission"));
    client.hello();
    client.say(RIGHT);
    client.expect("235");
    ids.push(id_in(&give(&mut client, &[HERE, THERE], 1)[0]).to_owned());
    wait_until("both to be queued", || site.queued() == ids);
    assert_held(&site, &ids);
    site.queue_says(&["release", "--all"]);
    site.await_stored(HERE, 2);
    sink.await_taken(2);
    site.await_empty();
    server.stop();
}

#[test]
fn the_last_filter_decides_what_becomes_of_a_message_that_another_wants_held() {
    let site = Site::new();
    let sink = Sink::start();
    let route = route_to("*", sink.address());
    let first = ScriptedFilter::start(holding("of the first"));
    for (second, code, held) in [
        (at_end(vec![(REJECT, Vec::new())]), "550", None),
        (at_end(vec![(DISCARD, Vec::new())]), "250", None),
        (holding("of the second"), "250", Some("of the second")),
    ] {
        let second = ScriptedFilter::start(second);
        let options = ["--route", &route, "--milter", &first.address];
        let options = [&options[..], &["--milter", &second.address]].concat();
        let mut server = site.start(&options);
        let reply = send(&server, &[HERE]);
        assert!(reply.starts_with(code), "{reply}");
        server.stop();
        let list = site.queue_says(&["list"]);
        match held {
            Some(reason) => assert!(list.ends_with(&format!(": {reason}\n")), "{list}"),
            None => assert_eq!(list, ""),
        }
    }
}

#[test]
fn a_queue_that_is_full_holds_no_more_and_other_mail_goes_on() {
    let sink = Sink::start();
    let site = Site::new();
    let filter = ScriptedFilter::start(holding(REASON));
    let route = route_to("*", sink.address());
    let options = ["--route", &route, "--milter", &filter.address];
    let mut server = site.start(&[&options[..], &["--max-queue-messages", "1"]].concat());
    let id = id_in(&send(&server, &[HERE])).to_owned();
    wait_until("it to be queued", || site.queued() == [&*id]);
    let refused = send(&server, &[HERE]);
    assert!(refused.starts_with("452 4.3.1 "), "{refused}");
    filter.follow(FilterScript::default());
    id_in(&send(&server, &[HERE]));
    site.await_stored(HERE, 1);
    wait_until("it alone to be queued", || site.queued() == [&*id]);
    server.stop();
}

#[test]
fn without_a_spool_it_is_refused_for_now() {
    let filter = ScriptedFilter::start(holding(REASON));
    for place in [&[][..], &["--discard"]] {
        let options = ["--listen", "127.0.0.1:0", "--milter", &filter.address];
        let mut server = TestServer::start(&[&options[..], place].concat());
        let mut client = Client::connect(server.address());
        client.hello();
        let refused = give(&mut client, &[HERE], 1);
        let wanted = "451 4.7.1 Service unavailable - try again later";
        assert_eq!(refused, [wanted]);
        client.ask("QUIT", "221");
        server.stop();
        assert!(server.new_mail(HERE).is_empty());
    }
}
