//! Durations as text: `200ms`, `1.5s`, `2m`, `1h`.

use std::fmt;
use std::time::Duration;

use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

/// The units, longest first, in nanoseconds.
const UNITS: [(&str, u64); 6] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Reads a duration.
///
/// # Errors
/// What is wrong with it and what is allowed.
pub fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no duration: a number and one of h, m, s, ms, us, ns, as in `1.5s`");
    let digits = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let (_, nanos) = UNITS.iter().find(|(known, _)| *known == unit.trim()).ok_or_else(wrong)?;
    let number: f64 = number.trim().parse().map_err(|_| wrong())?;
    let seconds = number * *nanos as f64 / 1e9;
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|d| d.as_nanos() < u128::from(u64::MAX))
        .ok_or_else(wrong)
}

/// Writes a duration so that [`parse`] reads the same again.
#[must_use]
pub fn format(duration: Duration) -> String {
    let nanos = duration.as_nanos() as u64;
    let fits = |unit: &&(&str, u64)| nanos.is_multiple_of(unit.1);
    match UNITS.iter().find(fits) {
        Some((unit, size)) if nanos > 0 => format!("{}{unit}", nanos / size),
        _ => "0s".into(),
    }
}

struct Text;

impl Visitor<'_> for Text {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"200ms\", \"1.5s\" or \"2m\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        parse(text).map_err(E::custom)
    }
}

pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format(*duration))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_str(Text)
}

/// The same for durations that may be absent.
pub(crate) mod option {
    use std::time::Duration;

    use serde::{Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(d: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match d {
            Some(duration) => super::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        super::deserialize(deserializer).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use quickcheck_macros::quickcheck;

    use super::*;

    #[test]
    fn durations_are_read_in_every_unit() {
        for (text, nanos) in [
            ("0s", 0),
            ("200ms", 200_000_000),
            ("1.5s", 1_500_000_000),
            ("2m", 120_000_000_000),
            ("1h", 3_600_000_000_000),
            ("3us", 3_000),
            ("7ns", 7),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
        for text in ["", "5", "s", "-1s", "1 fortnight", "1e400s", "nans"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[quickcheck]
    fn what_is_written_is_read_again(micros: u32) -> bool {
        let duration = Duration::from_micros(u64::from(micros));
        parse(&format(duration)) == Ok(duration)
    }
}
