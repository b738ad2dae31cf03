//! Programs that were written for Mailpit and MailHog read the inbox of tests, unchanged.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::common::TestServer;
use crate::common::client::Client;
use crate::common::pauses::undisturbed;
use crate::common::program::{
    beside, installed, node, node_with, program, python_with_mailpit, run,
};

/// The longest time between the reply to a message and the answer to a request that waits for it: a busy machine has fifty times as
/// long as it may take, and one that is not answered then waits for a minute.
const WAIT_ANSWER_MAX: Duration = Duration::from_secs(1);

/// Runs a script, which asserts all that it is to see.
fn reads(programs: &[&str], script: impl Fn(&TestServer)) {
    if installed(programs) {
        let mut server = TestServer::start_catch(&[]);
        script(&server);
        server.stop();
    }
}

fn url(server: &TestServer) -> String {
    format!("http://{}", server.address_for("http"))
}

fn send_by_swaks(server: &TestServer, subject: &str) {
    let mut swaks = program("swaks", server);
    swaks.args(["--server", server.address(), "--from", "ada@example.org"]);
    swaks.args(["--to", "bob@example.org", "--h-Subject", subject]);
    run(&mut swaks);
}

#[test]
fn mailpit_api_reads_what_nodemailer_sends() {
    reads(&["node", "mailpit-api", "nodemailer"], |server| {
        let script = beside("inbox_mailpit_api.js");
        let mut node = node_with("mailpit-api", &script);
        run(node.args([&url(server), server.port()]));
    });
}

#[test]
fn mailhog_reads_what_nodemailer_sends() {
    reads(&["node", "mailhog", "nodemailer"], |server| {
        let http = server.address_for("http");
        let http = http.rsplit(':').next().unwrap();
        let mut node = node_with("mailhog", &beside("inbox_mailhog.js"));
        run(node.args([http, server.port()]));
    });
}

#[test]
fn mailpit_api_client_reads_what_smtplib_sends() {
    reads(&["mailpit-api-client"], |server| {
        let mut python = python_with_mailpit("inbox_mailpit_client.py");
        run(python.args([&url(server), server.port()]));
    });
}

#[test]
fn cypress_mailpit_finds_what_swaks_sends() {
    reads(&["node", "swaks"], |server| {
        send_by_swaks(server, "hello there");
        run(node("inbox_cypress.js").arg(url(server)));
    });
}

/// The status line of a response, and its body; at the end of one request on a connection.
fn response(client: &mut Client<TcpStream>) -> (String, String) {
    let response = client.rest();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let status = head.lines().next().unwrap();
    (status.to_owned(), body.to_owned())
}

fn ask(server: &TestServer, target: &str) -> Client<TcpStream> {
    let mut client = Client::connect(&server.address_for("http"));
    client.say(&format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    ));
    client
}

#[test]
fn a_waiting_request_is_answered_right_after_the_reply_to_the_message() {
    undisturbed(waiting_requests_are_answered_at_once);
}

fn waiting_requests_are_answered_at_once() {
    let mut server = TestServer::start_catch(&[]);
    let mut waiting = [
        ask(&server, "/api/v1/search?query=subject:late&wait=60"),
        ask(&server, "/api/v1/message/latest?query=to:bob&wait=60"),
    ];
    // Later requests are answered, so those before them wait.
    assert_eq!(response(&mut ask(&server, "/livez")).1, "ok\n");
    let mut sender = Client::connect(server.address());
    sender.begin_message("bob@example.org");
    sender.say("Subject: late\r\n\r\nHello\r\n.\r\n");
    sender.expect("250 ");
    let accepted = Instant::now();
    for client in &mut waiting {
        let (status, body) = response(client);
        let took = accepted.elapsed();
        assert!(took < WAIT_ANSWER_MAX, "{took:?}");
        assert_eq!(status, "HTTP/1.1 200 OK");
        assert!(body.contains("\"Subject\":\"late\""), "{body}");
    }
    server.stop();
}

#[test]
fn at_the_end_of_its_time_a_waiting_request_is_answered_without_a_message() {
    let mut server = TestServer::start_catch(&[]);
    let mut search = ask(&server, "/api/v1/search?query=subject:late&wait=0.2");
    let mut latest = ask(&server, "/api/v1/message/latest?wait=0.2");
    let (status, body) = response(&mut search);
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(body.contains("\"messages\":[]"), "{body}");
    assert_eq!(response(&mut latest).0, "HTTP/1.1 404 Not Found");
    server.stop();
}
