//! The parts of a configuration, each read from settings.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

use super::certificates;
use super::key::{Key, Reader};
use super::option::ServerCommand;
use super::options::{self, LISTENERS};
use super::settings::{ConfigureTls, Settings};
use super::users;
use crate::exit::Mistakes;
use crate::inbound::Limits;
use crate::net::cidr::Cidr;
use crate::net::connections::LINGERING_MAX;
use crate::net::endpoint::SocketAddress;
use crate::net::link::StartTls;
use crate::smtp::login::UserDatabase;
use crate::smtp::policy::Policy;
use crate::smtp::route::Routes;
use crate::smtp::service::Service;

/// The destination of mail.
#[derive(Debug)]
pub enum Delivery {
    /// Into a folder for each mailbox below `directory`, of which at most `mailboxes_max` are created.
    Maildir {
        /// The folder of folders.
        directory: PathBuf,
        /// The most mailboxes that are created by themselves.
        mailboxes_max: usize,
        /// The most messages of a group commit, if that is bounded further.
        group_max: Option<usize>,
    },
    /// Mail is accepted and dropped.
    Discard,
    /// Into a stream.
    Stream,
}

/// A record of the loop that the operator wants.
#[derive(Debug)]
pub struct RecordSettings {
    /// The file.
    pub file: PathBuf,
    /// Whether the text of messages is kept.
    pub with_text: bool,
    /// The peers whose connections are recorded; empty for all.
    pub peers: Vec<Cidr>,
    /// The most octets of the file.
    pub bytes_max: u64,
}

/// Reads settings, and gathers what is wrong with them.
pub(super) struct SettingsReader<'a> {
    pub(super) settings: &'a Settings,
    pub(super) mistakes: Mistakes,
}

impl<'a> SettingsReader<'a> {
    pub(super) fn new(settings: &'a Settings) -> Self {
        let mistakes = Mistakes(settings.mistakes().to_vec());
        Self { settings, mistakes }
    }

    /// The value of an option. A mistake is noted, and a default stands in its place.
    pub(super) fn get<R: Reader<Output: Default>>(&mut self, key: &Key<R>) -> R::Output {
        self.mistakes.note(self.settings.get(key))
    }

    /// The record, if one is wanted.
    pub(super) fn record(&mut self) -> Option<RecordSettings> {
        let file = self.get(&options::RECORD)?;
        Some(RecordSettings {
            file,
            with_text: self.get(&options::RECORD_TEXT),
            peers: self.get(&options::RECORD_PEER),
            bytes_max: self.get(&options::RECORD_MAX),
        })
    }

    /// The listeners that somebody named; none if there is only the default.
    pub(super) fn listeners(&mut self) -> Vec<(Service, SocketAddress)> {
        let mut named = Vec::new();
        for (key, service) in &LISTENERS {
            let value = self.settings.value(&key.option);
            if value.is_some_and(|value| !value.is_default()) {
                let addresses = self.get(key).into_iter();
                named.extend(addresses.map(|address| (*service, address)));
            }
        }
        named
    }

    /// TLS with the certificates that are configured, in a build that knows it.
    pub(super) fn tls(&mut self) -> Option<Rc<dyn StartTls>> {
        let configure: ConfigureTls = certificates::built()?;
        self.mistakes.note(configure(self.settings))
    }

    pub(super) fn policy(
        &mut self,
        users: Option<Rc<dyn UserDatabase>>,
        routes: Option<Rc<Routes>>,
    ) -> Policy {
        let before = self.mistakes.0.len();
        let hostname = self.get(&options::HOSTNAME);
        let domains = self.get(&options::DOMAIN);
        let (directory, senders) = match self.settings.tables() {
            // Without the right domains nobody can tell which names are in them.
            Some(tables) if self.mistakes.0.len() == before => (
                self.mistakes
                    .note(tables.directory(&hostname, &domains, routes.as_deref())),
                tables.senders(),
            ),
            _ => Default::default(),
        };
        Policy {
            hostname,
            domains,
            directory,
            routes,
            senders,
            tls: false,
            any_login: users::takes_anybody(self.settings),
            users: RefCell::new(users),
            auth_insecure: self.get(&options::AUTH_INSECURE),
            auth_everywhere: self.get(&options::AUTH_EVERYWHERE),
            bare_newline: self.get(&options::BARE_NEWLINE),
            end_text: self.get(&options::END_OF_DATA),
            withheld: self.get(&options::WITHOUT).into_iter().collect(),
            message_bytes_max: self.get(&options::MAX_MESSAGE_SIZE),
            recipients_max: self.get(&options::MAX_RECIPIENTS) as usize,
            messages_max: self.get(&options::MAX_MESSAGES_PER_SESSION).into(),
            errors_max: self.get(&options::MAX_ERRORS),
        }
    }

    pub(super) fn limits(&mut self) -> Limits {
        Limits {
            connections_max: self.get(&options::MAX_CONNECTIONS) as usize,
            connections_per_ip_max: self.get(&options::MAX_CONNECTIONS_PER_IP) as usize,
            lingering_max: LINGERING_MAX,
            idle_timeout: self.get(&options::IDLE_TIMEOUT),
            min_rate: self.get(&options::MIN_RATE),
            session_timeout: self.get(&options::SESSION_TIMEOUT),
            drain_timeout: self.get(&options::DRAIN_TIMEOUT),
            min_free: self.get(&options::MIN_FREE),
            exit_after: self.get(&options::EXIT_AFTER).into(),
            user_rate: match options::RELAY {
                true => self.get(&options::USER_RATE),
                false => 0,
            },
        }
    }

    pub(super) fn delivery(&mut self) -> Delivery {
        let mailboxes_max = self.get(&options::MAX_MAILBOXES) as usize;
        let group_max = self.get(&options::MAX_COMMIT_GROUP);
        let stream = self.settings.value(&options::STREAM.option);
        let command = self.settings.command();
        match self.get(&options::MAILDIR) {
            _ if stream.is_some() && command == ServerCommand::Serve => Delivery::Stream,
            Some(directory) => Delivery::Maildir {
                directory,
                mailboxes_max,
                group_max: group_max.map(|most| most as usize),
            },
            None => Delivery::Discard,
        }
    }
}
