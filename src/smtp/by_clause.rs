//! The `by` clause of a `Received` field (RFC 5321 §4.4): which server took the message there.

/// Looks for `by NAME` in the value of one `Received` field, which may come in any pieces. What stands in comments is none of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByClause {
    /// The number of comments that are open.
    depth: u8,
    word: ClauseWord,
    /// Whether a backslash has taken its meaning from the next octet.
    is_escaped: bool,
    /// Whether the name was found.
    is_found: bool,
}

/// The part of the value that was read last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClauseWord {
    /// White space, or a comment.
    Gap,
    /// The first so many letters of `by`.
    By(usize),
    /// White space after `by`.
    AfterBy,
    /// The first so many octets of the name, after `by`.
    Name(usize),
    /// Any other word.
    Other,
}

const BY: &[u8] = b"by";

impl ByClause {
    /// At the start of the value.
    #[must_use]
    pub fn new() -> Self {
        Self {
            depth: 0,
            word: ClauseWord::Gap,
            is_escaped: false,
            is_found: false,
        }
    }

    /// Whether the server of this name took the message.
    #[must_use]
    pub fn is_found(&self) -> bool {
        self.is_found
    }

    /// The octet that may take the place of the next one, so that the same is found: whatever is neither the name nor leads to it
    /// is hidden. A record of a server has it so.
    #[must_use]
    pub fn masked(&self, octet: u8, name: &[u8]) -> u8 {
        const FILLERS: [u8; 3] = [b'x', b'y', b'z'];
        let is_structure = b" \t\r\n();\\".contains(&octet);
        if is_structure && !self.is_escaped {
            return octet;
        }
        let expected = match self.word {
            _ if self.is_escaped || self.depth > 0 => [None, None],
            ClauseWord::Gap => [BY.first(), None],
            ClauseWord::By(at) => [BY.get(at), None],
            ClauseWord::AfterBy => [name.first(), BY.first()],
            ClauseWord::Name(at) => [name.get(at), None],
            ClauseWord::Other => [None, None],
        };
        let is_expected = |octet: &u8| {
            let mut expected = expected.iter().flatten();
            expected.any(|wanted| wanted.eq_ignore_ascii_case(octet))
        };
        if is_expected(&octet) {
            return octet;
        }
        let mut fillers = FILLERS.into_iter();
        let filler = fillers.find(|filler| !is_expected(filler));
        filler.unwrap_or(octet)
    }

    /// Takes the next octet, line ends counted in; `name` is the one that is looked for.
    pub fn read(&mut self, octet: u8, name: &[u8]) {
        let is_escaped = std::mem::replace(&mut self.is_escaped, octet == b'\\');
        if is_escaped || octet == b'\\' {
            self.is_escaped &= !is_escaped;
            if self.depth == 0 {
                self.word = ClauseWord::Other;
            }
            return;
        }
        let is_gap = matches!(octet, b' ' | b'\t' | b'\r' | b'\n' | b'(' | b')' | b';');
        if is_gap && self.depth == 0 && self.word == ClauseWord::Name(name.len()) {
            self.is_found = true;
        }
        match octet {
            b'(' => self.depth = self.depth.saturating_add(1),
            b')' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.word = match self.word {
            word if is_gap => word.before_gap(),
            word if self.depth > 0 => word,
            ClauseWord::Gap => ClauseWord::next(octet, BY, 0, ClauseWord::By),
            ClauseWord::By(at) => ClauseWord::next(octet, BY, at, ClauseWord::By),
            ClauseWord::AfterBy => match ClauseWord::next(octet, name, 0, ClauseWord::Name) {
                // A client that calls itself `by` hides nothing.
                ClauseWord::Other => ClauseWord::next(octet, BY, 0, ClauseWord::By),
                word => word,
            },
            ClauseWord::Name(at) => ClauseWord::next(octet, name, at, ClauseWord::Name),
            ClauseWord::Other => ClauseWord::Other,
        };
    }
}

impl ClauseWord {
    /// The state after a word that has ended.
    fn before_gap(self) -> Self {
        match self {
            Self::By(at) if at == BY.len() => Self::AfterBy,
            Self::AfterBy => Self::AfterBy,
            _ => Self::Gap,
        }
    }

    /// The state after one more octet of a word that is `expected`, of which so many are there.
    fn next(octet: u8, expected: &[u8], at: usize, matched: fn(usize) -> Self) -> Self {
        match expected.get(at) {
            Some(wanted) if wanted.eq_ignore_ascii_case(&octet) => matched(at + 1),
            _ => Self::Other,
        }
    }
}

impl Default for ByClause {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_by(value: &str) -> bool {
        let mut clause = ByClause::new();
        for octet in value.bytes() {
            clause.read(octet, b"mx.example.org");
        }
        clause.is_found()
    }

    #[test]
    fn what_is_masked_is_found_alike_and_tells_of_nobody_else() {
        for (value, masked) in [
            (
                " from a.b ([192.0.2.1]) by mx.example.org id 1; now\r\n",
                " xxxx xxx (xxxxxxxxxxx) by mx.example.org xx x; xxx\r\n",
            ),
            (
                " by mx.example.net (by\\) b)\r\n",
                " by mx.example.xxx (xx\\x x)\r\n",
            ),
            (
                " bytes by xyz by MX.example.org\r\n",
                " byxxx by xxx by MX.example.org\r\n",
            ),
        ] {
            let (mut real, mut hidden) = (ByClause::new(), ByClause::new());
            let name = b"mx.example.org";
            let mut shown = Vec::new();
            for octet in value.bytes() {
                let mask = real.masked(octet, name);
                shown.push(mask);
                real.read(octet, name);
                hidden.read(mask, name);
                assert_eq!(real, hidden, "{value}");
            }
            assert_eq!(String::from_utf8_lossy(&shown), masked);
        }
    }

    #[test]
    fn the_server_after_by_is_found_wherever_it_stands() {
        for value in [
            " from a ([192.0.2.1]) by mx.example.org with ESMTP id 1; now\r\n",
            " from a\r\n\tby MX.example.ORG\r\n",
            " BY mx.example.org;now\r\n",
            " by (one (and) \\) more) mx.example.org(x)\r\n",
            " from b (by c) by mx.example.org id 1\r\n",
            " from by by mx.example.org \r\n",
        ] {
            assert!(is_by(value), "{value}");
        }
        for value in [
            " from mx.example.org by other.example\r\n",
            " from a (by mx.example.org) by b\r\n",
            " by mx.example.org.evil\r\n",
            " by amx.example.org\r\n",
            " by mx.example.or\r\n",
            " byby mx.example.org\r\n",
            " by\\ mx.example.org\r\n",
            " from by mx.example.org",
            "",
        ] {
            assert!(!is_by(value), "{value}");
        }
    }
}
