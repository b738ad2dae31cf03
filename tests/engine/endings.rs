//! The end of a connection: flushing, lingering, answers that come late, and the drain.

use std::cell::Cell;
use std::rc::Rc;

use mailoop::net::driver::{Close, Drain, Ending, Step, Wait};

use crate::bench::{Bench, SECOND};
use crate::script::{Call, Script, close};

/// Says so many octets, and closes in its first step.
fn last_words(octets: usize, ending: Ending) -> Script {
    Script::new(move |_, turn| {
        turn.output.extend_from_slice(&vec![7; octets]);
        close(ending)
    })
}

#[test]
fn each_ending_writes_what_it_is_to_and_goes() {
    // Octets written of 2,000 while the peer takes 1,000 at a time, and whether the side is shut down then.
    for (ending, told, shut) in [
        (Ending::Abort, 0, false),
        (Ending::Now, 1000, false),
        (Ending::Close, 2000, true),
        (Ending::Linger, 2000, true),
        (Ending::LingerUnlessIdle, 2000, true),
    ] {
        let mut bench = Bench::new();
        let peer = bench.accept(1000, last_words(2000, ending));
        let mut received = 0;
        for _ in 0..3 {
            bench.settle(&[&peer], 10);
            received += peer.receive().len();
        }
        assert_eq!(
            (received, peer.wire.borrow().is_shut),
            (told, shut),
            "{ending:?}"
        );
        // More than the smallest window was written, so that this one waits for its peer as well.
        let lingers = matches!(ending, Ending::Linger | Ending::LingerUnlessIdle);
        assert_eq!(bench.connections.is_empty(), !lingers, "{ending:?}");
        peer.send(&[0; 100_000]);
        peer.close();
        bench.settle(&[&peer], 10);
        assert!(bench.connections.is_empty());
        assert_eq!(bench.board().closed.len(), 1);
    }
}

#[test]
fn a_peer_who_does_not_read_the_last_output_is_given_a_time() {
    let mut bench = Bench::new();
    let peer = bench.accept(1000, last_words(2000, Ending::Close));
    bench.pass(9 * SECOND);
    bench.settle(&[&peer], 10);
    assert!(!bench.connections.is_empty());
    bench.pass(SECOND);
    bench.settle(&[&peer], 10);
    assert!(bench.connections.is_empty());
    assert_eq!(bench.board().closed, ["Close"]);
}

#[test]
fn a_peer_who_does_not_close_is_lingered_for_a_second() {
    let mut bench = Bench::new();
    let peer = bench.accept(1000, last_words(10, Ending::Linger));
    bench.settle(&[&peer], 10);
    assert_eq!(bench.connections.next_wake(), Some(bench.now() + SECOND));
    bench.pass(SECOND);
    bench.settle(&[&peer], 10);
    assert!(bench.connections.is_empty());
}

#[test]
fn connections_that_linger_are_bounded_and_the_oldest_goes_first() {
    let mut bench = Bench::new();
    bench.connections.set_lingering_max(3);
    let mut peers: Vec<_> = (0..5)
        .map(|_| bench.accept(1000, last_words(10, Ending::Linger)))
        .collect();
    bench.settle(&peers.iter().collect::<Vec<_>>(), 10);
    let dropped: Vec<_> = peers
        .iter()
        .map(|peer| peer.wire.borrow().is_dropped)
        .collect();
    assert_eq!(dropped, [true, true, false, false, false]);
    // One that has gone by itself makes room.
    peers[3].close();
    bench.settle(&peers.iter().collect::<Vec<_>>(), 10);
    peers.push(bench.accept(1000, last_words(10, Ending::Linger)));
    bench.settle(&peers.iter().collect::<Vec<_>>(), 10);
    let dropped: Vec<_> = peers
        .iter()
        .map(|peer| peer.wire.borrow().is_dropped)
        .collect();
    assert_eq!(dropped, [true, true, false, true, false, false]);
    bench.pass(SECOND);
    bench.settle(&peers.iter().collect::<Vec<_>>(), 10);
}

/// Waits for an answer, which is outstanding; at its deadline it closes.
fn outstanding(ending: Ending) -> (Script, Rc<Cell<Option<u32>>>) {
    let outstanding = Rc::new(Cell::new(Some(5)));
    let mut script = {
        let outstanding = Rc::clone(&outstanding);
        Script::new(move |call, turn| match call {
            Call::Completed(_) => {
                outstanding.set(None);
                turn.output.extend_from_slice(b"too late");
                Step::Continue
            }
            Call::Expired => {
                turn.shared.deadline = None;
                turn.output.extend_from_slice(b"bye");
                close(ending)
            }
            _ => Step::Wait(Wait::Completion(5)),
        })
    };
    script.outstanding = Rc::clone(&outstanding);
    (script, outstanding)
}

#[test]
fn a_connection_stays_for_the_answer_that_is_outstanding() {
    for ending in [Ending::Abort, Ending::Now, Ending::Close, Ending::Linger] {
        let mut bench = Bench::new();
        let (script, _) = outstanding(ending);
        bench.board().deadline = Some(bench.now() + SECOND);
        let peer = bench.accept(1000, script);
        bench.pass(SECOND);
        bench.settle(&[&peer], 10);
        peer.close();
        bench.settle(&[&peer], 10);
        assert!(!bench.connections.is_empty(), "{ending:?}");
        assert_eq!(bench.connections.open(), 0);
        bench.connections.complete(5, 1);
        bench.settle(&[&peer], 10);
        assert!(bench.connections.is_empty(), "{ending:?}");
        let told: &[u8] = if ending == Ending::Abort { b"" } else { b"bye" };
        assert_eq!(peer.receive(), told, "{ending:?}");
    }
}

#[test]
fn the_end_of_a_drain_waits_for_no_answer() {
    let mut bench = Bench::new();
    let (script, _) = outstanding(Ending::Now);
    bench.board().deadline = Some(bench.now() + SECOND);
    let peer = bench.accept(1000, script);
    bench.pass(SECOND);
    bench.settle(&[&peer], 10);
    assert!(bench.connections.begin_drain(SECOND));
    bench.connections.drain_all();
    bench.settle(&[&peer], 10);
    assert!(!bench.connections.is_empty());
    bench.pass(SECOND);
    bench.settle(&[&peer], 10);
    assert!(bench.connections.is_empty());
    // The answer comes to nobody.
    bench.connections.complete(5, 1);
    assert_eq!(bench.count("completed"), 0);
}

#[test]
fn a_driver_says_nothing_more_after_its_end() {
    let mut bench = Bench::new();
    let (script, _) = outstanding(Ending::Close);
    bench.board().deadline = Some(bench.now() + SECOND);
    let peer = bench.accept(2, script);
    bench.pass(SECOND);
    bench.settle(&[&peer], 10);
    // It is closing, and has not written all yet.
    bench.connections.complete(5, 1);
    bench.settle(&[&peer], 10);
    let mut received = Vec::new();
    for _ in 0..10 {
        received.extend(peer.receive());
        bench.settle(&[&peer], 10);
    }
    assert_eq!(received, b"bye");
    assert!(bench.connections.is_empty());
}

#[test]
fn an_answer_takes_no_turn_away_from_a_connection_that_lingers() {
    let mut bench = Bench::new();
    let (script, _) = outstanding(Ending::Linger);
    bench.board().deadline = Some(bench.now() + SECOND);
    let peer = bench.accept(1000, script);
    peer.send(b"more");
    peer.close();
    bench.tell(&[&peer]);
    bench.pass(SECOND);
    bench.connections.tick(
        // Its input is there, and it has a place in the queue for that.
        |_| {},
        |_, _| {},
    );
    bench.connections.complete(5, 1);
    bench.settle(&[&peer], 10);
    assert!(bench.connections.is_empty(), "the peer has closed");
}

#[test]
fn a_socket_that_fails_tells_its_driver_and_waits_for_its_answer() {
    let mut bench = Bench::new();
    let (script, _) = outstanding(Ending::Close);
    let peer = bench.accept(1000, script);
    bench.connections.complete(7, 7);
    bench.board().deadline = Some(bench.now() + SECOND);
    bench.connections.update_drivers(|_, _| {});
    peer.reset();
    bench.pass(SECOND);
    bench.settle(&[&peer], 10);
    assert_eq!(bench.connections.awaiting(), 1);
    bench.connections.complete(5, 1);
    bench.settle(&[&peer], 10);
    assert_eq!(
        bench.board().closed,
        ["Close"],
        "the driver's own reason stands"
    );
    assert!(bench.connections.is_empty());
}

#[test]
fn a_reset_is_a_failure_of_the_socket() {
    let mut bench = Bench::new();
    let peer = bench.accept(1000, Script::new(|_, _| Step::Continue));
    peer.reset();
    bench.settle(&[&peer], 10);
    assert_eq!(bench.board().closed, ["socket: ConnectionReset"]);
    assert!(bench.connections.is_empty());
}

#[test]
fn an_answer_for_one_that_is_gone_does_not_meet_the_next_in_its_place() {
    let mut bench = Bench::new();
    let script = |step: fn() -> Step<Script>| Script::new(move |_, _| step());
    let first = bench.accept(
        1000,
        Script::new(|call, turn| match call {
            Call::Expired => {
                turn.shared.deadline = None;
                close(Ending::Now)
            }
            _ => Step::Wait(Wait::Completion(1)),
        }),
    );
    bench.board().deadline = Some(bench.now());
    bench.connections.update_drivers(|_, _| {});
    bench.settle(&[&first], 10);
    assert!(bench.connections.is_empty());
    let second = bench.accept(1000, script(|| Step::Continue));
    assert_eq!(first.key, second.key);
    bench.connections.complete(1, 1);
    assert_eq!(bench.count("completed"), 0);
    second.reset();
    bench.settle(&[&second], 10);
}

#[test]
fn one_that_is_refused_is_told_why_and_closed_at_once() {
    let mut bench = Bench::new();
    for ending in [Ending::Now, Ending::Abort] {
        let (told, is_dropped) = bench.refuse(last_words(10, ending));
        let expected = if ending == Ending::Now { 10 } else { 0 };
        assert_eq!((told.len(), is_dropped), (expected, true));
    }
    assert_eq!(bench.board().calls, ["opened", "opened"]);
    assert_eq!(bench.board().closed, ["Now", "Abort"]);
    assert!(bench.connections.is_empty());
}

#[test]
fn every_driver_hears_of_the_drain_whatever_it_waits_for() {
    for wait in [
        Wait::Input,
        Wait::Output,
        Wait::Turn,
        Wait::Cpu,
        Wait::Room,
        Wait::Completion(1),
        Wait::Timer,
    ] {
        let mut bench = Bench::new();
        bench.board().deadline = Some(bench.now() + 100 * SECOND);
        let script = Script::new(move |call, turn| {
            if turn.drain != Drain::No {
                return Step::Close(Close::after_eof("drained".to_owned()));
            }
            if let Call::Opened = call {
                turn.output.extend_from_slice(&[7; 2000]);
            }
            Step::Wait(wait)
        });
        let peer = bench.accept(1000, script);
        bench.tick(&[&peer]);
        bench.connections.begin_drain(SECOND);
        bench.connections.drain_all();
        assert_eq!(peer.receive().len(), 1000);
        bench.settle(&[&peer], 10);
        assert_eq!(peer.receive().len(), 1000, "{wait:?}");
        assert_eq!(bench.board().closed, ["drained"], "{wait:?}");
    }
}
