//! The middle of a connection: who waits for what, and what a turn is bounded by.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use mailoop::net::channel::OUTPUT_HIGH_WATER_BYTES;
use mailoop::net::driver::{Ending, Step, Wait};

use crate::bench::{Bench, SECOND};
use crate::script::{Call, Script, close};

/// Closes at the end of input, and otherwise waits for more.
fn default(call: &Call<'_, '_>) -> Step<Script> {
    match call {
        Call::Eof => close(Ending::Close),
        _ => Step::Continue,
    }
}

#[test]
fn a_driver_that_waits_for_output_is_called_once_all_is_written() {
    let mut bench = Bench::new();
    let script = Script::new(|call, turn| match call {
        Call::Opened | Call::Input(_) => {
            turn.output.extend_from_slice(&[7; 10_000]);
            Step::Wait(Wait::Output)
        }
        call => default(&call),
    });
    let peer = bench.accept(15_000, script);
    let called = bench.count("input");
    for _ in 0..100 {
        peer.send(b"x");
        bench.settle(&[&peer], 10);
        bench.nudge(&peer);
        bench.settle(&[&peer], 10);
    }
    assert_eq!(
        bench.count("input"),
        called,
        "an event of input is not what it waits for"
    );
    assert_eq!(peer.receive().len(), 15_000);
    bench.settle(&[&peer], 10);
    assert!(bench.count("input") > called);
    peer.reset();
    bench.settle(&[&peer], 10);
}

#[test]
fn a_driver_that_always_has_output_leaves_the_others_their_turns() {
    let mut bench = Bench::new();
    let script = Script::new(|call, turn| match call {
        Call::Opened | Call::Input(_) => {
            turn.output.extend_from_slice(&[7; 1000]);
            Step::Wait(Wait::Output)
        }
        call => default(&call),
    });
    let greedy = bench.accept(1 << 30, script);
    let modest = bench.accept(1000, Script::new(|call, _| default(&call)));
    modest.send(b"x");
    bench.tick(&[&greedy, &modest]);
    assert!(bench.count("input") < 1000, "a turn has an end");
    assert!(modest.wire.borrow().calls > 0);
    for peer in [&greedy, &modest] {
        peer.reset();
    }
    bench.settle(&[&greedy, &modest], 10);
}

/// A text of so many octets, no two of them alike where they are near.
fn text(octets: u32) -> Rc<[u8]> {
    (0..octets).map(|at| (at * 31 % 251) as u8).collect()
}

/// Writes its text after a word, and leaves when it is told to.
fn reader_aloud(text: &Rc<[u8]>, left: &Rc<Cell<usize>>) -> Script {
    let left = Rc::clone(left);
    left.set(text.len());
    let script = Script::new(move |call, turn| match call {
        Call::Opened => {
            turn.output.extend_from_slice(b"now:");
            Step::Write
        }
        Call::Wrote(count) => {
            assert_eq!(turn.unsent, 0, "its connection keeps none of it");
            left.set(left.get() - count);
            if left.get() > 0 {
                Step::Write
            } else {
                Step::Continue
            }
        }
        Call::Input(input) if input.is_empty() && left.get() > 0 => Step::Write,
        Call::Input(input) if *input == b"no" => close(Ending::Now),
        call => default(&call),
    });
    script.with_text(text)
}

#[test]
fn a_text_is_written_from_its_place_as_there_is_room() {
    let (text, left) = (text(200_000), Rc::default());
    for outbox_max in [3000, 70_000, 1 << 20] {
        let mut bench = Bench::new();
        let peer = bench.accept(outbox_max, reader_aloud(&text, &left));
        let mut received = peer.receive();
        while left.get() > 0 {
            let before = left.get();
            bench.settle(&[&peer], 10);
            assert!(left.get() < before, "there was room");
            received.extend(peer.receive());
        }
        assert_eq!((&received[..4], &received[4..]), (&b"now:"[..], &text[..]));
        assert_eq!(Rc::strong_count(&text), 2, "it is the only one to hold it");
        peer.close();
        bench.settle(&[&peer], 10);
        assert_eq!(bench.board().closed, ["Close"]);
    }
}

#[test]
fn a_text_may_be_objected_to_while_it_is_written() {
    // One that does not read, and one that reads all.
    for outbox_max in [3000, 1 << 30] {
        let mut bench = Bench::new();
        let (text, left) = (text(1 << 24), Rc::default());
        let peer = bench.accept(outbox_max, reader_aloud(&text, &left));
        assert!(left.get() > 1 << 23, "a turn has an end");
        if outbox_max == 3000 {
            bench.settle(&[&peer], 10);
            let called = bench.count("input");
            for _ in 0..10 {
                bench.tick(&[&peer]);
            }
            assert_eq!(bench.count("input"), called, "there is no room");
        }
        peer.send(b"no");
        bench.tick(&[&peer]);
        bench.tick(&[&peer]);
        assert_eq!(bench.board().closed, ["Now"]);
        assert!(left.get() > 1 << 23);
    }
}

#[test]
fn a_text_that_is_left_at_the_end_of_input_waits_for_room() {
    let mut bench = Bench::new();
    let (text, left) = (text(5000), Rc::new(Cell::new(5000)));
    let script = {
        let left = Rc::clone(&left);
        Script::new(move |call, _| {
            if let Call::Wrote(count) = call {
                left.set(left.get() - count);
            }
            match call {
                Call::Eof if left.get() == 0 => close(Ending::Close),
                Call::Opened => Step::Continue,
                _ => Step::Write,
            }
        })
    };
    let peer = bench.accept(1000, script.with_text(&text));
    peer.close();
    let mut received = Vec::new();
    for _ in 0..5 {
        bench.settle(&[&peer], 3);
        let told = bench.count("eof");
        bench.tick(&[&peer]);
        assert_eq!(bench.count("eof"), told, "it is left alone");
        received.extend(peer.receive());
    }
    bench.settle(&[&peer], 3);
    assert_eq!((&received[..], left.get()), (&text[..], 0));
    assert_eq!(bench.board().closed, ["Close"]);
}

/// Whoever says more than it hears, to a peer who does not read, is not given more to hear.
#[test]
fn input_is_not_read_while_the_output_is_full() {
    let steps: [fn() -> Step<Script>; 3] =
        [|| Step::Continue, || Step::Wait(Wait::Turn), || Step::Read];
    for step in steps {
        let mut bench = Bench::new();
        let most = Rc::new(Cell::new(0));
        let script = {
            let most = Rc::clone(&most);
            Script::new(move |call, turn| match call {
                Call::Input(input) if !input.is_empty() => {
                    *input = &input[1..];
                    turn.output.extend_from_slice(&[7; 500]);
                    most.set(most.get().max(turn.unsent + turn.output.len()));
                    if input.is_empty() {
                        step()
                    } else {
                        Step::Wait(Wait::Turn)
                    }
                }
                call => default(&call),
            })
        };
        let peer = bench.accept(5000, script);
        for _ in 0..500 {
            peer.send(b"x");
            bench.tick(&[&peer]);
        }
        assert!(
            most.get() < OUTPUT_HIGH_WATER_BYTES + 500,
            "{} are unsent",
            most.get()
        );
        let mut received = 0;
        for _ in 0..1000 {
            received += peer.receive().len();
            bench.tick(&[&peer]);
        }
        assert_eq!(received, 500 * 500, "nothing is forgotten");
        peer.reset();
        bench.settle(&[&peer], 10);
    }
}

#[test]
fn a_driver_that_waits_for_input_is_given_what_is_there() {
    let mut bench = Bench::new();
    let script = Script::new(|call, turn| match call {
        Call::Input(input) => {
            turn.output.extend_from_slice(input);
            *input = &[];
            Step::Wait(Wait::Input)
        }
        Call::Eof => close(Ending::Close),
        _ => Step::Wait(Wait::Input),
    });
    let peer = bench.accept(1 << 20, script);
    peer.send(&[7; 200_000]);
    peer.close();
    bench.settle(&[&peer], 10);
    assert_eq!(peer.receive().len(), 200_000);
    assert_eq!(bench.board().closed, ["Close"]);
}

#[test]
fn a_driver_that_always_asks_for_a_read_waits_for_events_in_between() {
    let mut bench = Bench::new();
    let script = Script::new(|call, turn| match call {
        Call::Input(input) => {
            assert!(turn.shared.calls.len() < 1000, "it is asked for ever");
            *input = &[];
            Step::Read
        }
        Call::Eof => close(Ending::Close),
        _ => Step::Read,
    });
    let peer = bench.accept(1000, script);
    peer.send(b"x");
    bench.settle(&[&peer], 10);
    peer.close();
    bench.settle(&[&peer], 10);
    assert_eq!(bench.board().closed, ["Close"]);
}

#[test]
fn a_driver_that_stays_after_the_end_of_input_is_left_alone() {
    for step in [Wait::Completion(1), Wait::Input] {
        let mut bench = Bench::new();
        let script = Script::new(move |call, turn| match call {
            Call::Eof => match step {
                Wait::Input => Step::Continue,
                wait => Step::Wait(wait),
            },
            Call::Completed(_) | Call::Expired => {
                turn.output.extend_from_slice(b"done");
                close(Ending::Close)
            }
            _ => Step::Continue,
        });
        let peer = bench.accept(1000, script);
        peer.close();
        bench.settle(&[&peer], 10);
        bench.connections.complete(1, 1);
        bench.board().deadline = Some(bench.now());
        bench.connections.update_drivers(|_, _| {});
        bench.settle(&[&peer], 10);
        assert_eq!(
            (peer.receive(), bench.connections.is_empty()),
            (b"done".to_vec(), true)
        );
    }
}

#[test]
fn a_deadline_that_stays_in_the_past_is_told_once_a_tick() {
    let mut bench = Bench::new();
    bench.board().deadline = Some(bench.now() + SECOND);
    let peer = bench.accept(
        1000,
        Script::new(|call, turn| {
            assert!(turn.shared.calls.len() < 100, "it is told for ever");
            default(&call)
        }),
    );
    bench.tick(&[&peer]);
    assert_eq!(bench.count("expired"), 0);
    for ticks in 1..5 {
        bench.pass(SECOND);
        bench.tick(&[&peer]);
        assert_eq!(bench.count("expired"), ticks);
    }
    peer.close();
    bench.tick(&[&peer]);
    assert!(bench.connections.is_empty());
}

#[test]
fn a_deadline_that_moves_back_is_told_when_it_has_come() {
    let mut bench = Bench::new();
    bench.board().deadline = Some(bench.now() + SECOND);
    let peer = bench.accept(1000, Script::new(|call, _| default(&call)));
    bench.board().deadline = Some(bench.now() + 3 * SECOND);
    bench.tick(&[&peer]);
    for (expired, wake) in [(0, 3), (0, 3), (1, 9)] {
        bench.pass(SECOND);
        if expired == 1 {
            assert_eq!(bench.connections.next_wake(), Some(bench.now()));
        }
        let latest = bench.now() + 6 * SECOND;
        let script_deadline = bench.board().deadline;
        bench.tick(&[&peer]);
        assert_eq!(bench.count("expired"), expired);
        bench.board().deadline = script_deadline.max((expired == 1).then_some(latest));
        let _ = wake;
    }
    peer.close();
    bench.tick(&[&peer]);
    assert!(bench.connections.is_empty());
}

#[test]
fn one_ticket_can_be_awaited_again() {
    let mut bench = Bench::new();
    let script = Script::new(|call, turn| match call {
        Call::Completed(3) => close(Ending::Now),
        Call::Opened | Call::Completed(_) => {
            turn.output.extend_from_slice(b".");
            Step::Wait(Wait::Completion(9))
        }
        call => default(&call),
    });
    let peer = bench.accept(1000, script);
    for part in 1..=3 {
        assert_eq!(bench.connections.awaiting(), 1);
        bench.connections.complete(9, part);
        bench.tick(&[&peer]);
    }
    assert_eq!(bench.connections.awaiting(), 0);
    assert_eq!(
        (peer.receive(), bench.connections.is_empty()),
        (b"...".to_vec(), true)
    );
}

#[test]
fn output_is_flushed_while_its_driver_waits_for_something_else() {
    for wait in [Wait::Completion(1), Wait::Timer, Wait::Room] {
        let mut bench = Bench::new();
        bench.board().deadline = Some(bench.now() + SECOND);
        let script = Script::new(move |call, turn| match call {
            Call::Opened => {
                turn.output.extend_from_slice(&[7; 3000]);
                Step::Wait(wait)
            }
            Call::Completed(_) | Call::Expired => close(Ending::Now),
            // An event may be news of room.
            _ if wait == Wait::Room && turn.shared.has_room => close(Ending::Now),
            _ if wait == Wait::Room => Step::Wait(wait),
            _ => panic!("it waits for {wait:?}"),
        });
        let peer = bench.accept(1000, script);
        for _ in 0..3 {
            assert_eq!(peer.receive().len(), 1000);
            peer.send(b"x");
            bench.settle(&[&peer], 10);
        }
        bench.connections.complete(1, 1);
        bench.board().has_room = true;
        bench.connections.end_congestion();
        bench.pass(SECOND);
        bench.settle(&[&peer], 10);
        assert!(bench.connections.is_empty());
    }
}

#[test]
fn the_cpu_is_shared_out_by_address() {
    let mut bench = Bench::new();
    let order = Rc::new(RefCell::new(Vec::new()));
    let mut peers = Vec::new();
    for (number, host) in [1, 1, 1, 1, 1, 1, 1, 1, 2].into_iter().enumerate() {
        let order = Rc::clone(&order);
        let mut left = 1500_u32;
        let script = Script::new(move |call, turn| {
            if let Call::Eof = call {
                return close(Ending::Now);
            }
            let done = left.min(*turn.iterations);
            *turn.iterations -= done;
            left -= done;
            if left > 0 {
                return Step::Wait(Wait::Cpu);
            }
            if done > 0 {
                order.borrow_mut().push(number);
            }
            Step::Continue
        });
        peers.push(bench.accept_from(host, 1000, script));
    }
    let peers: Vec<_> = peers.iter().collect();
    for _ in 0..14 {
        bench.tick(&peers);
    }
    assert_eq!(*order.borrow(), [0, 8, 1, 2, 3, 4, 5, 6, 7]);
    peers.iter().for_each(|peer| peer.close());
    bench.settle(&peers, 10);
}

/// A busy connection whose deadlines come again and again has one place in the queue, not one for each deadline.
#[test]
fn a_connection_has_one_turn_a_tick() {
    let mut bench = Bench::new();
    let is_busy = Rc::new(Cell::new(true));
    let script = {
        let is_busy = Rc::clone(&is_busy);
        Script::new(move |call, turn| match call {
            Call::Input(_) | Call::Opened if is_busy.get() => Step::Wait(Wait::Turn),
            Call::Expired => {
                turn.shared.deadline = None;
                is_busy.set(false);
                Step::Continue
            }
            call => default(&call),
        })
    };
    let peer = bench.accept(1000, script);
    for _ in 0..10 {
        bench.board().deadline = Some(bench.now());
        bench.connections.update_drivers(|_, _| {});
        // It is in the queue when the deadline takes it out of there, and an event puts it back.
        bench.tick(&[&peer]);
        is_busy.set(true);
        bench.nudge(&peer);
        bench.tick(&[]);
    }
    bench.board().calls.clear();
    bench.tick(&[&peer]);
    assert_eq!(bench.count("input"), 1);
    is_busy.set(false);
    peer.close();
    bench.settle(&[&peer], 20);
}
