//! Truths and whole numbers as Go reads them: in flags, filters and parameters of requests.

use std::num::IntErrorKind::{NegOverflow, PosOverflow};

use thiserror::Error;

/// Reads true or false; `None`: it is neither.
pub(crate) fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Why a text is no whole number of 64 bits.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum NoInteger {
    #[error("invalid syntax")]
    Syntax,
    #[error("value out of range")]
    Range,
}

/// Reads a whole number of 64 bits: with a sign, decimal, or with the prefix `0x`, `0o`, `0` or `0b`.
pub(crate) fn integer(text: &str) -> Result<i64, NoInteger> {
    let (sign, unsigned) = match text.as_bytes().first() {
        Some(b'-') => ("-", &text[1..]),
        Some(b'+') => ("", &text[1..]),
        _ => ("", text),
    };
    let (base, digits) = match unsigned.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &unsigned[2..]),
        [b'0', b'o' | b'O', ..] => (8, &unsigned[2..]),
        [b'0', b'b' | b'B', ..] => (2, &unsigned[2..]),
        [b'0', _, ..] => (8, &unsigned[1..]),
        _ => (10, unsigned),
    };
    // A second sign would be taken.
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(base)) {
        return Err(NoInteger::Syntax);
    }
    i64::from_str_radix(&format!("{sign}{digits}"), base).map_err(|error| match error.kind() {
        PosOverflow | NegOverflow => NoInteger::Range,
        _ => NoInteger::Syntax,
    })
}

#[cfg(test)]
mod tests {
    use super::{NoInteger, integer, truth};

    #[test]
    fn numbers_are_read_as_go_reads_them() {
        for (text, value) in [
            ("0", 0),
            ("8001", 8_001),
            ("-1", -1),
            ("+7", 7),
            ("0x1f41", 8_001),
            ("-0X1F", -31),
            ("-0x10", -16),
            ("010", 8),
            ("0o10", 8),
            ("0b101", 5),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(integer(text), Ok(value), "{text}");
        }
        for text in ["", "-", "+-1", "--1", "0x", "08", "1.5", "1.0", " 1", "abc", "1_000"] {
            assert_eq!(integer(text), Err(NoInteger::Syntax), "{text}");
        }
        for text in ["9223372036854775808", "-9223372036854775809", "99999999999999999999999"] {
            assert_eq!(integer(text), Err(NoInteger::Range), "{text}");
        }
    }

    #[test]
    fn truths_are_read_as_go_reads_them() {
        for (text, value) in [("true", true), ("True", true), ("1", true), ("t", true), ("False", false)] {
            assert_eq!(truth(text), Some(value), "{text}");
        }
        for text in ["", "yes", "tRUE", "2"] {
            assert_eq!(truth(text), None, "{text}");
        }
    }
}
