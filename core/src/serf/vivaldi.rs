//! Finding the own coordinate from round trips, and remembering those of others (serf-wire,
//! section 9).

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::time::Duration;

use crate::serf::coordinate::{BadCoordinate, Coordinate, ERROR_MAX, ZERO};
use crate::serf::peers::Peers;

/// How much one measurement moves the error (ce).
const ERROR_WEIGHT: f64 = 0.25;
/// How much one measurement moves the position (cc).
const FORCE_WEIGHT: f64 = 0.25;
/// Deviations the adjustment is the mean of.
const ADJUSTMENT_WINDOW: usize = 20;
/// Distance from the origin in seconds at which gravity pulls with a second (rho).
const GRAVITY_RHO: f64 = 150.0;
/// Longer round trips are not believed.
const ROUND_TRIP_MAX: Duration = Duration::from_secs(10);

/// The own coordinate, and what is known of the other nodes' ones.
///
/// Takes no memory before the first measurement, and then about 160 bytes for each node measured,
/// of which there are `peers_max` at most.
#[derive(Clone, Debug)]
pub struct Client {
    own: Option<Box<Own>>,
    peers: Peers,
    resets: u64,
}

#[derive(Clone, Debug, Default)]
struct Own {
    coordinate: Coordinate,
    /// The last deviations of measurement from prediction, a ring.
    deviations: [f64; ADJUSTMENT_WINDOW],
    next: usize,
}

impl Client {
    /// At the origin, knowing nobody. `hash_seed` keeps whoever does not know it from choosing names
    /// that are slow to find.
    #[must_use]
    pub const fn new(peers_max: usize, hash_seed: u64) -> Self {
        Client { own: None, peers: Peers::new(peers_max, hash_seed), resets: 0 }
    }

    /// The own coordinate.
    #[must_use]
    pub fn coordinate(&self) -> Coordinate {
        self.own.as_ref().map_or_else(Coordinate::new, |own| own.coordinate)
    }

    /// How many other nodes' coordinates are remembered.
    pub(crate) fn peers_len(&self) -> usize {
        self.peers.len()
    }

    /// The coordinate another node last sent along with a measurement.
    #[must_use]
    pub fn peer(&self, node: &str) -> Option<&Coordinate> {
        self.peers.get(node).map(|peer| &peer.coordinate)
    }

    /// How often the own coordinate became nonsense and had to start afresh.
    #[must_use]
    pub fn resets(&self) -> u64 {
        self.resets
    }

    /// Forgets a node that was erased.
    pub fn forget(&mut self, node: &str) {
        self.peers.remove(node);
    }

    /// Moves the own coordinate after a round trip of `rtt` to a node at `other`. `random` draws
    /// uniformly from `[0, 1)`; it is asked only when both stand at the same place.
    ///
    /// # Errors
    /// [`BadCoordinate::Invalid`] and [`BadCoordinate::RoundTrip`]; nothing changed.
    pub fn update(
        &mut self,
        node: &Arc<str>,
        other: &Coordinate,
        rtt: Duration,
        mut random: impl FnMut() -> f64,
    ) -> Result<(), BadCoordinate> {
        if !other.is_valid() {
            return Err(BadCoordinate::Invalid);
        }
        if rtt > ROUND_TRIP_MAX {
            return Err(BadCoordinate::RoundTrip);
        }
        let rtt = self.peers.measure(node, other, rtt.as_secs_f64());
        let own = self.own.get_or_insert_default();
        own.approach(other, rtt, &mut random);
        own.adjust(other, rtt);
        own.gravitate(&mut random);
        if !own.coordinate.is_finite() {
            // The deviations too: an infinite one would spoil the next steps as well.
            **own = Own::default();
            self.resets += 1;
        }
        Ok(())
    }
}

impl Own {
    /// Vivaldi proper: moves so that the prediction comes nearer to the measurement, the further
    /// the less sure the own place is compared to the other's.
    fn approach(&mut self, other: &Coordinate, rtt: f64, random: &mut impl FnMut() -> f64) {
        let own = &mut self.coordinate;
        let predicted = own.distance_seconds(other);
        let rtt = rtt.max(ZERO);
        let wrongness = (predicted - rtt).abs() / rtt;
        let weight = own.error / (own.error + other.error).max(ZERO);
        let error = ERROR_WEIGHT * weight * wrongness + own.error * (1.0 - ERROR_WEIGHT * weight);
        own.error = error.min(ERROR_MAX);
        let force = FORCE_WEIGHT * weight * (rtt - predicted);
        own.apply_force(force, other, random);
    }

    /// Notes by how much the new place still predicts too little.
    fn adjust(&mut self, other: &Coordinate, rtt: f64) {
        self.deviations[self.next] = rtt - self.coordinate.raw_distance(other);
        self.next = (self.next + 1) % ADJUSTMENT_WINDOW;
        let sum: f64 = self.deviations.iter().sum();
        self.coordinate.adjustment = sum / (2 * ADJUSTMENT_WINDOW) as f64;
    }

    /// Pulls towards the origin, so that the whole cluster does not drift.
    fn gravitate(&mut self, random: &mut impl FnMut() -> f64) {
        let origin = Coordinate::new();
        let pull = origin.distance_seconds(&self.coordinate) / GRAVITY_RHO;
        self.coordinate.apply_force(-(pull * pull), &origin, random);
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use quickcheck_macros::quickcheck;
    use serde_json::Value;

    use super::{Arc, BadCoordinate, Client, Coordinate, Duration};
    use crate::serf::coordinate::DIMENSIONS;

    const STEPS: &str = include_str!("../../tests/vectors/computed-coordinates.jsonl");

    fn number(value: &Value) -> f64 {
        value.as_f64().expect("a number")
    }

    fn coordinate(value: &Value) -> Coordinate {
        let vec = value["Vec"].as_array().expect("a vector");
        Coordinate {
            vec: core::array::from_fn(|index| number(&vec[index])),
            error: number(&value["Error"]),
            adjustment: number(&value["Adjustment"]),
            height: number(&value["Height"]),
        }
    }

    fn undrawn() -> f64 {
        panic!("no direction is to be drawn here")
    }

    #[test]
    fn every_step_of_the_original_is_reproduced_to_the_bit() {
        let mut client = Client::new(64, 7);
        let mut updates = 0;
        for line in STEPS.lines() {
            let step: Value = serde_json::from_str(line).expect("JSON");
            match step["op"].as_str() {
                Some("set") => {
                    client.own.get_or_insert_default().coordinate = coordinate(&step["coord"]);
                }
                Some("update") => {
                    let other = coordinate(&step["other"]);
                    let rtt = Duration::from_nanos(step["rtt_ns"].as_u64().expect("a time"));
                    let node = step["node"].as_str().expect("a name").into();
                    assert_eq!(client.update(&node, &other, rtt, undrawn), Ok(()));
                    assert_eq!(client.coordinate(), coordinate(&step["coord"]), "{line}");
                    let distance = client.coordinate().distance(&other).as_nanos() as u64;
                    assert_eq!(Some(distance), step["distance_ns"].as_u64(), "{line}");
                    assert_eq!(Some(client.resets()), step["resets"].as_u64());
                    updates += 1;
                }
                // A negative time and another dimension cannot be written down here.
                Some("update-rejected") if step["rtt_ns"].as_u64().is_some() => {
                    let before = client.coordinate();
                    let rtt = Duration::from_nanos(step["rtt_ns"].as_u64().expect("a time"));
                    let refused = client.update(&"n0".into(), &Coordinate::new(), rtt, undrawn);
                    assert_eq!(refused, Err(BadCoordinate::RoundTrip));
                    assert_eq!(client.coordinate(), before);
                }
                _ => {}
            }
        }
        assert_eq!(updates, 30);
    }

    #[test]
    fn two_nodes_come_to_predict_their_round_trip() {
        let (mut a, mut b) = (Client::new(8, 7), Client::new(8, 7));
        let (a_name, b_name): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let rtt = Duration::from_millis(40);
        for _ in 0..200 {
            let (from_a, from_b) = (a.coordinate(), b.coordinate());
            a.update(&b_name, &from_b, rtt, || 0.9).expect("valid");
            b.update(&a_name, &from_a, rtt, || 0.1).expect("valid");
        }
        let predicted = a.coordinate().distance(&b.coordinate());
        assert!(predicted.abs_diff(rtt) < Duration::from_millis(2), "{predicted:?}");
        assert!(a.coordinate().error < 0.2);
        assert_eq!(a.peer("b").map(|place| place.distance(&b.coordinate()) < rtt), Some(true));
    }

    #[test]
    fn a_place_that_became_nonsense_starts_afresh() {
        let mut client = Client::new(8, 7);
        let far = Coordinate { vec: [1e300; DIMENSIONS], ..Coordinate::new() };
        assert_eq!(client.update(&"far".into(), &far, Duration::from_millis(1), || 0.7), Ok(()));
        assert_eq!(client.resets(), 1);
        assert_eq!(client.coordinate(), Coordinate::new());
        let near = Coordinate { vec: [1e-3; DIMENSIONS], ..Coordinate::new() };
        assert_eq!(client.update(&"near".into(), &near, Duration::from_millis(9), || 0.7), Ok(()));
        assert_eq!(client.resets(), 1, "one lie costs one reset");
    }

    #[test]
    fn forgotten_and_surplus_nodes_take_no_memory() {
        let mut client = Client::new(3, 7);
        assert!(client.own.is_none(), "nothing before the first measurement");
        for n in 0..9 {
            let node: Arc<str> = std::format!("n{n}").into();
            let _ = client.update(&node, &Coordinate::new(), Duration::from_millis(5), || 0.7);
            assert!(client.peer(&node).is_some());
            assert!(client.peers_len() <= 3);
        }
        client.forget("n8");
        assert_eq!(client.peer("n8"), None);
        let mut none = Client::new(0, 7);
        assert_eq!(none.update(&"a".into(), &Coordinate::new(), Duration::ZERO, || 0.7), Ok(()));
        assert!(none.peers_len() == 0);
    }

    #[quickcheck]
    fn whatever_others_claim_the_own_coordinate_stays_valid(steps: Vec<(u8, Vec<f64>, u64)>) -> bool {
        let mut client = Client::new(4, 7);
        steps.into_iter().all(|(node, parts, rtt)| {
            let part = |index: usize| parts.get(index).copied().unwrap_or(0.5);
            let other = Coordinate {
                vec: core::array::from_fn(part),
                error: part(8),
                adjustment: part(9),
                height: part(10),
            };
            let node: Arc<str> = std::format!("{}", node % 9).into();
            let rtt = Duration::from_nanos(rtt % 11_000_000_000);
            let _ = client.update(&node, &other, rtt, || 0.3);
            client.coordinate().is_valid() && client.peers_len() <= 4
        })
    }
}
