//! The tree of an expression.

/// An expression over leaves of one kind: matches as they were written, or bound to fields. It is
/// nowhere deeper than a few times [`NESTING_MAX`](super::NESTING_MAX).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expr<L> {
    And(Vec<Expr<L>>),
    Or(Vec<Expr<L>>),
    Not(Box<Expr<L>>),
    Leaf(L),
}

impl<L> Expr<L> {
    /// The same tree with other leaves, made from left to right.
    pub(super) fn try_map<M, E>(self, make: &mut impl FnMut(L) -> Result<M, E>) -> Result<Expr<M>, E> {
        Ok(match self {
            Expr::And(terms) => Expr::And(Expr::try_map_all(terms, make)?),
            Expr::Or(terms) => Expr::Or(Expr::try_map_all(terms, make)?),
            Expr::Not(term) => Expr::Not(Box::new(term.try_map(make)?)),
            Expr::Leaf(leaf) => Expr::Leaf(make(leaf)?),
        })
    }

    fn try_map_all<M, E>(
        terms: Vec<Expr<L>>,
        make: &mut impl FnMut(L) -> Result<M, E>,
    ) -> Result<Vec<Expr<M>>, E> {
        terms.into_iter().map(|term| term.try_map(make)).collect()
    }
}

/// One match as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) selector: Selector,
    pub(super) operator: Operator,
    /// Empty where the operator takes none.
    pub(super) value: String,
}

/// The parts of a selector, from the root on; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selector(pub(super) Vec<String>);

impl Selector {
    /// The selector up to a part, as messages show it.
    pub(super) fn up_to(&self, parts: usize) -> String {
        self.0[..parts].join(".")
    }

    /// The whole selector, as messages show it.
    pub(super) fn text(&self) -> String {
        self.up_to(self.0.len())
    }
}

/// What a match does. `contains` is `in` with its sides changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    In,
    NotIn,
    Matches,
    NotMatches,
    IsEmpty,
    IsNotEmpty,
}

impl Operator {
    /// The name that messages use.
    pub(super) fn name(self) -> &'static str {
        match self {
            Operator::Equal => "Equal",
            Operator::NotEqual => "Not Equal",
            Operator::In => "In",
            Operator::NotIn => "Not In",
            Operator::Matches => "Matches",
            Operator::NotMatches => "Not Matches",
            Operator::IsEmpty => "Is Empty",
            Operator::IsNotEmpty => "Is Not Empty",
        }
    }

    /// Whether it is the opposite of another one.
    pub(super) fn is_negated(self) -> bool {
        use Operator::{IsNotEmpty, NotEqual, NotIn, NotMatches};
        matches!(self, NotEqual | NotIn | NotMatches | IsNotEmpty)
    }
}
