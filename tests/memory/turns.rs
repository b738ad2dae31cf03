//! Turns: how much of one a connection gets, what it may keep, and that nobody who has work left is forgotten.

use crate::common::memory::{Client, MemoryServer, greeted, in_data, seconds};
use mailoop::net::budget::{TICK_WORK_MAX, TURN_WORK_MAX};

#[test]
fn who_does_not_read_is_not_read_either() {
    let mut server = MemoryServer::start(&[]);
    let client = greeted(&mut server);
    server.make_room(&client, 0);
    let commands = b"NOOP\r\n".repeat(100_000);
    server.send(&client, &commands);
    let read = commands.len() - server.unread(&client);
    assert!(read <= 64 << 10, "{read} octets were read");
    // Some room lets the session go on, but only so far.
    server.make_room(&client, 128 << 10);
    let read_then = commands.len() - server.unread(&client);
    assert!(
        read_then > read && read_then <= 192 << 10,
        "{read_then} octets were read"
    );
    server.make_room(&client, usize::MAX);
    assert_eq!(client.text(), "250 Ok\r\n".repeat(100_000));
}

#[test]
fn who_waits_for_the_store_is_not_read() {
    let mut server = MemoryServer::start(&[]);
    server.shelf().put_off = true;
    let client = in_data(&mut server);
    server.send(&client, b".\r\n");
    let commands = b"NOOP\r\n".repeat(100_000);
    server.send(&client, &commands);
    assert_eq!(server.unread(&client), commands.len());
    server.release_commits();
    assert_eq!(
        client.text(),
        format!(
            "250 Ok: queued as TEST0001\r\n{}",
            "250 Ok\r\n".repeat(100_000)
        )
    );
}

#[test]
fn an_event_gives_no_second_turn_to_who_waits_for_one() {
    let mut server = MemoryServer::start(&[]);
    let busy = in_data(&mut server);
    let text = b"Subject: a line of a very long message\r\n".repeat(100_000);
    server.queue(&busy, &text);
    server.tick();
    let left = server.unread(&busy);
    let turn = text.len() - left;
    assert!(0 < turn && turn < text.len());
    server.queue(&busy, b"");
    server.queue(&busy, b"");
    assert_eq!(server.unread(&busy), left);
    server.tick();
    assert_eq!(server.unread(&busy), left - turn, "one turn a tick");
    server.send(&busy, b".\r\n");
    assert_eq!(busy.text(), "250 Ok: queued as TEST0001\r\n");
    assert_eq!(server.shelf().stored, [text]);
}

#[test]
fn messages_sent_at_once_are_stored_without_another_event() {
    let mut server = MemoryServer::start(&["--bare-newline", "accept"]);
    let client = greeted(&mut server);
    let message = "MAIL FROM:<a@example.com>\nRCPT TO:<b@example.org>\nDATA\ntext\n.\n";
    server.send(
        &client,
        format!("HELO c\n{}QUIT\n", message.repeat(3)).as_bytes(),
    );
    let said = client.text();
    assert_eq!(said.matches("250 Ok: queued as ").count(), 3, "{said}");
    assert!(said.ends_with("221 Bye\r\n"), "{said}");
    assert_eq!(server.shelf().stored.len(), 3);
}

#[test]
fn a_message_is_not_read_while_the_store_takes_no_more() {
    let mut server = MemoryServer::start(&["--idle-timeout", "10"]);
    let client = in_data(&mut server);
    let other = greeted(&mut server);
    server.shelf().congested = true;
    server.send(&client, &b"Text: a line.\r\n\r\n".repeat(10_000));
    assert!(server.has_unread(&client));
    server.send(&other, b"NOOP\r\n");
    assert_eq!(other.text(), "250 Ok\r\n");
    server.send(&other, b"QUIT\r\n");
    for _ in 0..3 {
        server.advance(seconds(10));
    }
    assert_eq!(client.text(), "", "it is not to blame");

    server.shelf().congested = false;
    server.advance(seconds(0));
    server.send(&client, b".\r\n");
    assert!(client.text().starts_with("250 Ok: queued as"));
    assert_eq!(server.shelf().stored[0].len(), 170_000);
    assert!(!server.has_unread(&client));
}

#[test]
fn who_comes_into_a_place_that_is_free_again_has_no_turn_of_the_last_one() {
    let mut server = MemoryServer::start(&["--idle-timeout", "10"]);
    let leaves = greeted(&mut server);
    server.advance(seconds(9));
    // More than have a turn in one tick, so that it is in the run queue yet when its time is up.
    let busy: Vec<_> = (0..200).map(|_| greeted(&mut server)).collect();
    for client in &busy {
        server.queue(client, &b"NOOP\r\n".repeat(50));
    }
    server.queue(&leaves, b"");
    server.break_pipe(&leaves);
    server.tick_after(seconds(1));
    assert!(leaves.is_gone());
    let comes = server.accept_one();
    assert!(comes.is_in_place_of(&leaves));
    server.queue(&comes, &b"NOOP\r\n".repeat(500));
    let mut ticks = 0;
    while replies(&comes) == 0 {
        server.tick();
        ticks += 1;
    }
    let turns = (500 * 32_u32).div_ceil(TURN_WORK_MAX);
    assert!(ticks >= turns, "{turns} turns in {ticks} ticks");
}

/// How many replies a client has got since this was last asked.
fn replies(client: &Client) -> usize {
    client.text().matches("\r\n").count()
}

/// How many ticks it takes until all of a pipelined group is answered, and how many replies that are.
fn ticks(server: &mut MemoryServer, client: &Client, group: &str) -> (usize, usize) {
    server.queue(client, group.as_bytes());
    let (mut ticks, mut said) = (0, 0);
    while ticks == 0 || server.has_work() {
        server.tick();
        ticks += 1;
        said += replies(client);
    }
    (ticks, said)
}

#[test]
fn a_turn_is_bounded_by_the_commands_it_runs() {
    let mut server = MemoryServer::start(&[]);
    for (command, lines) in [
        ("NOOP\r\n", 1),
        // An EHLO has some ten lines.
        ("EHLO c\r\n", 16),
        ("RSET\r\n", 1),
        ("VRFY a\r\n", 1),
    ] {
        let busy = greeted(&mut server);
        let commands = (64 << 10) / command.len();
        let (ticks, said) = ticks(&mut server, &busy, &command.repeat(commands));
        assert!(commands <= said && said <= commands * lines, "{said}");
        let most = TURN_WORK_MAX as usize / 32;
        assert!(commands <= ticks * most, "{command:?} in {ticks} turns");
    }
}

#[test]
fn a_turn_is_bounded_by_the_mailboxes_of_its_recipients() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("mailoop.toml");
    let names: Vec<_> = (0..100)
        .map(|n| format!("\"user{n}@example.org\""))
        .collect();
    let aliases = format!("[aliases]\n\"all\" = [{}]\n", names.join(", "));
    std::fs::write(&file, aliases).unwrap();
    let mut server = MemoryServer::start(&["--config", file.to_str().unwrap()]);
    let busy = greeted(&mut server);
    server.send(&busy, b"HELO c\r\n");
    assert_eq!(replies(&busy), 1);
    // RSET frees what MAIL has begun, so that it goes on for as long as the client likes.
    let group = "MAIL FROM:<a@example.com>\r\nRCPT TO:<all@example.org>\r\nRSET\r\n";
    let (ticks, said) = ticks(&mut server, &busy, &group.repeat(500));
    assert_eq!(said, 1500);
    assert!(ticks >= 500 / 2, "500 times 100 mailboxes in {ticks} turns");
}

#[test]
fn a_tick_is_bounded_by_the_work_of_all_and_everybody_has_a_turn_in_order() {
    let mut server = MemoryServer::start(&[]);
    let clients: Vec<_> = (0..300).map(|_| greeted(&mut server)).collect();
    let patient = greeted(&mut server);
    let group = "MAIL FROM:<a@example.com>\r\nRSET\r\n";
    for client in &clients {
        server.send(client, b"HELO c\r\n");
        replies(client);
    }
    for client in &clients {
        server.queue(client, group.repeat(1000).as_bytes());
    }
    let whole_turns = (TICK_WORK_MAX / TURN_WORK_MAX) as usize;
    let mut served = vec![0; clients.len()];
    server.queue(&patient, b"NOOP\r\n");
    for tick in 0.. {
        server.tick();
        let in_tick = clients
            .iter()
            .zip(&mut served)
            .filter_map(|(client, served)| {
                let said = replies(client);
                *served += usize::from(said > 0);
                (said > 0).then_some(said)
            });
        let in_tick: Vec<_> = in_tick.collect();
        assert!(
            in_tick.len() <= whole_turns + 1,
            "{} turns in a tick",
            in_tick.len()
        );
        let (least, most) = (served.iter().min().unwrap(), served.iter().max().unwrap());
        assert!(most - least <= 1, "turns go round");
        if replies(&patient) > 0 {
            assert!(
                tick <= clients.len() / whole_turns + 1,
                "a NOOP waits {tick} ticks"
            );
            break;
        }
    }
}
