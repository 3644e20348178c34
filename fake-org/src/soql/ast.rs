//! The tree of a query.

use super::dates::DateLiteral;

/// Something with its place in the text, for error messages.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) offset: usize,
}

/// A dotted name as written: `Name`, `Owner.Name`, `a.Owner.Name`.
pub(super) type Path = At<String>;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Query {
    pub(super) select: Select,
    pub(super) from: Path,
    pub(super) alias: Option<String>,
    pub(super) filter: Option<Condition>,
    pub(super) order: Vec<Order>,
    pub(super) limit: Option<u64>,
    pub(super) offset: Option<u64>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Select {
    Count,
    Fields(Vec<Path>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    Compare { field: Path, op: Op, value: At<Literal> },
    In { field: Path, negated: bool, values: Vec<At<Literal>> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Like,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    /// The text between the quotes, escapes still in it.
    Text(String),
    Int(i64),
    Decimal(f64),
    Boolean(bool),
    Null,
    /// `2026-01-31`.
    Date(String),
    /// UTC, in stored form.
    DateTime(String),
    Relative(DateLiteral),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Order {
    pub(super) field: Path,
    pub(super) descending: bool,
    /// `None`: not said. Salesforce then puts nulls first, in both directions.
    pub(super) nulls_last: Option<bool>,
}
