//! A server without a network, a loop or a store.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use bytes::BytesMut;
use mailoop::smtp::envelope::{Peer, QueueId};
use mailoop::smtp::event::{CloseReason, Event};
use mailoop::smtp::policy::Policy;
use mailoop::smtp::service::Service;
use mailoop::smtp::session::{Session, TransactionPool};

const DATE: &str = "Thu, 01 Jan 1970 00:00:00 +0000";
const PEER: Peer = Peer::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST));

/// Drives sessions as the loop does, and has every message stored at once.
pub(crate) struct Server {
    policy: Rc<Policy>,
    pool: Rc<TransactionPool>,
    replies: BytesMut,
    messages: u64,
}

impl Server {
    pub(crate) fn new(policy: Policy) -> Self {
        Self {
            policy: Rc::new(policy),
            pool: Rc::default(),
            replies: BytesMut::new(),
            messages: 0,
        }
    }

    /// A session that has greeted.
    pub(crate) fn session(&mut self) -> Session {
        let (policy, pool) = (Rc::clone(&self.policy), Rc::clone(&self.pool));
        let mut session = Session::new(policy, pool, Service::Smtp, PEER);
        session.greet(false, &mut self.replies);
        session
    }

    /// One session with all that belongs to it.
    pub(crate) fn serve(&mut self, dialogue: &[Vec<u8>]) {
        let mut session = self.session();
        self.converse(&mut session, dialogue);
    }

    /// Goes through what a client sends, a read each.
    pub(crate) fn converse(&mut self, session: &mut Session, dialogue: &[Vec<u8>]) {
        let errors = session.stats().errors;
        for read in dialogue {
            self.drive(session, black_box(read));
            black_box(&self.replies);
            self.replies.clear();
        }
        assert_eq!(session.stats().errors, errors);
    }

    fn drive(&mut self, session: &mut Session, mut input: &[u8]) {
        loop {
            let replies = &mut self.replies;
            match session.next(&mut input, replies) {
                Event::NeedInput | Event::Close(CloseReason::Quit) => return,
                Event::Answered | Event::CommandRefused(_) | Event::BeginChunk => {}
                Event::CheckRoom(transaction) => session.accept_sender(transaction, replies),
                Event::CheckRecipient(recipient) => session.accept_recipient(recipient, 0, replies),
                Event::BeginMessage => {
                    self.messages += 1;
                    let id = QueueId::new("00000000", self.messages);
                    session.write_trace(id, DATE, replies);
                    replies.clear();
                    session.receive_message(id, DATE, replies);
                }
                Event::Text(text) => {
                    black_box(text);
                }
                Event::EndOfMessage => {
                    if let Some(transaction) = session.stored(Ok(()), replies) {
                        session.reuse(transaction);
                    }
                }
                event => panic!("{event:?}"),
            }
        }
    }
}
