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

/// A field, or a function of one: `Amount`, `SUM(Amount)`, `COUNT()`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    Field(Path),
    Call { function: Path, argument: Option<Box<Expr>> },
}

impl Expr {
    pub(super) fn offset(&self) -> usize {
        match self {
            Self::Field(path) | Self::Call { function: path, .. } => path.offset,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Query {
    pub(super) select: Select,
    pub(super) from: Path,
    pub(super) alias: Option<String>,
    /// `FROM Contact c, c.Account a`: further names for parents.
    pub(super) parents: Vec<(Path, String)>,
    /// `USING SCOPE mine`.
    pub(super) using: Option<Path>,
    pub(super) filter: Option<Condition>,
    pub(super) group: Vec<Expr>,
    pub(super) totals: Totals,
    pub(super) having: Option<Condition>,
    pub(super) order: Vec<Order>,
    pub(super) limit: Option<u64>,
    pub(super) offset: Option<u64>,
}

/// The aggregate functions.
const FUNCTIONS: [&str; 6] = ["COUNT", "COUNT_DISTINCT", "SUM", "AVG", "MIN", "MAX"];

impl Query {
    /// Whether its rows are groups.
    pub(super) fn is_grouped(&self) -> bool {
        fn aggregates(expr: &Expr) -> bool {
            match expr {
                Expr::Field(_) => false,
                Expr::Call { function, argument } => {
                    FUNCTIONS.iter().any(|name| function.value.eq_ignore_ascii_case(name))
                        || argument.as_deref().is_some_and(aggregates)
                }
            }
        }
        let shows = |item: &Item| matches!(item, Item::Expr { expr, .. } if aggregates(expr));
        !self.group.is_empty()
            || self.having.is_some()
            || matches!(&self.select, Select::Items(items) if items.iter().any(shows))
    }
}

/// Which subtotals `GROUP BY` adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Totals {
    None,
    /// `GROUP BY ROLLUP(a, b)`: also by `a` alone, and of all.
    Rollup,
    /// `GROUP BY CUBE(a, b)`: also by each subset.
    Cube,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Select {
    /// `COUNT()` alone.
    Count,
    Items(Vec<Item>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Item {
    Expr {
        expr: Expr,
        alias: Option<String>,
    },
    /// `(SELECT … FROM Contacts)`.
    Children(Box<Query>),
    /// `FIELDS(ALL)`, `FIELDS(STANDARD)`, `FIELDS(CUSTOM)`.
    Fields(Path),
    /// `TYPEOF What WHEN Account THEN Phone ELSE Name END`.
    TypeOf(TypeOf),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct TypeOf {
    pub(super) relationship: Path,
    /// Objects, and the fields that are read of their records.
    pub(super) cases: Vec<(Path, Vec<Path>)>,
    /// What is read of records of other objects.
    pub(super) otherwise: Option<Vec<Path>>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    Compare {
        expr: Expr,
        op: Op,
        value: At<Literal>,
    },
    In {
        expr: Expr,
        negated: bool,
        values: Vec<At<Literal>>,
    },
    InQuery {
        expr: Expr,
        negated: bool,
        query: Box<Query>,
    },
    /// `INCLUDES ('a;b', 'c')`: a and b, or c.
    Includes {
        expr: Expr,
        negated: bool,
        values: Vec<At<Literal>>,
    },
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
    /// `USD5000`: the ISO code and the amount.
    Currency(String, f64),
    Null,
    /// `2026-01-31`.
    Date(String),
    /// UTC, in stored form.
    DateTime(String),
    /// `09:30:00.000Z`.
    Time(String),
    Relative(DateLiteral),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Order {
    pub(super) expr: Expr,
    pub(super) descending: bool,
    /// `None`: not said. Salesforce then puts nulls first, in both directions.
    pub(super) nulls_last: Option<bool>,
}
