//! Packets prepared for a node, as its cluster would send them.

use tidings_core::wire::compound::Compound;

use crate::node::{alive, ping};

/// A member, and a packet it sends.
pub type Packet = (usize, Vec<u8>);

/// Some member other than the node under test; far apart for neighbouring `k`.
#[must_use]
pub fn sender(k: usize, members: usize) -> usize {
    1 + k.wrapping_mul(7_919) % (members - 1)
}

/// So many pings, each from another member where there are as many.
#[must_use]
pub fn pings(count: usize, members: usize) -> Vec<Packet> {
    (0..count).map(|k| (sender(k, members), ping(sender(k, members), k as u32))).collect()
}

/// So many pings, each with four updates on it that are known already, as most are in a cluster at
/// work.
#[must_use]
pub fn pings_with_old_news(count: usize, members: usize) -> Vec<Packet> {
    let packet = |(k, (from, ping)): (usize, Packet)| {
        let mut parts = Compound::new();
        parts.push(&ping);
        for update in 0..4 {
            parts.push(&alive(sender(5 * k + update, members), 1));
        }
        let mut packet = Vec::new();
        parts.encode(&mut packet);
        (from, packet)
    };
    pings(count, members).into_iter().enumerate().map(packet).collect()
}

/// An update of so many members that is news to all, each in a packet of its own.
#[must_use]
pub fn fresh_updates(count: usize, incarnation: u32) -> Vec<Packet> {
    (1..=count).map(|i| (1, alive(i, incarnation))).collect()
}
