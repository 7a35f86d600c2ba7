//! Rare branches, taken more often (papers, section 8, "schedule").
//!
//! A node takes them on its own: the limit reached, the peer that is busy, the packet with no room
//! left, the timer that is late. All of it is allowed, so every invariant has to hold. Each place
//! is marked `rare!`, and which places are awake in a node, how often they strike, and when, comes
//! from its seed by streams of their own: a place put to sleep changes nothing at the others, nor
//! in what the node draws itself.

use crate::hash;

named! {
    /// A place where a node may take its rare branch.
    Rare,
    /// What happens there, in a few words.
    what:
    /// A packet has room for hardly any update.
    SmallPackets = "updates get an eighth of the packet",
    /// A stream that a peer opens is turned away, as if the table were full.
    StreamsRefused = "an accepted stream is turned away",
    /// A periodic full-state exchange is left out, as if too many streams were open.
    SyncSkipped = "a full-state exchange is left out",
    /// A late ack is sought over a stream alone, as if nobody else were there to help.
    NoHelpers = "no helper is asked",
    /// A request to ping somebody is refused, as if the table were full.
    HelpRefused = "a request to ping somebody is refused",
    /// The independent confirmation of a suspicion is passed over, as if it had been lost.
    ConfirmationLost = "a confirmation of a suspicion is lost",
    /// A refutation skips some incarnations.
    RefutesFar = "a refutation skips some incarnations",
    /// A probe begins late.
    ProbeLate = "a probe begins late",
    /// A round of gossip is late.
    GossipLate = "a round of gossip is late",
    /// A queue of the Serf layer has room for a few messages only.
    ShortQueues = "a queue of the Serf layer holds few messages",
    /// A node remembers few user events and queries. Chosen once, at its start.
    SmallRings = "few events and queries are remembered",
    /// Few intents about unknown members are kept.
    FewIntents = "few intents are kept",
    /// A query is not told to the application, as if too many were open.
    QueryRefused = "a query is not told to the application",
    /// Memory is given back in the middle of work.
    RestsOften = "memory is given back after an input",
    /// An attempt to reach somebody who failed is left out.
    ReconnectSkipped = "an attempt to reach somebody failed is left out",
}

/// A set of places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rares(u64);

const _: () = assert!(Rare::ALL.len() <= 64);

impl Rares {
    /// Every place.
    #[must_use]
    pub fn all() -> Self {
        Rare::ALL.iter().copied().collect()
    }

    /// Whether a place is in the set.
    #[must_use]
    pub const fn contains(self, rare: Rare) -> bool {
        self.0 >> rare as u8 & 1 == 1
    }
}

impl FromIterator<Rare> for Rares {
    fn from_iter<I: IntoIterator<Item = Rare>>(rares: I) -> Self {
        Rares(rares.into_iter().fold(0, |set, rare| set | 1 << rare as u8))
    }
}

/// Which places strike in one node, and when.
#[derive(Clone, Debug)]
pub(crate) struct Strikes {
    seed: u64,
    awake: Rares,
    /// How often each place was passed.
    passed: [u64; Rare::ALL.len()],
}

impl Strikes {
    /// Of the places in `allowed`, about half are awake in a node.
    pub(crate) fn new(seed: &[u8; 32], allowed: Rares) -> Self {
        let seed = hash::bytes(0x7a9e, seed);
        let awake = |rare: &Rare| allowed.contains(*rare) && hash::mix(seed, 2 * *rare as u64) & 1 == 1;
        let awake = Rare::ALL.iter().copied().filter(awake).collect();
        Strikes { seed, awake, passed: [0; Rare::ALL.len()] }
    }

    /// Whether to take the rare branch this time: in each node and place another share of the
    /// times, from one in two to one in sixteen.
    pub(crate) fn strike(&mut self, rare: Rare) -> bool {
        if !self.awake.contains(rare) {
            return false;
        }
        let stream = hash::mix(self.seed, 2 * rare as u64 + 1);
        let passed = &mut self.passed[rare as usize];
        *passed += 1;
        let mask = (2 << (stream & 3)) - 1;
        hash::mix(stream, *passed) >> 8 & mask == 0
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn strikes(allowed: Rares, rare: Rare) -> Vec<bool> {
        let mut strikes = Strikes::new(&[7; 32], allowed);
        (0..200).map(|_| strikes.strike(rare)).collect()
    }

    #[test]
    fn a_place_strikes_the_same_whoever_else_is_awake() {
        for rare in Rare::ALL.iter().copied() {
            assert_eq!(strikes(Rares::all(), rare), strikes([rare].into_iter().collect(), rare), "{rare:?}");
            assert!(!strikes(Rares::default(), rare).contains(&true), "{rare:?}");
        }
    }

    #[test]
    fn each_place_is_awake_in_some_nodes_and_strikes_at_times() {
        for rare in Rare::ALL.iter().copied() {
            let mut nodes = (0..64u8).map(|seed| Strikes::new(&[seed; 32], Rares::all()));
            let awake = nodes.clone().filter(|node| node.awake.contains(rare)).count();
            assert!((16..=48).contains(&awake), "{rare:?}: {awake} of 64");
            let mut node = nodes.find(|node| node.awake.contains(rare)).unwrap();
            let times = (0..1600).filter(|_| node.strike(rare)).count();
            assert!((50..=1000).contains(&times), "{rare:?}: {times} of 1600");
        }
    }
}
