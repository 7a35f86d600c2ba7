//! Agents within the test's process, and recorded talks replayed against them.

mod agents;
mod talk;

pub(crate) use agents::{Cluster, Spec, agent, cluster};
pub(crate) use talk::{Talk, VERSIONS};
