//! The ways that sessions went from state to state, which are to be those that `docs/architecture.md` draws.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

use log::{Log, Metadata, Record};

/// From which state to which.
type Arrow = (String, String);

/// A log that keeps nothing but the states of sessions.
pub struct States(Mutex<BTreeSet<Arrow>>);

pub static STATES: States = States(Mutex::new(BTreeSet::new()));

thread_local! {
    /// The last state of each session of the present seed, and the arrows that this thread has seen.
    static LAST: RefCell<(HashMap<String, String>, BTreeSet<Arrow>)> = RefCell::default();
}

impl States {
    /// Another seed, whose sessions have the names of others before.
    pub fn begin(&self) {
        LAST.with(|last| {
            let (sessions, arrows) = &mut *last.borrow_mut();
            sessions.clear();
            self.0.lock().unwrap().extend(arrows.iter().cloned());
        });
    }

    /// What was seen beyond the drawing, and what is drawn and was not seen.
    pub fn differences(&self) -> (Vec<Arrow>, Vec<Arrow>) {
        let (seen, drawn) = (self.0.lock().unwrap(), drawn());
        let undrawn = seen.difference(&drawn).cloned().collect();
        (undrawn, drawn.difference(&seen).cloned().collect())
    }
}

/// The rows of the table in the document.
fn drawn() -> BTreeSet<Arrow> {
    let text = include_str!("../../docs/architecture.md");
    let (_, table) = text.split_once("\n## States of a session\n").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let arrows = rows.flat_map(|row| {
        let mut names = row.split('|').skip(1).take(2).map(|cell| {
            let names = cell.split('`').skip(1).step_by(2);
            names.map(str::to_owned).collect::<Vec<_>>()
        });
        let (from, to) = (names.next().unwrap(), names.next().unwrap());
        to.into_iter().map(move |to| (from[0].clone(), to))
    });
    arrows.collect()
}

impl Log for States {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        if record.target() != "mailoop::state" {
            return;
        }
        let line = record.args().to_string();
        let (session, state) = line.split_once(' ').unwrap();
        LAST.with(|last| {
            let (sessions, arrows) = &mut *last.borrow_mut();
            let before = sessions.insert(session.to_owned(), state.to_owned());
            if let Some(before) = before.filter(|before| before != state) {
                arrows.insert((before, state.to_owned()));
            }
        });
    }

    fn flush(&self) {}
}
