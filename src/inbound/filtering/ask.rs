//! What filters are asked: the steps of a session as they know them, and the macros that go with them.

use std::mem;

use crate::filters::requests::{MacroValues, SessionStep};
use crate::inbound::connection::{Inbound, InboundTurn};
use crate::inbound::judged::ClientStep;
use crate::net::peer::PeerAddress;
use crate::smtp::envelope::Recipient;
use crate::smtp::path::{Mailbox, ReversePath};

/// The name of a client that nobody has told, as Postfix writes it.
const UNKNOWN: &str = "unknown";

impl Inbound {
    /// Asks the filters about a step, which waits for their verdict from here on.
    pub(super) fn ask_filters(&mut self, step: ClientStep, turn: &mut InboundTurn<'_>) {
        let macros = self.macros(&step, turn);
        let Some(filtered) = &mut self.filtering.0 else {
            debug_assert!(false, "there are filters");
            return;
        };
        let parameters = mem::take(&mut filtered.parameters);
        let asked = match &step {
            ClientStep::Greeting(_) => SessionStep::Connect {
                name: client_name(self.session.client_name()).into(),
                address: turn.peer(),
            },
            ClientStep::Hello(hello) => SessionStep::Hello(hello.name.clone()),
            ClientStep::Sender(transaction) => {
                let path = sender(&transaction.envelope.reverse_path);
                SessionStep::Sender(in_brackets(path, parameters))
            }
            ClientStep::Recipient(recipient, _) => {
                let path = recipient.address.as_bytes();
                SessionStep::Recipient(in_brackets(path, parameters))
            }
            ClientStep::Message(_) => SessionStep::Data,
            ClientStep::Unknown(line) => SessionStep::Unknown(line.trim_ascii_end().into()),
            ClientStep::End => match filtered.transaction.held.take() {
                Some(held) => SessionStep::Message(held),
                None => {
                    debug_assert!(false, "a message is on hold that filters are to see");
                    return;
                }
            },
        };
        let ticket = turn.shared.filters.ask(filtered.session, macros, asked);
        filtered.awaited = Some((ticket, step));
    }

    /// The macros that are known with a step.
    fn macros(&self, step: &ClientStep, turn: &InboundTurn<'_>) -> MacroValues {
        match step {
            ClientStep::Greeting(_) => self.macros_of_client(turn),
            ClientStep::Hello(_) => self.macros_of_security(),
            ClientStep::Sender(transaction) => {
                let mut macros = self.macros_of_security();
                let envelope = &transaction.envelope;
                if let Some(user) = &envelope.user {
                    macros.push(("auth_authen", (&**user).into()));
                    let mechanism = self.filtering.0.as_ref().map(|it| it.mechanism);
                    // A login at an XCLIENT peer was by one that nobody has told.
                    let mechanism = mechanism.filter(|name| !name.is_empty());
                    macros.push(("auth_type", mechanism.unwrap_or(UNKNOWN).into()));
                }
                let address = sender(&envelope.reverse_path);
                macros.push(("mail_addr", text(address)));
                macros.push(("mail_host", host(address)));
                macros.push(("mail_mailer", "smtp".into()));
                macros
            }
            ClientStep::Recipient(recipient, _) => macros_of_recipient(recipient),
            ClientStep::Message(id) => id.map(|id| ("i", id.as_str().into())).into_iter().collect(),
            ClientStep::End | ClientStep::Unknown(_) => MacroValues::new(),
        }
    }

    fn macros_of_client(&self, turn: &InboundTurn<'_>) -> MacroValues {
        let hostname: Box<str> = turn.shared.rules.policy.hostname.as_str().into();
        let peer = turn.peer();
        let name = client_name(self.session.client_name());
        let address = match peer.ip() {
            Some(ip) => ip.to_string(),
            None => UNKNOWN.to_owned(),
        };
        let port = match peer {
            PeerAddress::Tcp(address) => address.port(),
            PeerAddress::Unix | PeerAddress::Unknown => 0,
        };
        vec![
            ("j", hostname.clone()),
            ("daemon_name", hostname),
            ("v", concat!("mailoop ", env!("CARGO_PKG_VERSION")).into()),
            ("_", format!("{name} [{address}]").into()),
            ("client_addr", address.into()),
            ("client_name", name.into()),
            ("client_ptr", name.into()),
            ("client_resolve", resolved(name).into()),
            ("client_port", port.to_string().into()),
            (
                "client_connections",
                turn.open_from_peer().to_string().into(),
            ),
        ]
    }

    fn macros_of_security(&self) -> MacroValues {
        let Some(security) = self.session.security() else {
            return MacroValues::new();
        };
        vec![
            ("tls_version", security.version.into()),
            ("cipher", security.cipher.into()),
            ("cipher_bits", security.bits.to_string().into()),
        ]
    }
}

fn macros_of_recipient(recipient: &Recipient) -> MacroValues {
    let address = recipient.address.as_bytes();
    let mailer = match recipient.mailboxes.is_empty() {
        true => "smtp",
        false => "local",
    };
    vec![
        ("rcpt_addr", text(address)),
        ("rcpt_host", host(address)),
        ("rcpt_mailer", mailer.into()),
    ]
}

fn client_name(name: Option<&str>) -> &str {
    name.unwrap_or(UNKNOWN)
}

/// Whether the name of a client was found, as Postfix and Sendmail say it.
fn resolved(name: &str) -> &'static str {
    match name == UNKNOWN {
        true => "FAIL",
        false => "OK",
    }
}

fn sender(path: &ReversePath) -> &[u8] {
    match path {
        ReversePath::Null => b"",
        ReversePath::Mailbox(mailbox) => Mailbox::as_bytes(mailbox),
    }
}

fn text(octets: &[u8]) -> Box<str> {
    String::from_utf8_lossy(octets).into()
}

/// The domain of an address.
fn host(address: &[u8]) -> Box<str> {
    let at = address.iter().rposition(|octet| *octet == b'@');
    text(at.map_or(&[], |at| &address[at + 1..]))
}

/// A path in its brackets, before the parameters of its command.
fn in_brackets(path: &[u8], parameters: Vec<Box<[u8]>>) -> Vec<Box<[u8]>> {
    let path = [b"<", path, b">"].concat().into_boxed_slice();
    let mut arguments = vec![path];
    arguments.extend(parameters);
    arguments
}
