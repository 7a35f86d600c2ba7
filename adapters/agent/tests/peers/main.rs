//! The agent as a process among processes: clusters shared with Serf's agent, and abuse.
//!
//! Tests that need Serf say so and end when there is no `serf` to run, unless the variable `CI` is
//! set: then they fail.

#[path = "../support/process.rs"]
#[allow(dead_code, reason = "the other tests of processes use the rest")]
mod process;

mod bad_gossip;
mod bad_rpc;
mod bad_start;
mod conflict;
mod harness;
mod hostile;
mod join;
mod keys;
mod leave;
mod messages;
mod quiet;
mod recorded;
mod services;
mod walk_through;
