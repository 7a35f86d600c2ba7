//! Names looked up at running agents: recorded look-ups, hostile packets, other name servers, `dig`.

#[path = "../support/mod.rs"]
mod support;

mod client;
mod dig;
mod hostile;
mod recorded;
mod recursors;
mod servers;
