//! Network coordinates: a position for every node such that distances predict round-trip times
//! (serf-wire, section 9).
//!
//! Vivaldi with heights, adjustment terms and gravity, step by step as the original does it, so
//! that coordinates of both can be mixed. Units are seconds throughout.

use core::time::Duration;

use bytes::BufMut;
use thiserror::Error;

use crate::error::Malformed;
use crate::wire::msgpack::Reader;

/// Dimensions of the space; nodes with another number cannot be compared.
pub const DIMENSIONS: usize = 8;
/// Error of a coordinate nobody has measured from, and the largest there is.
pub(crate) const ERROR_MAX: f64 = 1.5;
/// Smallest height, also the initial one.
pub(crate) const HEIGHT_MIN: f64 = 1e-5;
/// Lengths, times and errors below this count as zero.
pub(crate) const ZERO: f64 = 1e-6;
/// First byte of a coordinate on an ack.
const VERSION: u8 = 1;

/// A coordinate on an ack as it is always written: everything but the numbers is the same.
const TEMPLATE: [u8; 130] = *b"\x01\x84\
    \xaaAdjustment\xcb\0\0\0\0\0\0\0\0\xa5Error\xcb\0\0\0\0\0\0\0\0\xa6Height\xcb\0\0\0\0\0\0\0\0\xa3Vec\x98\
    \xcb\0\0\0\0\0\0\0\0\xcb\0\0\0\0\0\0\0\0\xcb\0\0\0\0\0\0\0\0\xcb\0\0\0\0\0\0\0\0\
    \xcb\0\0\0\0\0\0\0\0\xcb\0\0\0\0\0\0\0\0\xcb\0\0\0\0\0\0\0\0\xcb\0\0\0\0\0\0\0\0";
/// Where its numbers are: adjustment, error, height, and the first of the position's.
const NUMBERS: [usize; 4] = [14, 29, 45, 59];
/// From one number of the position to the next.
const STRIDE: usize = 9;

const _: () = assert!(NUMBERS[3] + (DIMENSIONS - 1) * STRIDE + 8 == TEMPLATE.len());

/// Where a node is in the space of round-trip times, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coordinate {
    /// The position proper.
    pub vec: [f64; DIMENSIONS],
    /// How far predictions are off, relative to what was measured; 0 to 1.5.
    pub error: f64,
    /// Correction to every predicted time; half of the recent mean deviation.
    pub adjustment: f64,
    /// The way from the node to the network proper, the same to all others.
    pub height: f64,
}

/// Why a coordinate was not taken. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BadCoordinate {
    /// The payload of the ack has an unknown version.
    #[error("coordinate of unknown version {0}, known is 1")]
    Version(u8),
    /// The payload cannot be decoded.
    #[error("malformed coordinate: {0}")]
    Malformed(#[from] Malformed),
    /// It is of another space.
    #[error("coordinate has {0} dimensions, here are 8")]
    Dimensions(usize),
    /// A part is no number, infinite, or negative where it cannot be.
    #[error("coordinate is not valid")]
    Invalid,
    /// The measured time cannot be a round trip.
    #[error("round-trip time is longer than 10 s")]
    RoundTrip,
}

impl Default for Coordinate {
    fn default() -> Self {
        Self::new()
    }
}

impl Coordinate {
    /// The origin: where every node starts.
    #[must_use]
    pub const fn new() -> Self {
        Coordinate { vec: [0.0; DIMENSIONS], error: ERROR_MAX, adjustment: 0.0, height: HEIGHT_MIN }
    }

    /// Predicted round-trip time to a node.
    #[must_use]
    pub fn distance(&self, other: &Coordinate) -> Duration {
        Duration::from_nanos(self.distance_nanos(other).max(0) as u64)
    }

    /// Whether every part is a number that an honest node could send.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.is_finite() && self.error >= 0.0 && self.height >= 0.0
    }

    pub(crate) fn is_finite(&self) -> bool {
        self.vec.iter().chain([&self.error, &self.adjustment, &self.height]).all(|part| part.is_finite())
    }

    /// Predicted time in seconds, cut to whole nanoseconds as the original's durations are.
    pub(crate) fn distance_seconds(&self, other: &Coordinate) -> f64 {
        let nanos = self.distance_nanos(other);
        (nanos / 1_000_000_000) as f64 + (nanos % 1_000_000_000) as f64 / 1e9
    }

    /// Predicted time without adjustments.
    pub(crate) fn raw_distance(&self, other: &Coordinate) -> f64 {
        magnitude(&difference(&self.vec, &other.vec)) + self.height + other.height
    }

    /// Moves away from `other` by `force` seconds (towards it if negative). Nodes at the same
    /// place part in a random direction; `random` draws uniformly from `[0, 1)`.
    pub(crate) fn apply_force(&mut self, force: f64, other: &Coordinate, random: &mut impl FnMut() -> f64) {
        let mut unit = difference(&self.vec, &other.vec);
        let mut distance = magnitude(&unit);
        if distance > ZERO {
            self.height = ((self.height + other.height) * force / distance + self.height).max(HEIGHT_MIN);
        } else {
            unit.fill_with(|| random() - 0.5);
            distance = magnitude(&unit);
            if distance <= ZERO {
                unit = [0.0; DIMENSIONS];
                unit[0] = 1.0;
                distance = 1.0;
            }
        }
        let scale = 1.0 / distance;
        for (part, unit) in self.vec.iter_mut().zip(unit) {
            *part += unit * scale * force;
        }
    }

    /// Writes the payload of an ack: 130 bytes.
    pub fn encode(&self, out: &mut impl BufMut) {
        let mut payload = TEMPLATE;
        let mut put = |at: usize, number: f64| payload[at..at + 8].copy_from_slice(&number.to_be_bytes());
        put(NUMBERS[0], self.adjustment);
        put(NUMBERS[1], self.error);
        put(NUMBERS[2], self.height);
        for (index, part) in self.vec.into_iter().enumerate() {
            put(NUMBERS[3] + index * STRIDE, part);
        }
        out.put_slice(&payload);
    }

    /// What [`encode`](Self::encode) wrote; `None`: something else did.
    fn as_written(payload: &[u8; TEMPLATE.len()]) -> Option<Self> {
        let mut rest = *payload;
        let mut take = |at: usize| {
            let number: &mut [u8; 8] = rest[at..].first_chunk_mut()?;
            Some(f64::from_be_bytes(core::mem::take(number)))
        };
        let mut vec = [0.0; DIMENSIONS];
        let (adjustment, error, height) = (take(NUMBERS[0])?, take(NUMBERS[1])?, take(NUMBERS[2])?);
        for (index, part) in vec.iter_mut().enumerate() {
            *part = take(NUMBERS[3] + index * STRIDE)?;
        }
        (rest == TEMPLATE).then_some(Coordinate { vec, error, adjustment, height })
    }

    /// Reads the payload of an ack. Nodes without coordinates send none: `None`.
    ///
    /// # Errors
    /// [`BadCoordinate`], also for coordinates that are not [valid](Self::is_valid).
    pub fn decode(payload: &[u8]) -> Result<Option<Self>, BadCoordinate> {
        if let Ok(coordinate) = <&[u8; TEMPLATE.len()]>::try_from(payload)
            && let Some(coordinate) = Self::as_written(coordinate)
        {
            return if coordinate.is_valid() { Ok(Some(coordinate)) } else { Err(BadCoordinate::Invalid) };
        }
        let Some((&version, body)) = payload.split_first() else { return Ok(None) };
        if version != VERSION {
            return Err(BadCoordinate::Version(version));
        }
        let mut coordinate = Coordinate { vec: [0.0; DIMENSIONS], error: 0.0, adjustment: 0.0, height: 0.0 };
        let mut dimensions = 0;
        Reader::new(body).fields(&["Vec", "Error", "Adjustment", "Height"], |index, value| {
            match index {
                0 => {
                    dimensions = value.array_len()?;
                    for index in 0..dimensions {
                        let part = value.f64()?;
                        if let Some(slot) = coordinate.vec.get_mut(index) {
                            *slot = part;
                        }
                    }
                }
                1 => coordinate.error = value.f64()?,
                2 => coordinate.adjustment = value.f64()?,
                _ => coordinate.height = value.f64()?,
            }
            Ok(())
        })?;
        match dimensions {
            DIMENSIONS if coordinate.is_valid() => Ok(Some(coordinate)),
            DIMENSIONS => Err(BadCoordinate::Invalid),
            _ => Err(BadCoordinate::Dimensions(dimensions)),
        }
    }

    fn distance_nanos(&self, other: &Coordinate) -> i64 {
        let raw = self.raw_distance(other);
        let adjusted = raw + self.adjustment + other.adjustment;
        // Saturates where the number is out of range.
        (if adjusted > 0.0 { adjusted * 1e9 } else { raw * 1e9 }) as i64
    }
}

fn difference(a: &[f64; DIMENSIONS], b: &[f64; DIMENSIONS]) -> [f64; DIMENSIONS] {
    core::array::from_fn(|index| a[index] - b[index])
}

fn magnitude(vec: &[f64; DIMENSIONS]) -> f64 {
    libm::sqrt(vec.iter().map(|part| part * part).sum())
}

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::vec::Vec;

    use quickcheck_macros::quickcheck;

    use super::{BadCoordinate, Coordinate, DIMENSIONS, HEIGHT_MIN};

    fn at(x: f64, y: f64) -> Coordinate {
        let mut coordinate = Coordinate::new();
        coordinate.vec[0] = x;
        coordinate.vec[1] = y;
        coordinate
    }

    fn encoded(coordinate: &Coordinate) -> Vec<u8> {
        let mut payload = Vec::new();
        coordinate.encode(&mut payload);
        payload
    }

    #[test]
    fn distance_is_position_plus_heights_plus_adjustments_unless_those_eat_it_up() {
        let (mut a, mut b) = (at(0.003, 0.0), at(0.0, 0.004));
        (a.height, b.height) = (0.001, 0.002);
        assert_eq!(a.distance(&b), Duration::from_nanos(8_000_000));
        (a.adjustment, b.adjustment) = (0.001, -0.003);
        assert_eq!(a.distance(&b), Duration::from_nanos(6_000_000));
        b.adjustment = -0.1;
        assert_eq!(a.distance(&b), Duration::from_nanos(8_000_000), "not below zero");
    }

    #[test]
    fn nodes_at_one_place_part_in_a_random_direction() {
        let mut draws = [0.5, 0.5, 0.75, 0.5, 0.5, 0.5, 0.5, 0.5].into_iter();
        let mut a = Coordinate::new();
        a.apply_force(0.25, &Coordinate::new(), &mut || draws.next().unwrap_or(0.5));
        assert_eq!(a.vec, [0.0, 0.0, 0.25, 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(a.height, HEIGHT_MIN);
        let mut b = Coordinate::new();
        b.apply_force(0.25, &Coordinate::new(), &mut || 0.5);
        assert_eq!(b.vec[0], 0.25, "no direction drawn: along the first axis");
    }

    #[test]
    fn a_coordinate_takes_the_bytes_recorded_agents_send() {
        let recorded = [
            &b"\x01\x84\xaaAdjustment\xcb\0\0\0\0\0\0\0\0\xa5Error\xcb\x3f\xf8\0\0\0\0\0\0"[..],
            b"\xa6Height\xcb\x3e\xe4\xf8\xb5\x88\xe3\x68\xf1\xa3Vec\x98",
            &b"\xcb\0\0\0\0\0\0\0\0".repeat(8),
        ];
        let payload = encoded(&Coordinate::new());
        assert_eq!(payload, recorded.concat());
        assert_eq!(payload.len(), 130);
    }

    #[test]
    fn payloads_that_are_no_coordinate_are_refused_with_their_reason() {
        let good = encoded(&Coordinate::new());
        let mut infinite = good.clone();
        infinite[14..22].copy_from_slice(&f64::INFINITY.to_be_bytes());
        let mut negative = good.clone();
        negative[45..53].copy_from_slice(&(-1.0f64).to_be_bytes());
        let seven = [&good[..57], &[0x97], &good[58..121]].concat();
        assert_eq!(Coordinate::decode(&[]), Ok(None));
        assert_eq!(Coordinate::decode(&good), Ok(Some(Coordinate::new())));
        assert_eq!(Coordinate::decode(&[2, 0x80]), Err(BadCoordinate::Version(2)));
        assert_eq!(Coordinate::decode(&[1, 0x80]), Err(BadCoordinate::Dimensions(0)));
        assert_eq!(Coordinate::decode(&seven), Err(BadCoordinate::Dimensions(7)));
        assert_eq!(Coordinate::decode(&infinite), Err(BadCoordinate::Invalid));
        assert_eq!(Coordinate::decode(&negative), Err(BadCoordinate::Invalid));
        assert!(matches!(Coordinate::decode(&good[..129]), Err(BadCoordinate::Malformed(_))));
    }

    #[quickcheck]
    fn decoding_what_was_encoded_gives_the_same_coordinate(vec: Vec<f64>, rest: (f64, f64, f64)) -> bool {
        let coordinate = Coordinate {
            vec: core::array::from_fn(|index| vec.get(index).copied().unwrap_or_default()),
            error: rest.0.abs(),
            adjustment: rest.1,
            height: rest.2.abs(),
        };
        let payload = encoded(&coordinate);
        match Coordinate::decode(&payload) {
            Ok(decoded) => decoded == Some(coordinate) && encoded(&coordinate) == payload,
            Err(error) => error == BadCoordinate::Invalid && !coordinate.is_valid(),
        }
    }

    #[quickcheck]
    fn any_payload_is_refused_or_valid(bytes: Vec<u8>) -> bool {
        let payload = [&[1], &bytes[..]].concat();
        Coordinate::decode(&payload).is_ok_and(|c| c.is_some_and(|c| c.is_valid()))
            || Coordinate::decode(&payload).is_err()
    }

    #[quickcheck]
    fn distance_is_symmetric(a: (f64, f64), b: (f64, f64)) -> bool {
        let (a, b) = (at(a.0, a.1), at(b.0, b.1));
        a.distance(&b) == b.distance(&a) && DIMENSIONS == a.vec.len()
    }
}
