//! Connections to sites as the relay sees them: which hop each is with, and what it is sending.

use std::collections::VecDeque;
use std::rc::Rc;

use smallvec::SmallVec;

use super::delivery::{DeliveryOutcome, RecipientResult};
use super::desk::HopConnection;
use super::hop::{HopFacts, HopSettings};
use super::opening::{DialedHop, SiteOpening};
use super::queue::{JobId, JobRecipient, OutgoingId, SiteId, StartedJob};
use crate::net::driver::ConnectionName;
use crate::store::counted::CountedMap;
use crate::store::spool::{MailId, SpoolEnvelope, SpoolMail, SpoolPlace};

/// The result of one recipient, by its index in the envelope.
pub type IndexedResult = (u16, RecipientResult);

/// A job that a connection has.
#[derive(Debug)]
pub struct ActiveJob {
    /// The job.
    pub job: JobId,
    /// The mail.
    pub mail: MailId,
    /// Its envelope.
    pub envelope: Rc<SpoolEnvelope>,
    /// Its place in the spool.
    pub place: SpoolPlace,
    /// Its text, unless that is long.
    pub text: Option<Rc<[u8]>>,
    /// The recipients that it is for.
    pub recipients: SmallVec<[JobRecipient; 2]>,
}

impl ActiveJob {
    /// The job that was started, with its mail.
    #[must_use]
    pub fn new(started: StartedJob, mail: &SpoolMail) -> Self {
        Self {
            job: started.job,
            mail: started.mail,
            envelope: Rc::clone(&mail.envelope),
            place: started.place,
            text: mail.text.clone(),
            recipients: started.recipients,
        }
    }

    /// Whether an outcome is that of this job. A connection may have two of one mail, each with recipients of its own.
    #[must_use]
    pub fn is_decided_by(&self, outcome: &DeliveryOutcome) -> bool {
        let decides = |index: u16| outcome.results.iter().any(|(other, _)| *other == index);
        let first = self.recipients.first();
        self.mail == outcome.mail && first.is_some_and(|recipient| decides(recipient.index))
    }
}

/// One connection to a site, over all the hops and addresses that it takes to open it.
#[derive(Debug)]
pub struct SiteConnection {
    /// The site.
    pub site: SiteId,
    /// The way to it.
    pub opening: SiteOpening,
    /// The present connection, once one was dialed.
    pub connection: Option<HopConnection>,
    /// Its name in the engine and the facts of its hop, once it is ready.
    pub ready: Option<(ConnectionName, HopFacts)>,
    /// The host that was dialed last.
    pub hop: DialedHop,
    /// The settings by which it was dialed.
    pub settings: Option<Rc<HopSettings>>,
    /// What it sends, and what it sends next.
    pub jobs: SmallVec<[ActiveJob; 2]>,
    /// What its hosts so far did not take, since they broke off: the next host gets it, in the same try.
    pub carried: VecDeque<ActiveJob>,
    /// Hops whose TLS has failed, and that may be spoken to in the clear the next time.
    pub tls_failures: Vec<Rc<str>>,
    /// Whether it broke, so that fewer are opened.
    pub is_broken: bool,
}

/// All connections to sites.
#[derive(Debug, Default)]
pub struct SiteConnections {
    all: CountedMap<OutgoingId, SiteConnection>,
    by_connection: CountedMap<HopConnection, OutgoingId>,
    /// The number of the last connection.
    last: u64,
}

impl SiteConnections {
    /// Takes in one that is to be opened.
    pub fn insert(&mut self, id: OutgoingId, outgoing: SiteConnection) {
        self.all.insert(id, outgoing);
    }

    /// The one with this id.
    pub fn get_mut(&mut self, id: OutgoingId) -> Option<&mut SiteConnection> {
        self.all.get_mut(&id)
    }

    /// The one that has this connection now, and its id.
    pub fn of(&mut self, connection: HopConnection) -> Option<(OutgoingId, &mut SiteConnection)> {
        let id = *self.by_connection.get(&connection)?;
        Some((id, self.all.get_mut(&id)?))
    }

    /// A new name for the connection that is dialed for this one.
    pub fn connect(&mut self, id: OutgoingId) -> HopConnection {
        self.last += 1;
        let connection = HopConnection(self.last);
        if let Some(outgoing) = self.all.get_mut(&id) {
            outgoing.connection = Some(connection);
            self.by_connection.insert(connection, id);
        }
        connection
    }

    /// Forgets a connection that is over, and says whether it ever was ready. Its owner may get another.
    pub fn disconnect(&mut self, connection: HopConnection) -> bool {
        let id = self.by_connection.remove(&connection);
        let Some(outgoing) = id.and_then(|id| self.all.get_mut(&id)) else {
            return false;
        };
        outgoing.connection = None;
        outgoing.ready.take().is_some()
    }

    /// Takes out one that is over.
    pub fn remove(&mut self, id: OutgoingId) -> Option<SiteConnection> {
        let outgoing = self.all.remove(&id)?;
        if let Some(connection) = outgoing.connection {
            self.by_connection.remove(&connection);
        }
        Some(outgoing)
    }

    /// The connections over which a mail is being sent, with their names in the engine.
    #[must_use]
    pub fn sending(&self, mail: MailId) -> Vec<(HopConnection, ConnectionName)> {
        let has_it = |outgoing: &&SiteConnection| outgoing.jobs.iter().any(|job| job.mail == mail);
        let sending = self.all.values().filter(has_it);
        sending
            .filter_map(|outgoing| Some((outgoing.connection?, outgoing.ready?.0)))
            .collect()
    }

    /// Their number.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Recipients of the mail that they have.
    #[must_use]
    pub fn handed(&self) -> usize {
        let jobs = self.all.values();
        let jobs = jobs.flat_map(|outgoing| outgoing.jobs.iter().chain(&outgoing.carried));
        jobs.map(|job| job.recipients.len()).sum()
    }

    /// Whether this one has a connection that is ready for mail.
    #[must_use]
    pub fn is_ready(&self, id: OutgoingId) -> bool {
        self.all
            .get(&id)
            .is_some_and(|outgoing| outgoing.ready.is_some())
    }

    /// Whether a host of this one broke off before it had a mail, which the next one is to get.
    #[must_use]
    pub fn carries(&self, id: OutgoingId) -> bool {
        self.all
            .get(&id)
            .is_some_and(|outgoing| !outgoing.carried.is_empty())
    }

    /// Takes a job that the next host gets.
    pub fn take_carried(&mut self, id: OutgoingId) -> Option<ActiveJob> {
        self.all.get_mut(&id)?.carried.pop_front()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}
