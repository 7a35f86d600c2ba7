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

#[cfg(test)]
mod tests {
    /// Thousands of nodes may share a process, so what idles must be small. None of these holds
    /// memory of its own before there is something to remember.
    #[test]
    fn an_idle_node_has_little_state_in_this_layer() {
        let sizes = [
            3 * size_of::<super::clock::LamportClock>(),
            size_of::<super::dedup::EventBuffer>(),
            size_of::<super::dedup::QueryBuffer>(),
            size_of::<super::intent::RecentIntents>(),
            size_of::<super::coalesce::MemberCoalescer>(),
            size_of::<super::coalesce::UserCoalescer>(),
            size_of::<super::vivaldi::Client>(),
            size_of::<super::snapshot::Snapshot>(),
        ];
        assert!(sizes.iter().sum::<usize>() <= 1024, "{sizes:?}");
    }
}
