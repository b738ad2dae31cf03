//! The options of a client's record, as a value.

use std::rc::Rc;

use clap::{ArgMatches, Command};

use crate::config::RecordSettings;
use crate::exit::Failed;
use crate::tools::opening::Opening;
use crate::tools::world::World;

/// The options of a client's record.
pub(super) struct RecordArguments {
    /// Adds the options to a command.
    pub(super) add: fn(Command) -> Command,
    /// Reads the options.
    pub(super) read: fn(&ArgMatches) -> Option<RecordSettings>,
    /// Records a message on its way.
    pub(super) watch: WatchSend,
}

/// Records a message on its way, in this world.
type WatchSend = fn(&RecordSettings, &mut Opening, Rc<dyn World>) -> Result<Rc<dyn World>, Failed>;
