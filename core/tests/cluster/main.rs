//! Whole clusters in virtual time, one file a topic.

#[path = "../common/mod.rs"]
mod common;

mod events;
mod fail;
mod gossip;
mod harness;
mod hostile;
mod intents;
mod join;
mod law;
mod leave;
mod partition;
mod queries;
mod refute;
mod scale;
mod security;
mod sharing;
mod swarm;
