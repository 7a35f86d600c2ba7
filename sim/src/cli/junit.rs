//! JUnit's XML: one test case for each seed.

use std::fmt::Write as _;

use crate::run::Outcome;
use crate::xml::escape;

/// The outcomes as a test suite named after the script.
pub(super) fn write(suite: &str, outcomes: &[Outcome]) -> String {
    let failures = outcomes.iter().filter(|outcome| outcome.violation.is_some()).count();
    let time: f64 = outcomes.iter().map(|outcome| outcome.wall_time.as_secs_f64()).sum();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a string cannot fail.
    let _ = writeln!(
        xml,
        "<testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" time=\"{time:.3}\">",
        attribute(suite),
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
                attribute(&found.invariant),
                attribute(&found.to_string()),
                escape(&outcome.packets.join("\n"))
            ),
        };
    }
    xml.push_str("</testsuite>\n");
    xml
}

/// Text for an attribute, where readers keep new lines only if they are written as numbers.
fn attribute(text: &str) -> String {
    escape(text).replace('\n', "&#10;")
}

#[cfg(test)]
mod tests {
    use super::attribute;

    #[test]
    fn an_attribute_keeps_its_lines() {
        assert_eq!(attribute("a<b>&\"c\"\n\u{7}"), "a&lt;b&gt;&amp;&quot;c&quot;&#10;\u{fffd}");
    }
}
