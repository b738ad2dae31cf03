//! A session as a server has it who is judged by nobody: what it usually answers, and how far the client has come.

/// How far a client has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum SessionStage {
    #[default]
    New,
    Greeted,
    Mail,
    Recipients,
    Text,
}

/// The commands that the judge's server knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KnownVerb {
    Hello,
    Mail,
    Recipient,
    Data,
    Reset,
    Quit,
    Other,
    Unknown,
    /// The line that ends a message.
    EndOfText,
}

impl KnownVerb {
    /// The command of a line. Blanks at its end, or after the colon, are not what a check of the order is about.
    pub(super) fn of(line: &[u8]) -> Self {
        let verb = line
            .split(u8::is_ascii_whitespace)
            .next()
            .unwrap_or_default();
        match verb.to_ascii_uppercase().as_slice() {
            b"EHLO" | b"HELO" => Self::Hello,
            b"MAIL" => Self::Mail,
            b"RCPT" => Self::Recipient,
            b"DATA" => Self::Data,
            b"RSET" => Self::Reset,
            b"QUIT" => Self::Quit,
            b"NOOP" | b"VRFY" | b"HELP" => Self::Other,
            _ => Self::Unknown,
        }
    }
}

/// The usual greeting.
pub(super) fn greeting() -> Vec<u8> {
    b"220 judge.example ESMTP\r\n".to_vec()
}

/// The usual answer to a line.
pub(super) fn usual_reply(stage: SessionStage, verb: KnownVerb) -> Vec<u8> {
    let text = match (verb, stage) {
        // No extension, and so one line: replies of several lines are what some checks are about.
        (KnownVerb::Hello, _) => "250 judge.example",
        (KnownVerb::Mail, SessionStage::Greeted) => "250 2.1.0 Ok",
        (KnownVerb::Recipient, SessionStage::Mail | SessionStage::Recipients) => "250 2.1.5 Ok",
        (KnownVerb::Data, SessionStage::Recipients) => "354 End with a dot on a line by itself",
        (KnownVerb::Data, SessionStage::Mail) => "554 5.5.1 No valid recipients",
        (KnownVerb::Mail | KnownVerb::Recipient | KnownVerb::Data, _) => {
            "503 5.5.1 Not in this order"
        }
        (KnownVerb::Reset, _) => "250 2.0.0 Ok",
        (KnownVerb::Other, _) => "252 2.0.0 Ok",
        (KnownVerb::Quit, _) => "221 2.0.0 Bye",
        (KnownVerb::EndOfText, _) => "250 2.0.0 Ok: the judge has it",
        (KnownVerb::Unknown, _) => "500 5.5.2 Unknown command",
    };
    format!("{text}\r\n").into_bytes()
}

/// The stage after a line was answered by a reply that begins with this digit.
pub(super) fn stage_after(stage: SessionStage, verb: KnownVerb, reply: Option<u8>) -> SessionStage {
    match (verb, reply) {
        (KnownVerb::Data, Some(b'3')) => SessionStage::Text,
        (KnownVerb::EndOfText, _) => SessionStage::Greeted,
        (KnownVerb::Hello, Some(b'2')) => SessionStage::Greeted,
        (KnownVerb::Reset, Some(b'2')) if stage != SessionStage::New => SessionStage::Greeted,
        (KnownVerb::Mail, Some(b'2')) => SessionStage::Mail,
        (KnownVerb::Recipient, Some(b'2')) => SessionStage::Recipients,
        _ => stage,
    }
}
