//! Tags on the command line and in their file.

use std::collections::BTreeMap;
use std::path::Path;

use tidings_core::Tags;

use super::file;

/// Splits `key=value` at the first `=`; the key must not be empty.
pub(super) fn parse_tag(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("Invalid tag: '{text}'")),
    }
}

/// Reads a tags file; a missing one holds no tags.
///
/// # Errors
/// It cannot be read or is no JSON object of texts.
pub(super) fn load_tags(path: &Path) -> Result<BTreeMap<String, String>, String> {
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let text = file::read_text(path).map_err(|error| format!("Failed to read tags file: {error}"))?;
    serde_json::from_str(&text).map_err(|error| format!("Failed to decode tags file: {error}"))
}

/// The text of a tags file.
#[must_use]
pub fn render_tags<'a>(tags: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let tags: BTreeMap<&str, &str> = tags.into_iter().collect();
    serde_json::to_string_pretty(&tags).expect("texts are always JSON")
}

/// The core's form of tags.
pub(super) fn to_core(tags: &BTreeMap<String, String>) -> Tags {
    let mut out = Tags::new();
    for (key, value) in tags {
        out.insert(key, value);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_needs_a_key_but_no_value() {
        assert_eq!(parse_tag("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert_eq!(parse_tag("a="), Ok(("a".into(), String::new())));
        assert_eq!(parse_tag("zzz"), Err("Invalid tag: 'zzz'".into()));
        assert_eq!(parse_tag("=x"), Err("Invalid tag: '=x'".into()));
    }

    #[test]
    fn a_tags_file_is_written_as_the_original_writes_it_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tags.json");
        assert_eq!(load_tags(&path), Ok(BTreeMap::new()), "it may be missing");
        let text = render_tags([("b", "2"), ("a", "1")]);
        assert_eq!(text, "{\n  \"a\": \"1\",\n  \"b\": \"2\"\n}");
        std::fs::write(&path, text).unwrap();
        let tags = load_tags(&path).unwrap();
        assert_eq!(tags.len(), 2);
        assert_eq!(tags["b"], "2");
    }
}
