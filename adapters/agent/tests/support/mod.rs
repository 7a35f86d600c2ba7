//! Agents within the test's process, recorded talks replayed against them, and the real program.
#![allow(dead_code, unused_imports, reason = "each test uses a part")]

mod agents;
mod process;
mod talk;
pub(crate) mod web;

pub(crate) use agents::{Cluster, Spec, agent, cluster};
pub(crate) use process::{Process, is_here, skipped};
pub(crate) use talk::{Talk, VERSIONS};
