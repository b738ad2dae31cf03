//! The replay of a client: its loop runs in the recorded world.

#[cfg_attr(not(feature = "load"), path = "../not_built.rs")]
mod load;
mod world;

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use self::world::ReplayWorld;
use super::client_login::ReplayCredentials;
use super::result::{ReplayError, Replayed, TIME_MAX};
use super::script::{ClientReplay, Script, SharedScript};
use super::tls::ReplayTls;
use crate::net::driver::ConnectionId;
use crate::net::epoch::Nanoseconds;
use crate::observe::frame::{ClientFrame, Frame};
use crate::smtp::client::{ClientCredentials, Outgoing, Pace};
use crate::smtp::envelope::Hello;
use crate::smtp::path::{Mailbox, ReversePath};
use crate::tools::encryption::{Start, TlsStart};
use crate::tools::opening::Opening;
use crate::tools::send;
use crate::tools::world::World;

pub(super) fn built() -> Option<ClientReplay> {
    Some(replay)
}

/// The terms of a load.
#[cfg_attr(
    not(feature = "load"),
    expect(dead_code, reason = "a build without loads reads none")
)]
struct LoadTerms {
    sessions: usize,
    count: Option<u64>,
    time: Option<Nanoseconds>,
    rate: Option<u32>,
    keep: bool,
    connect_only: bool,
    /// The kind of hostile peers, and how many there are.
    hostile: Option<(String, usize)>,
}

/// Runs a load; what it would tell of that does not matter.
type RunLoad = fn(Opening, LoadTerms, &Rc<dyn World>);

/// Everything that the record of a client begins with.
#[derive(Default)]
struct RecordedOpening {
    opening: Option<Opening>,
    recipients: Vec<Mailbox>,
    terms: Option<LoadTerms>,
    message: Vec<u8>,
}

/// Replays the record of a client.
fn replay(script: Script) -> Result<Replayed, ReplayError> {
    let script: SharedScript = Rc::new(RefCell::new(script));
    let current = Rc::new(Cell::new(ConnectionId(0)));
    let mut recorded = RecordedOpening::default();
    loop {
        let mut reader = script.borrow_mut();
        let taken = reader.take_if(|frame| recorded.take(frame, &script, &current));
        if taken.is_none() {
            break;
        }
    }
    let replayed = Rc::new(ReplayWorld::new(&script, current));
    let Some((opening, terms)) = recorded.finish() else {
        // Of one that is cut short nothing can be different.
        let mut reader = script.borrow_mut();
        let rest = reader.take_if(|frame| (!matches!(frame, Frame::End { .. })).then_some(()));
        drop(reader);
        return match rest {
            None => replayed.finish(),
            Some(()) => Err(ReplayError::NoServer),
        };
    };
    let world = Rc::clone(&replayed) as Rc<dyn World>;
    match terms {
        // A message that cannot be shown is as one that is not wanted.
        None => drop(send::deliver(&opening, &world, false, &mut io::sink())),
        Some(terms) => {
            let run: Option<RunLoad> = load::built();
            run.ok_or(ReplayError::NotBuilt("load"))?(opening, terms, &world);
        }
    }
    replayed.finish()
}

impl RecordedOpening {
    /// Takes a frame of those that come before anything happens.
    fn take(
        &mut self,
        frame: &Frame<'_>,
        script: &SharedScript,
        current: &Rc<Cell<ConnectionId>>,
    ) -> Option<()> {
        let frame = match frame {
            Frame::Start { .. } => return Some(()),
            Frame::Client { frame } => frame,
            _ => return None,
        };
        match *frame {
            ClientFrame::Begun { .. } => {
                self.opening = Some(opening_of(frame, script, current)?);
            }
            ClientFrame::Recipient { address } => self.recipients.push(address.parse().ok()?),
            ClientFrame::Load {
                sessions,
                count,
                time,
                rate,
                keep,
                connect_only,
                hostile,
                peers,
            } => {
                self.terms = Some(LoadTerms {
                    sessions,
                    count,
                    time,
                    rate,
                    keep,
                    connect_only,
                    hostile: hostile.map(|kind| (kind.to_owned(), peers)),
                });
            }
            ClientFrame::Message { octets } => self.message.extend_from_slice(octets),
            _ => return None,
        }
        Some(())
    }

    fn finish(self) -> Option<(Opening, Option<LoadTerms>)> {
        let mut opening = self.opening.filter(|_| !self.message.is_empty())?;
        opening.mail = Rc::new(Outgoing {
            to: self.recipients,
            ..Outgoing::clone(&opening.mail)
        });
        opening.message = self.message.into();
        Some((opening, self.terms))
    }
}

/// What a client began with, without its recipients and its message.
fn opening_of(
    begun: &ClientFrame<'_>,
    script: &SharedScript,
    current: &Rc<Cell<ConnectionId>>,
) -> Option<Opening> {
    let ClientFrame::Begun {
        server,
        hello,
        extended,
        says_hello,
        pipelined,
        from,
        size,
        eight_bit,
        tls_at_once,
        login,
        timeout,
    } = *begun
    else {
        return None;
    };
    let tls = tls_at_once.map(|at_once| TlsStart {
        start: if at_once {
            Start::AtOnce
        } else {
            Start::ByCommand
        },
        connector: Rc::new(ReplayTls {
            script: Rc::clone(script),
            current: Rc::clone(current),
        }),
    });
    let login = login.map(|user| {
        Rc::new(ReplayCredentials {
            user: user.to_owned(),
            script: Rc::clone(script),
            current: Rc::clone(current),
        }) as Rc<dyn ClientCredentials>
    });
    if timeout > TIME_MAX {
        return None;
    }
    Some(Opening {
        server: server.parse().ok()?,
        hello: Hello {
            name: hello.into(),
            extended,
        },
        says_hello,
        pace: if pipelined {
            Pace::Pipelined
        } else {
            Pace::Lockstep
        },
        mail: Rc::new(Outgoing {
            from: reverse_path(from)?,
            to: Vec::new(),
            size,
            eight_bit,
            parameters: None,
        }),
        message: Rc::default(),
        tls,
        trust: None,
        login,
        timeout: Duration::from_nanos(timeout),
    })
}

fn reverse_path(text: &str) -> Option<ReversePath> {
    Some(match text.strip_prefix('<')?.strip_suffix('>')? {
        "" => ReversePath::Null,
        mailbox => ReversePath::Mailbox(mailbox.parse().ok()?),
    })
}
