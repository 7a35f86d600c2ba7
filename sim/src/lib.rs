//! A deterministic simulator of whole Tidings clusters.
//!
//! It drives the very [`Node`](tidings_core::Node) that the agent runs: a thousand of them in one
//! thread, in virtual time, on a network that loses, delays, repeats and damages, on machines
//! that crash, freeze and lose power. One seed tells everything that happens, to the last byte.
//!
//! # Build a cluster, run it, ask anybody anything
//!
//! A [`Plan`] says what a cluster is; [`Plan::start`] makes it. Its nodes know each other from the
//! first moment, unless it is told that they start [alone](Plan::alone). Time passes only in
//! [`run`](Cluster::run) and [`eventually`](Cluster::eventually), and costs next to nothing.
//!
//! ```
//! use std::time::Duration;
//! use tidings_core::Status;
//! use tidings_sim::Cluster;
//!
//! let secs = Duration::from_secs;
//! let mut cluster = Cluster::lan(5)
//!     .seed(7)
//!     .configure(|host, config| config.tags.insert("rack", if host < 3 { "a" } else { "b" }))
//!     .start();
//! cluster.run(secs(10));
//! cluster.event(2, "deploy", b"v1.2");
//! cluster.run(secs(2));
//!
//! assert_eq!(cluster.status(0, 4), Some(Status::Alive));
//! assert_eq!(cluster.member(0, 4).unwrap().tags().get("rack"), Some("b"));
//! assert!((0..5).all(|host| cluster.user_events(host, "deploy").len() == 1));
//! // Below the shorthands is the node itself, as the agent would see it.
//! let node = cluster.host(3).node().unwrap();
//! assert_eq!(node.view().len(), 5);
//! ```
//!
//! # Break things; demand now, and demand soon
//!
//! ```
//! use std::time::Duration;
//! use tidings_core::{MemberEventKind, Status};
//! use tidings_sim::{Cluster, Pick, Trouble};
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
//!
//! // Every fault of a script can be had in a story too.
//! cluster.trouble(secs(20), Trouble::SlowCpu { members: Pick::Random(1), service: secs(1) / 50 });
//! cluster.loss(0.1).run(secs(20)).heal();
//! cluster.eventually(secs(60), |c| c.converged());
//! ```
//!
//! # In your tests, with many seeds
//!
//! [`each_seed`] tells a story once with each seed. A failure names seed, virtual time, the members
//! that disagree, what each holds of each, the command that tells this one story again
//! (`TIDINGS_SIM_SEED=17 cargo test NAME`), and the story as a [`Script`], to be shrunk and traced
//! by the command line. `TIDINGS_SIM_SEEDS=0..10000` in the environment is for the night.
//!
//! ```
//! use std::time::Duration;
//! use tidings_sim::{Cluster, each_seed};
//!
//! # /*
//! #[test]
//! # */
//! fn a_restarted_member_is_back_within_a_minute() {
//!     each_seed(0..10, |seed| {
//!         let mut cluster = Cluster::lan(6).seed(seed).start();
//!         cluster.crash(3).run(Duration::from_secs(20)).restart(3);
//!         cluster.eventually(Duration::from_secs(60), |c| c.converged());
//!     });
//! }
//! # a_restarted_member_is_back_within_a_minute();
//! ```
//!
//! # Invariants: the protocol's and your own
//!
//! [`Checks`] hold a run to the invariants that the protocol promises, at every event. Your own
//! look at the whole cluster whenever a node has handled something ([`Cluster::invariant`]), or at
//! each packet and decision as it happens ([`Watch`]).
//!
//! ```
//! use std::time::Duration;
//! use tidings_core::Status;
//! use tidings_sim::{Checks, Cluster};
//!
//! let mut cluster = Cluster::lan(8).seed(3).traced().start();
//! cluster.watch_from_now(Checks::new());
//! cluster.invariant("most members are alive", |c| {
//!     let failed = (1..8).filter(|of| c.status(0, *of) == Some(Status::Failed)).count();
//!     (failed > 4).then(|| format!("n0 holds {failed} failed"))
//! });
//! cluster.partition(&[1, 2]).run(Duration::from_secs(60)).heal();
//!
//! // Cut off from all others, n0 breaks the second.
//! cluster.partition(&[0]);
//! let wrong = cluster.try_run(Duration::from_secs(60)).unwrap_err();
//! assert_eq!(wrong.invariant, "most members are alive");
//! ```
//!
//! # Work
//!
//! ```
//! use std::time::Duration;
//! use tidings_sim::{Cluster, Pick, Task, Work};
//!
//! let secs = Duration::from_secs;
//! let mut cluster = Cluster::lan(5).start();
//! let what = Task::Event { members: Pick::Random(1), name: "tick".into(), bytes: 64 };
//! cluster.work(Work { at: secs(1), every: Some(secs(1)), times: 10, stream: None, what });
//! cluster.run(secs(20));
//! assert_eq!(cluster.user_events(4, "tick").len(), 10);
//! ```
//!
//! # Scripts
//!
//! A run as text: written by hand, drawn from a seed ([`Script::expand`]), recorded from a story
//! ([`Cluster::script`]), edited, replayed. Each fault draws from a stream of its own, so that one
//! that is taken away changes nothing about the luck of the others.
//!
//! ```
//! use tidings_core::Time;
//! use tidings_sim::{Script, run, shrink::shrink};
//!
//! let script = Script::parse(
//!     r#"
//!     members = 6
//!     time = "30s"
//!     random = { faults = 3, work = 2 }
//!     "#,
//! )?;
//! let outcome = run::run(&script, 11);
//! assert_eq!(outcome.violation, None);
//!
//! // What the seed drew, as a script of its own.
//! let recorded = Script::parse(&script.expand(11).to_text())?;
//! assert_eq!(recorded.fault.len(), 3);
//! assert_eq!(run::run(&recorded, 11).digest, outcome.digest);
//!
//! // The cluster as it was at a moment, to be asked anything.
//! let (cluster, violation) = run::stop_at(&script, 11, Time::from_nanos(12_500_000_000));
//! assert_eq!((cluster.hosts().len(), violation), (6, None));
//! assert!(shrink(&script, 11, 10).is_none(), "nothing fails that could be made smaller");
//! # Ok::<(), String>(())
//! ```
//!
//! # What else could have happened
//!
//! ```
//! use std::time::Duration;
//! use tidings_sim::Cluster;
//!
//! let mut calm = Cluster::lan(5).start();
//! calm.run(Duration::from_secs(10));
//! let mut other = calm.fork();
//! other.crash(2).run(Duration::from_secs(30));
//! calm.run(Duration::from_secs(30));
//! assert_ne!(calm.digest(), other.digest());
//! ```
//!
//! # Your own state machine
//!
//! What an application builds on membership (leaders, shards, replicas) is where the bugs are. A
//! [`Rider`] is a state machine of yours on each node: it hears the node's events, gives it
//! commands, and sends messages to its like through the same faults. `examples/rider.rs` finds in
//! virtual minutes why the first living member makes no leader.
//!
//! # The parts
//!
//! * [`Plan`] says what a cluster is, [`Cluster`] has the words of a story, [`World`] is the event
//!   loop below it.
//! * [`Fault`] and [`Work`] are what a script plans.
//! * [`Watch`] sees everything that happens; [`report::Recorder`] makes pictures of it, and
//!   [`statistics`] sums many runs up.
//! * [`Queue`] orders what is to happen, [`Draw`] makes all random choices.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod ask;
pub mod bench;
pub mod check;
pub mod cli;
mod clock;
mod cluster;
pub mod compare;
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
mod keep;
mod letter;
#[cfg(tidings_bugs)]
mod marks;
pub mod net;
pub mod paper;
mod plan;
mod queue;
mod random;
pub mod registry;
pub mod report;
mod rider;
pub mod run;
pub mod script;
pub mod shrink;
pub mod span;
pub mod speed;
pub mod statistics;
mod story;
mod trace;
mod traffic;
mod valid;
mod watch;
mod workload;
mod world;
mod written;
mod xml;

pub use crate::ask::Disagreement;
pub use crate::check::Checks;
pub use crate::clock::Clock;
pub use crate::cluster::Cluster;
pub use crate::digest::Digest;
pub use crate::disk::Disk;
pub use crate::draw::{Draw, Purpose};
pub use crate::failure::each_seed;
pub use crate::faults::{Core, Fate, Fault, Group, Lie, LinkPick, Pick, Return, Shape, Trouble};
pub use crate::host::{Host, Machine};
pub use crate::net::{HostId, Latency, Net};
pub use crate::plan::{Plan, address};
pub use crate::queue::Queue;
pub use crate::registry::{Registration, RegistrySettings, RegistryTask};
pub use crate::report::{Recorder, Report};
pub use crate::rider::{Rider, RiderInput, RiderOutput};
pub use crate::script::Script;
pub use crate::watch::{Sight, Violation, Watch};
pub use crate::workload::{Task, Work};
pub use crate::world::{Start, Tally, World};
