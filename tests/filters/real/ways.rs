//! The ways on which mail comes in.

use std::io::{Read, Write};

use crate::common::client::Client;
use crate::common::logins::{RIGHT, UsersFile};
use crate::common::{TestServer, tls};
use crate::hear;

/// How a message comes in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    /// The protocol of the listener, as its line on stdout names it.
    pub(super) listener: &'static str,
    /// Whether the message comes in chunks (BDAT), of which one ends within a line.
    pub(super) in_chunks: bool,
}

const fn way(listener: &'static str, in_chunks: bool) -> Way {
    Way {
        listener,
        in_chunks,
    }
}

/// From strangers, and from others who know us.
pub(super) const FROM_ANYBODY: [Way; 6] = [
    way("smtp", false),
    way("smtp", true),
    way("smtps", false),
    way("smtps", true),
    way("lmtp", false),
    way("lmtp", true),
];

/// From users, who log in.
pub(super) const FROM_USERS: [Way; 4] = [
    way("submission", false),
    way("submission", true),
    way("submissions", false),
    way("submissions", true),
];

/// Who sends it, to whom, and what.
pub(super) struct Letter<'a> {
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    pub(super) text: &'a str,
}

/// A server with a listener for each way, for mail to example.org, with Ada as its user and these options.
pub(super) fn server(options: &[&str]) -> TestServer {
    let users = UsersFile::new();
    let path = users.path();
    let any = "127.0.0.1:0";
    let mut args = vec!["--listen", any, "--listen-tls", any, "--listen-lmtp", any];
    args.extend(["--listen-submission", any, "--listen-submissions", any]);
    args.extend(["--domain", "example.org", "--tls-self-signed"]);
    args.extend(["--users", &path, "--auth-insecure"]);
    args.extend(options);
    TestServer::start(&args)
}

/// Sends a message. Returns the reply to its end, or the first one that refuses a step.
pub(super) fn send(server: &TestServer, way: Way, letter: &Letter<'_>) -> String {
    let address = server.address_for(way.listener);
    if matches!(way.listener, "smtps" | "submissions") {
        converse(&mut tls::connect(&address), way, letter)
    } else {
        converse(&mut Client::connect(&address), way, letter)
    }
}

fn converse<S: Read + Write>(client: &mut Client<S>, way: Way, letter: &Letter<'_>) -> String {
    let hello = if way.listener == "lmtp" {
        "LHLO"
    } else {
        "EHLO"
    };
    let mut steps = vec![
        String::new(),
        format!("{hello} client.example\r\n"),
        format!("MAIL FROM:<{}>\r\n", letter.from),
        format!("RCPT TO:<{}>\r\n", letter.to),
    ];
    if way.listener.starts_with("submission") {
        steps.insert(2, RIGHT.to_owned());
    }
    let text = letter.text;
    if way.in_chunks {
        let (first, last) = text.split_at(text.len() / 2);
        steps.push(format!("BDAT {}\r\n{first}", first.len()));
        steps.push(format!("BDAT {} LAST\r\n{last}", last.len()));
    } else {
        steps.push("DATA\r\n".to_owned());
        steps.push(format!("{}.\r\n", text.replace("\r\n.", "\r\n..")));
    }
    let mut said = String::new();
    for step in steps {
        client.say(&step);
        said = hear(client);
        if !said.starts_with(['2', '3']) {
            return said;
        }
    }
    client.ask("QUIT", "221");
    said
}
