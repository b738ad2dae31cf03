use super::*;
use crate::smtp::service::Service;

const ID: ConnectionId = ConnectionId(1);

/// A watch over one connection that comes.
struct World {
    watch: Rc<LoopWatch>,
    core: CoreWatch,
    ticks: u64,
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        let watch = LoopWatch::new(now, now);
        watch.set_gathering(true);
        let mut world = Self {
            core: CoreWatch(Rc::clone(&watch)),
            watch,
            ticks: 0,
        };
        let client = Client {
            connection: ID,
            service: Service::Smtp,
            peer: PeerAddress::Unix,
            short_read_drains: true,
        };
        world.core.added(0, client);
        world
    }

    fn saw(&self, step: Seen<'_>) {
        self.watch.saw(ID, step);
    }

    fn takes(&self, line: &str) {
        self.saw(Seen::Used(Content::Protocol, line.as_bytes()));
    }

    fn end(&mut self) -> WatchedTick {
        self.ticks += 1;
        self.watch.end_tick(&TickEnd {
            number: self.ticks,
            ended: Instant::now(),
            polled: 1,
            open: 1,
            waiting: 0,
        })
    }

    /// What the tick has seen, as it is told.
    fn seen(&mut self) -> String {
        let WatchedTick::Told(text, _) = self.end() else {
            return String::new();
        };
        let text = String::from_utf8_lossy(&text).into_owned();
        let seen = text.split("\"seen\":").nth(1);
        let seen = seen.and_then(|rest| rest.split(",\"more\"").next());
        seen.unwrap_or_default().to_owned()
    }
}

#[test]
fn a_tick_tells_in_order_what_its_connections_did_and_what_is_news() {
    let mut world = World::new();
    world.saw(Seen::Said(b"220 mx\r\n"));
    world.saw(Seen::State("AwaitingHello"));
    world.saw(Seen::Wrote(&Ok(8)));
    world.saw(Seen::Waits("client"));
    assert_eq!(
        world.seen(),
        concat!(
            r#"[["accepted",1,"unix","smtp"],["said",1,8,"220 mx"],["state",1,"AwaitingHello"],"#,
            r#"["write",1,8],["waits",1,"client"]]"#
        )
    );
    let both = Readiness {
        readable: true,
        writable: true,
        read_on: false,
    };
    world.core.event(0, both);
    world.core.event(5, both);
    world.saw(Seen::State("AwaitingHello"));
    world.saw(Seen::Waits("client"));
    world.saw(Seen::Waits("store"));
    assert_eq!(world.seen(), r#"[["ready",1,"both"],["waits",1,"store"]]"#);
    world.saw(Seen::Closed("quit", 20, 8));
    assert_eq!(world.seen(), r#"[["closed",1,"quit",20,8]]"#);
    world.core.event(0, both);
    assert!(matches!(world.end(), WatchedTick::Idle), "it is gone");
}

#[test]
fn a_tick_without_mail_is_idle_and_one_that_is_not_gathered_is_skipped() {
    let mut world = World::new();
    world.seen();
    world.core.time(Instant::now(), SystemTime::now());
    world.core.step(TickStep::Serve);
    assert!(matches!(world.end(), WatchedTick::Idle));
    world.watch.set_gathering(false);
    world.takes("NOOP\r\n");
    world.saw(Seen::State("Ready"));
    assert!(matches!(world.end(), WatchedTick::Skipped));
    world.watch.set_gathering(true);
    world.saw(Seen::State("Ready"));
    let news = r#"[["state",1,"Ready"]]"#;
    assert_eq!(world.seen(), news, "nobody was told of it before");
}

#[test]
fn credentials_and_text_are_never_shown() {
    let mut world = World::new();
    world.seen();
    world.takes("HLEO typed badly\r\n");
    world.takes("AUTH PLAIN AGEAcHc=\r\n");
    world.saw(Seen::Said(b"334 VXNlcm5hbWU6\r\n"));
    world.saw(Seen::Used(Content::Credentials, b"cHc=\r\n"));
    world.saw(Seen::SaidCredentials(b"cHc=\r\n"));
    world.saw(Seen::Used(Content::Text, b"Dear Bob\r\n"));
    world.saw(Seen::Used(Content::Dropped, b"too long"));
    world.takes("cHc= again\r\n");
    world.takes("NOOP\r\n");
    assert_eq!(
        world.seen(),
        concat!(
            r#"[["took",1,"command",18,"HLEO typed badly"],"#,
            r#"["took",1,"command",21,"AUTH PLAIN xxxxxxxx"],"#,
            r#"["said",1,18,"334 xxxxxxxxxxxx"],"#,
            r#"["took",1,"credentials",6,""],["said",1,6,""],"#,
            r#"["took",1,"text",10,""],["took",1,"dropped",8,""],"#,
            r#"["took",1,"command",12,"xxxx xxxxx"],"#,
            r#"["took",1,"command",6,"NOOP"]]"#
        )
    );
}

#[test]
fn lines_without_a_verb_stay_hidden_whenever_the_login_was() {
    // In a tick that nobody was told of.
    let mut world = World::new();
    world.seen();
    world.watch.set_gathering(false);
    world.takes("AUTH LOGIN\r\n");
    assert!(matches!(world.end(), WatchedTick::Skipped));
    world.watch.set_gathering(true);
    world.takes("cHc=\r\n");
    assert_eq!(world.seen(), r#"[["took",1,"command",6,"xxxx"]]"#);
    // Before the watch.
    let world_before = |world: &mut World| {
        world.watch.note(ConnectionId(2), 1, ["Ready", "client"]);
        let line = Seen::Used(Content::Protocol, b"cHc=\r\n");
        world.watch.saw(ConnectionId(2), line);
        world.seen()
    };
    let hidden = r#"[["took",2,"command",6,"xxxx"]]"#;
    assert_eq!(world_before(&mut world), hidden);
}

#[test]
fn a_refused_client_is_told_of_with_the_limit() {
    let mut world = World::new();
    world.seen();
    let client = Client {
        connection: ConnectionId(2),
        service: Service::Smtp,
        peer: PeerAddress::Unix,
        short_read_drains: true,
    };
    let limit = crate::smtp::event::Limit::ConnectionsPerIp;
    world.core.refused(client, Rejection::Limit(limit));
    world.core.refused(client, Rejection::Drain);
    assert_eq!(
        world.seen(),
        r#"[["refused",2,"unix","max-connections-per-ip"],["refused",2,"unix","drain"]]"#
    );
}
