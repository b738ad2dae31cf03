//! Macros beside Postfix: each stage tells the same names, and the same values but for what is a server's own.

use std::collections::BTreeMap;

use crate::common::client::Client;
use crate::common::filter::{FilterScript, ScriptedFilter};
use crate::common::{HOSTNAME, TestServer, wait_until};
use crate::hear;
use crate::postfix::{Postfix, can_run};
use crate::sink::Sink;

/// The macros of the client that Postfix is to tell too, as users of rspamd have it do.
const CLIENT_MACROS: &str = "j {daemon_name} {daemon_addr} {daemon_port} v _ {client_addr} {client_name} {client_port} \
                             {client_ptr} {client_connections} {client_resolve}";

/// Macros that are told by Postfix only: a session does not know which address of the server its client chose.
const UNTOLD: [&str; 2] = ["{daemon_addr}", "{daemon_port}"];

/// Macros whose values are a server's own: identifiers, ports, the next hop of an address and who takes it there. Postfix counts no
/// connections of a client that it trusts.
const OWN: [&str; 8] = [
    "i",
    "v",
    "{client_connections}",
    "{client_port}",
    "{mail_host}",
    "{mail_mailer}",
    "{rcpt_host}",
    "{rcpt_mailer}",
];

/// What a filter is told of the macros of a session: at each stage, in order, the letter of the step, and values by names.
type ToldMacros = Vec<(String, BTreeMap<String, String>)>;

/// A session with a message for two, and another from nobody.
fn session(mut client: Client<std::net::TcpStream>) {
    let mut said = |words: &str, code: &str| {
        client.say(words);
        let reply = hear(&mut client);
        assert!(reply.starts_with(code), "{words}: {reply}");
    };
    said("", "220");
    said("EHLO client.example\r\n", "250");
    said("MAIL FROM:<Ada.L@client.example> SIZE=100\r\n", "250");
    said("RCPT TO:<bob@s1.example>\r\n", "250");
    said("RCPT TO:<carol@s2.example>\r\n", "250");
    said("DATA\r\n", "354");
    said("Subject: x\r\n\r\ntext\r\n.\r\n", "250");
    said("MAIL FROM:<>\r\n", "250");
    said("RCPT TO:<bob@s1.example>\r\n", "250");
    said("QUIT\r\n", "221");
}

/// The macros that a filter was told, without the values that are a server's own. Postfix tells `i` with each header field and piece
/// of a body once more, tells stages that have no macros, and has addresses in small letters.
fn macros(filter: &ScriptedFilter, hostname: &str) -> ToldMacros {
    let told = filter.told();
    let told = told.iter().filter_map(|step| step.strip_prefix('D'));
    let mut stages = ToldMacros::new();
    for step in told {
        let (letter, words) = step.split_at(1);
        let mut words = words.split('|');
        let mut values = BTreeMap::new();
        while let (Some(name), Some(value)) = (words.next(), words.next()) {
            let value = match OWN.contains(&name) {
                true => String::new(),
                false => value.replace(hostname, "HOST").to_lowercase(),
            };
            // A queue has its identifier from the first recipient on with Postfix, and from DATA on with us.
            let is_early = (letter, name) == ("R", "i");
            if !UNTOLD.contains(&name) && !is_early {
                values.insert(name.to_owned(), value);
            }
        }
        if !values.is_empty() && letter != "L" && letter != "B" {
            stages.push((letter.to_owned(), values));
        }
    }
    stages
}

fn told_by_postfix() -> ToldMacros {
    let (filter, sink) = (
        ScriptedFilter::start(FilterScript::default()),
        Sink::start(),
    );
    let port = sink.address().rsplit(':').next().unwrap();
    let settings = format!(
        "smtpd_milters = {}\n\
         relayhost = [127.0.0.1]:{port}\n\
         smtp_dns_support_level = disabled\n\
         smtpd_peername_lookup = no\n\
         milter_connect_macros = {CLIENT_MACROS}\n",
        filter.address
    );
    let postfix = Postfix::start(&settings, "");
    session(Client::connect(&postfix.address()));
    wait_until("the filter to be left", || filter.connections() == 0);
    macros(&filter, "postfix.example.com")
}

fn told_by_mailoop() -> ToldMacros {
    let filter = ScriptedFilter::start(FilterScript::default());
    let mut server = TestServer::start(&["--listen", "127.0.0.1:0", "--milter", &filter.address]);
    session(Client::connect(server.address()));
    wait_until("the filter to be left", || filter.connections() == 0);
    server.stop();
    macros(&filter, HOSTNAME)
}

#[test]
fn macros_are_those_of_postfix() {
    if !can_run(&["postfix"]) {
        return;
    }
    let (ours, theirs) = (told_by_mailoop(), told_by_postfix());
    assert_eq!(ours.len(), 9, "{ours:?}");
    assert_eq!(ours, theirs);
}
