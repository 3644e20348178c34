//! Conditions → SQL. Values are always bound parameters, never part of the SQL text.
//!
//! SOQL knows two truth values where SQL has three: `Name != 'x'` holds for a record without a name. So each
//! test yields 0 or 1.

use rusqlite::types::Value as Sql;

use super::ast::{At, Condition, Expr, Literal, Op, Query};
use super::bind::Tables;
use super::dates::Range;
use super::literal::unescape;
use super::term::{Term, must_be_grouped, term};
use super::{Context, error};
use crate::base::ids;
use crate::data::schema::Kind;
use crate::data::{ApiError, parse_date, parse_datetime, parse_time};

pub(super) struct Filter<'a> {
    cx: &'a Context<'a>,
    tables: &'a mut Tables,
    /// In HAVING: what the groups are by. Aggregates may stand there, and of fields only these.
    groups: Option<&'a [Term]>,
    /// What stands around the condition at hand.
    inside: Inside,
    semi_joins: usize,
    pub(super) params: Vec<Sql>,
}

/// Where a condition stands; semi-joins may not stand everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inside {
    Top,
    /// ANDs only.
    And,
    /// OR at top level.
    Or,
    /// Deeper.
    Nested,
    /// The query of a semi-join.
    SemiJoin,
}

/// The org's only currency.
const CURRENCY: &str = "USD";

/// Beyond this many values SQLite refuses a statement (its own limit is 32,766).
const VALUES: usize = 32_000;
/// Characters of one text in WHERE (SOQL: Limits). The error's words are unverified.
const TEXT: usize = 4_000;

impl<'a> Filter<'a> {
    /// Conditions of `WHERE`; parameters are added to those there are.
    pub(super) fn new(cx: &'a Context<'a>, tables: &'a mut Tables, params: Vec<Sql>) -> Self {
        Self { cx, tables, groups: None, inside: Inside::Top, semi_joins: 0, params }
    }

    /// Conditions of the query of a semi-join.
    pub(super) fn of_semi_join(cx: &'a Context<'a>, tables: &'a mut Tables, params: Vec<Sql>) -> Self {
        Self { inside: Inside::SemiJoin, ..Self::new(cx, tables, params) }
    }

    /// Conditions of `HAVING`.
    pub(super) fn having(
        cx: &'a Context<'a>,
        tables: &'a mut Tables,
        groups: &'a [Term],
        params: Vec<Sql>,
    ) -> Self {
        Self { groups: Some(groups), ..Self::new(cx, tables, params) }
    }

    pub(super) fn sql(&mut self, condition: &Condition) -> Result<String, ApiError> {
        match condition {
            Condition::And(all) => self.joined(all, " AND "),
            Condition::Or(all) => self.joined(all, " OR "),
            Condition::Not(inner) => {
                let inner = self.within(Inside::Nested, |filter| filter.sql(inner))?;
                Ok(format!("NOT ({inner})"))
            }
            Condition::Compare { expr, op, value } => self.compare(expr, *op, value),
            Condition::In { expr, negated, values } => self.one_of(expr, *negated, values),
            Condition::InQuery { expr, negated, query } => self.in_query(expr, *negated, query),
            Condition::Includes { expr, negated, values } => self.includes(expr, *negated, values),
        }
    }

    fn joined(&mut self, all: &[Condition], word: &str) -> Result<String, ApiError> {
        let deeper = match (self.inside, word) {
            (Inside::Top | Inside::And, " AND ") => Inside::And,
            (Inside::Top, _) => Inside::Or,
            _ => Inside::Nested,
        };
        let parts: Vec<String> =
            all.iter().map(|one| self.within(deeper, |filter| filter.sql(one))).collect::<Result<_, _>>()?;
        Ok(balanced(&parts, word))
    }

    fn within<T>(&mut self, inside: Inside, work: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.inside;
        if before != Inside::SemiJoin {
            self.inside = inside;
        }
        let done = work(self);
        self.inside = before;
        done
    }

    fn bind(&mut self, value: Sql) -> String {
        self.params.push(value);
        format!("?{}", self.params.len())
    }

    fn term(&mut self, expr: &Expr) -> Result<Term, ApiError> {
        let found = term(self.cx, self.tables, expr)?;
        if found.formatted || (found.aggregate && self.groups.is_none()) {
            return Err(error::unexpected(self.cx.text, found.offset, &found.name));
        }
        if found.kind.is_long() && !found.aggregate && !self.cx.is_rule {
            let sentence = format!("field '{}' can not be filtered in a query call", found.name);
            return Err(error::at(self.cx.text, found.offset, "INVALID_FIELD", &sentence));
        }
        if let Some(groups) = self.groups {
            must_be_grouped(self.cx, groups, &found)?;
        }
        if self.params.len() > VALUES {
            return Err(ApiError::bad("QUERY_TOO_COMPLICATED", "too many values"));
        }
        Ok(found)
    }

    fn compare(&mut self, expr: &Expr, op: Op, literal: &At<Literal>) -> Result<String, ApiError> {
        let column = self.term(expr)?;
        let name = column.sql.as_str();
        if op == Op::Like {
            return self.like(&column, literal);
        }
        if let Literal::Relative(relative) = &literal.value
            && matches!(column.kind, Kind::Date | Kind::DateTime)
        {
            let range = relative.range(self.cx.requester.now);
            return self.in_range(&column, op, range, literal.offset);
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
        let has_no_order = column.kind.is_id() || matches!(column.kind, Kind::Boolean | Kind::MultiPicklist);
        if ordered && has_no_order {
            return Err(self.wrong_operator(&column));
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

    fn like(&mut self, column: &Term, literal: &At<Literal>) -> Result<String, ApiError> {
        if !column.kind.is_text() || column.kind == Kind::MultiPicklist {
            return Err(self.wrong_operator(column));
        }
        match &literal.value {
            Literal::Text(raw) => {
                self.short_enough(raw, literal.offset)?;
                let mark = self.bind(Sql::Text(unescape(raw, true)));
                Ok(format!("coalesce({} LIKE {mark} ESCAPE '\\', 0)", column.sql))
            }
            Literal::Null => Ok(format!("({} IS NULL)", column.sql)),
            _ => Err(self.wrong_type(column)),
        }
    }

    fn one_of(&mut self, expr: &Expr, negated: bool, values: &[At<Literal>]) -> Result<String, ApiError> {
        let column = self.term(expr)?;
        let name = column.sql.as_str();
        let mut marks = Vec::new();
        let mut null = false;
        if self.params.len().saturating_add(values.len()) > VALUES {
            return Err(ApiError::bad("QUERY_TOO_COMPLICATED", "too many values"));
        }
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
    fn in_query(&mut self, expr: &Expr, negated: bool, query: &Query) -> Result<String, ApiError> {
        let column = self.term(expr)?;
        self.semi_joins += 1;
        let sentence = match self.inside {
            _ if self.groups.is_some() => "Semi join sub-selects are not allowed in HAVING",
            Inside::SemiJoin => "Nesting of semi join sub-selects is not supported",
            Inside::Or => "Semi join sub-selects are not allowed with the 'OR' operator",
            Inside::Nested => {
                "Semi join sub-selects are only allowed at the top level WHERE expressions and not in nested WHERE \
                 expressions."
            }
            _ if self.semi_joins > 2 => "Maximum 2 semi join sub-selects are allowed",
            _ if !column.kind.is_id() || column.column.as_ref().is_none_or(|c| c.table != 0) => {
                "The left operand must be an ID or a reference field of the queried object in a semi join"
            }
            Inside::Top | Inside::And => "",
        };
        if !sentence.is_empty() {
            return Err(error::at(self.cx.text, column.offset, "MALFORMED_QUERY", sentence));
        }
        let params = std::mem::take(&mut self.params);
        let (sql, params) = super::join::inner(self.cx, &column, self.tables.root, query, params)?;
        self.params = params;
        let not = if negated { "NOT " } else { "" };
        Ok(format!("{not}coalesce({} IN ({sql}), 0)", column.sql))
    }

    fn includes(&mut self, expr: &Expr, negated: bool, values: &[At<Literal>]) -> Result<String, ApiError> {
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
            self.short_enough(raw, literal.offset)?;
            let all: Vec<String> = unescape(raw, false)
                .split(';')
                .map(|part| {
                    let mark = self.bind(Sql::Text(format!(";{};", part.to_lowercase())));
                    format!("instr(lower(';' || coalesce({}, '') || ';'), {mark}) > 0", column.sql)
                })
                .collect();
            any.push(balanced(&all, " AND "));
        }
        let not = if negated { "NOT " } else { "" };
        Ok(format!("{not}({})", balanced(&any, " OR ")))
    }

    /// Against a range of days: `=` means within it, `<` before it, `>` after it.
    fn in_range(
        &mut self,
        column: &Term,
        op: Op,
        range: Option<Range>,
        offset: usize,
    ) -> Result<String, ApiError> {
        let Some((from, to)) = range else {
            return Err(self.no_date(offset));
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
    fn value(&self, column: &Term, literal: &At<Literal>) -> Result<Sql, ApiError> {
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
            (kind, Literal::Text(raw)) if kind.is_text() => {
                self.short_enough(raw, literal.offset)?;
                Ok(Sql::Text(unescape(raw, false)))
            }
            (Kind::Boolean, Literal::Boolean(b)) => Ok(Sql::Integer(i64::from(*b))),
            (kind, Literal::Int(n)) if kind.is_number() => Ok(Sql::Integer(*n)),
            (Kind::Currency | Kind::Double, Literal::Decimal(x)) => Ok(Sql::Real(*x)),
            (Kind::Currency, Literal::Currency(code, amount)) if code == CURRENCY => Ok(Sql::Real(*amount)),
            // The words are unverified.
            (Kind::Currency, Literal::Currency(code, _)) => Err(error::at(
                self.cx.text,
                literal.offset,
                "INVALID_QUERY_FILTER_OPERATOR",
                &format!("unknown currency: {code}"),
            )),
            (Kind::DateTime, Literal::DateTime(text)) => parse_datetime(text)
                .filter(|stored| is_in_range(stored))
                .map(Sql::Text)
                .ok_or_else(|| self.no_date(literal.offset)),
            (Kind::Date, Literal::Date(text)) => parse_date(text)
                .filter(|_| is_in_range(text))
                .map(|_| Sql::Text(text.clone()))
                .ok_or_else(|| self.no_date(literal.offset)),
            (Kind::Time, Literal::Time(text)) => {
                parse_time(text).map(Sql::Text).ok_or_else(|| self.no_date(literal.offset))
            }
            _ => Err(wrong()),
        }
    }

    fn short_enough(&self, raw: &str, offset: usize) -> Result<(), ApiError> {
        if raw.chars().count() <= TEXT {
            return Ok(());
        }
        let sentence = format!("String literals in WHERE may have at most {TEXT} characters");
        Err(error::at(self.cx.text, offset, "MALFORMED_QUERY", &sentence))
    }

    fn no_date(&self, offset: usize) -> ApiError {
        error::at(self.cx.text, offset, "MALFORMED_QUERY", "Invalid date or date literal")
    }

    fn wrong_operator(&self, column: &Term) -> ApiError {
        let kind = if column.kind.is_id() { "id" } else { column.kind.name() };
        let sentence = format!("invalid operator on {kind} field");
        error::at(self.cx.text, column.offset, "INVALID_QUERY_FILTER_OPERATOR", &sentence)
    }

    fn wrong_type(&self, column: &Term) -> ApiError {
        let (kind, quotes) = match column.kind {
            Kind::Boolean => ("boolean", "should not be enclosed in quotes"),
            Kind::Int => ("int", "should not be enclosed in quotes"),
            Kind::Currency | Kind::Double => ("double", "should not be enclosed in quotes"),
            Kind::Date => ("date", "should not be enclosed in quotes"),
            Kind::DateTime => ("dateTime", "should not be enclosed in quotes"),
            Kind::Time => ("time", "should not be enclosed in quotes"),
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

/// Years 1700 to 4000 (SOQL: Date Formats and Date Literals).
fn is_in_range(date: &str) -> bool {
    date.get(..4)
        .and_then(|year| year.parse::<u16>().ok())
        .is_some_and(|year| (1_700..=4_000).contains(&year))
}

/// All parts joined by AND or OR, as a tree as shallow as can be: SQLite bounds how deep an expression is.
fn balanced(parts: &[String], word: &str) -> String {
    match parts {
        [] => "1".into(),
        [one] => one.clone(),
        _ => {
            let (left, right) = parts.split_at(parts.len() / 2);
            format!("({}{word}{})", balanced(left, word), balanced(right, word))
        }
    }
}
