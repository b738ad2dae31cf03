//! What was said in a check, by whom and when, with every control made visible.

use std::time::Duration;

use crate::smtp::escape::escape;

/// The most octets of one entry that are kept.
const ENTRY_BYTES_MAX: usize = 4096;
/// The most entries that are kept; the last ones are.
const ENTRIES_MAX: usize = 400;

/// The most octets of a line that are shown from its start, where it is longer.
const LINE_SHOWN_MAX: usize = 200;
/// The octets that are shown of its end then.
const TAIL_SHOWN: usize = 20;

/// The note that a connection is there.
pub(super) const CONNECTED: &str = "connected";

/// The side that said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckSpeaker {
    /// The client.
    Client,
    /// The server.
    Server,
    /// Nobody: the connection began or ended.
    Note,
}

/// Something that was said, at once or in several segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckEntry {
    /// The time since the check began.
    pub at: Duration,
    /// The number of the peer.
    pub peer: u8,
    /// Who said it.
    pub speaker: CheckSpeaker,
    octets: Vec<u8>,
    /// The ends of segments, after each of which the next began.
    cuts: Vec<usize>,
    /// Octets that were not kept.
    left_out: usize,
}

/// All that was said in a check.
#[derive(Clone, Debug, Default)]
pub struct CheckTranscript {
    entries: Vec<CheckEntry>,
    left_out: usize,
}

impl CheckTranscript {
    /// Notes what was said. What goes on with a line is shown with it, its cuts marked.
    pub(super) fn note(&mut self, at: Duration, peer: u8, speaker: CheckSpeaker, octets: &[u8]) {
        if let Some(last) = self.entries.last_mut()
            && (last.peer, last.speaker) == (peer, speaker)
            && speaker != CheckSpeaker::Note
            && last.octets.last().is_some_and(|octet| *octet != b'\n')
            && last.left_out == 0
        {
            last.cuts.push(last.octets.len());
            last.append(octets);
            return;
        }
        if self.entries.len() == ENTRIES_MAX {
            self.entries.remove(0);
            self.left_out += 1;
        }
        let mut entry = CheckEntry {
            at,
            peer,
            speaker,
            octets: Vec::new(),
            cuts: Vec::new(),
            left_out: 0,
        };
        entry.append(octets);
        self.entries.push(entry);
    }

    /// Whether there never was a connection.
    #[must_use]
    pub fn has_no_connection(&self) -> bool {
        !self.entries.iter().any(|entry| {
            entry.speaker == CheckSpeaker::Note && entry.octets == CONNECTED.as_bytes()
        })
    }

    /// What was said, in its order.
    #[must_use]
    pub fn entries(&self) -> &[CheckEntry] {
        &self.entries
    }

    /// The number of entries that came before and are not kept.
    #[must_use]
    pub fn left_out(&self) -> usize {
        self.left_out
    }
}

impl CheckEntry {
    fn append(&mut self, octets: &[u8]) {
        let room = ENTRY_BYTES_MAX - self.octets.len();
        let kept = &octets[..octets.len().min(room)];
        self.octets.extend_from_slice(kept);
        self.left_out += octets.len() - kept.len();
    }

    /// The mark in front of its lines: `C:` or `S:`, with the number of a peer that is not the first.
    #[must_use]
    pub fn mark(&self) -> String {
        let speaker = match self.speaker {
            CheckSpeaker::Client => "C",
            CheckSpeaker::Server => "S",
            CheckSpeaker::Note => "--",
        };
        match (self.speaker, self.peer) {
            (_, 1) | (CheckSpeaker::Note, 0) => format!("{speaker}:"),
            (_, peer) => format!("{speaker}{peer}:"),
        }
    }

    /// Its lines, controls escaped, and `|` where one segment ended and the next began.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        if self.speaker == CheckSpeaker::Note {
            return vec![String::from_utf8_lossy(&self.octets).into_owned()];
        }
        let mut lines = Vec::new();
        let mut start = 0;
        for line in self.octets.split_inclusive(|octet| *octet == b'\n') {
            let end = start + line.len();
            lines.push(self.shown(start, end));
            start = end;
        }
        if self.left_out > 0 {
            lines.push(format!("… and {} octets more", self.left_out));
        }
        lines
    }

    /// A line, its cuts marked. A long one is shortened in its middle.
    fn shown(&self, start: usize, end: usize) -> String {
        let (head, tail) = match end - start {
            length if length > LINE_SHOWN_MAX + TAIL_SHOWN => {
                (start + LINE_SHOWN_MAX, end - TAIL_SHOWN)
            }
            _ => (end, end),
        };
        let mut text = Vec::new();
        let mut from = start;
        for cut in self.cuts.iter().filter(|cut| (start..head).contains(*cut)) {
            escape(&self.octets[from..*cut], &mut text);
            text.push(b'|');
            from = *cut;
        }
        escape(&self.octets[from..head], &mut text);
        if head < tail {
            text.extend_from_slice(format!("… {} octets … ", tail - head).as_bytes());
            escape(&self.octets[tail..end], &mut text);
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}
