//! Numbers and truths as Go reads them, with its words where it does not.

use crate::go;
use crate::quote::Quoted;

/// Reads a whole number.
///
/// # Errors
/// What is wrong with it.
pub(super) fn number(text: &str) -> Result<i64, String> {
    go::integer(text).map_err(|error| format!("strconv.ParseInt: parsing {}: {error}", Quoted(text)))
}

/// Reads true or false.
///
/// # Errors
/// What is wrong with it.
pub(super) fn truth(text: &str) -> Result<bool, String> {
    go::truth(text).ok_or_else(|| format!("strconv.ParseBool: parsing {}: invalid syntax", Quoted(text)))
}

#[cfg(test)]
mod tests {
    use super::{number, truth};

    #[test]
    fn what_is_wrong_is_told_in_the_words_of_go() {
        let error = |function: &str, text: &str, reason: &str| {
            format!("strconv.{function}: parsing {text:?}: {reason}")
        };
        assert_eq!(number("0x1f41"), Ok(8_001));
        assert_eq!(number("1.5"), Err(error("ParseInt", "1.5", "invalid syntax")));
        let much = "9223372036854775808";
        assert_eq!(number(much), Err(error("ParseInt", much, "value out of range")));
        assert_eq!(truth("T"), Ok(true));
        assert_eq!(truth("yes"), Err(error("ParseBool", "yes", "invalid syntax")));
    }
}
