//! Tokens → tree.

use winnow::combinator::{alt, cut_err, delimited, opt, preceded, repeat, separated};
use winnow::error::{ContextError, ErrMode};
use winnow::prelude::*;
use winnow::stream::TokenSlice;
use winnow::token::any;

use super::ast::{At, Condition, Expr, Item, Literal, Op, Order, Path, Query, Select, Totals, TypeOf};
use super::dates::DateLiteral;
use super::error;
use super::lex::{Kind, Token};
use crate::data::ApiError;

type Input<'t> = TokenSlice<'t, Token>;

/// Words that are neither fields nor aliases.
const KEYWORDS: [&str; 27] = [
    "AND", "ASC", "BY", "DESC", "EXCLUDES", "FALSE", "FOR", "FROM", "GROUP", "HAVING", "IN", "INCLUDES",
    "LIKE", "LIMIT", "NOT", "NULL", "NULLS", "OFFSET", "OR", "ORDER", "SELECT", "TRUE", "TYPEOF", "UPDATE",
    "USING", "WHERE", "WITH",
];

fn is_keyword(word: &str) -> bool {
    KEYWORDS.iter().any(|keyword| word.eq_ignore_ascii_case(keyword))
}

pub(super) fn query(text: &str, tokens: &[Token]) -> Result<Query, ApiError> {
    if let Some(what) = not_emulated(tokens) {
        return Err(ApiError::not_emulated("MALFORMED_QUERY", what));
    }
    all_of(text, tokens, select_query)
}

/// A condition without a query around it.
pub(super) fn condition_alone(text: &str, tokens: &[Token]) -> Result<Condition, ApiError> {
    all_of(text, tokens, condition)
}

/// Reads all tokens, or says which one was unexpected.
fn all_of<T>(
    text: &str,
    tokens: &[Token],
    mut parser: impl FnMut(&mut Input<'_>) -> ModalResult<T>,
) -> Result<T, ApiError> {
    let mut input = TokenSlice::new(tokens);
    let result = parser(&mut input);
    let place = tokens.len() - input.len();
    match (result, tokens.get(place)) {
        (Ok(parsed), None) => Ok(parsed),
        (_, Some(token)) if token.kind == Kind::Symbol(":") => {
            Err(error::at(text, token.offset, "MALFORMED_QUERY", "Bind variables only allowed in Apex code"))
        }
        (_, Some(token)) => Err(error::unexpected(text, token.offset, &token.source)),
        (Err(_), None) => Err(error::unexpected(text, text.len(), "<EOF>")),
    }
}

/// Correct SOQL that this emulator does not do gets an error that says so.
fn not_emulated(tokens: &[Token]) -> Option<&'static str> {
    tokens.windows(2).find_map(|pair| {
        let [Token { kind: Kind::Word(word), .. }, b] = pair else { return None };
        let word = word.to_ascii_uppercase();
        match (word.as_str(), &b.kind) {
            ("DATA", Kind::Word(next)) if next.eq_ignore_ascii_case("CATEGORY") => Some("WITH DATA CATEGORY"),
            ("DISTANCE" | "GEOLOCATION", Kind::Symbol("(")) => Some("a location function"),
            ("WITH", Kind::Word(next)) if next.eq_ignore_ascii_case("UserId") => Some("WITH UserId"),
            ("USING", Kind::Word(next)) if next.eq_ignore_ascii_case("ListView") => Some("USING ListView"),
            _ => None,
        }
    })
}

fn select_query(input: &mut Input<'_>) -> ModalResult<Query> {
    keyword("SELECT").parse_next(input)?;
    let select = cut_err(select).parse_next(input)?;
    cut_err(keyword("FROM")).parse_next(input)?;
    let from = cut_err(name).parse_next(input)?;
    let alias = opt(alias).parse_next(input)?;
    let parents = repeat(0.., preceded(symbol(","), cut_err(parent))).parse_next(input)?;
    let using =
        opt(preceded((keyword("USING"), cut_err(keyword("SCOPE"))), cut_err(name))).parse_next(input)?;
    let filter = opt(preceded(keyword("WHERE"), cut_err(condition))).parse_next(input)?;
    with(input)?;
    let (totals, group) = opt(preceded((keyword("GROUP"), cut_err(keyword("BY"))), cut_err(groups)))
        .parse_next(input)?
        .unwrap_or((Totals::None, Vec::new()));
    let having = opt(preceded(keyword("HAVING"), cut_err(condition))).parse_next(input)?;
    let order = opt(preceded(
        (keyword("ORDER"), cut_err(keyword("BY"))),
        cut_err(separated(1.., order, symbol(","))),
    ))
    .parse_next(input)?
    .unwrap_or_default();
    let limit = opt(preceded(keyword("LIMIT"), cut_err(count))).parse_next(input)?;
    let offset = opt(preceded(keyword("OFFSET"), cut_err(count))).parse_next(input)?;
    purposes(input)?;
    Ok(Query { select, from, alias, parents, using, filter, group, totals, having, order, limit, offset })
}

/// `WITH SECURITY_ENFORCED`, `USER_MODE`, `SYSTEM_MODE`. Every user may see every field here, so they change
/// nothing.
fn with(input: &mut Input<'_>) -> ModalResult<()> {
    let mode = alt((keyword("SECURITY_ENFORCED"), keyword("USER_MODE"), keyword("SYSTEM_MODE")));
    opt(preceded(keyword("WITH"), cut_err(mode))).void().parse_next(input)
}

/// `FOR VIEW`, `FOR REFERENCE`, `UPDATE TRACKING`, `UPDATE VIEWSTAT`, `FOR UPDATE`: what the rows are wanted for.
/// Nothing here depends on it.
fn purposes(input: &mut Input<'_>) -> ModalResult<()> {
    let view = || alt((keyword("VIEW"), keyword("REFERENCE"), keyword("UPDATE")));
    let tracking = || alt((keyword("TRACKING"), keyword("VIEWSTAT")));
    let seen = (keyword("FOR"), cut_err(separated::<_, _, (), _, _, _, _>(1.., view(), symbol(",")))).void();
    let noted =
        (keyword("UPDATE"), cut_err(separated::<_, _, (), _, _, _, _>(1.., tracking(), symbol(",")))).void();
    repeat(0..=3, alt((seen, noted))).parse_next(input)
}

/// `Industry, Type`, `ROLLUP(Industry, Type)`, `CUBE(Industry, Type)`.
fn groups(input: &mut Input<'_>) -> ModalResult<(Totals, Vec<Expr>)> {
    let start = input.checkpoint();
    let totals = alt((keyword("ROLLUP").value(Totals::Rollup), keyword("CUBE").value(Totals::Cube)));
    if let Ok(totals) = (totals, symbol("(")).map(|(totals, ())| totals).parse_next(input) as ModalResult<_> {
        let list = cut_err((separated(1.., expr, symbol(",")), symbol(")"))).parse_next(input)?.0;
        return Ok((totals, list));
    }
    input.reset(&start);
    separated(1.., expr, symbol(",")).map(|list| (Totals::None, list)).parse_next(input)
}

fn select(input: &mut Input<'_>) -> ModalResult<Select> {
    // `COUNT()` alone; among other things it is one of them.
    let start = input.checkpoint();
    let alone: ModalResult<()> =
        (keyword("COUNT"), symbol("("), symbol(")"), keyword("FROM")).void().parse_next(input);
    input.reset(&start);
    if alone.is_ok() {
        return (keyword("COUNT"), symbol("("), symbol(")")).value(Select::Count).parse_next(input);
    }
    separated(1.., item, symbol(",")).map(Select::Items).parse_next(input)
}

fn item(input: &mut Input<'_>) -> ModalResult<Item> {
    let fields = (keyword("FIELDS"), symbol("("));
    alt((
        delimited(symbol("("), cut_err(select_query), cut_err(symbol(")")))
            .map(|query| Item::Children(Box::new(query))),
        delimited(fields, cut_err(name), cut_err(symbol(")"))).map(Item::Fields),
        preceded(keyword("TYPEOF"), cut_err(type_of)).map(Item::TypeOf),
        (expr, opt(alias)).map(|(expr, alias)| Item::Expr { expr, alias }),
    ))
    .parse_next(input)
}

/// What follows `TYPEOF`.
fn type_of(input: &mut Input<'_>) -> ModalResult<TypeOf> {
    let relationship = name(input)?;
    let case = |input: &mut Input<'_>| {
        let object = preceded(keyword("WHEN"), cut_err(name)).parse_next(input)?;
        Ok((object, cut_err(preceded(keyword("THEN"), names)).parse_next(input)?))
    };
    let cases = cut_err(repeat(1.., case)).parse_next(input)?;
    let otherwise = opt(preceded(keyword("ELSE"), cut_err(names))).parse_next(input)?;
    cut_err(keyword("END")).parse_next(input)?;
    Ok(TypeOf { relationship, cases, otherwise })
}

fn names(input: &mut Input<'_>) -> ModalResult<Vec<Path>> {
    separated(1.., name, symbol(",")).parse_next(input)
}

/// A field, or a function: `COUNT()`, `SUM(Amount)`, `CALENDAR_YEAR(convertTimezone(CreatedDate))`.
fn expr(input: &mut Input<'_>) -> ModalResult<Expr> {
    let function = name.verify(|path: &Path| !is_keyword(&path.value)).parse_next(input)?;
    if opt(symbol("(")).parse_next(input)?.is_none() {
        return Ok(Expr::Field(function));
    }
    let argument = opt(expr).parse_next(input)?.map(Box::new);
    cut_err(symbol(")")).parse_next(input)?;
    Ok(Expr::Call { function, argument })
}

/// A parent in FROM: `c.Account a`, or `Contact.Account`, which keeps its own name.
fn parent(input: &mut Input<'_>) -> ModalResult<(Path, String)> {
    let path = name.parse_next(input)?;
    let own = path.value.rsplit('.').next().unwrap_or_default().to_owned();
    match opt(alias).parse_next(input)? {
        Some(alias) => Ok((path, alias)),
        None if path.value.contains('.') => Ok((path, own)),
        None => Err(ErrMode::Cut(ContextError::new())),
    }
}

fn alias(input: &mut Input<'_>) -> ModalResult<String> {
    opt(keyword("AS")).void().parse_next(input)?;
    name.verify(|path: &Path| !path.value.contains('.') && !is_keyword(&path.value))
        .map(|path| path.value)
        .parse_next(input)
}

/// AND and OR may not be mixed without parentheses: the second kind is an unexpected token.
fn condition(input: &mut Input<'_>) -> ModalResult<Condition> {
    let first = term(input)?;
    let mut all = vec![first];
    let word = if at_keyword(input, "AND") { "AND" } else { "OR" };
    let more: Vec<Condition> = repeat(0.., preceded(keyword(word), cut_err(term))).parse_next(input)?;
    if more.is_empty() {
        return all.pop().ok_or_else(|| ErrMode::Cut(ContextError::new()));
    }
    all.extend(more);
    Ok(if word == "AND" { Condition::And(all) } else { Condition::Or(all) })
}

fn term(input: &mut Input<'_>) -> ModalResult<Condition> {
    alt((preceded(keyword("NOT"), cut_err(operand)).map(|inner| Condition::Not(Box::new(inner))), operand))
        .parse_next(input)
}

/// What NOT may stand before. Not another NOT: only parentheses nest, and their depth is bounded.
fn operand(input: &mut Input<'_>) -> ModalResult<Condition> {
    alt((delimited(symbol("("), cut_err(condition), cut_err(symbol(")"))), test)).parse_next(input)
}

fn test(input: &mut Input<'_>) -> ModalResult<Condition> {
    let expr = expr.parse_next(input)?;
    if let Some(negated) =
        opt(alt((keyword("IN").value(false), (keyword("NOT"), cut_err(keyword("IN"))).value(true))))
            .parse_next(input)?
    {
        cut_err(symbol("(")).parse_next(input)?;
        if at_keyword(input, "SELECT") {
            let query = cut_err((select_query, symbol(")"))).parse_next(input)?.0;
            return Ok(Condition::InQuery { expr, negated, query: Box::new(query) });
        }
        let values = cut_err((separated(1.., literal, symbol(",")), symbol(")"))).parse_next(input)?.0;
        return Ok(Condition::In { expr, negated, values });
    }
    if let Some(negated) =
        opt(alt((keyword("INCLUDES").value(false), keyword("EXCLUDES").value(true)))).parse_next(input)?
    {
        let values = cut_err(delimited(symbol("("), separated(1.., literal, symbol(",")), symbol(")")))
            .parse_next(input)?;
        return Ok(Condition::Includes { expr, negated, values });
    }
    let op = cut_err(alt((
        symbol("=").value(Op::Eq),
        symbol("!=").value(Op::Ne),
        symbol("<=").value(Op::Le),
        symbol(">=").value(Op::Ge),
        symbol("<").value(Op::Lt),
        symbol(">").value(Op::Gt),
        keyword("LIKE").value(Op::Like),
    )))
    .parse_next(input)?;
    let value = cut_err(literal).parse_next(input)?;
    Ok(Condition::Compare { expr, op, value })
}

fn literal(input: &mut Input<'_>) -> ModalResult<At<Literal>> {
    let offset = input.first().map_or(0, |token| token.offset);
    let relative = any.verify_map(|token: &Token| match &token.kind {
        Kind::Word(word) => DateLiteral::takes_number(word).map(|number| (word.clone(), number)),
        _ => None,
    });
    if let Some((name, takes_number)) = opt(relative).parse_next(input)? {
        let n = if takes_number {
            Some(preceded(symbol(":"), count).parse_next(input)?.try_into().unwrap_or(i64::MAX))
        } else {
            None
        };
        return Ok(At { value: Literal::Relative(DateLiteral { name, n }), offset });
    }
    any.verify_map(|token: &Token| {
        Some(match &token.kind {
            Kind::Text(raw) => Literal::Text(raw.clone()),
            Kind::Number(text) => match text.parse() {
                Ok(n) => Literal::Int(n),
                Err(_) => Literal::Decimal(text.parse().ok()?),
            },
            Kind::Currency(text) => currency(text)?,
            Kind::Date(text) => Literal::Date(text.clone()),
            Kind::DateTime(text) => Literal::DateTime(text.clone()),
            Kind::Time(text) => Literal::Time(text.clone()),
            Kind::Word(word) if word.eq_ignore_ascii_case("TRUE") => Literal::Boolean(true),
            Kind::Word(word) if word.eq_ignore_ascii_case("FALSE") => Literal::Boolean(false),
            Kind::Word(word) if word.eq_ignore_ascii_case("NULL") => Literal::Null,
            Kind::Word(word) => currency(word)?,
            _ => return None,
        })
    })
    .map(|value| At { value, offset })
    .parse_next(input)
}

/// `USD5000`, `USD-500.25`.
fn currency(text: &str) -> Option<Literal> {
    let (code, amount) =
        text.split_at_checked(3).filter(|(code, _)| code.bytes().all(|c| c.is_ascii_uppercase()))?;
    amount.starts_with(|c: char| c.is_ascii_digit() || "+-".contains(c)).then_some(())?;
    Some(Literal::Currency(code.to_owned(), amount.parse().ok()?))
}

fn order(input: &mut Input<'_>) -> ModalResult<Order> {
    let expr = expr.parse_next(input)?;
    let descending = opt(alt((keyword("ASC").value(false), keyword("DESC").value(true))))
        .parse_next(input)?
        .unwrap_or(false);
    let nulls_last = opt(preceded(
        keyword("NULLS"),
        cut_err(alt((keyword("FIRST").value(false), keyword("LAST").value(true)))),
    ))
    .parse_next(input)?;
    Ok(Order { expr, descending, nulls_last })
}

fn name(input: &mut Input<'_>) -> ModalResult<Path> {
    any.verify_map(|token: &Token| match &token.kind {
        Kind::Word(word) => Some(At { value: word.clone(), offset: token.offset }),
        _ => None,
    })
    .parse_next(input)
}

fn count(input: &mut Input<'_>) -> ModalResult<u64> {
    any.verify_map(|token: &Token| match &token.kind {
        Kind::Number(text) => text.parse().ok(),
        _ => None,
    })
    .parse_next(input)
}

fn at_keyword(input: &Input<'_>, word: &str) -> bool {
    input.first().is_some_and(|token| matches!(&token.kind, Kind::Word(w) if w.eq_ignore_ascii_case(word)))
}

fn keyword<'t>(word: &'static str) -> impl Parser<Input<'t>, (), ErrMode<ContextError>> {
    any.verify_map(move |token: &Token| match &token.kind {
        Kind::Word(w) if w.eq_ignore_ascii_case(word) => Some(()),
        _ => None,
    })
}

fn symbol<'t>(wanted: &'static str) -> impl Parser<Input<'t>, (), ErrMode<ContextError>> {
    any.verify_map(move |token: &Token| (token.kind == Kind::Symbol(wanted)).then_some(()))
}
