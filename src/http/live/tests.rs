use std::net::SocketAddr;

use super::*;

const ID: ConnectionId = ConnectionId(7);

fn peer() -> PeerAddress {
    PeerAddress::Tcp(SocketAddr::from(([192, 0, 2, 1], 40000)))
}

fn facts() -> TickFacts {
    TickFacts {
        number: 12,
        at: Duration::from_micros(1500),
        slept: Duration::from_micros(900),
        took: Duration::from_micros(80),
        polled: 2,
        steps: [40, 10, 5, 25].map(Duration::from_micros),
        open: 3,
        waiting: 1,
    }
}

fn text(octets: &Bytes) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// One thing seen, as a tick tells of it.
fn seen(event: &LoopEvent<'_>) -> String {
    let mut tick = TickText::default();
    tick.add(ID, event);
    String::from_utf8_lossy(&tick.seen).into_owned()
}

#[test]
fn each_thing_seen_is_an_array_of_its_name_its_connection_and_its_facts() {
    let ready = |readable, writable, read_on| {
        LoopEvent::Ready(Readiness {
            readable,
            writable,
            read_on,
        })
    };
    let failed = |kind: ErrorKind| Err(kind.into());
    for (event, told) in [
        (
            LoopEvent::Accepted(peer(), "smtp"),
            r#"["accepted",7,"192.0.2.1:40000","smtp"]"#,
        ),
        (
            LoopEvent::Refused(PeerAddress::Unix, "drain"),
            r#"["refused",7,"unix","drain"]"#,
        ),
        (ready(true, false, false), r#"["ready",7,"readable"]"#),
        (ready(false, true, false), r#"["ready",7,"writable"]"#),
        (ready(false, true, true), r#"["ready",7,"both"]"#),
        (LoopEvent::Read(&Ok(25)), r#"["read",7,25]"#),
        (LoopEvent::Read(&Ok(0)), r#"["read",7,0]"#),
        (
            LoopEvent::Read(&failed(ErrorKind::WouldBlock)),
            r#"["read",7,-1]"#,
        ),
        (
            LoopEvent::Wrote(&failed(ErrorKind::BrokenPipe)),
            r#"["write",7,-2]"#,
        ),
        (
            LoopEvent::Took("command", 9, b"EHLO vm\r\n"),
            r#"["took",7,"command",9,"EHLO vm"]"#,
        ),
        (
            LoopEvent::Took("text", 4000, b""),
            r#"["took",7,"text",4000,""]"#,
        ),
        (
            LoopEvent::Said(27, b"250-a \"b\"\r\n250 \\c\r\n"),
            r#"["said",7,27,"250-a \"b\"\\r\\n250 \\\\c"]"#,
        ),
        (LoopEvent::State("Ready"), r#"["state",7,"Ready"]"#),
        (LoopEvent::Waits("store"), r#"["waits",7,"store"]"#),
        (LoopEvent::Life("Lingering"), r#"["life",7,"Lingering"]"#),
        (
            LoopEvent::Closed("quit", 120, 340),
            r#"["closed",7,"quit",120,340]"#,
        ),
    ] {
        assert_eq!(seen(&event), told);
    }
}

#[test]
fn no_more_than_120_characters_are_shown_and_controls_are_escaped() {
    for (said, shown) in [
        (vec![b'a'; 500], "a".repeat(120)),
        ("\u{fc}".repeat(200).into_bytes(), "\u{fc}".repeat(120)),
        (vec![0xFF; 300], "\\\\xFF".repeat(30)),
        (
            b"a\x1B[2J\t\r\n\r\n".to_vec(),
            r"a\\x1B[2J\\t\\r\\n".to_owned(),
        ),
        (
            "\u{202e}".as_bytes().to_vec(),
            r"\\xE2\\x80\\xAE".to_owned(),
        ),
    ] {
        let told = format!("[\"took\",7,\"command\",{},\"{shown}\"]", said.len());
        assert_eq!(seen(&LoopEvent::Took("command", said.len(), &said)), told);
    }
}

#[test]
fn a_tick_is_one_event_with_what_was_seen_in_order() {
    let mut tick = TickText::default();
    assert!(tick.is_empty());
    tick.begin_step(0);
    tick.add(ID, &LoopEvent::Read(&Ok(6)));
    tick.begin_step(1);
    tick.add(ConnectionId(8), &LoopEvent::Waits("client"));
    tick.begin_step(2);
    tick.begin_step(3);
    assert!(!tick.is_empty() && !tick.is_cut());
    assert_eq!(
        text(&tick.take(&facts())),
        concat!(
            "event: tick\ndata: {\"n\":12,\"at\":1500,\"slept\":900,\"took\":80,\"polled\":2,",
            "\"steps\":[[\"serve\",40,0],[\"commit\",10,1],[\"expire\",5,2],[\"accept\",25,2]],",
            "\"open\":3,\"waiting\":1,",
            "\"seen\":[[\"read\",7,6],[\"waits\",8,\"client\"]],\"more\":0}\n\n"
        )
    );
    assert!(tick.is_empty(), "the next one begins");
}

#[test]
fn a_tick_is_bounded_in_number_and_octets_and_counts_the_rest() {
    let mut tick = TickText::default();
    for _ in 0..SEEN_MAX + 3 {
        tick.add(ID, &LoopEvent::Waits("client"));
    }
    assert!(tick.is_cut());
    let told = text(&tick.take(&facts()));
    assert_eq!(told.matches("waits").count(), SEEN_MAX);
    assert!(told.contains("\"more\":3}"), "{told}");

    let long = [0xFF; 1000];
    for _ in 0..SEEN_MAX {
        tick.add(ID, &LoopEvent::Said(long.len(), &long));
    }
    assert!(tick.is_cut());
    let told = tick.take(&facts());
    assert!(told.len() < SEEN_BYTES_MAX + 1024, "{}", told.len());
    tick.add(ID, &LoopEvent::Waits("client"));
    assert!(!tick.is_cut(), "what was left out is told once");
}

#[test]
fn a_hello_tells_the_server_and_its_connections() {
    let connection = ConnectionFacts {
        id: ID,
        peer: peer(),
        service: "submission",
        state: "Idle",
        waits: "client",
        read: 20,
        written: 90,
        unsent: 0,
        age: Duration::from_millis(1234),
    };
    let mut hello = HelloText::default();
    assert!(hello.add(&connection));
    let version = env!("CARGO_PKG_VERSION");
    let begins = format!(
        "event: hello\ndata: {{\"version\":\"{version}\",\"hostname\":\"mx.example.org\",\"uptime_us\":5000000,"
    );
    let about = concat!(
        "\"connections\":[{\"id\":7,\"peer\":\"192.0.2.1:40000\",\"service\":\"submission\",\"state\":\"Idle\",",
        "\"waits\":\"client\",\"read\":20,\"written\":90,\"unsent\":0,\"age_ms\":1234}],\"more\":0}\n\n"
    );
    let told = hello.take("mx.example.org", Duration::from_secs(5));
    assert_eq!(text(&told), begins + about);

    let added = (0..HELLO_CONNECTIONS_MAX + 2).filter(|_| hello.add(&connection));
    assert_eq!(added.count(), HELLO_CONNECTIONS_MAX);
    let told = text(&hello.take("mx.example.org", Duration::ZERO));
    assert!(told.ends_with("],\"more\":2}\n\n"), "{told}");
}

#[test]
fn lost_ticks_are_counted() {
    assert_eq!(text(&lost(41)), "event: lost\ndata: {\"ticks\":41}\n\n");
}
