//! A queue that is fair to the addresses of clients, not to their connections (fair queueing, RFC 970).

use std::collections::{HashMap, VecDeque};

use super::place::Place;
use crate::net::peer::AddressGroup;

/// Connections in as many queues as there are sources of them, which are served in turn. A thousand connections of one source
/// so delay another by one turn, not by a thousand.
#[derive(Default)]
pub(super) struct FairQueue {
    /// Sources with somebody in their queue, in the order of their turns.
    turns: VecDeque<AddressGroup>,
    queues: HashMap<AddressGroup, VecDeque<Place>>,
}

impl FairQueue {
    /// Adds a connection behind the others of its source, or in front of them if it has begun already.
    pub(super) fn push(&mut self, source: AddressGroup, place: Place, has_begun: bool) {
        let queue = self.queues.entry(source).or_insert_with(|| {
            self.turns.push_back(source);
            VecDeque::new()
        });
        if has_begun {
            queue.push_front(place);
        } else {
            queue.push_back(place);
        }
    }

    /// Takes off the first connection of the source whose turn it is.
    pub(super) fn pop(&mut self) -> Option<Place> {
        let source = self.turns.pop_front()?;
        let Some(queue) = self.queues.get_mut(&source) else {
            debug_assert!(false, "a source has turns while its queue has somebody");
            return None;
        };
        let place = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&source);
        } else {
            self.turns.push_back(source);
        }
        place
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// The number of connections that wait.
    pub(super) fn len(&self) -> usize {
        self.queues.values().map(VecDeque::len).sum()
    }
}
