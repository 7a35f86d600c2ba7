//! A deterministic simulator of whole Tidings clusters.
//!
//! It drives the very [`Node`](tidings_core::Node) that the agent runs: a thousand of them in one
//! thread, in virtual time, on a network that loses, delays, repeats and damages, on machines
//! that crash, freeze and lose power. One seed tells everything that happens, to the last byte.
//!
//! # A story
//!
//! ```
//! use std::time::Duration;
//! use tidings_core::{MemberEventKind, Status};
//! use tidings_sim::Cluster;
//!
//! let secs = Duration::from_secs;
//! let mut cluster = Cluster::lan(5).seed(7).start();
//!
//! // One host hears nothing for a while, and is missed.
//! cluster.run(secs(5)).partition(&[4]);
//! cluster.eventually(secs(60), |c| c.status(0, 4) == Some(Status::Failed));
//!
//! // Nobody has to do anything for the two sides to find each other again.
//! cluster.heal();
//! cluster.eventually(secs(90), |c| c.converged());
//! cluster.assert(|c| !c.heard(0, MemberEventKind::Join, 4).is_empty());
//! ```
//!
//! # The parts
//!
//! * [`Plan`] says what a cluster is, [`Cluster`] has the words of a story, [`World`] is the event
//!   loop below it.
//! * [`Fault`] and [`Work`] are what a script plans; each draws from a stream of its own.
//! * [`Watch`] sees everything that happens; [`Rider`] is the user's own state machine on each
//!   node.
//! * [`Queue`] orders what is to happen, [`Draw`] makes all random choices.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod ask;
pub mod bench;
pub mod check;
pub mod cli;
mod clock;
mod cluster;
mod digest;
mod disk;
mod draw;
mod evidence;
pub mod explain;
mod failure;
pub mod faults;
mod fork;
mod glance;
mod hash;
mod host;
mod letter;
#[cfg(tidings_bugs)]
mod marks;
pub mod net;
pub mod paper;
mod plan;
mod queue;
mod random;
pub mod report;
mod rider;
pub mod run;
pub mod script;
pub mod shrink;
pub mod span;
pub mod speed;
mod story;
mod trace;
mod traffic;
mod watch;
mod workload;
mod world;

pub use crate::ask::Disagreement;
pub use crate::check::Checks;
pub use crate::clock::Clock;
pub use crate::cluster::Cluster;
pub use crate::digest::Digest;
pub use crate::disk::Disk;
pub use crate::draw::{Draw, Purpose};
pub use crate::failure::each_seed;
pub use crate::faults::{Core, Fate, Fault, LinkPick, Pick, Return, Shape, Trouble};
pub use crate::host::{Host, Machine};
pub use crate::net::{HostId, Latency, Net};
pub use crate::plan::{Plan, address};
pub use crate::queue::Queue;
pub use crate::report::{Recorder, Report};
pub use crate::rider::{Rider, RiderInput, RiderOutput};
pub use crate::script::Script;
pub use crate::watch::{Sight, Violation, Watch};
pub use crate::workload::{Task, Work};
pub use crate::world::{Start, Tally, World};
