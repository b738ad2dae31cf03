//! What is held is bounded, whatever comes.

use super::world::{BOUND, PublisherWorld, seconds};
use super::*;

/// Octets that each message has beside its text: its envelope, and its place among the others.
const MESSAGE_BYTES: usize = 2048;

/// Writes `octets` of each of `drafts`, piece by piece in turn, where the stream acknowledges all it hears at once; stops while no
/// text is taken.
fn write_in_turn(world: &mut PublisherWorld, drafts: &mut [Draft], octets: usize, piece: usize) {
    let text = vec![b'x'; piece];
    for _ in 0..octets / piece {
        for draft in &mut *drafts {
            while world.store.is_congested() {
                assert!(world.acknowledge_all().is_empty());
            }
            world.store.write(draft, &text).unwrap();
        }
    }
}

#[test]
fn a_thousand_large_messages_at_a_time_are_held_in_bounded_memory() {
    let measured = allocation_counter::measure(|| {
        let mut world = PublisherWorld::ready();
        let mut drafts: Vec<_> = (0..1000).map(|_| world.begin()).collect();
        // What comes of 25 MB is like its first octets, once there are parts of all.
        write_in_turn(&mut world, &mut drafts, 256 * 1024, 16 * 1024);
        for draft in drafts {
            world.store.submit(draft);
        }
        assert_eq!(world.acknowledge_all().len(), 1000);
        world.assert_is_empty();
    });
    // What the scripted connection copies is as much as is not acknowledged.
    let most = (BOUND + UNACKNOWLEDGED_BYTES_MAX + 1000 * MESSAGE_BYTES) as u64;
    assert!(measured.bytes_max < most, "{measured:?}");
}

#[test]
fn a_stream_that_says_nothing_stops_the_text_and_gives_up_in_the_end() {
    let mut world = PublisherWorld::ready();
    let mut drafts: Vec<_> = (0..300).map(|_| world.begin()).collect();
    let mut written = 0;
    'full: loop {
        for draft in &mut drafts {
            if world.store.is_congested() {
                break 'full;
            }
            world.store.write(draft, &[b'x'; 8192]).unwrap();
            written += 8192;
            world.tick();
        }
    }
    assert!((4 << 20..=BOUND).contains(&written), "{written}");
    world.run_until_quiet(seconds(31));
    assert!(!world.store.is_congested(), "it goes on in the end");
    let refused = drafts.iter_mut();
    let refused = refused.filter_map(|draft| world.store.write(draft, b"x").err());
    assert!(refused.count() > 0);
    for draft in drafts {
        world.store.abort(draft);
    }
    world.assert_is_empty();
}

#[test]
fn short_parts_are_made_when_many_write_and_none_when_few_do() {
    let mut world = PublisherWorld::ready();
    let mut few = [world.begin()];
    write_in_turn(&mut world, &mut few, 1 << 20, 8192);
    world.acknowledge_all();
    assert_eq!(world.said, 16);
    let [few] = few;
    world.store.abort(few);

    let before = world.said;
    let mut many: Vec<_> = (0..2000).map(|_| world.begin()).collect();
    write_in_turn(&mut world, &mut many, 16 * 1024, 4096);
    assert!(world.said > before, "nobody gave way");
    for draft in many {
        world.store.submit(draft);
    }
    assert_eq!(world.acknowledge_all().len(), 2000);
    world.assert_is_empty();
}

#[test]
fn work_for_a_message_does_not_grow_with_those_that_wait() {
    let mut world = PublisherWorld::ready();
    for _ in 0..2_000 {
        world.submit(b"text\r\n");
    }
    world.tick();
    let sent = world.take_sent();
    assert_eq!(sent.len(), 2_000);
    for sent in sent.iter().rev() {
        world.acknowledge(&sent.token);
    }
    assert_eq!(world.tick().len(), 2_000);
    world.assert_is_empty();
}
