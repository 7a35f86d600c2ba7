//! The agent and the command line of Tidings.
//!
//! The program `tidings` calls [`cli::run`]; everything it does is here.
#![forbid(unsafe_code)]

pub mod agent;
pub mod blued;
pub mod checks;
pub mod cli;
pub mod config;
mod dice;
pub mod dns;
pub mod duration;
mod errors;
pub mod filter;
#[doc(hidden)]
pub mod fuzz;
mod go;
pub mod handlers;
pub mod http;
pub mod log;
pub mod quote;
pub mod server;
pub mod tls;
mod uuid;
