//! Connections that the engine's side begins: they succeed, fail, or come to nothing in time.

use std::io::ErrorKind;

use mailoop::net::driver::{Ending, Step};

use crate::bench::{Bench, SECOND};
use crate::script::{Call, Script, close};
use crate::wire::Dial;

/// Says hello, and closes at the end of input.
fn hello() -> Script {
    Script::new(|call, turn| match call {
        Call::Opened => {
            turn.output.extend_from_slice(b"hello");
            Step::Continue
        }
        Call::Eof => close(Ending::Close),
        _ => Step::Continue,
    })
}

#[test]
fn a_dial_that_succeeds_is_opened() {
    let mut bench = Bench::new();
    let peer = bench.dial(hello());
    // Events that say nothing of it do no harm.
    for _ in 0..3 {
        bench.nudge(&peer);
        bench.settle(&[&peer], 10);
    }
    assert_eq!((bench.count("opened"), bench.connections.open()), (0, 1));
    peer.wire.borrow_mut().settle_dial(Dial::Connected);
    bench.settle(&[&peer], 10);
    assert_eq!(peer.receive(), b"hello");
    // The deadline of the dial is nothing to what comes after.
    bench.pass(20 * SECOND);
    bench.settle(&[&peer], 10);
    peer.close();
    bench.settle(&[&peer], 10);
    assert_eq!(bench.board().closed, ["Close"]);
    assert_eq!(bench.count("opened"), 1);
}

#[test]
fn a_dial_that_fails_is_closed_and_was_never_open() {
    let mut bench = Bench::new();
    let peer = bench.dial(hello());
    peer.wire
        .borrow_mut()
        .settle_dial(Dial::Failed(ErrorKind::ConnectionRefused));
    bench.settle(&[&peer], 10);
    assert_eq!(bench.board().closed, ["dial: ConnectionRefused"]);
    assert_eq!(bench.count("opened"), 0);
    assert!(bench.connections.is_empty());
}

#[test]
fn a_dial_ends_at_its_deadline() {
    let mut bench = Bench::new();
    let peer = bench.dial(hello());
    bench.pass(9 * SECOND);
    bench.settle(&[&peer], 10);
    assert!(bench.board().closed.is_empty());
    bench.pass(SECOND);
    bench.settle(&[&peer], 10);
    assert_eq!(bench.board().closed, ["dial: TimedOut"]);
    assert!(bench.connections.is_empty());
}

#[test]
fn a_drain_ends_a_dial_whose_driver_says_so() {
    for drains in [false, true] {
        let mut bench = Bench::new();
        bench.board().drains = drains;
        let peer = bench.dial(hello());
        bench.connections.begin_drain(SECOND);
        bench.connections.drain_all();
        bench.settle(&[&peer], 10);
        assert_eq!(bench.connections.is_empty(), drains);
        bench.pass(10 * SECOND);
        bench.settle(&[&peer], 10);
        let expected = if drains { "drained" } else { "dial: TimedOut" };
        assert_eq!(bench.board().closed, [expected]);
    }
}
