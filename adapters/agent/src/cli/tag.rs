//! Tags as arguments: `key=value`.

use std::collections::BTreeMap;

use super::terminal::Failure;

/// Splits each text at its first `=`. Of equal keys the last wins.
pub(crate) fn parse(texts: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    texts.iter().map(|text| parse_one(text)).collect()
}

fn parse_one(text: &str) -> Result<(String, String), Failure> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(Failure::Line(format!("Error: Invalid tag: '{text}'"))),
    }
}
