//! JSON as a test reads it.

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    /// As it stands there.
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads a text that is one value.
    #[track_caller]
    pub fn parse(text: &str) -> Self {
        let mut rest = text;
        let value = take(&mut rest).unwrap_or_else(|| {
            let at = text.len() - rest.len();
            panic!("no JSON at {at}: {:.80}", &text[at..])
        });
        assert_eq!(rest.trim_start(), "", "something follows");
        value
    }

    /// A member of an object.
    pub fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else {
            return None;
        };
        let member = members.iter().find(|(known, _)| known == name);
        member.map(|(_, value)| value)
    }

    /// A member that is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Self::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A member that is a number.
    pub fn number(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Self::Number(number)) => Some(number),
            _ => None,
        }
    }

    /// The values of a list.
    pub fn list(&self) -> &[Self] {
        match self {
            Self::List(values) => values,
            _ => &[],
        }
    }
}

/// Takes a value off the front.
fn take(rest: &mut &str) -> Option<Json> {
    *rest = rest.trim_start();
    for (word, value) in [
        ("null", Json::Null),
        ("true", Json::Bool(true)),
        ("false", Json::Bool(false)),
    ] {
        if take_mark(rest, word) {
            return Some(value);
        }
    }
    if rest.starts_with('"') {
        return take_text(rest).map(Json::Text);
    }
    if take_mark(rest, "[") {
        return take_all(rest, "]", take).map(Json::List);
    }
    if take_mark(rest, "{") {
        let member = |rest: &mut &str| {
            let name = take_text(rest)?;
            take_mark(rest, ":")
                .then(|| take(rest))?
                .map(|value| (name, value))
        };
        return take_all(rest, "}", member).map(Json::Object);
    }
    let is_number = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
    let (number, after) = rest.split_at(rest.find(|c| !is_number(c)).unwrap_or(rest.len()));
    *rest = after;
    let is_good = number.parse::<f64>().is_ok();
    is_good.then(|| Json::Number(number.to_owned()))
}

fn take_mark(rest: &mut &str, mark: &str) -> bool {
    let after = rest.trim_start().strip_prefix(mark);
    *rest = after.unwrap_or(rest);
    after.is_some()
}

/// Takes what stands between commas, up to the end.
fn take_all<T>(
    rest: &mut &str,
    end: &str,
    take_one: impl Fn(&mut &str) -> Option<T>,
) -> Option<Vec<T>> {
    let mut all = Vec::new();
    if take_mark(rest, end) {
        return Some(all);
    }
    loop {
        all.push(take_one(rest)?);
        if take_mark(rest, end) {
            return Some(all);
        }
        if !take_mark(rest, ",") {
            return None;
        }
    }
}

fn take_text(rest: &mut &str) -> Option<String> {
    let mut text = String::new();
    let mut characters = rest.trim_start().strip_prefix('"')?.chars();
    loop {
        match characters.next()? {
            '"' => break,
            '\\' => match characters.next()? {
                'u' => {
                    let digits: String = characters.by_ref().take(4).collect();
                    text.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
                }
                'n' => text.push('\n'),
                'r' => text.push('\r'),
                't' => text.push('\t'),
                escaped => text.push(escaped),
            },
            control if u32::from(control) < 0x20 => return None,
            character => text.push(character),
        }
    }
    *rest = characters.as_str();
    Some(text)
}
