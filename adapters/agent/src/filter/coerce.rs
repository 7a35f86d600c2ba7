//! Numbers and truths as Go reads them, with its words where it does not.

use crate::quote::Quoted;

/// Reads a whole number of 64 bits: decimal, or with the prefix `0x`, `0o`, `0` or `0b`.
///
/// # Errors
/// What is wrong with it.
pub(super) fn number(text: &str) -> Result<i64, String> {
    let fail = |reason: &str| format!("strconv.ParseInt: parsing {}: {reason}", Quoted(text));
    let (negative, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (base, digits) = match unsigned.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &unsigned[2..]),
        [b'0', b'o' | b'O', ..] => (8, &unsigned[2..]),
        [b'0', b'b' | b'B', ..] => (2, &unsigned[2..]),
        [b'0', _, ..] => (8, &unsigned[1..]),
        _ => (10, unsigned),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(base)) {
        return Err(fail("invalid syntax"));
    }
    // The digits are good, so only their number can be too much.
    let magnitude = i128::from(u64::from_str_radix(digits, base).map_err(|_| fail("value out of range"))?);
    let value = if negative { -magnitude } else { magnitude };
    i64::try_from(value).map_err(|_| fail("value out of range"))
}

/// Reads true or false.
///
/// # Errors
/// What is wrong with it.
pub(super) fn truth(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing {}: invalid syntax", Quoted(text))),
    }
}

#[cfg(test)]
mod tests {
    use super::{number, truth};

    #[test]
    fn numbers_are_read_as_go_reads_them() {
        for (text, value) in [
            ("0", 0),
            ("8001", 8_001),
            ("-1", -1),
            ("+7", 7),
            ("0x1f41", 8_001),
            ("-0X1F", -31),
            ("010", 8),
            ("0o10", 8),
            ("0b101", 5),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(number(text), Ok(value), "{text}");
        }
        for (text, reason) in [
            ("", "invalid syntax"),
            ("-", "invalid syntax"),
            ("+-1", "invalid syntax"),
            ("0x", "invalid syntax"),
            ("08", "invalid syntax"),
            ("1.5", "invalid syntax"),
            (" 1", "invalid syntax"),
            ("abc", "invalid syntax"),
            ("9223372036854775808", "value out of range"),
            ("-9223372036854775809", "value out of range"),
            ("99999999999999999999999", "value out of range"),
        ] {
            assert_eq!(number(text), Err(format!("strconv.ParseInt: parsing {text:?}: {reason}")), "{text}");
        }
    }

    #[test]
    fn truths_are_read_as_go_reads_them() {
        for (text, value) in [("true", true), ("True", true), ("1", true), ("t", true), ("False", false)] {
            assert_eq!(truth(text), Ok(value), "{text}");
        }
        for text in ["", "yes", "tRUE", "2"] {
            let error = format!("strconv.ParseBool: parsing {text:?}: invalid syntax");
            assert_eq!(truth(text), Err(error), "{text}");
        }
    }
}
