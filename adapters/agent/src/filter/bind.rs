//! From matches as they were written to tests of the fields there are.

use regex::bytes::Regex;
use tidings_core::serf::filter;

use super::schema::{Fields, Kind};
use super::syntax::{Expr, Match, Operator, Selector};
use super::{PATTERNS_MAX, Problem, coerce};

/// A match that fits its field.
#[derive(Clone, Debug)]
pub(super) struct Test {
    /// The way to the field.
    pub(super) path: Vec<Step>,
    pub(super) check: Check,
    /// Whether the check must not hold.
    pub(super) negated: bool,
}

/// A step on the way to a field.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// To a field, which is as good as empty if it is not there.
    Field(&'static str),
    /// To what a map has under a name, if it has it.
    Key(String),
    /// To any object of a list.
    Any,
}

/// What to look for in a field.
#[derive(Clone, Debug)]
pub(super) enum Check {
    Text(String),
    Number(i64),
    Bool(bool),
    /// This within a text.
    Part(String),
    /// This among texts.
    Element(String),
    /// This among a map's names.
    Key(String),
    Pattern(Regex),
    Empty,
}

/// Binds every match to its field.
pub(super) fn bind(expr: Expr<Match>, fields: Fields) -> Result<Expr<Test>, Problem> {
    let mut patterns = 0;
    expr.try_map(&mut |written: Match| {
        let (path, kind) = resolve(&written.selector, fields)?;
        let negated = written.operator.is_negated();
        let check = check(kind, written)?;
        patterns += usize::from(matches!(check, Check::Pattern(_)));
        if patterns > PATTERNS_MAX {
            Err(Problem::TooManyPatterns)
        } else {
            Ok(Test { path, check, negated })
        }
    })
}

/// Finds the way to a field, and its kind.
fn resolve(selector: &Selector, fields: Fields) -> Result<(Vec<Step>, Kind), Problem> {
    let mut path = Vec::with_capacity(selector.0.len());
    let mut kind = Kind::Object(fields);
    for (i, part) in selector.0.iter().enumerate() {
        kind = match kind {
            Kind::Map(values) => {
                path.push(Step::Key(part.clone()));
                *values
            }
            Kind::Object(fields) | Kind::Objects(fields) => {
                let field = fields
                    .iter()
                    .find(|field| field.name == part)
                    .ok_or_else(|| Problem::Selector(selector.up_to(i + 1)))?;
                if matches!(kind, Kind::Objects(_)) {
                    path.push(Step::Any);
                }
                path.push(Step::Field(field.name));
                field.kind
            }
            Kind::Text | Kind::Number | Kind::Bool | Kind::Texts => {
                return Err(Problem::Selector(selector.up_to(i + 1)));
            }
        };
    }
    Ok((path, kind))
}

/// What an operator means for a field of this kind.
fn check(kind: Kind, written: Match) -> Result<Check, Problem> {
    use Operator::{Equal, In, IsEmpty, IsNotEmpty, Matches, NotEqual, NotIn, NotMatches};
    let Match { selector, operator, value } = written;
    Ok(match (kind, operator) {
        (Kind::Text, Equal | NotEqual) => Check::Text(value),
        (Kind::Text, In | NotIn) => Check::Part(value),
        (Kind::Text, Matches | NotMatches) => Check::Pattern(pattern(value)?),
        (Kind::Number, Equal | NotEqual) => match coerce::number(&value) {
            Ok(number) => Check::Number(number),
            Err(reason) => return Err(Problem::Value { value, selector: selector.text(), reason }),
        },
        (Kind::Bool, Equal | NotEqual) => match coerce::truth(&value) {
            Ok(truth) => Check::Bool(truth),
            Err(reason) => return Err(Problem::Value { value, selector: selector.text(), reason }),
        },
        (Kind::Texts, In | NotIn) => Check::Element(value),
        (Kind::Map(_), In | NotIn) => Check::Key(value),
        (Kind::Texts | Kind::Map(_) | Kind::Objects(_), IsEmpty | IsNotEmpty) => Check::Empty,
        _ => return Err(Problem::Operator { operator: operator.name(), selector: selector.text() }),
    })
}

/// Compiles a regular expression.
fn pattern(pattern: String) -> Result<Regex, Problem> {
    match filter::compile(&pattern) {
        Ok(regex) => Ok(regex),
        Err(error) => {
            let reason = in_go(&error, &pattern);
            Err(Problem::Pattern { pattern, reason })
        }
    }
}

/// What is wrong with a regular expression, in Go's words where there are simple ones.
fn in_go(error: &str, pattern: &str) -> String {
    // The library draws the expression and what it means first; the reason is in the last line.
    let last = error.lines().last().unwrap_or_default();
    match last.strip_prefix("error: ").unwrap_or(last) {
        "unclosed group" => format!("missing closing ): `{pattern}`"),
        "unopened group" => format!("unexpected ): `{pattern}`"),
        reason => format!("{reason}: `{pattern}`"),
    }
}
