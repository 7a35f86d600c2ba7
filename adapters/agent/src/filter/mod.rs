//! The filter language of the HTTP API's `filter=` (consul-http, section 9).
//!
//! ```
//! use serde_json::json;
//! use tidings::filter::{Filter, selectors};
//!
//! let filter = Filter::new("Checks.Status != passing and web in Service.Tags", selectors::HEALTH_SERVICE)?;
//! assert!(filter.matches(&json!({
//!     "Service": { "Tags": ["web"] },
//!     "Checks": [{ "Status": "passing" }, { "Status": "warning" }],
//! })));
//!
//! let error = Filter::new("Service.Nope == 1", selectors::HEALTH_SERVICE).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "Failed to create boolean expression evaluator: Selector \"Service.Nope\" is not valid"
//! );
//! # Ok::<(), tidings::filter::FilterError>(())
//! ```
//!
//! An expression is parsed into a tree of matches (`parse`), each match is bound to the fields there
//! are (`bind`), and the bound tree is evaluated on one object after another (`evaluate`). What is
//! wrong with an expression is told before any object is looked at.
//!
//! # Bounds
//! Expressions come from clients: their length, their nesting and the number of their regular
//! expressions are limited, and each of these is compiled within the bounds of
//! [`tidings_core::serf::filter::compile`].

use serde_json::Value;
use thiserror::Error;

use self::bind::Test;
use self::syntax::Expr;
use crate::quote::Quoted;

mod bind;
mod coerce;
mod evaluate;
mod parse;
mod scan;
pub mod schema;
pub mod selectors;
mod syntax;

pub use self::scan::{Position, SyntaxError};

/// Bytes of an expression at most.
pub const EXPRESSION_BYTES_MAX: usize = 8 << 10;
/// Parentheses and `not`s within one another at most.
pub const NESTING_MAX: usize = 64;
/// Regular expressions in one expression at most.
pub const PATTERNS_MAX: usize = 16;

/// A filter that is ready to be used.
#[derive(Clone, Debug)]
pub struct Filter {
    /// `None` lets everything through.
    expr: Option<Expr<Test>>,
}

impl Filter {
    /// Makes a filter for objects with these fields. The empty expression matches all of them.
    ///
    /// # Errors
    /// If it is no expression, or one that these fields do not allow.
    pub fn new(expression: &str, fields: schema::Fields) -> Result<Self, FilterError> {
        if expression.is_empty() {
            return Ok(Filter { expr: None });
        }
        if expression.len() > EXPRESSION_BYTES_MAX {
            return Err(FilterError(Problem::TooLong(expression.len())));
        }
        let expr = parse::parse(expression).map_err(|error| FilterError(Problem::Syntax(error)))?;
        Ok(Filter { expr: Some(bind::bind(expr, fields).map_err(FilterError)?) })
    }

    /// Whether everything passes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.expr.is_none()
    }

    /// Whether an object passes. Fields it does not have, or that are of another kind than was
    /// said, count as empty.
    #[must_use]
    pub fn matches(&self, object: &Value) -> bool {
        self.expr.as_ref().is_none_or(|expr| evaluate::holds(expr, object))
    }
}

/// Why an expression is no filter.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("Failed to create boolean expression evaluator: {0}")]
pub struct FilterError(pub Problem);

/// What is wrong with an expression; in the words of the original where it has any.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Problem {
    /// It has this many bytes.
    #[error("the expression has {0} bytes, and {EXPRESSION_BYTES_MAX} are allowed")]
    TooLong(usize),
    /// It has too many regular expressions.
    #[error("the expression has more than {PATTERNS_MAX} regular expressions")]
    TooManyPatterns,
    /// It cannot be read.
    #[error(transparent)]
    Syntax(SyntaxError),
    /// There is no such field; up to the part that is not there.
    #[error("Selector {} is not valid", Quoted(.0))]
    Selector(String),
    /// A field is of a kind that the operator is not for.
    #[error("Invalid match operator \"{operator}\" for selector {}", Quoted(.selector))]
    Operator {
        /// The operator's name.
        operator: &'static str,
        /// The field.
        selector: String,
    },
    /// A value cannot be one of the field's kind.
    #[error("Failed to coerce value {} for selector {}: {reason}", Quoted(.value), Quoted(.selector))]
    Value {
        /// The value.
        value: String,
        /// The field.
        selector: String,
        /// Why not.
        reason: String,
    },
    /// A regular expression is none.
    #[error("Failed to compile regular expression {}: error parsing regexp: {reason}", Quoted(.pattern))]
    Pattern {
        /// The regular expression.
        pattern: String,
        /// Why not.
        reason: String,
    },
}
