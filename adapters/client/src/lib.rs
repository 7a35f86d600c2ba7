//! Speaks to a running agent, Tidings' own or Serf's, over its RPC port.
//!
//! * [`protocol`]: the messages, encoded and decoded in both directions. It does no I/O, and the
//!   agent's server uses it as well.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod protocol;
