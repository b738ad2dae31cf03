//! XCLIENT: what the store and the log have of a client that a trusted peer names.

use std::fs;

use crate::common::client::Client;
use crate::common::{TestServer, wait_until};

/// The `Received` field of the only message, unfolded.
fn trace(server: &TestServer, recipient: &str) -> String {
    let text = fs::read_to_string(&server.new_mail(recipient)[0]).unwrap();
    let field = text.split_once("Received: ").unwrap().1;
    field.replace("\n\t", " ")
}

#[test]
fn trace_field_and_log_tell_of_the_client() {
    let mut server = TestServer::start(&["--xclient-from", "127.0.0.1"]);
    let clients = [
        (
            "NAME=client.example.com ADDR=192.0.2.1 PORT=25 LOGIN=ada+20l",
            "from c (client.example.com [192.0.2.1]) by mx.example.org with ESMTPA id ",
            "peer=192.0.2.1:25 closed=quit messages=1 ",
        ),
        (
            "NAME=[TEMPUNAVAIL] ADDR=IPV6:2001:db8::1 LOGIN=[UNAVAILABLE]",
            "from c ([IPv6:2001:db8::1]) by mx.example.org with ESMTP id ",
            "peer=[2001:db8::1]:0 closed=quit messages=1 ",
        ),
        (
            "ADDR=[UNAVAILABLE]",
            "from c (unknown) by mx.example.org with ESMTP id ",
            "peer=unknown closed=quit messages=1 ",
        ),
    ];
    for (number, (attributes, field, line)) in clients.into_iter().enumerate() {
        let mut client = Client::connect(server.address());
        let recipient = format!("{number}@example.org");
        client.expect("220");
        client.ask(&format!("XCLIENT {attributes} HELO=c PROTO=ESMTP"), "220");
        client.envelope(&recipient);
        client.ask("text\r\n.", "250");
        client.ask("QUIT", "221");
        let trace = trace(&server, &recipient);
        assert!(trace.starts_with(field), "{trace}");
        wait_until("the log", || server.log().contains(line));
    }
    server.stop();
}
