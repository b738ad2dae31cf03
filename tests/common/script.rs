//! A client's session, played by a script in memory. The server's bytes are cut in pieces of several sizes.

use std::rc::Rc;

use bytes::BytesMut;
use mailoop::smtp::client::{
    ChannelSecurity, ClientCredentials, ClientEvent, ClientSession, Outgoing, Pace, Subject,
};
use mailoop::smtp::envelope::Hello;
use mailoop::smtp::path::ReversePath;
use mailoop::smtp::security::ChannelBindings;

const MESSAGE: &[u8] = b"Subject: hi\r\n\r\nbody\r\n.\r\n";

/// One client and what it wants.
pub struct Client {
    pub hello: Option<Hello>,
    pub pace: Pace,
    pub security: ChannelSecurity,
    pub login: Option<Rc<dyn ClientCredentials>>,
    pub mail: Outgoing,
    /// How many times it sends the message.
    pub messages: usize,
}

impl Client {
    pub fn new(verb: &str, to: &[&str]) -> Self {
        Self {
            hello: Some(Hello {
                name: "client.example".into(),
                extended: verb == "EHLO",
            }),
            pace: Pace::Lockstep,
            security: ChannelSecurity::Clear,
            login: None,
            mail: Outgoing {
                from: ReversePath::Mailbox("a@x".parse().unwrap()),
                to: to.iter().map(|address| address.parse().unwrap()).collect(),
                size: 21,
                eight_bit: false,
                parameters: None,
            },
            messages: 1,
        }
    }

    pub fn pipelined(mut self, messages: usize) -> Self {
        self.pace = Pace::Pipelined;
        self.messages = messages;
        self
    }

    /// Plays `script`, lines of `C: ` and `S: `, with every cut. Returns the events that say how it went, the
    /// last one's refusals behind them.
    pub fn plays(&self, script: &str) -> (Vec<ClientEvent>, Vec<(Subject, u16)>) {
        let whole = self.plays_cut(script, usize::MAX);
        for piece in [1, 2, 3, 7, 50] {
            assert_eq!(self.plays_cut(script, piece), whole, "in pieces of {piece}");
        }
        whole
    }

    /// Its session.
    pub fn session(&self) -> ClientSession {
        let session =
            ClientSession::new(self.hello.clone(), self.pace).with_security(self.security.clone());
        match &self.login {
            Some(credentials) => session.with_login(Rc::clone(credentials)),
            None => session,
        }
    }

    fn plays_cut(&self, script: &str, piece: usize) -> (Vec<ClientEvent>, Vec<(Subject, u16)>) {
        let mut session = self.session();
        let (mut out, mut events, mut left) = (BytesMut::new(), Vec::new(), self.messages);
        for (speaker, lines) in turns(script) {
            if speaker == "C" {
                assert_eq!(text(&out), lines, "in pieces of {piece}");
                out.clear();
                continue;
            }
            assert_eq!(text(&out), "", "nobody expects this from the client");
            for mut input in lines.as_bytes().chunks(piece.min(lines.len())) {
                loop {
                    let event = session.next(&mut input, &mut out).expect("this is SMTP");
                    match event {
                        ClientEvent::NeedInput => break,
                        ClientEvent::Replied => continue,
                        ClientEvent::SendMessage => {
                            out.extend_from_slice(MESSAGE);
                            session.message_sent();
                        }
                        ClientEvent::Ready | ClientEvent::Accepted | ClientEvent::Refused
                            if left > 0 =>
                        {
                            left -= 1;
                            session
                                .begin(Rc::new(self.mail.clone()), &mut out)
                                .expect("it is small");
                        }
                        ClientEvent::Ready
                        | ClientEvent::Accepted
                        | ClientEvent::Refused
                        | ClientEvent::Unacceptable(_) => session.quit(&mut out),
                        ClientEvent::StartTls => {
                            session.secured(ChannelBindings::default(), &mut out);
                        }
                        ClientEvent::Closed => {}
                    }
                    events.push(event);
                    if event == ClientEvent::Closed {
                        break;
                    }
                }
            }
        }
        assert_eq!(text(&out), "", "the client said more");
        let refusals = session.refusals().iter();
        let refusals = refusals.map(|refusal| (refusal.subject, refusal.reply.code()));
        (events, refusals.collect())
    }
}

/// The lines of a script, joined as long as one speaker goes on.
fn turns(script: &str) -> Vec<(&str, String)> {
    let mut turns: Vec<(&str, String)> = Vec::new();
    for line in script
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        let (speaker, said) = line.split_once(':').expect("a speaker");
        let said = format!("{}\r\n", said.strip_prefix(' ').unwrap_or(said));
        match turns.last_mut() {
            Some((last, lines)) if *last == speaker => lines.push_str(&said),
            _ => turns.push((speaker, said)),
        }
    }
    turns
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
