//! The registry: services, checks and their health, written by their owners and known everywhere.

pub mod log;
pub mod sketch;
