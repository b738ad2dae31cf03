//! Lists whose links lie in the records themselves: joining, leaving and taking the first cost the same however long a list is.

/// The links of a record. It stands in one list at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Links {
    previous: u32,
    next: u32,
}

/// No record: the links of one that stands in no list.
pub(super) const NOBODY: u32 = u32::MAX;
/// Marks a link as the end of a list, whose number is in the other bits: so a record leaves a list without saying which it is.
const END: u32 = 1 << 31;

impl Default for Links {
    fn default() -> Self {
        Self {
            previous: NOBODY,
            next: NOBODY,
        }
    }
}

/// Records that have links.
pub(super) trait Linked {
    /// The links of the record of this number.
    fn links(&mut self, number: u32) -> &mut Links;
}

/// Lists by number. Every call is given the records that stand in them.
#[derive(Debug)]
pub(super) struct Lists {
    /// The last and the first of each list.
    ends: Vec<Links>,
}

impl Lists {
    /// Empty lists, so many of them.
    pub(super) fn new(count: u32) -> Self {
        let mut lists = Self { ends: Vec::new() };
        lists.grow(count);
        lists
    }

    /// Sees to it that there are so many lists.
    pub(super) fn grow(&mut self, count: u32) {
        for number in u32::try_from(self.ends.len()).unwrap_or(END)..count {
            self.ends.push(Links {
                previous: END | number,
                next: END | number,
            });
        }
    }

    /// The links of a record, or of the end of a list.
    fn at<'a>(&'a mut self, link: u32, records: &'a mut impl Linked) -> &'a mut Links {
        if link & END == 0 {
            records.links(link)
        } else {
            &mut self.ends[(link & !END) as usize]
        }
    }

    /// Whether a list is empty.
    pub(super) fn is_empty(&self, list: u32) -> bool {
        self.first(list).is_none()
    }

    /// The first of a list.
    pub(super) fn first(&self, list: u32) -> Option<u32> {
        let first = self.ends[list as usize].next;
        (first & END == 0).then_some(first)
    }

    /// Lets a record that stands in no list join one as its last.
    pub(super) fn push(&mut self, list: u32, record: u32, records: &mut impl Linked) {
        let last = self.ends[list as usize].previous;
        let links = records.links(record);
        debug_assert_eq!(*links, Links::default(), "it stands in no list");
        *links = Links {
            previous: last,
            next: END | list,
        };
        self.at(last, records).next = record;
        self.ends[list as usize].previous = record;
    }

    /// Takes a record out of its list. Returns the list if nobody is left in it.
    pub(super) fn remove(&mut self, record: u32, records: &mut impl Linked) -> Option<u32> {
        let Links { previous, next } = core::mem::take(records.links(record));
        debug_assert!(next != NOBODY, "it stands in a list");
        self.at(previous, records).next = next;
        self.at(next, records).previous = previous;
        (previous == next).then_some(next & !END)
    }

    /// Takes the first of a list.
    pub(super) fn pop(&mut self, list: u32, records: &mut impl Linked) -> Option<u32> {
        let first = self.first(list)?;
        self.remove(first, records);
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Linked for Vec<Links> {
        fn links(&mut self, number: u32) -> &mut Links {
            &mut self[number as usize]
        }
    }

    #[test]
    fn records_join_at_the_end_and_leave_from_anywhere() {
        let mut records = vec![Links::default(); 4];
        let mut lists = Lists::new(2);
        for record in 0..3 {
            lists.push(1, record, &mut records);
        }
        lists.push(0, 3, &mut records);
        assert_eq!(lists.remove(1, &mut records), None);
        lists.push(1, 1, &mut records);
        assert_eq!(lists.remove(3, &mut records), Some(0));
        assert!(lists.is_empty(0));
        let mut order = Vec::new();
        while let Some(record) = lists.pop(1, &mut records) {
            order.push(record);
        }
        assert_eq!(order, [0, 2, 1]);
        assert_eq!(records, vec![Links::default(); 4]);
    }
}
