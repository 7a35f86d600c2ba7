//! Whether an object passes.

use serde_json::Value;

use super::bind::{Check, Step, Test};
use super::syntax::Expr;

/// Whether an expression holds for an object.
pub(super) fn holds(expr: &Expr<Test>, object: &Value) -> bool {
    match expr {
        Expr::And(terms) => terms.iter().all(|term| holds(term, object)),
        Expr::Or(terms) => terms.iter().any(|term| holds(term, object)),
        Expr::Not(term) => !holds(term, object),
        Expr::Leaf(test) => test.holds(Some(object), &test.path),
    }
}

impl Test {
    /// Whether it holds for a value, or for one that is not there, with these steps to go.
    fn holds(&self, value: Option<&Value>, path: &[Step]) -> bool {
        match path.split_first() {
            None => self.check.holds(value) != self.negated,
            Some((Step::Field(name), path)) => self.holds(value.and_then(|value| value.get(name)), path),
            Some((Step::Key(name), path)) => match value.and_then(|value| value.get(name)) {
                Some(value) => self.holds(Some(value), path),
                // What is not there is empty, and equals nothing, not even the empty text.
                None => matches!(self.check, Check::Empty) != self.negated,
            },
            Some((Step::Any, path)) => value
                .and_then(Value::as_array)
                .is_some_and(|elements| elements.iter().any(|element| self.holds(Some(element), path))),
        }
    }
}

impl Check {
    /// Whether a field is what is looked for. Where it is left out, it is empty, zero or false.
    fn holds(&self, value: Option<&Value>) -> bool {
        let text = || value.and_then(Value::as_str).unwrap_or_default();
        match self {
            Check::Text(wanted) => text() == wanted,
            Check::Number(wanted) => value.and_then(Value::as_i64).unwrap_or_default() == *wanted,
            Check::Bool(wanted) => value.and_then(Value::as_bool).unwrap_or_default() == *wanted,
            Check::Part(wanted) => text().contains(wanted.as_str()),
            Check::Element(wanted) => value
                .and_then(Value::as_array)
                .is_some_and(|elements| elements.iter().any(|element| element == wanted)),
            Check::Key(wanted) => {
                value.and_then(Value::as_object).is_some_and(|entries| entries.contains_key(wanted))
            }
            Check::Pattern(regex) => regex.is_match(text().as_bytes()),
            Check::Empty => match value {
                Some(Value::Array(elements)) => elements.is_empty(),
                Some(Value::Object(entries)) => entries.is_empty(),
                _ => true,
            },
        }
    }
}
