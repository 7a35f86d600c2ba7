//! Durations as Go writes and reads them: `300ms`, `1.5h`, `2m45s` (serf-agent, conventions).

use std::fmt::Write as _;
use std::time::Duration;

use crate::quote::Quoted;

/// The units, by name, in nanoseconds.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Why a text is no duration; in Go's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// It has another form, or is too long for 64 bits of nanoseconds.
    #[error("time: invalid duration {}", Quoted(.0))]
    Invalid(String),
    /// A number has no unit behind it.
    #[error("time: missing unit in duration {}", Quoted(.0))]
    MissingUnit(String),
    /// A unit nobody knows.
    #[error("time: unknown unit {} in duration {}", Quoted(.unit), Quoted(.text))]
    UnknownUnit {
        /// The unit.
        unit: String,
        /// The whole text.
        text: String,
    },
}

/// Reads a duration in nanoseconds; it may be negative.
///
/// ```
/// use tidings::duration::parse_nanos;
///
/// assert_eq!(parse_nanos("1.5h"), Ok(5_400_000_000_000));
/// assert_eq!(parse_nanos("5").unwrap_err().to_string(), "time: missing unit in duration \"5\"");
/// ```
///
/// # Errors
/// If it is none.
pub fn parse_nanos(text: &str) -> Result<i64, DurationError> {
    let invalid = || DurationError::Invalid(text.to_owned());
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (nanos, after) = parse_part(rest, text)?;
        total = total.checked_add(nanos).ok_or_else(invalid)?;
        rest = after;
    }
    let total = i128::from(total);
    i64::try_from(if negative { -total } else { total }).map_err(|_| invalid())
}

/// Reads a duration; a negative one counts as zero.
///
/// # Errors
/// As [`parse_nanos`].
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let nanos = parse_nanos(text)?;
    Ok(Duration::from_nanos(u64::try_from(nanos).unwrap_or(0)))
}

/// Reads one number with its unit at the start of `rest`; `text` is the whole, for errors.
fn parse_part<'a>(rest: &'a str, text: &str) -> Result<(u64, &'a str), DurationError> {
    let invalid = || DurationError::Invalid(text.to_owned());
    let digits = |s: &str| s.bytes().take_while(u8::is_ascii_digit).count();
    let (whole, rest) = rest.split_at(digits(rest));
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(digits(rest)),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(invalid());
    }
    let unit_len = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(unit_len);
    if unit.is_empty() {
        return Err(DurationError::MissingUnit(text.to_owned()));
    }
    let Some(&(_, scale)) = UNITS.iter().find(|known| known.0 == unit) else {
        return Err(DurationError::UnknownUnit { unit: unit.to_owned(), text: text.to_owned() });
    };
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
    let whole = whole.checked_mul(scale).ok_or_else(invalid)?;
    let nanos = whole.checked_add(fraction_of(fraction, scale)).ok_or_else(invalid)?;
    Ok((nanos, rest))
}

/// The part of `scale` that decimal digits behind a point stand for, rounded down.
fn fraction_of(digits: &str, scale: u64) -> u64 {
    // No unit is so long that a nineteenth digit would count.
    let (value, power) = digits
        .bytes()
        .take(18)
        .fold((0u128, 1u128), |(value, power), digit| (value * 10 + u128::from(digit - b'0'), power * 10));
    u64::try_from(value * u128::from(scale) / power).unwrap_or(u64::MAX)
}

/// Writes a duration: `1h0m0s`, `1.5s`, `300ms`, `0s`.
///
/// ```
/// use std::time::Duration;
/// use tidings::duration::format;
///
/// assert_eq!(format(Duration::from_secs(90)), "1m30s");
/// assert_eq!(format(Duration::from_millis(1500)), "1.5s");
/// ```
#[must_use]
pub fn format(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let small = |unit: u128, name: &str| decimal(nanos, unit) + name;
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => small(1, "ns"),
        1_000..1_000_000 => small(1_000, "µs"),
        1_000_000..1_000_000_000 => small(1_000_000, "ms"),
        _ => {
            let (minutes, rest) = (nanos / 60_000_000_000, nanos % 60_000_000_000);
            let mut text = String::new();
            if minutes >= 60 {
                let _ = write!(text, "{}h", minutes / 60);
            }
            if minutes > 0 {
                let _ = write!(text, "{}m", minutes % 60);
            }
            text + &decimal(rest, 1_000_000_000) + "s"
        }
    }
}

/// `value / unit` with as many digits behind the point as it needs.
fn decimal(value: u128, unit: u128) -> String {
    let (whole, rest) = (value / unit, value % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let places = unit.ilog10() as usize;
    format!("{whole}.{rest:0places$}").trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        let cases = [
            ("0", Ok(0)),
            ("0s", Ok(0)),
            ("5s", Ok(5_000_000_000)),
            ("-5s", Ok(-5_000_000_000)),
            ("+5s", Ok(5_000_000_000)),
            (".5s", Ok(500_000_000)),
            ("5.s", Ok(5_000_000_000)),
            ("1h2m3s4ms5us6ns", Ok(3_723_004_005_006)),
            ("1.5µs", Ok(1_500)),
            ("0.3333333333333333333h", Ok(1_199_999_999_999)),
            ("9223372036854775807ns", Ok(i64::MAX)),
            ("-9223372036854775808ns", Ok(i64::MIN)),
            ("", Err(r#"time: invalid duration """#)),
            ("-", Err(r#"time: invalid duration "-""#)),
            ("s", Err(r#"time: invalid duration "s""#)),
            (".s", Err(r#"time: invalid duration ".s""#)),
            ("5", Err(r#"time: missing unit in duration "5""#)),
            ("1m5", Err(r#"time: missing unit in duration "1m5""#)),
            ("5 s", Err(r#"time: unknown unit " s" in duration "5 s""#)),
            ("5d", Err(r#"time: unknown unit "d" in duration "5d""#)),
            ("9223372036854775808ns", Err(r#"time: invalid duration "9223372036854775808ns""#)),
            ("99999999999h", Err(r#"time: invalid duration "99999999999h""#)),
        ];
        for (text, expected) in cases {
            let parsed = parse_nanos(text).map_err(|error| error.to_string());
            assert_eq!(parsed, expected.map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn durations_are_written_as_go_writes_them() {
        let cases = [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (2_200_000, "2.2ms"),
            (3_300_000_000, "3.3s"),
            (30_000_000_000, "30s"),
            (60_000_000_000, "1m0s"),
            (245_001_000_000, "4m5.001s"),
            (86_400_000_000_000, "24h0m0s"),
            (18_367_000_000_001, "5h6m7.000000001s"),
        ];
        for (nanos, expected) in cases {
            assert_eq!(format(Duration::from_nanos(nanos)), expected);
        }
    }

    #[test]
    fn a_negative_duration_counts_as_zero_where_none_can_be() {
        assert_eq!(parse("-5s"), Ok(Duration::ZERO));
    }

    quickcheck::quickcheck! {
        fn what_is_written_is_read_back(nanos: u64) -> bool {
            let nanos = nanos >> 1;
            parse(&format(Duration::from_nanos(nanos))) == Ok(Duration::from_nanos(nanos))
        }

        fn any_text_is_read_or_refused(text: String) -> bool {
            let _ = parse_nanos(&text);
            true
        }
    }
}
