//! The machine that the store runs on: its disk, what goes wrong with that, and its power.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::rc::Rc;

use mailoop::store::maildir::ROOT;
use rustix::io::Errno;

use super::faults::Faults;
use super::names::Node;
use super::outsider::Outsider;
use super::prng::Prng;
use super::tree::{ROOT_NODE, Tree};

/// What happened, for whoever looks at a single seed.
pub type Trace = Rc<RefCell<Vec<String>>>;

/// How often something interfered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Troubles {
    pub faults: usize,
    pub refusals: usize,
    pub touched: usize,
    pub removals: usize,
}

/// What all processes share, and what power cuts leave.
#[derive(Debug)]
pub struct Machine {
    rng: Prng,
    pub tree: Tree,
    pub faults: Faults,
    pub outsider: Outsider,
    pub locks: BTreeSet<Node>,
    /// How many times data could not be written, on the device of the root.
    pub errors: u64,
    /// Whether a sync of everything tells all errors.
    pub reports_all_errors: bool,
    /// Whether files on the device of the root can be without a name.
    pub has_unnamed: bool,
    /// Why a file cannot have two names, if it cannot.
    pub no_links: Option<Errno>,
    /// After so many calls the power is cut.
    power: Option<usize>,
    pub is_down: bool,
    /// Paths of what is there although it was to be removed, or may come back: a fault was in the way.
    stuck: BTreeSet<String>,
    /// How often something could not be removed.
    refusals: usize,
    trace: Option<Trace>,
}

impl Machine {
    pub fn new(mut rng: Prng, siblings: bool, trace: Option<Trace>) -> Self {
        let has_unnamed = rng.one_in(2);
        let reasons = [Errno::PERM, Errno::OPNOTSUPP, Errno::MLINK];
        let no_links = (!has_unnamed && rng.one_in(2)).then(|| rng.pick(&reasons));
        Self {
            tree: Tree::new(rng.one_in(4)),
            faults: Faults::new(rng.fork(), siblings),
            // What a sibling made anew after somebody else removed it looks like what was there before.
            outsider: Outsider::new(rng.fork(), !siblings),
            locks: BTreeSet::new(),
            errors: 0,
            reports_all_errors: rng.one_in(2),
            has_unnamed,
            no_links,
            power: None,
            is_down: false,
            stuck: BTreeSet::new(),
            refusals: 0,
            trace,
            rng,
        }
    }

    pub fn tell(&self, line: impl FnOnce() -> String) {
        if let Some(trace) = &self.trace {
            trace.borrow_mut().push(line());
        }
    }

    /// How often something interfered.
    pub fn troubles(&self) -> Troubles {
        Troubles {
            faults: self.faults.count,
            refusals: self.refusals,
            touched: self.outsider.touched.len(),
            removals: self.outsider.removals,
        }
    }

    /// Cuts the power after so many calls, if at all.
    pub fn cut_after(&mut self, calls: Option<usize>) {
        self.power = calls;
    }

    /// Brings the machine up again after a power cut, with what is left.
    pub fn boot(&mut self) {
        let percent = self.rng.pick(&[0, 20, 50, 80, 100]);
        self.tell(|| format!("POWER CUT, which {percent} % of the names in question survive"));
        self.tree.cut(&mut self.rng, percent);
        (self.is_down, self.power, self.errors) = (false, None, 0);
        self.faults.aborted = false;
        self.locks.clear();
    }

    /// Spends what one call takes.
    ///
    /// # Errors
    /// There is no power for it.
    pub fn spend(&mut self) -> io::Result<()> {
        match &mut self.power {
            Some(0) if !self.is_down => {
                self.is_down = true;
                // The last call has its effect, or not.
                if self.rng.one_in(2) {
                    return Ok(());
                }
            }
            Some(calls @ 1..) => *calls -= 1,
            _ => {}
        }
        if self.is_down {
            return Err(Errno::IO.into());
        }
        Ok(())
    }

    /// What happens without a call.
    pub fn pass(&mut self) {
        if let Some(deed) = self.outsider.act(&mut self.tree) {
            self.tell(|| deed);
        }
        if self.rng.one_in(self.faults.loss) {
            self.lose();
        }
    }

    /// Data that was to be written some time is, or is lost.
    fn lose(&mut self) {
        let files = self.tree.unwritten();
        if !files.is_empty() {
            let file = files[self.rng.below(files.len())];
            self.spoil(file);
            self.tell(|| format!("data of file {file} is written or lost"));
        }
    }

    /// Perhaps some data of a file is lost.
    pub fn spoil(&mut self, file: Node) {
        let fate = self.faults.fate();
        let lost = self.tree.data_mut(file).settle(fate);
        self.errors += u64::from(lost && self.tree.device(file) == 0);
        self.faults.count += usize::from(lost);
    }

    /// A file, or else a folder, could not be removed.
    pub fn refuse(&mut self, file: Option<&str>) {
        self.stuck.extend(file.map(str::to_owned));
        self.refusals += 1;
    }

    /// Whether a file may be there although it was to be removed.
    pub fn is_stuck(&self, path: &str) -> bool {
        let above = path.match_indices('/').map(|(end, _)| &path[..end]);
        above.chain([path]).any(|path| self.stuck.contains(path))
    }

    /// Perhaps changes of names are lost, in the folder at a path.
    pub fn spoil_names(&mut self, folder: Node, path: &str) {
        self.expect_back(folder, path);
        let fate = self.faults.fate_of_names();
        if self.tree.names.settle(|other| other == folder, fate) {
            self.faults.abort();
        }
    }

    /// Perhaps anything is lost.
    pub fn spoil_all(&mut self) {
        self.expect_back(ROOT_NODE, ROOT);
        for (path, node) in self.tree.folders() {
            self.expect_back(node, &path);
            if let Ok(new) = self.tree.find(node, "new") {
                self.expect_back(new, &format!("{path}/new"));
            }
        }
        let (data, names) = (self.faults.fate(), self.faults.fate_of_names());
        let (data_lost, names_lost) = self.tree.settle(0, data, names);
        self.errors += u64::from(data_lost);
        if names_lost {
            self.faults.abort();
        }
    }

    /// What was removed from a folder may come back.
    fn expect_back(&mut self, folder: Node, path: &str) {
        let back = self.tree.names.vanishing(folder);
        self.stuck.extend(back.map(|name| match path {
            ROOT => name.to_owned(),
            _ => format!("{path}/{name}"),
        }));
    }
}
