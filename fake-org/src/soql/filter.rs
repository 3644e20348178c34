//! Conditions → SQL. Values are always bound parameters, never part of the SQL text.
//!
//! SOQL knows two truth values where SQL has three: `Name != 'x'` holds for a record without a name. So each
//! test is made to answer 0 or 1.

use rusqlite::types::Value as Sql;

use super::ast::{At, Condition, Literal, Op, Path};
use super::bind::{Column, Tables};
use super::error;
use super::literal::unescape;
use super::plan::is_null;
use crate::base::clock::Millis;
use crate::base::ids;
use crate::data::Refusal;
use crate::data::schema::{Field, Kind};

pub(super) struct Filter<'a> {
    text: &'a str,
    tables: &'a mut Tables,
    now: Millis,
    pub(super) params: Vec<Sql>,
}

impl<'a> Filter<'a> {
    pub(super) fn new(text: &'a str, tables: &'a mut Tables, now: Millis) -> Self {
        Self { text, tables, now, params: Vec::new() }
    }

    pub(super) fn sql(&mut self, condition: &Condition) -> Result<String, Refusal> {
        match condition {
            Condition::And(all) => self.joined(all, " AND "),
            Condition::Or(all) => self.joined(all, " OR "),
            Condition::Not(inner) => Ok(format!("NOT ({})", self.sql(inner)?)),
            Condition::Compare { field, op, value } => self.compare(field, *op, value),
            Condition::In { field, negated, values } => self.one_of(field, *negated, values),
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

    fn compare(&mut self, path: &Path, op: Op, literal: &At<Literal>) -> Result<String, Refusal> {
        let column = self.tables.resolve(self.text, path)?;
        let name = column.sql();
        if op == Op::Like {
            return self.like(&column, path, literal);
        }
        if let Literal::Relative(_) | Literal::Date(_) = &literal.value
            && matches!(column.field.kind, Kind::Date | Kind::DateTime)
        {
            return self.in_range(&column, op, literal);
        }
        if is_null(&literal.value) {
            // An unset checkbox is false.
            let (unset, set) = if column.field.kind == Kind::Boolean {
                (" = 0", " <> 0")
            } else {
                (" IS NULL", " IS NOT NULL")
            };
            return match op {
                Op::Eq => Ok(format!("({name}{unset})")),
                Op::Ne => Ok(format!("({name}{set})")),
                _ => Ok("0".into()),
            };
        }
        let ordered = matches!(op, Op::Lt | Op::Le | Op::Gt | Op::Ge);
        if ordered && (column.field.kind == Kind::Boolean || column.field.kind.is_id()) {
            return Err(error::at(
                self.text,
                path.offset,
                "INVALID_QUERY_FILTER_OPERATOR",
                if column.field.kind.is_id() {
                    "invalid operator on id field"
                } else {
                    "invalid operator on boolean field"
                },
            ));
        }
        let value = self.value(column.field, path, literal)?;
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

    fn like(&mut self, column: &Column, path: &Path, literal: &At<Literal>) -> Result<String, Refusal> {
        if !column.field.kind.is_text() {
            return Err(error::at(
                self.text,
                path.offset,
                "INVALID_QUERY_FILTER_OPERATOR",
                "invalid operator on field: LIKE needs a text field",
            ));
        }
        match &literal.value {
            Literal::Text(raw) => {
                let mark = self.bind(Sql::Text(unescape(raw, true)));
                Ok(format!("coalesce({} LIKE {mark} ESCAPE '\\', 0)", column.sql()))
            }
            Literal::Null => Ok(format!("({} IS NULL)", column.sql())),
            _ => Err(self.wrong_type(column.field, path)),
        }
    }

    fn one_of(&mut self, path: &Path, negated: bool, values: &[At<Literal>]) -> Result<String, Refusal> {
        let column = self.tables.resolve(self.text, path)?;
        let name = column.sql();
        let mut marks = Vec::new();
        let mut null = false;
        for literal in values {
            if is_null(&literal.value) {
                null = true;
                continue;
            }
            if let Literal::Relative(_) = &literal.value {
                return Err(error::unexpected(self.text, literal.offset, "date literal"));
            }
            let value = self.value(column.field, path, literal)?;
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

    /// Against a day or a range of days: `=` means within it, `<` before it, `>` after it.
    fn in_range(&mut self, column: &Column, op: Op, literal: &At<Literal>) -> Result<String, Refusal> {
        let range = match &literal.value {
            Literal::Relative(relative) => relative.range(self.now),
            Literal::Date(text) => crate::data::parse_date(text).and_then(|day| Some((day, day.next_day()?))),
            _ => None,
        };
        let Some((from, to)) = range else {
            return Err(error::at(
                self.text,
                literal.offset,
                "MALFORMED_QUERY",
                "Invalid date or date literal",
            ));
        };
        let suffix = if column.field.kind == Kind::DateTime { "T00:00:00.000+0000" } else { "" };
        let day = |date: time::Date| {
            Sql::Text(format!("{:04}-{:02}-{:02}{suffix}", date.year(), u8::from(date.month()), date.day()))
        };
        let name = column.sql();
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
    fn value(&self, field: &Field, path: &Path, literal: &At<Literal>) -> Result<Sql, Refusal> {
        let wrong = || self.wrong_type(field, path);
        match (field.kind, &literal.value) {
            (Kind::Id | Kind::Reference(..), Literal::Text(raw)) => {
                let text = unescape(raw, false);
                if text.is_empty() {
                    return Ok(Sql::Text(text));
                }
                ids::normalize(&text).map(Sql::Text).ok_or_else(|| {
                    error::at(
                        self.text,
                        path.offset,
                        "INVALID_QUERY_FILTER_OPERATOR",
                        &format!("invalid ID field: {text}"),
                    )
                })
            }
            (kind, Literal::Text(raw)) if kind.is_text() => Ok(Sql::Text(unescape(raw, false))),
            (Kind::Boolean, Literal::Boolean(b)) => Ok(Sql::Integer(i64::from(*b))),
            (Kind::Int | Kind::Currency, Literal::Int(n)) => Ok(Sql::Integer(*n)),
            (Kind::Int | Kind::Currency, Literal::Decimal(x)) => Ok(Sql::Real(*x)),
            (Kind::DateTime, Literal::DateTime(text)) => {
                crate::data::parse_datetime(text).map(Sql::Text).ok_or_else(wrong)
            }
            (Kind::Date, Literal::Date(text)) => {
                crate::data::parse_date(text).map(|_| Sql::Text(text.clone())).ok_or_else(wrong)
            }
            _ => Err(wrong()),
        }
    }

    fn wrong_type(&self, field: &Field, path: &Path) -> Refusal {
        let (kind, quotes) = match field.kind {
            Kind::Boolean => ("boolean", "should not be enclosed in quotes"),
            Kind::Int => ("int", "should not be enclosed in quotes"),
            Kind::Currency => ("double", "should not be enclosed in quotes"),
            Kind::Date => ("date", "should not be enclosed in quotes"),
            Kind::DateTime => ("dateTime", "should not be enclosed in quotes"),
            Kind::Id | Kind::Reference(..) => ("reference", "should be enclosed in quotes"),
            _ => ("string", "should be enclosed in quotes"),
        };
        error::at(
            self.text,
            path.offset,
            "INVALID_FIELD",
            &format!(
                "value of filter criterion for field '{}' must be of type {kind} and {quotes}",
                path.value
            ),
        )
    }
}
