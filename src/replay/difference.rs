//! The first difference between a record and its replay.

use core::fmt;

use crate::net::driver::ConnectionId;
use crate::observe::frame::Frame;

/// The most octets of either side that are shown.
const SHOWN_BYTES_MAX: usize = 200;

/// The first difference between a record and its replay.
#[derive(Debug)]
pub struct Difference {
    /// The tick.
    pub tick: u64,
    /// The connection, if it is of one.
    pub connection: Option<ConnectionId>,
    /// The octets that the connection had said before.
    pub offset: Option<u64>,
    /// What the record has.
    pub recorded: String,
    /// What the replay has.
    pub replayed: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "different: tick {}", self.tick)?;
        if let Some(connection) = self.connection {
            write!(f, ", connection {connection}")?;
        }
        if let Some(offset) = self.offset {
            write!(f, ", octet {offset} of its output")?;
        }
        write!(
            f,
            "\n  record: {}\n  replay: {}",
            self.recorded, self.replayed
        )
    }
}

/// A frame for a person, without its time.
pub(super) fn shown(frame: &Frame<'_>) -> String {
    let octets = |octets: &[u8]| {
        let shown = &octets[..octets.len().min(SHOWN_BYTES_MAX)];
        let rest = if shown.len() < octets.len() {
            "..."
        } else {
            ""
        };
        format!("\"{}\"{rest}", shown.escape_ascii())
    };
    match frame {
        Frame::Said { octets: said, .. } => format!("said {}", octets(said)),
        Frame::Used {
            content,
            octets: used,
            ..
        } => format!("used {content:?} {}", octets(used)),
        Frame::Left { octets: left, .. } => format!("left {}", octets(left)),
        Frame::Rules { .. } => "rules".to_owned(),
        frame => format!("{frame:?}"),
    }
}

/// The index of the first octet in which these differ.
pub(super) fn first_different(one: &[u8], other: &[u8]) -> usize {
    let pairs = one.iter().zip(other);
    pairs.take_while(|(one, other)| one == other).count()
}
