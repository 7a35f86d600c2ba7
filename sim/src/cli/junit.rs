//! JUnit's XML: one test case for each seed.

use std::fmt::Write as _;

use crate::run::Outcome;

/// The outcomes as a test suite named after the script.
pub(super) fn write(suite: &str, outcomes: &[Outcome]) -> String {
    let failures = outcomes.iter().filter(|outcome| outcome.violation.is_some()).count();
    let time: f64 = outcomes.iter().map(|outcome| outcome.wall_time.as_secs_f64()).sum();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a string cannot fail.
    let _ = writeln!(
        xml,
        "<testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" time=\"{time:.3}\">",
        escape(suite),
        outcomes.len()
    );
    for outcome in outcomes {
        let seconds = outcome.wall_time.as_secs_f64();
        let _ = write!(xml, "  <testcase name=\"seed {}\" time=\"{seconds:.3}\"", outcome.seed);
        let _ = match &outcome.violation {
            None => writeln!(xml, "/>"),
            Some(found) => writeln!(
                xml,
                "><failure type=\"{}\" message=\"{}\">{}</failure></testcase>",
                escape(&found.invariant),
                escape(&found.to_string()),
                escape(&outcome.packets.join("\n"))
            ),
        };
    }
    xml.push_str("</testsuite>\n");
    xml
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn what_would_break_xml_is_escaped() {
        assert_eq!(escape("a<b>&\"c\"\n\u{7}"), "a&lt;b&gt;&amp;&quot;c&quot;&#10;\u{fffd}");
    }
}
