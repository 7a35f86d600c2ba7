//! The shapes in which a network falls apart.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Pick;
use crate::draw::Draw;
use crate::net::{HostId, Links, Net};

/// How a network falls apart (papers, section 8).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Shape {
    /// Two random halves.
    Halves,
    /// Three random thirds.
    Thirds,
    /// One random member alone.
    IsolateOne,
    /// Two sides, the size of one uniform between 1 and all but one.
    UniformSize,
    /// Two sides, each member on either by a coin.
    UniformAssignment,
    /// These members against the rest.
    Apart(Pick),
    /// The first side hears nothing of the second, which hears everything.
    OneWay(Pick),
    /// Two random halves, and one member that sees both.
    Bridge,
    /// Each member sees the nearest majority on a ring.
    Ring,
    /// Everything goes through one member: the others see it alone.
    Star,
    /// Zones do not see each other.
    Zones,
}

impl Shape {
    /// The links that are cut.
    #[must_use]
    pub fn links(&self, n: usize, net: &Net, draw: &mut Draw) -> Links {
        let all: Vec<HostId> = draw.choose(n, n);
        let split = |at: usize| Links::Across(all.iter().take(at).map(|host| (*host, 1)).collect());
        match self {
            Self::Halves => split(n / 2),
            Self::Thirds => Links::Across(
                all.iter().enumerate().map(|(i, host)| (*host, (3 * i / n.max(1)) as u32)).collect(),
            ),
            Self::IsolateOne => split(1),
            Self::UniformSize => split(1 + draw.index(n.saturating_sub(1))),
            Self::UniformAssignment => {
                Links::Across((0..n).filter(|_| draw.chance(0.5)).map(|host| (host, 1)).collect())
            }
            Self::Apart(pick) => {
                Links::Across(pick.of(n, net, draw).into_iter().map(|host| (host, 1)).collect())
            }
            Self::OneWay(pick) => {
                let deaf: BTreeSet<HostId> = pick.of(n, net, draw).into_iter().collect();
                let from = (0..n).filter(|host| !deaf.contains(host)).collect();
                Links::Between { from, to: deaf, both: false }
            }
            Self::Bridge => {
                let groups = |i: usize| match i {
                    0 => [1, 2].into(),
                    _ => [1 + (i % 2) as u32].into(),
                };
                Links::Apart(all.iter().enumerate().map(|(i, host)| (*host, groups(i))).collect())
            }
            Self::Ring => ring(&all),
            Self::Star => {
                let groups = |i: usize| match i {
                    0 => (0..n as u32).collect(),
                    _ => [i as u32].into(),
                };
                Links::Apart(all.iter().enumerate().map(|(i, host)| (*host, groups(i))).collect())
            }
            Self::Zones => Links::Across((0..n).map(|host| (host, net.zone(host))).collect()),
        }
    }
}

/// Members within a quarter of the ring to either side see each other: each sees a majority, no
/// two the same. The groups are the pairs that do.
fn ring(all: &[HostId]) -> Links {
    let n = all.len();
    let reach = n.div_ceil(4);
    let mut groups: BTreeMap<HostId, BTreeSet<u32>> = BTreeMap::new();
    for (i, host) in all.iter().enumerate() {
        for step in 0..=reach {
            let other = all[(i + step) % n];
            let pair = (i * (reach + 1) + step) as u32;
            groups.entry(*host).or_default().insert(pair);
            groups.entry(other).or_default().insert(pair);
        }
    }
    Links::Apart(groups)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Purpose;

    /// Pairs that cannot talk, counted one way.
    fn cut(shape: &Shape, n: usize) -> usize {
        let mut net = Net::new(1);
        net.zone_of = (0..n as u32).map(|host| host % 2).collect();
        let links = shape.links(n, &net, &mut Draw::of(3, Purpose::Fault, 1));
        let pairs = (0..n).flat_map(|a| (0..n).map(move |b| (a, b))).filter(|(a, b)| a != b);
        pairs.filter(|(a, b)| links.contain(*a, *b)).count()
    }

    #[test]
    fn shapes_cut_what_they_say() {
        for (shape, pairs) in [
            (Shape::Halves, 2 * 6 * 6),
            (Shape::Thirds, 12 * 8),
            (Shape::IsolateOne, 2 * 11),
            (Shape::Apart(Pick::These(vec![0, 1, 2])), 2 * 3 * 9),
            (Shape::OneWay(Pick::These(vec![0, 1, 2])), 3 * 9),
            (Shape::Bridge, 2 * 5 * 6),
            (Shape::Star, 11 * 10),
            (Shape::Zones, 2 * 6 * 6),
            // Each sees 6 of the 11 others.
            (Shape::Ring, 12 * 5),
        ] {
            assert_eq!(cut(&shape, 12), pairs, "{shape:?}");
        }
        assert!(cut(&Shape::UniformSize, 12) >= 2 * 11);
    }
}
