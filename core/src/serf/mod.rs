//! What Serf adds to membership: intents, events, queries, tags, coordinates.

pub mod clock;
pub mod dedup;
pub mod filter;
pub mod intent;
mod re2;
pub mod tags;
