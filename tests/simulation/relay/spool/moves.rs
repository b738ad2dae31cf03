//! Mail that is moved to other segments.

use super::{News, Spool};

impl Spool {
    pub(super) fn say_moves(&mut self, all: bool) -> bool {
        let mut moved = false;
        if !self.old_places.is_empty() && self.is_time(all) {
            self.old_places.clear();
            moved = true;
        }
        if !self.unsaid_moves.is_empty() && self.is_time(all) {
            for mail in std::mem::take(&mut self.unsaid_moves) {
                if let Some(kept) = self.disk.get(&mail) {
                    let place = kept.place;
                    self.tell(News::Moved(mail, place));
                }
            }
            moved = true;
        }
        moved
    }

    /// Moves a mail to another segment.
    pub fn move_one(&mut self) {
        if !self.is_ready || self.disk.is_empty() {
            return;
        }
        let at = self.rng.below(self.disk.len());
        let mail = *self.disk.keys().nth(at).unwrap();
        self.last_segment += 1;
        let kept = self.disk.get_mut(&mail).unwrap();
        let old = kept.place;
        kept.place.segment = self.last_segment;
        let place = kept.place;
        self.journal
            .trace(|| format!("spool: {mail} is moved to {}", place.segment));
        self.old_places.insert((mail, old));
        self.unsaid_moves.push(mail);
        self.fetched.remove(&mail);
        self.books.borrow_mut().counts.add("moves", 1);
    }
}
