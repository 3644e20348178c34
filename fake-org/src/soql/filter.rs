//! Conditions → SQL. Values are always bound parameters, never part of the SQL text.
//!
//! SOQL knows two truth values where SQL has three: `Name != 'x'` holds for a record without a name. So each
//! test is made to answer 0 or 1.

use rusqlite::types::Value as Sql;

use super::ast::{At, Condition, Expr, Literal, Op, Query};
use super::bind::Tables;
use super::literal::unescape;
use super::term::{Term, term};
use super::{Context, error};
use crate::base::ids;
use crate::data::Refusal;
use crate::data::schema::Kind;

pub(super) struct Filter<'a> {
    cx: &'a Context<'a>,
    tables: &'a mut Tables,
    /// Whether `SUM(Amount) > 5` may stand here: in HAVING.
    aggregates: bool,
    pub(super) params: Vec<Sql>,
}

impl<'a> Filter<'a> {
    /// Conditions of `WHERE`; parameters are added to those there are.
    pub(super) fn new(cx: &'a Context<'a>, tables: &'a mut Tables, params: Vec<Sql>) -> Self {
        Self { cx, tables, aggregates: false, params }
    }

    /// Conditions of `HAVING`.
    pub(super) fn having(cx: &'a Context<'a>, tables: &'a mut Tables, params: Vec<Sql>) -> Self {
        Self { cx, tables, aggregates: true, params }
    }

    pub(super) fn sql(&mut self, condition: &Condition) -> Result<String, Refusal> {
        match condition {
            Condition::And(all) => self.joined(all, " AND "),
            Condition::Or(all) => self.joined(all, " OR "),
            Condition::Not(inner) => Ok(format!("NOT ({})", self.sql(inner)?)),
            Condition::Compare { expr, op, value } => self.compare(expr, *op, value),
            Condition::In { expr, negated, values } => self.one_of(expr, *negated, values),
            Condition::InQuery { expr, negated, query } => self.in_query(expr, *negated, query),
            Condition::Includes { expr, negated, values } => self.includes(expr, *negated, values),
        }
    }

    fn joined(&mut self, all: &[Condition], word: &str) -> Result<String, Refusal> {
        let parts: Vec<String> = all.iter().map(|one| self.sql(one)).collect::<Result<_, _>>()?;
        Ok(format!("({})", parts.join(word)))
    }

    fn bind(&mut self, value: Sql) -> String {
        self.params.push(value);
        format!("?{}", self.params.len())
    }

    fn term(&mut self, expr: &Expr) -> Result<Term, Refusal> {
        let found = term(self.cx, self.tables, expr)?;
        if found.aggregate && !self.aggregates {
            return Err(error::unexpected(self.cx.text, found.offset, &found.name));
        }
        Ok(found)
    }

    fn compare(&mut self, expr: &Expr, op: Op, literal: &At<Literal>) -> Result<String, Refusal> {
        let column = self.term(expr)?;
        let name = column.sql.as_str();
        if op == Op::Like {
            return self.like(&column, literal);
        }
        if let Literal::Relative(_) | Literal::Date(_) = &literal.value
            && matches!(column.kind, Kind::Date | Kind::DateTime)
        {
            return self.in_range(&column, op, literal);
        }
        if literal.value == Literal::Null {
            // An unset checkbox is false.
            let (unset, set) =
                if column.kind == Kind::Boolean { (" = 0", " <> 0") } else { (" IS NULL", " IS NOT NULL") };
            return match op {
                Op::Eq => Ok(format!("({name}{unset})")),
                Op::Ne => Ok(format!("({name}{set})")),
                _ => Ok("0".into()),
            };
        }
        let ordered = matches!(op, Op::Lt | Op::Le | Op::Gt | Op::Ge);
        if ordered && (column.kind == Kind::Boolean || column.kind.is_id()) {
            return Err(error::at(
                self.cx.text,
                column.offset,
                "INVALID_QUERY_FILTER_OPERATOR",
                if column.kind.is_id() {
                    "invalid operator on id field"
                } else {
                    "invalid operator on boolean field"
                },
            ));
        }
        let value = self.value(&column, literal)?;
        // '' is no value: text fields never hold it.
        if value == Sql::Text(String::new()) && !ordered {
            return Ok(format!("({name} IS {}NULL)", if op == Op::Eq { "" } else { "NOT " }));
        }
        let mark = self.bind(value);
        Ok(match op {
            Op::Eq => format!("({name} IS {mark})"),
            Op::Ne => format!("({name} IS NOT {mark})"),
            Op::Lt => format!("coalesce({name} < {mark}, 0)"),
            Op::Le => format!("coalesce({name} <= {mark}, 0)"),
            Op::Gt => format!("coalesce({name} > {mark}, 0)"),
            Op::Ge | Op::Like => format!("coalesce({name} >= {mark}, 0)"),
        })
    }

    fn like(&mut self, column: &Term, literal: &At<Literal>) -> Result<String, Refusal> {
        if !column.kind.is_text() {
            return Err(error::at(
                self.cx.text,
                column.offset,
                "INVALID_QUERY_FILTER_OPERATOR",
                "invalid operator on field: LIKE needs a text field",
            ));
        }
        match &literal.value {
            Literal::Text(raw) => {
                let mark = self.bind(Sql::Text(unescape(raw, true)));
                Ok(format!("coalesce({} LIKE {mark} ESCAPE '\\', 0)", column.sql))
            }
            Literal::Null => Ok(format!("({} IS NULL)", column.sql)),
            _ => Err(self.wrong_type(column)),
        }
    }

    fn one_of(&mut self, expr: &Expr, negated: bool, values: &[At<Literal>]) -> Result<String, Refusal> {
        let column = self.term(expr)?;
        let name = column.sql.as_str();
        let mut marks = Vec::new();
        let mut null = false;
        for literal in values {
            if literal.value == Literal::Null {
                null = true;
                continue;
            }
            if let Literal::Relative(_) = &literal.value {
                return Err(error::unexpected(self.cx.text, literal.offset, "date literal"));
            }
            let value = self.value(&column, literal)?;
            if value == Sql::Text(String::new()) {
                null = true;
            } else {
                marks.push(self.bind(value));
            }
        }
        let mut sql = format!("coalesce({name} IN ({}), 0)", marks.join(", "));
        if null {
            sql = format!("({sql} OR {name} IS NULL)");
        }
        Ok(if negated { format!("NOT {sql}") } else { sql })
    }

    /// `Id IN (SELECT AccountId FROM Contact)`: a semi-join; with NOT an anti-join.
    fn in_query(&mut self, expr: &Expr, negated: bool, query: &Query) -> Result<String, Refusal> {
        let column = self.term(expr)?;
        if !column.kind.is_id() {
            return Err(error::at(
                self.cx.text,
                column.offset,
                "MALFORMED_QUERY",
                "The left operand must be an ID or a reference field in a semi join",
            ));
        }
        let (sql, params) = super::join::inner(self.cx, query, std::mem::take(&mut self.params))?;
        self.params = params;
        let not = if negated { "NOT " } else { "" };
        Ok(format!("{not}coalesce({} IN ({sql}), 0)", column.sql))
    }

    fn includes(&mut self, expr: &Expr, negated: bool, values: &[At<Literal>]) -> Result<String, Refusal> {
        let column = self.term(expr)?;
        if column.kind != Kind::MultiPicklist {
            return Err(error::at(
                self.cx.text,
                column.offset,
                "INVALID_QUERY_FILTER_OPERATOR",
                "includes/excludes is only supported for multi-select picklists",
            ));
        }
        let mut any = Vec::new();
        for literal in values {
            let Literal::Text(raw) = &literal.value else { return Err(self.wrong_type(&column)) };
            let all: Vec<String> = unescape(raw, false)
                .split(';')
                .map(|part| {
                    let mark = self.bind(Sql::Text(format!(";{};", part.to_lowercase())));
                    format!("instr(lower(';' || coalesce({}, '') || ';'), {mark}) > 0", column.sql)
                })
                .collect();
            any.push(format!("({})", all.join(" AND ")));
        }
        let not = if negated { "NOT " } else { "" };
        Ok(format!("{not}({})", any.join(" OR ")))
    }

    /// Against a day or a range of days: `=` means within it, `<` before it, `>` after it.
    fn in_range(&mut self, column: &Term, op: Op, literal: &At<Literal>) -> Result<String, Refusal> {
        let range = match &literal.value {
            Literal::Relative(relative) => relative.range(self.cx.now),
            Literal::Date(text) => crate::data::parse_date(text).and_then(|day| Some((day, day.next_day()?))),
            _ => None,
        };
        let Some((from, to)) = range else {
            return Err(error::at(
                self.cx.text,
                literal.offset,
                "MALFORMED_QUERY",
                "Invalid date or date literal",
            ));
        };
        let suffix = if column.kind == Kind::DateTime { "T00:00:00.000+0000" } else { "" };
        let day = |date: time::Date| {
            Sql::Text(format!("{:04}-{:02}-{:02}{suffix}", date.year(), u8::from(date.month()), date.day()))
        };
        let name = column.sql.as_str();
        Ok(match op {
            Op::Lt => format!("coalesce({name} < {}, 0)", self.bind(day(from))),
            Op::Le => format!("coalesce({name} < {}, 0)", self.bind(day(to))),
            Op::Gt => format!("coalesce({name} >= {}, 0)", self.bind(day(to))),
            Op::Ge => format!("coalesce({name} >= {}, 0)", self.bind(day(from))),
            Op::Eq | Op::Ne | Op::Like => {
                let (from, to) = (self.bind(day(from)), self.bind(day(to)));
                let not = if op == Op::Ne { "NOT " } else { "" };
                format!("{not}coalesce({name} >= {from} AND {name} < {to}, 0)")
            }
        })
    }

    /// The literal as a value of that field.
    fn value(&self, column: &Term, literal: &At<Literal>) -> Result<Sql, Refusal> {
        let wrong = || self.wrong_type(column);
        match (column.kind, &literal.value) {
            (Kind::Id | Kind::Reference(..), Literal::Text(raw)) => {
                let text = unescape(raw, false);
                if text.is_empty() {
                    return Ok(Sql::Text(text));
                }
                ids::normalize(&text).map(Sql::Text).ok_or_else(|| {
                    error::at(
                        self.cx.text,
                        column.offset,
                        "INVALID_QUERY_FILTER_OPERATOR",
                        &format!("invalid ID field: {text}"),
                    )
                })
            }
            (kind, Literal::Text(raw)) if kind.is_text() => Ok(Sql::Text(unescape(raw, false))),
            (Kind::Boolean, Literal::Boolean(b)) => Ok(Sql::Integer(i64::from(*b))),
            (kind, Literal::Int(n)) if kind.is_number() => Ok(Sql::Integer(*n)),
            (kind, Literal::Decimal(x)) if kind.is_number() => Ok(Sql::Real(*x)),
            (Kind::DateTime, Literal::DateTime(text)) => {
                crate::data::parse_datetime(text).map(Sql::Text).ok_or_else(wrong)
            }
            (Kind::Date, Literal::Date(text)) => {
                crate::data::parse_date(text).map(|_| Sql::Text(text.clone())).ok_or_else(wrong)
            }
            _ => Err(wrong()),
        }
    }

    fn wrong_type(&self, column: &Term) -> Refusal {
        let (kind, quotes) = match column.kind {
            Kind::Boolean => ("boolean", "should not be enclosed in quotes"),
            Kind::Int => ("int", "should not be enclosed in quotes"),
            Kind::Currency | Kind::Double => ("double", "should not be enclosed in quotes"),
            Kind::Date => ("date", "should not be enclosed in quotes"),
            Kind::DateTime => ("dateTime", "should not be enclosed in quotes"),
            Kind::Id | Kind::Reference(..) => ("reference", "should be enclosed in quotes"),
            _ => ("string", "should be enclosed in quotes"),
        };
        error::at(
            self.cx.text,
            column.offset,
            "INVALID_FIELD",
            &format!(
                "value of filter criterion for field '{}' must be of type {kind} and {quotes}",
                column.name
            ),
        )
    }
}
