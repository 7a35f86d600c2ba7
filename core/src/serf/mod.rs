//! What Serf adds to membership: intents, events, queries, tags, coordinates.

pub mod clock;
pub mod tags;
