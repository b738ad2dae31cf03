//! The loop of a replay: the inputs of the record drive the core of a server.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use super::client;
use super::contents::Contents;
use super::cut::Index;
use super::filters::{self, FilterInput};
use super::login::ReplayUsers;
use super::probe::{CurrentConnection, ReplayProbe};
use super::relay::{self, RelayInput, ReplayedWorld};
use super::result::{ReplayError, Replayed, TIME_MAX};
use super::script::{ClientReplay, Script, SharedScript};
use super::steps::{ReplayCore, run_steps, take_in};
use super::store::{ReplayStore, ReplayedTexts};
use super::tls::ReplayTls;
use crate::inbound::{Rejection, Rules};
use crate::net::channel::Readiness;
use crate::net::driver::ConnectionId;
use crate::net::epoch::Epoch;
use crate::net::link::StartTls;
use crate::net::probe::Probe;
use crate::observe::file::FrameReader;
use crate::observe::frame::{Frame, RelayFrame};
use crate::observe::rules;
use crate::server::core::ServerCore;
use crate::server::probe::{Client, CoreProbe};
use crate::smtp::login::UserDatabase;

/// Hands the probe of connections to the core.
struct ReplayCoreProbe {
    probe: Rc<ReplayProbe>,
    epoch: Epoch,
    is_alone: bool,
}

impl CoreProbe for ReplayCoreProbe {
    fn of_connections(&self) -> Option<Rc<dyn Probe>> {
        Some(Rc::clone(&self.probe) as Rc<dyn Probe>)
    }

    fn tick_ended(&mut self, wake: Option<Instant>) {
        let wake = wake.map(|wake| self.epoch.count(wake));
        let mut script = self.probe.script.borrow_mut();
        script.check_tick_end(wake, self.is_alone);
    }

    #[cfg(feature = "relay")]
    fn of_hops(&self) -> Option<Rc<dyn Probe>> {
        self.of_connections()
    }

    fn relay_tick_ended(&mut self, wake: Option<Instant>, queued: usize) {
        let wake = wake.map(|wake| self.epoch.count(wake));
        let mut script = self.probe.script.borrow_mut();
        script.check(&RelayFrame::TickEnd { wake, queued }.into());
    }
}

/// Replays the record in a file; of it `only` one connection, if one is named. A record of some peers replays one connection after
/// the other.
///
/// # Errors
/// The file is missing, or no record of a server, or does not have the connection.
pub fn replay(path: &Path, only: Option<ConnectionId>) -> Result<Replayed, ReplayError> {
    let head = Head::read(open(path)?)?;
    if let Some(command) = head.client {
        if only.is_some() {
            return Err(ReplayError::OnlyWhole(command));
        }
        let replay_client: Option<ClientReplay> = client::built();
        let script = Script::new(Box::new(open(path)?), Contents::new(open(path)?, None));
        return replay_client.ok_or(ReplayError::NotBuilt(command))?(script);
    }
    let index = match only {
        None if head.is_whole => {
            let script = Script::new(Box::new(open(path)?), Contents::new(open(path)?, None));
            return Replay::new(script, None).run();
        }
        _ => Rc::new(Index::read(open(path)?)?),
    };
    let connections: Vec<ConnectionId> = match only {
        Some(only) if !only.is_outgoing() && index.connections.contains_key(&only) => vec![only],
        Some(only) => return Err(ReplayError::NoConnection(only)),
        None => index.connections.keys().copied().collect(),
    };
    let mut all = Replayed {
        ticks: index.ticks,
        ..Replayed::default()
    };
    for connection in connections {
        let contents = Contents::new(open(path)?, Some(connection));
        let script = Script::new(Box::new(index.cut(connection, open(path)?)), contents);
        let one = Replay::new(script, Some(connection)).run()?;
        if only.is_some() {
            all.ticks = one.ticks;
        }
        all.connections += one.connections;
        all.octets += one.octets;
        all.is_cut_short |= one.is_cut_short;
        all.difference = one.difference;
        if all.difference.is_some() {
            break;
        }
    }
    Ok(all)
}

fn open(path: &Path) -> Result<FrameReader<File>, ReplayError> {
    let file = File::open(path).map_err(ReplayError::Open)?;
    Ok(FrameReader::new(file)?)
}

/// The facts with which a record begins.
struct Head {
    /// The command whose record it is, unless that is a server's.
    client: Option<&'static str>,
    /// Whether every connection is in it.
    is_whole: bool,
}

impl Head {
    fn read(mut frames: FrameReader<File>) -> Result<Self, ReplayError> {
        Ok(match frames.next_frame()? {
            Some(Frame::Start {
                command, is_whole, ..
            }) => Self {
                client: ["send", "load"]
                    .into_iter()
                    .find(|client| *client == command),
                is_whole,
            },
            _ => Self {
                client: None,
                is_whole: true,
            },
        })
    }
}

/// A replay under way.
struct Replay {
    script: SharedScript,
    /// The one connection that is replayed, if it is one.
    only: Option<ConnectionId>,
    current: CurrentConnection,
    core: Option<ReplayCore>,
    /// The time at which the record begins.
    epoch: Epoch,
    /// How often the users have changed.
    generation: u64,
    connections: u64,
    /// Texts on hold, where filters look at some.
    texts: ReplayedTexts,
}

/// An input of the record, taken out of it.
enum Input {
    Start,
    Rules(Box<Rules>),
    Tick(u64, Instant, Duration),
    Event(usize, Readiness),
    Drain,
    Steps,
    Client(Client, Result<usize, Rejection>),
    Relay(RelayInput),
    Filters(FilterInput),
    End,
}

impl Replay {
    fn new(script: Script, only: Option<ConnectionId>) -> Self {
        Self {
            script: Rc::new(RefCell::new(script)),
            only,
            current: Rc::new(Cell::new(ConnectionId(0))),
            core: None,
            epoch: Epoch(Instant::now()),
            generation: 0,
            connections: 0,
            texts: ReplayedTexts::default(),
        }
    }

    fn run(mut self) -> Result<Replayed, ReplayError> {
        while !self.script.borrow().is_over() {
            self.step()?;
        }
        self.finish()
    }

    /// Takes the next input, and has the core go on with it.
    fn step(&mut self) -> Result<(), ReplayError> {
        let Some(input) = self.next_input() else {
            let mut script = self.script.borrow_mut();
            script.differ("nothing");
            script.stop();
            return Ok(());
        };
        let core = match (input, &mut self.core) {
            (Input::Start, _) => return Ok(()),
            (Input::Rules(rules), None) => {
                self.core = Some(self.core_with(*rules));
                return Ok(());
            }
            (_, None) => return Err(ReplayError::NoServer),
            (input, Some(core)) => (input, core),
        };
        match core {
            (Input::Start, _) => {}
            (Input::Rules(rules), core) => core.reload(*rules),
            (Input::Tick(number, now, wall), core) => {
                self.script.borrow_mut().begin_tick(number);
                core.set_time(now, UNIX_EPOCH + wall);
            }
            // One that is alone has the first key.
            (Input::Event(_, readiness), core) if self.only.is_some() => {
                core.on_event(0, readiness);
            }
            (Input::Event(key, readiness), core) => core.on_event(key, readiness),
            (Input::Drain, core) => core.ask_to_drain(),
            (Input::Steps, core) => run_steps(core, &self.script),
            (Input::Relay(input), core) => {
                let world = ReplayedWorld {
                    script: Rc::clone(&self.script),
                    current: Rc::clone(&self.current),
                    epoch: self.epoch,
                };
                world.go_on(input, core)?;
            }
            (Input::Filters(input), core) => {
                filters::go_on(&input, core, &self.script, &self.texts)?;
            }
            (Input::Client(client, admitted), core) => {
                self.connections += 1;
                take_in(client, admitted, core, &self.script, self.only.is_some());
            }
            (Input::End, _) => self.script.borrow_mut().finish(),
        }
        Ok(())
    }

    fn core_with(&self, rules: Rules) -> ReplayCore {
        let probe = ReplayProbe::new(
            Rc::clone(&self.script),
            Rc::clone(&self.current),
            self.only.is_some(),
        );
        let store = ReplayStore {
            script: Rc::clone(&self.script),
            current: Rc::clone(&self.current),
            spooled: HashSet::new(),
            #[cfg(feature = "milter")]
            texts: Rc::clone(&self.texts),
            #[cfg(feature = "milter")]
            read: Vec::new(),
        };
        let probe = Box::new(ReplayCoreProbe {
            probe: Rc::new(probe),
            epoch: self.epoch,
            is_alone: self.only.is_some(),
        });
        ServerCore::watched(rules, Box::new(store), self.epoch.0, probe)
    }

    /// The next frame as an input; `None` if it is none.
    fn next_input(&mut self) -> Option<Input> {
        let (script, current) = (Rc::clone(&self.script), Rc::clone(&self.current));
        let epoch = self.epoch;
        let generation = &mut self.generation;
        self.script.borrow_mut().pass_states();
        self.script.borrow_mut().take_if(|frame| {
            Some(match *frame {
                Frame::Start { .. } => Input::Start,
                Frame::Rules { rules, same_users } => {
                    *generation += u64::from(!same_users);
                    let users: Rc<dyn UserDatabase> = Rc::new(ReplayUsers {
                        generation: *generation,
                        script: Rc::clone(&script),
                        current: Rc::clone(&current),
                    });
                    let tls: Rc<dyn StartTls> = Rc::new(ReplayTls { script, current });
                    Input::Rules(Box::new(rules::take(rules, Some(&users), Some(&tls))?))
                }
                Frame::Tick { number, now, wall } if now <= TIME_MAX => {
                    Input::Tick(number, epoch.instant(now), Duration::from_nanos(wall))
                }
                Frame::Event { key, readiness } => Input::Event(key, readiness),
                Frame::Drain {} => Input::Drain,
                Frame::Step { .. } => Input::Steps,
                Frame::Added {
                    key,
                    connection,
                    service,
                    peer,
                    short_read_drains,
                } => {
                    let client = Client {
                        connection,
                        service,
                        peer,
                        short_read_drains,
                    };
                    Input::Client(client, Ok(key))
                }
                Frame::Refused {
                    connection,
                    service,
                    peer,
                    why,
                    short_read_drains,
                } => {
                    let client = Client {
                        connection,
                        service,
                        peer,
                        short_read_drains,
                    };
                    Input::Client(client, Err(why))
                }
                Frame::End { .. } => Input::End,
                Frame::Filter { frame } => Input::Filters(filters::input(&frame)?),
                _ => Input::Relay(relay::input(frame)?),
            })
        })
    }

    fn finish(self) -> Result<Replayed, ReplayError> {
        let replayed = self.script.borrow_mut().result(self.connections)?;
        if self.core.is_none() && replayed.difference.is_none() && !replayed.is_cut_short {
            return Err(ReplayError::NoServer);
        }
        Ok(replayed)
    }
}
