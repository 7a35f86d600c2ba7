//! Event handlers: which script runs for which event, and how (serf-agent, section 4).

mod filter;
mod input;
mod queue;
mod script;

pub use self::filter::{EventFilter, EventScript, InvalidFilter};
pub use self::queue::{Handlers, Job};
