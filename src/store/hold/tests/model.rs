//! Random steps on a hold, beside a model that holds everything.

use std::mem;
use std::time::Duration;

use proptest::prelude::*;

use super::{HoldBench, small};
use crate::store::Failure;
use crate::store::hold::{HeldRead, HeldText, HoldTicket};

/// What a program may do with a hold.
#[derive(Clone, Debug)]
enum HoldStep {
    Begin,
    Write(usize, usize),
    Read(usize, usize, usize),
    Drop(usize),
    Tick,
    Lose,
}

fn hold_step() -> impl Strategy<Value = HoldStep> {
    prop_oneof![
        2 => Just(HoldStep::Begin),
        6 => (any::<usize>(), 0..90_usize).prop_map(|(text, count)| HoldStep::Write(text, count)),
        6 => (any::<usize>(), 0..300_usize, 0..120_usize)
            .prop_map(|(text, offset, max)| HoldStep::Read(text, offset, max)),
        2 => any::<usize>().prop_map(HoldStep::Drop),
        4 => Just(HoldStep::Tick),
        1 => Just(HoldStep::Lose),
    ]
}

/// A text, what it should be unless it is lost, and the octets that are awaited of it.
struct ModelText {
    text: HeldText,
    octets: Vec<u8>,
    awaited: Option<(HoldTicket, Vec<u8>)>,
    is_lost: bool,
}

struct HoldModel {
    bench: HoldBench,
    texts: Vec<ModelText>,
    has_lost: bool,
    next: u8,
}

impl HoldModel {
    fn step(&mut self, step: &HoldStep) {
        let count = self.texts.len().max(1);
        match *step {
            HoldStep::Begin => {
                let text = self.bench.hold.begin();
                self.texts.push(ModelText {
                    text,
                    octets: Vec::new(),
                    awaited: None,
                    is_lost: false,
                });
            }
            HoldStep::Write(text, octets) => self.write(text % count, octets),
            HoldStep::Read(text, offset, max) => self.read(text % count, offset, max),
            HoldStep::Drop(text) if !self.texts.is_empty() => {
                let dropped = self.texts.swap_remove(text % count);
                self.bench.hold.drop_text(dropped.text);
            }
            HoldStep::Drop(_) => {}
            HoldStep::Tick => self.tick(),
            HoldStep::Lose => {
                self.has_lost = true;
                self.bench.lose();
                self.bench.now += Duration::from_secs(1);
            }
        }
        let options = self.bench.hold.options;
        assert!(self.bench.hold.memory_bytes() <= options.memory_bytes_max);
        assert!(self.bench.hold.disk_bytes() <= options.disk_bytes_max);
    }

    fn write(&mut self, text: usize, count: usize) {
        let Some(model) = self.texts.get_mut(text) else {
            return;
        };
        self.next = self.next.wrapping_add(1);
        let octets = vec![self.next; count];
        match self.bench.hold.write(&mut model.text, &octets) {
            Ok(()) => model.octets.extend(octets),
            Err(Failure::Full(_)) => model.is_lost = true,
            Err(failure) => {
                assert!(self.has_lost, "{failure}");
                model.is_lost = true;
            }
        }
        let bytes = self.bench.hold.len(&model.text);
        assert!(model.is_lost || bytes == model.octets.len() as u64);
    }

    fn read(&mut self, text: usize, offset: usize, max: usize) {
        let Some(model) = self.texts.get_mut(text) else {
            return;
        };
        let rest = model.octets.get(offset..).unwrap_or_default();
        let expected = &rest[..max.min(rest.len())];
        match self.bench.hold.read(&model.text, offset as u64, max) {
            Ok(HeldRead::Text(octets)) => {
                assert!(!model.is_lost && octets == expected);
            }
            Ok(HeldRead::Asked(ticket)) => {
                assert!(!model.is_lost && !expected.is_empty());
                model.awaited = Some((ticket, expected.to_vec()));
            }
            Err(_) => {
                assert!(model.is_lost || self.has_lost);
                model.is_lost = true;
            }
        }
    }

    fn tick(&mut self) {
        for answer in self.bench.tick() {
            let mut texts = self.texts.iter_mut();
            let awaits = |model: &&mut ModelText| {
                let awaited = model.awaited.as_ref();
                awaited.is_some_and(|(ticket, _)| *ticket == answer.ticket)
            };
            let model = texts.find(awaits).unwrap();
            let (_, expected) = model.awaited.take().unwrap();
            match answer.result {
                Ok(octets) => assert_eq!(octets, expected),
                Err(_) => {
                    assert!(self.has_lost || model.is_lost);
                    model.is_lost = true;
                }
            }
        }
        for model in &self.texts {
            assert!(model.awaited.is_none(), "a read was not answered");
        }
    }

    /// All that is not lost is there, octet by octet.
    fn finish(mut self) {
        self.tick();
        self.bench.now += Duration::from_secs(10);
        for model in mem::take(&mut self.texts) {
            if self.bench.hold.read(&model.text, 0, 1).is_ok() {
                self.bench.tick();
                assert_eq!(self.bench.read_all(&model.text, 77), model.octets);
            } else {
                assert!(self.has_lost || model.is_lost);
            }
            self.bench.hold.drop_text(model.text);
        }
        let hold = &self.bench.hold;
        assert_eq!((hold.memory_bytes(), hold.disk_bytes()), (0, 0));
        assert!(!hold.is_pending());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn texts_are_what_was_written_or_lost_with_a_failure(
        steps in prop::collection::vec(hold_step(), 1..120)
    ) {
        let mut model = HoldModel {
            bench: HoldBench::new(small()),
            texts: Vec::new(),
            has_lost: false,
            next: 0,
        };
        for step in &steps {
            model.step(step);
        }
        model.finish();
    }
}
