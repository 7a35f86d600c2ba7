//! The other nodes that were measured: a compact table by name.

use alloc::sync::Arc;
use alloc::vec::Vec;

use hashbrown::HashTable;

use crate::hash;
use crate::serf::coordinate::Coordinate;

/// Round trips to a node whose median counts.
const LATENCY_WINDOW: usize = 3;

/// Nodes in a piece of the table.
const PIECE: usize = 8;

/// What is known of the nodes measured, `most` of them at most. Takes no memory before the first.
///
/// The nodes lie in an array, in no order that matters, and an index finds them by name. A name
/// that is the same allocation as the one kept, as it is when both come from one view, is not read.
/// The array is made of pieces that stay where they are: grown as a whole it would leave holes as
/// large as itself, which thousands of nodes in one process do not fill.
#[derive(Clone, Debug)]
pub(super) struct Peers {
    /// All pieces but the last are full, and none is empty.
    pieces: Vec<Vec<Peer>>,
    /// Places in the array, by the hash kept there.
    index: HashTable<u32>,
    most: usize,
    hash_seed: u64,
}

/// One node.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    name: Arc<str>,
    /// Lower half of the name's hash.
    hash: u32,
    /// Round trips that are known.
    count: u8,
    /// The last round trips in seconds, oldest first.
    round_trips: [f64; LATENCY_WINDOW],
    /// Where it said it was along with the last one.
    pub(super) coordinate: Coordinate,
}

/// Spreads 32 bits over the 64 that an index looks at.
const fn spread(hash: u32) -> u64 {
    (hash as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Peers {
    /// Nobody yet.
    pub(super) const fn new(most: usize, hash_seed: u64) -> Self {
        Peers { pieces: Vec::new(), index: HashTable::new(), most, hash_seed }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.pieces.last().map_or(0, |last| PIECE * (self.pieces.len() - 1) + last.len())
    }

    fn at(&self, at: usize) -> &Peer {
        &self.pieces[at / PIECE][at % PIECE]
    }

    fn at_mut(&mut self, at: usize) -> &mut Peer {
        &mut self.pieces[at / PIECE][at % PIECE]
    }

    /// What is known of a node.
    pub(super) fn get(&self, name: &str) -> Option<&Peer> {
        Some(self.at(self.find(self.hash(name), name)?))
    }

    fn hash(&self, name: &str) -> u32 {
        hash::name_hash(self.hash_seed, name) as u32
    }

    fn find(&self, hash: u32, name: &str) -> Option<usize> {
        let same = |&at: &u32| self.at(at as usize).is(hash, name);
        self.index.find(spread(hash), same).map(|&at| at as usize)
    }

    /// Remembers a round trip to a node in seconds and where it said it was; returns the median of
    /// the last ones. Where the table is full, a newcomer takes the place of another that its hash
    /// chooses: as good as any, and found without a list.
    pub(super) fn measure(&mut self, name: &Arc<str>, coordinate: &Coordinate, rtt: f64) -> f64 {
        let hash = self.hash(name);
        if let Some(at) = self.find(hash, name) {
            let peer = self.at_mut(at);
            peer.coordinate = *coordinate;
            return peer.measure(rtt);
        }
        let round_trips = [rtt, 0.0, 0.0];
        let peer = Peer { name: name.clone(), hash, count: 1, round_trips, coordinate: *coordinate };
        if self.len() < self.most {
            self.append(peer);
        } else if self.most > 0 {
            self.replace(hash as usize % self.most, peer);
        }
        rtt
    }

    fn append(&mut self, peer: Peer) {
        let at = self.len();
        if at.is_multiple_of(PIECE) {
            self.pieces.push(Vec::with_capacity(PIECE));
        }
        self.pieces[at / PIECE].push(peer);
        self.point_at(at);
    }

    fn replace(&mut self, at: usize, peer: Peer) {
        self.unpoint(at);
        *self.at_mut(at) = peer;
        self.point_at(at);
    }

    /// Forgets a node.
    pub(super) fn remove(&mut self, name: &str) {
        let Some(at) = self.find(self.hash(name), name) else { return };
        self.unpoint(at);
        let last = self.len() - 1;
        if at != last {
            // The last one fills the gap.
            self.unpoint(last);
        }
        let Some(moved) = self.pop() else { return };
        if at != last {
            *self.at_mut(at) = moved;
            self.point_at(at);
        }
    }

    fn pop(&mut self) -> Option<Peer> {
        let piece = self.pieces.last_mut()?;
        let last = piece.pop();
        if piece.is_empty() {
            self.pieces.pop();
        }
        last
    }

    /// Lets the index know of a node.
    fn point_at(&mut self, at: usize) {
        let Peers { pieces, index, .. } = self;
        let hash = |&at: &u32| spread(pieces[at as usize / PIECE][at as usize % PIECE].hash);
        let at = at as u32;
        index.insert_unique(hash(&at), at, hash);
    }

    /// Lets the index forget a node.
    fn unpoint(&mut self, at: usize) {
        let hash = spread(self.at(at).hash);
        match self.index.find_entry(hash, |&other| other as usize == at) {
            Ok(found) => drop(found.remove()),
            Err(_) => unreachable!("every node is in the index"),
        }
    }
}

impl Peer {
    fn is(&self, hash: u32, name: &str) -> bool {
        self.hash == hash && (self.name.as_ptr() == name.as_ptr() || *self.name == *name)
    }

    fn measure(&mut self, rtt: f64) -> f64 {
        let mut count = usize::from(self.count);
        if count == LATENCY_WINDOW {
            self.round_trips.rotate_left(1);
            count -= 1;
        }
        self.round_trips[count] = rtt;
        self.count = count as u8 + 1;
        let mut sorted = self.round_trips;
        let sorted = &mut sorted[..=count];
        sorted.sort_unstable_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::vec::Vec;

    use quickcheck_macros::quickcheck;

    use super::{Arc, Coordinate, Peers};

    #[quickcheck]
    fn it_holds_what_a_map_would(steps: Vec<(u8, bool, u16)>) -> bool {
        let (mut peers, mut model) = (Peers::new(300, 1), BTreeMap::new());
        steps.into_iter().all(|(node, forget, rtt)| {
            let name: Arc<str> = std::format!("node-{node}").into();
            if forget {
                peers.remove(&name);
                model.remove(&node);
            } else {
                let here = Coordinate { height: f64::from(rtt), ..Coordinate::new() };
                let median = peers.measure(&name, &here, f64::from(rtt));
                let (trips, held): &mut (Vec<u16>, f64) = model.entry(node).or_default();
                trips.push(rtt);
                *held = here.height;
                let mut last = trips[trips.len().saturating_sub(3)..].to_vec();
                last.sort_unstable();
                if median != f64::from(last[last.len() / 2]) {
                    return false;
                }
            }
            let same = |(node, (_, height)): (&u8, &(Vec<u16>, f64))| {
                peers.get(&std::format!("node-{node}")).map(|peer| peer.coordinate.height) == Some(*height)
            };
            peers.len() == model.len() && model.iter().all(same)
        })
    }

    #[quickcheck]
    fn a_full_table_holds_the_newcomer_and_all_others_but_one(nodes: Vec<u8>) -> bool {
        let mut peers = Peers::new(5, 1);
        let names: Vec<Arc<str>> = (0..=u8::MAX).map(|node| std::format!("n{node}").into()).collect();
        nodes.into_iter().all(|node| {
            let name = &names[usize::from(node)];
            let before: Vec<_> = names.iter().filter(|name| peers.get(name).is_some()).collect();
            let newcomer = peers.get(name).is_none();
            peers.measure(name, &Coordinate::new(), 0.1);
            let kept = before.iter().filter(|name| peers.get(name).is_some()).count();
            let lost = usize::from(newcomer && before.len() == 5);
            peers.get(name).is_some() && kept + lost == before.len() && peers.len() <= 5
        })
    }
}
