//! Observers of a running server come and go.

use std::mem;

use super::ServerCore;
use crate::net::transport::Transport;
use crate::server::probe::CoreProbe;
use crate::server::probe::observers::{ObserverId, Observers};

impl<T: Transport> ServerCore<T> {
    /// Has one more observer look on from now on.
    pub fn watch(&mut self, mut observer: Box<dyn CoreProbe>) -> ObserverId {
        observer.began(self.connections.now());
        let mut observers = self.take_observers();
        self.last_observer = self.last_observer.next();
        observers.add(self.last_observer, observer);
        self.set_observers(observers);
        self.last_observer
    }

    /// Sends an observer away; `None` if it is not there.
    pub fn unwatch(&mut self, id: ObserverId) -> Option<Box<dyn CoreProbe>> {
        let mut observers = self.take_observers();
        let removed = observers.remove(id);
        self.set_observers(observers);
        removed
    }

    /// Takes the observers out; where there was one alone it is the first of them.
    fn take_observers(&mut self) -> Observers {
        let mut present = self.probe.take();
        if let Some(observers) = present.as_mut().and_then(|probe| probe.observers()) {
            return mem::take(observers);
        }
        let mut observers = Observers::default();
        if let Some(alone) = present {
            observers.add(ObserverId::default(), alone);
        }
        observers
    }

    /// Has these observers look on, also at each connection. Where there are none nothing is left to be told.
    fn set_observers(&mut self, observers: Observers) {
        self.connections.shared_mut().probe = observers.of_connections();
        let observers = Some(observers).filter(|observers| !observers.is_empty());
        self.probe = observers.map(|observers| Box::new(observers) as Box<dyn CoreProbe>);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::time::Instant;

    use super::*;
    use crate::config::Config;
    use crate::config::settings::Settings;
    use crate::config::sources::Sources;
    use crate::exit::Failed;
    use crate::net::carrier::Carrier;
    use crate::net::driver::ConnectionId;
    use crate::net::probe::{Probe, Seen};
    use crate::store::Discard;

    /// Writes down what it hears, under its name.
    struct Listener {
        name: &'static str,
        heard: Rc<RefCell<Vec<String>>>,
    }

    impl Listener {
        fn note(&self, what: &str) {
            self.heard
                .borrow_mut()
                .push(format!("{} {what}", self.name));
        }
    }

    impl CoreProbe for Rc<Listener> {
        fn of_connections(&self) -> Option<Rc<dyn Probe>> {
            Some(Rc::clone(self) as Rc<dyn Probe>)
        }

        fn drain_asked(&mut self) {
            self.note("drain");
        }
    }

    impl Probe for Listener {
        fn saw(&self, _: ConnectionId, step: Seen<'_>) {
            if let Seen::State(name) = step {
                self.note(name);
            }
        }
    }

    #[test]
    fn observers_come_and_go_while_the_server_runs() -> Result<(), Failed> {
        let heard: Rc<RefCell<Vec<String>>> = Rc::default();
        let listener = |name| {
            Rc::new(Listener {
                name,
                heard: Rc::clone(&heard),
            })
        };
        let (now, store) = (Instant::now(), Box::new(Discard::new()));
        let rules = Config::new(&Sources::new(Settings::default(), []).settings()?)?.rules();
        let first = Box::new(listener("first"));
        let mut core: ServerCore<Carrier> = ServerCore::watched(rules, store, now, first);
        let hear = |core: &mut ServerCore<Carrier>| {
            core.ask_to_drain();
            let probe = core.connections().shared().probe.clone();
            if let Some(probe) = probe {
                probe.saw(ConnectionId(1), Seen::State("Idle"));
            }
            heard.take()
        };
        assert_eq!(hear(&mut core), ["first drain", "first Idle"]);
        let second = core.watch(Box::new(listener("second")));
        let third = core.watch(Box::new(listener("third")));
        assert!(second != third);
        let drained = ["first drain", "second drain", "third drain"];
        let idle = ["first Idle", "second Idle", "third Idle"];
        assert_eq!(hear(&mut core), [drained, idle].concat());
        assert!(core.unwatch(second).is_some());
        assert!(core.unwatch(second).is_none(), "it has gone");
        let left = ["first drain", "third drain", "first Idle", "third Idle"];
        assert_eq!(hear(&mut core), left);
        assert!(core.unwatch(third).is_some());
        assert_eq!(hear(&mut core), ["first drain", "first Idle"]);
        Ok(())
    }

    #[test]
    fn a_server_whose_last_observer_has_gone_tells_nobody() -> Result<(), Failed> {
        let (now, store) = (Instant::now(), Box::new(Discard::new()));
        let rules = Config::new(&Sources::new(Settings::default(), []).settings()?)?.rules();
        let mut core: ServerCore<Carrier> = ServerCore::new(rules, store, now);
        let alone = || {
            let heard = Rc::default();
            Box::new(Rc::new(Listener { name: "", heard }))
        };
        let first = core.watch(alone());
        assert!(core.probe().is_some() && core.connections().shared().probe.is_some());
        assert!(core.unwatch(first).is_some());
        assert!(core.probe().is_none() && core.connections().shared().probe.is_none());
        let second = core.watch(alone());
        assert!(core.unwatch(first).is_none(), "another one looks on now");
        assert!(core.unwatch(second).is_some());
        Ok(())
    }
}
