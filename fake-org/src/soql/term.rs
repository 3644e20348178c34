//! Fields and functions of fields → SQL expressions.

use super::ast::Expr;
use super::bind::{Column, Tables};
use super::{Context, error};
use crate::data::ApiError;
use crate::data::schema::Kind;

/// A value of a row, or of a group of rows.
#[derive(Clone, Debug)]
pub(super) struct Term {
    pub(super) sql: String,
    pub(super) kind: Kind,
    /// As written, for messages.
    pub(super) name: String,
    pub(super) offset: usize,
    /// The field it is, or is a function of.
    pub(super) column: Option<Column>,
    pub(super) aggregate: bool,
    pub(super) is_call: bool,
    /// `CALENDAR_YEAR(CreatedDate)`: of a group only.
    pub(super) date_part: bool,
    /// Shown as `FORMAT()` does.
    pub(super) formatted: bool,
}

pub(super) fn term(cx: &Context<'_>, tables: &mut Tables, expr: &Expr) -> Result<Term, ApiError> {
    match expr {
        Expr::Field(path) => {
            let column = tables.resolve(cx, path)?;
            Ok(Term {
                sql: column.sql(),
                kind: column.field.kind,
                name: path.value.clone(),
                offset: path.offset,
                column: Some(column),
                aggregate: false,
                is_call: false,
                date_part: false,
                formatted: false,
            })
        }
        Expr::Call { function, argument } => {
            let name = function.value.to_ascii_uppercase();
            let of = match argument {
                Some(argument) => Some(term(cx, tables, argument)?),
                None => None,
            };
            call(cx, &name, function.offset, of)
        }
    }
}

fn call(cx: &Context<'_>, name: &str, offset: usize, of: Option<Term>) -> Result<Term, ApiError> {
    let made = |sql: String, kind: Kind, aggregate: bool, of: Option<Term>| Term {
        sql,
        kind,
        name: format!("{name}({})", of.as_ref().map_or("", |of| of.name.as_str())),
        offset,
        column: of.and_then(|of| of.column),
        aggregate,
        is_call: true,
        date_part: false,
        formatted: false,
    };
    let Some(of) = of else {
        return if name == "COUNT" {
            Ok(made("count(*)".into(), Kind::Int, true, None))
        } else {
            Err(error::unexpected(cx.text, offset, ")"))
        };
    };
    let wrong = |sentence: String| error::at(cx.text, offset, "MALFORMED_QUERY", &sentence);
    let x = of.sql.clone();
    // What only changes how a value is shown takes aggregates too: `FORMAT(MIN(CloseDate))`.
    match name {
        "FORMAT" => {
            let (kind, aggregate) = (of.kind, of.aggregate);
            return Ok(Term { formatted: true, ..made(x, kind, aggregate, Some(of)) });
        }
        "CONVERTCURRENCY" if of.kind.is_number() => {
            let (kind, aggregate) = (of.kind, of.aggregate);
            return Ok(made(x, kind, aggregate, Some(of)));
        }
        _ => {}
    }
    if of.aggregate {
        return Err(wrong(format!("{name} cannot be applied to an aggregate")));
    }
    let is_moment = matches!(of.kind, Kind::Date | Kind::DateTime);
    let aggregate = |sql: String, kind: Kind| Ok(made(sql, kind, true, Some(of.clone())));
    match name {
        "COUNT" | "COUNT_DISTINCT" if countable(of.kind) => {
            let distinct = if name == "COUNT" { "" } else { "DISTINCT " };
            return aggregate(format!("count({distinct}{x})"), Kind::Int);
        }
        "SUM" | "AVG" if of.kind.is_number() => {
            let kind = if of.kind == Kind::Currency { Kind::Currency } else { Kind::Double };
            return aggregate(format!("{}({x})", name.to_ascii_lowercase()), kind);
        }
        "MIN" | "MAX" if countable(of.kind) && !of.kind.is_long() => {
            return aggregate(format!("{}({x})", name.to_ascii_lowercase()), of.kind);
        }
        "COUNT" | "COUNT_DISTINCT" | "SUM" | "AVG" | "MIN" | "MAX" => {
            return Err(wrong(format!("field {} does not support aggregate operator {name}", of.name)));
        }
        // Labels are the values, and the time zone is UTC.
        "TOLABEL" if of.kind.is_text() => {
            let kind = of.kind;
            return Ok(made(x, kind, false, Some(of)));
        }
        "CONVERTTIMEZONE" if of.kind == Kind::DateTime => {
            return Ok(made(x, Kind::DateTime, false, Some(of)));
        }
        "TOLABEL" | "CONVERTCURRENCY" | "CONVERTTIMEZONE" => {
            return Err(wrong(format!("field {} does not support {name}", of.name)));
        }
        _ => {}
    }
    let Some((sql, kind)) = date_part(name, &x) else {
        return Err(error::unexpected(cx.text, offset, name));
    };
    let needs_clock = matches!(name, "HOUR_IN_DAY" | "DAY_ONLY");
    if !is_moment || (needs_clock && of.kind != Kind::DateTime) {
        return Err(wrong(format!("field {} does not support date function {name}", of.name)));
    }
    Ok(Term { date_part: true, ..made(sql, kind, false, Some(of)) })
}

/// Aggregate functions take neither checkboxes nor multi-select picklists nor files.
fn countable(kind: Kind) -> bool {
    !matches!(kind, Kind::Boolean | Kind::MultiPicklist | Kind::Base64)
}

/// Moments are stored as text that begins `2026-01-31T23`. The org's time zone is UTC; weeks begin on Sunday;
/// fiscal years are calendar years.
fn date_part(name: &str, x: &str) -> Option<(String, Kind)> {
    let digits = |from: u8, n: u8| format!("CAST(substr({x}, {from}, {n}) AS INTEGER)");
    let of_date = |format: &str| format!("CAST(strftime('{format}', substr({x}, 1, 10)) AS INTEGER)");
    let sql = match name
        .strip_prefix("FISCAL_")
        .map(|rest| format!("CALENDAR_{rest}"))
        .as_deref()
        .unwrap_or(name)
    {
        "CALENDAR_YEAR" => digits(1, 4),
        "CALENDAR_MONTH" => digits(6, 2),
        "CALENDAR_QUARTER" => format!("(({} + 2) / 3)", digits(6, 2)),
        "DAY_IN_MONTH" => digits(9, 2),
        "DAY_IN_WEEK" => format!("({} + 1)", of_date("%w")),
        "DAY_IN_YEAR" => of_date("%j"),
        "WEEK_IN_MONTH" => format!("(({} + 6) / 7)", digits(9, 2)),
        "WEEK_IN_YEAR" => format!("(({} + 6) / 7)", of_date("%j")),
        "HOUR_IN_DAY" => digits(12, 2),
        "DAY_ONLY" => return Some((format!("substr({x}, 1, 10)"), Kind::Date)),
        _ => return None,
    };
    Some((sql, Kind::Int))
}

/// Beside groups only aggregates may stand.
pub(super) fn must_be_grouped(cx: &Context<'_>, groups: &[Term], term: &Term) -> Result<(), ApiError> {
    if term.aggregate || groups.iter().any(|group| group.sql == term.sql) {
        return Ok(());
    }
    Err(ungrouped(cx, term.offset, &term.name))
}

pub(super) fn ungrouped(cx: &Context<'_>, offset: usize, name: &str) -> ApiError {
    error::at(cx.text, offset, "MALFORMED_QUERY", &format!("Field must be grouped or aggregated: {name}"))
}
