//! Whole clusters in virtual time, one file a topic.

#[path = "../common/mod.rs"]
mod common;

mod events;
mod fail;
mod join;
mod leave;
mod queries;
mod refute;
