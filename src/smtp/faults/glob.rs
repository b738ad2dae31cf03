//! Patterns: `*` for any text, `?` for any one character, all else for itself without case.

/// A pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Glob(Vec<char>);

impl Glob {
    /// The pattern that this text is. Every text is one.
    pub(super) fn new(text: &str) -> Self {
        Self(text.to_lowercase().chars().collect())
    }

    /// Whether it fits all of a text, which is in lower case.
    ///
    /// Of several stars only the last one is ever tried again: whatever an earlier one took, the last one can make up for. So the
    /// time is bounded by the product of the two lengths, whatever they hold.
    pub(super) fn fits(&self, text: &str) -> bool {
        let pattern = &self.0[..];
        let mut place = 0;
        let mut rest = text.chars();
        // Behind the last star, and the text that it has not taken yet.
        let mut retry = None;
        loop {
            if pattern.get(place) == Some(&'*') {
                place += 1;
                retry = Some((place, rest.clone()));
                continue;
            }
            match rest.next() {
                Some(next) if matches!(pattern.get(place), Some(&wanted) if wanted == '?' || wanted == next) =>
                {
                    place += 1;
                }
                None if place == pattern.len() => return true,
                None => return false,
                Some(_) => {
                    let Some((behind_star, untaken)) = &mut retry else {
                        return false;
                    };
                    untaken.next();
                    place = *behind_star;
                    rest = untaken.clone();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert_eq, proptest};

    use super::Glob;

    /// The definition, without a thought for time.
    fn model(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            (['*', pattern @ ..], text) => {
                (0..=text.len()).any(|taken| model(pattern, &text[taken..]))
            }
            (['?', pattern @ ..], [_, text @ ..]) => model(pattern, text),
            ([wanted, pattern @ ..], [next, text @ ..]) => wanted == next && model(pattern, text),
            _ => false,
        }
    }

    #[test]
    fn patterns_fit_whole_texts_without_case() {
        for (pattern, text, fits) in [
            ("*@busy.example", "bob@busy.example", true),
            ("*@BUSY.example", "bob@busy.example", true),
            ("*@busy.example", "bob@busy.example.org", false),
            ("bob@*", "bobby@busy.example", false),
            ("b?b@*", "bob@", true),
            ("*", "", true),
            ("?", "", false),
            ("<>", "<>", true),
            ("10.0.0.*", "10.0.0.17", true),
            ("grüße*", "grüße@example.org", true),
            ("?", "é", true),
        ] {
            assert_eq!(Glob::new(pattern).fits(text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_cost_no_more_than_one() {
        let pattern = Glob::new(&"*a".repeat(500));
        assert!(!pattern.fits(&"a".repeat(499)));
        assert!(!pattern.fits(&format!("{}b", "a".repeat(5000))));
    }

    proptest! {
        #[test]
        fn patterns_fit_as_defined(pattern in "[ab*?]{0,8}", text in "[ab]{0,10}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let fits = model(&chars(&pattern), &chars(&text));
            prop_assert_eq!(Glob::new(&pattern).fits(&text), fits);
        }
    }
}
