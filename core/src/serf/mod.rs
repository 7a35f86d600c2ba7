//! What Serf adds to membership: intents, events, queries, tags, coordinates.

pub mod clock;
pub mod coalesce;
pub mod coordinate;
pub mod dedup;
pub mod filter;
pub mod intent;
pub mod keys;
mod re2;
pub mod restore;
pub mod snapshot;
pub mod tags;
pub mod vivaldi;
