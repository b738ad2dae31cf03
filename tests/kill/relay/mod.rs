//! Mail that is sent on, while the processes that do it are killed: what was acknowledged arrives, a failure is told once, and
//! nothing comes twice but what was under way.

mod calls;
mod clients;
mod random;
// They are made for the tests of the relay; not all of them is used here.
#[allow(dead_code)]
#[path = "../../relay/sink.rs"]
mod sink;
#[allow(dead_code)]
#[path = "../../relay/site.rs"]
mod site;
#[allow(dead_code)]
mod trial;
