//! Text within XML, SVG and HTML.

/// Text that cannot be taken for markup, in an element or in a quoted attribute. New lines stay:
/// a reader of an attribute makes spaces of them.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() && c != '\n' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn markup_in_names_stays_text() {
        assert_eq!(escape("<b a=\"1\">&\n\u{1}"), "&lt;b a=&quot;1&quot;&gt;&amp;\n\u{fffd}");
    }
}
