//! Clients that send messages.

use std::net::TcpStream;

use crate::common::client::Client;
use crate::messages::Message;

/// A session that goes on from message to message.
pub struct Sender {
    client: Client<TcpStream>,
    pipelining: bool,
}

impl Sender {
    /// The sender of this number, with an address of its own: so none makes too many mailboxes. Every other one pipelines.
    pub fn connect(number: u64, address: &str) -> Self {
        let mut client = Client::connect_from(number as usize, address);
        client.hello();
        Self {
            client,
            pipelining: number.is_multiple_of(2),
        }
    }

    /// Returns when the server has answered for the message, with `250`.
    pub fn send(&mut self, message: &Message) {
        let mut envelope = vec!["MAIL FROM:<a@example.com>".to_owned()];
        let recipients = message.recipients.iter();
        envelope.extend(recipients.map(|recipient| format!("RCPT TO:<{recipient}>")));
        if self.pipelining {
            self.client.say(&(envelope.join("\r\n") + "\r\nDATA\r\n"));
            envelope.iter().for_each(|_| self.client.expect("250 "));
            self.client.expect("354 ");
        } else {
            envelope
                .iter()
                .for_each(|line| self.client.ask(line, "250 "));
            self.client.ask("DATA", "354 ");
        }
        let text = str::from_utf8(&message.text).unwrap();
        let text = text.replace('\n', "\r\n") + ".\r\n";
        if self.pipelining {
            // What is answered without the disk still waits for its turn.
            self.client.say(&(text + "VRFY a\r\n"));
            self.client.expect("250 2.0.0 Ok: queued as ");
            self.client.expect("252 ");
        } else {
            self.client.say(&text);
            self.client.expect("250 2.0.0 Ok: queued as ");
        }
    }
}
