//! Over any order of events: nothing is told stored that the stream does not have whole.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::world::{PublisherWorld, SaidRecord, seconds};
use super::*;

#[derive(Clone, Copy, Debug)]
enum PublisherAct {
    Begin,
    /// Writes so many octets of one of the open messages.
    Write(usize, usize),
    Submit(usize),
    Abort(usize),
    /// The stream takes one of the records that were said, and answers, or its answer is lost.
    Take(usize, bool),
    /// It answers once more, or this instead.
    Repeat(usize),
    Refuse(usize),
    Fail(usize),
    Reconnect,
    Lose,
    Pass(u64),
    Room(usize),
}

fn act() -> impl Strategy<Value = PublisherAct> {
    prop_oneof![
        2 => Just(PublisherAct::Begin),
        4 => (any::<usize>(), 1_usize..90_000).prop_map(|(of, octets)| PublisherAct::Write(of, octets)),
        2 => any::<usize>().prop_map(PublisherAct::Submit),
        1 => any::<usize>().prop_map(PublisherAct::Abort),
        8 => (any::<usize>(), any::<bool>()).prop_map(|(of, answers)| PublisherAct::Take(of, answers)),
        1 => any::<usize>().prop_map(PublisherAct::Repeat),
        1 => any::<usize>().prop_map(PublisherAct::Refuse),
        1 => any::<usize>().prop_map(PublisherAct::Fail),
        1 => Just(PublisherAct::Reconnect),
        1 => Just(PublisherAct::Lose),
        2 => (1_u64..4000).prop_map(PublisherAct::Pass),
        1 => (0_usize..5).prop_map(PublisherAct::Room),
    ]
}

/// A message as its client knows it.
struct PublisherClient {
    id: String,
    draft: Option<Draft>,
    ticket: Option<Ticket>,
    text: Vec<u8>,
}

/// The stream, and all who know of it.
#[derive(Default)]
struct StreamModel {
    clients: Vec<PublisherClient>,
    /// Records that were said and not taken.
    said: Vec<SaidRecord>,
    /// All records that were ever said, by their id.
    known: BTreeMap<String, SaidRecord>,
    /// Those that the stream has, with their sequences.
    stored: BTreeMap<String, u64>,
    /// Those of which the store has heard that.
    acknowledged: BTreeSet<String>,
    aborted: BTreeSet<String>,
    octet: u8,
}

fn id_of(sent: &SaidRecord) -> String {
    sent.header("Nats-Msg-Id").unwrap().to_owned()
}

impl StreamModel {
    /// Checks what was said, and keeps it.
    fn hear(&mut self, sent: Vec<SaidRecord>) {
        for sent in sent {
            let id = id_of(&sent);
            let of = id.split('-').next().unwrap().to_owned();
            assert!(!self.aborted.contains(&of), "{id} was aborted");
            let is_last = of == id;
            if is_last {
                let envelope = envelope_of(&sent);
                let parts = (1..=envelope.parts).map(|part| format!("{id}-{part}"));
                for part in parts {
                    assert!(self.acknowledged.contains(&part), "{part} before {id}");
                }
                if envelope.parts > 0 {
                    assert_eq!(envelope.first, self.stored[&format!("{id}-1")]);
                }
            } else {
                assert!(!self.known.contains_key(&of), "{id} after its last record");
            }
            assert!(!self.acknowledged.contains(&id), "{id} is acknowledged");
            let first = self.known.entry(id).or_insert_with(|| sent.clone());
            assert!(*first == sent, "other octets than before");
            self.said.push(sent);
        }
    }

    fn settled(&mut self, settled: Vec<(Ticket, String)>) {
        for (ticket, told) in settled {
            let place = self.clients.iter().position(|it| it.ticket == Some(ticket));
            let client = self.clients.remove(place.unwrap());
            if told != "stored" {
                // Nothing more is said of it.
                self.aborted.insert(client.id);
                continue;
            }
            assert!(self.acknowledged.contains(&client.id));
            let last = &self.known[&client.id];
            let envelope = envelope_of(last);
            let parts = (1..=envelope.parts).map(|part| format!("{}-{part}", client.id));
            let parts = parts.map(|part| &self.known[&part]).chain([last]);
            let text: Vec<u8> = parts.flat_map(|part| part.payload.clone()).collect();
            assert!(text == client.text, "not the text of {}", client.id);
            assert_eq!(envelope.crc32c, crc32c::crc32c(&text));
            assert_eq!(envelope.octets, text.len() as u64);
        }
    }

    fn run(&mut self, act: PublisherAct, world: &mut PublisherWorld) {
        let open: Vec<usize> = (0..self.clients.len())
            .filter(|at| self.clients[*at].draft.is_some())
            .collect();
        let pick = |of: usize| (!open.is_empty()).then(|| open[of % open.len()]);
        match act {
            PublisherAct::Begin => {
                if let Ok((id, draft)) = world.store.begin(&envelope_to(1)) {
                    self.clients.push(PublisherClient {
                        id: id.to_string(),
                        draft: Some(draft),
                        ticket: None,
                        text: Vec::new(),
                    });
                }
            }
            PublisherAct::Write(of, octets) => {
                if let Some(at) = pick(of).filter(|_| !world.store.is_congested()) {
                    self.octet = self.octet.wrapping_add(1);
                    let text = vec![self.octet; octets];
                    let client = &mut self.clients[at];
                    client.text.extend(&text);
                    let draft = client.draft.as_mut().unwrap();
                    if world.store.write(draft, &text).is_err() {
                        self.abort(at, world);
                    }
                }
            }
            PublisherAct::Submit(of) => {
                if let Some(at) = pick(of) {
                    let client = &mut self.clients[at];
                    client.ticket = Some(world.store.submit(client.draft.take().unwrap()));
                }
            }
            PublisherAct::Abort(of) => {
                if let Some(at) = pick(of) {
                    self.abort(at, world);
                }
            }
            other => self.run_stream(other, world),
        }
    }

    fn abort(&mut self, at: usize, world: &mut PublisherWorld) {
        let client = self.clients.remove(at);
        world.store.abort(client.draft.unwrap());
        self.aborted.insert(client.id);
    }

    fn run_stream(&mut self, act: PublisherAct, world: &mut PublisherWorld) {
        match act {
            PublisherAct::Take(of, answers) if !self.said.is_empty() => {
                let sent = self.said.remove(of % self.said.len());
                self.take(&sent, answers, world);
            }
            PublisherAct::Repeat(of) if !self.known.is_empty() => {
                let sent = self.known.values().nth(of % self.known.len()).cloned();
                let sent = sent.filter(|sent| self.stored.contains_key(&id_of(sent)));
                if let Some(sent) = sent {
                    self.take(&sent, true, world);
                }
            }
            PublisherAct::Refuse(of) if !self.said.is_empty() => {
                let sent = self.said.remove(of % self.said.len());
                world.answer_status(&sent.token, 503);
            }
            PublisherAct::Fail(of) if !self.said.is_empty() => {
                let sent = self.said.remove(of % self.said.len());
                world.answer(&sent.token, r#"{"error":{"code":400,"err_code":1}}"#);
            }
            PublisherAct::Reconnect => {
                world.store.disconnected();
                self.settled(world.tick());
                world.connect();
            }
            PublisherAct::Lose => {
                world.lose("gone");
                self.settled(world.tick());
                world.store.set_state(StreamState::Ready);
            }
            PublisherAct::Pass(milliseconds) => world.advance(Duration::from_millis(milliseconds)),
            PublisherAct::Room(room) => world.room = room,
            _ => {}
        }
    }

    fn take(&mut self, sent: &SaidRecord, answers: bool, world: &mut PublisherWorld) {
        let id = id_of(sent);
        let next = self.stored.len() as u64 + 1;
        let sequence = *self.stored.entry(id.clone()).or_insert(next);
        if answers {
            self.acknowledged.insert(id);
            let answer = format!(r#"{{"stream":"MAIL","seq":{sequence}}}"#);
            world.answer(&sent.token, &answer);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn what_is_told_stored_is_in_the_stream_whole_and_once(acts in vec(act(), 1..300)) {
        let mut world = PublisherWorld::ready();
        let mut model = StreamModel::default();
        for act in acts {
            model.run(act, &mut world);
            let settled = world.tick();
            model.settled(settled);
            model.hear(world.take_sent());
        }
        world.room = usize::MAX;
        while !model.clients.is_empty() {
            model.run(PublisherAct::Submit(0), &mut world);
            let settled = world.tick();
            model.settled(settled);
            model.hear(world.take_sent());
            model.run(PublisherAct::Take(0, true), &mut world);
            if model.said.is_empty() {
                world.advance(seconds(3));
            }
        }
        world.assert_is_empty();
    }
}
