//! JSON as Go's encoder indents and escapes it.

use serde::Serialize;

/// Renders a value with an indent of two spaces.
pub(crate) fn render(value: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(value).expect("maps have text keys and nothing else can fail");
    // These stand in texts only; Go escapes them so that JSON can stand in HTML and scripts.
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => escaped.push(c),
        }
    }
    escaped
}

/// How a command writes its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
}

impl Format {
    /// The format with this name; Serf's commands look at it after they have the result.
    pub(crate) fn from_name(name: &str) -> Option<Format> {
        match name {
            "text" => Some(Format::Text),
            "json" => Some(Format::Json),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_as_go_does() {
        assert_eq!(render(&["a<b>&\u{2028}\"\n"]), "[\n  \"a\\u003cb\\u003e\\u0026\\u2028\\\"\\n\"\n]");
        assert_eq!(render(&std::collections::BTreeMap::<String, u8>::new()), "{}");
    }
}
