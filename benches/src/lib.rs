//! What the benchmarks share.
//!
//! * [`node`]: a node by itself, for the benchmarks of the core.
//! * [`packets`]: what it is sent.
//! * [`fleet`]: real agents on this machine, for the programs that measure them.
//! * [`web`], [`srv`]: clients of an agent's HTTP and DNS that cost little themselves.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod fleet;
pub mod node;
pub mod packets;
pub mod srv;
pub mod usage;
pub mod web;
