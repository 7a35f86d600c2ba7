//! The agent and the command line of Tidings.
#![forbid(unsafe_code)]

pub mod cli;
pub mod duration;
pub mod quote;
