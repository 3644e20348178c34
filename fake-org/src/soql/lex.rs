//! Text → tokens.

use winnow::ascii::{digit1, multispace0};
use winnow::combinator::{alt, delimited, opt, preceded, repeat, terminated};
use winnow::prelude::*;
use winnow::stream::LocatingSlice;
use winnow::token::{any, one_of, take_while};

use super::error;
use crate::data::ApiError;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A name or keyword, dots included.
    Word(String),
    /// The inside of a quoted text, escapes still in it.
    Text(String),
    /// `12`, `-1.5`.
    Number(String),
    /// `USD-500.25`. Without a sign or a fraction it is a word.
    Currency(String),
    /// `2026-01-31`.
    Date(String),
    /// `2026-01-31T00:00:00Z`.
    DateTime(String),
    /// `09:30:00.000Z`.
    Time(String),
    /// `(`, `<=` and so on.
    Symbol(&'static str),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) offset: usize,
    pub(super) source: String,
}

/// Parentheses nested deeper than this are refused, before recursion could hurt.
const DEPTH: usize = 100;

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, ApiError> {
    let mut input = LocatingSlice::new(text);
    let mut out = Vec::new();
    let mut depth = 0_usize;
    loop {
        let _: ModalResult<_> = multispace0.parse_next(&mut input);
        if input.is_empty() {
            return Ok(out);
        }
        let rest: &str = &input;
        let offset = text.len() - rest.len();
        let start = rest.len();
        let mut probe = input;
        let Ok(kind) = kind(&mut probe) else {
            let first: String = rest.chars().take(1).collect();
            let sentence = if first == "'" {
                "invalid string literal: an unterminated quote or an illegal escape sequence".to_owned()
            } else {
                format!("unexpected token: '{first}'")
            };
            return Err(error::at(text, offset, "MALFORMED_QUERY", &sentence));
        };
        input = probe;
        let length = start - input.len();
        let source = rest.get(..length).unwrap_or_default().to_owned();
        match &kind {
            Kind::Symbol("(") => depth += 1,
            Kind::Symbol(")") => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH {
            return Err(ApiError::bad("QUERY_TOO_COMPLICATED", "Query is nested too deeply"));
        }
        out.push(Token { kind, offset, source });
    }
}

type Input<'t> = LocatingSlice<&'t str>;

fn kind(input: &mut Input<'_>) -> ModalResult<Kind> {
    alt((currency, word, quoted, moment, time, number, symbol)).parse_next(input)
}

fn word(input: &mut Input<'_>) -> ModalResult<Kind> {
    let name = || {
        (
            one_of(|c: char| c.is_ascii_alphabetic()),
            take_while(0.., |c: char| c.is_ascii_alphanumeric() || c == '_'),
        )
    };
    (name(), repeat::<_, _, (), _, _>(0.., ('.', name())))
        .take()
        .map(|text: &str| Kind::Word(text.to_owned()))
        .parse_next(input)
}

/// An ISO code and an amount with a sign or a fraction (SOQL: "Querying Currency Fields in Multi-currency Orgs").
fn currency(input: &mut Input<'_>) -> ModalResult<Kind> {
    let code = take_while(3..=3, |c: char| c.is_ascii_uppercase());
    let amount = alt(((one_of(['+', '-']), digit1, opt(('.', digit1))).void(), (digit1, '.', digit1).void()));
    terminated(
        (code, amount).take(),
        winnow::combinator::not(one_of(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.')),
    )
    .map(|text: &str| Kind::Currency(text.to_owned()))
    .parse_next(input)
}

/// `'…'` with the escapes of "Quoted String Escape Sequences"; a backslash before anything else is an error.
fn quoted(input: &mut Input<'_>) -> ModalResult<Kind> {
    let escape = preceded(
        '\\',
        alt((
            one_of(['n', 'N', 'r', 'R', 't', 'T', 'b', 'B', 'f', 'F', '"', '\'', '\\', '_', '%']).void(),
            ('u', take_while(4..=4, |c: char| c.is_ascii_hexdigit())).void(),
        )),
    );
    let piece = alt((take_while(1.., |c: char| c != '\'' && c != '\\').void(), escape.void()));
    delimited('\'', repeat::<_, _, (), _, _>(0.., piece).take(), '\'')
        .map(|text: &str| Kind::Text(text.to_owned()))
        .parse_next(input)
}

/// A date or a datetime.
fn moment(input: &mut Input<'_>) -> ModalResult<Kind> {
    let digits = |n: usize| take_while(n..=n, |c: char| c.is_ascii_digit());
    let date = (digits(4), '-', digits(2), '-', digits(2));
    let clock = (digits(2), ':', digits(2), ':', digits(2), opt(('.', digit1)));
    let zone = alt(('Z'.void(), 'z'.void(), (one_of(['+', '-']), digits(2), opt(':'), digits(2)).void()));
    (date, opt((one_of(['T', 't']), clock, zone)))
        .take()
        .map(|text: &str| {
            if text.len() == 10 {
                Kind::Date(text.to_owned())
            } else {
                Kind::DateTime(text.to_ascii_uppercase())
            }
        })
        .parse_next(input)
}

/// A time of day.
fn time(input: &mut Input<'_>) -> ModalResult<Kind> {
    let digits = |n: usize| take_while(n..=n, |c: char| c.is_ascii_digit());
    (digits(2), ':', digits(2), ':', digits(2), opt(('.', digit1)), one_of(['Z', 'z']))
        .take()
        .map(|text: &str| Kind::Time(text.to_ascii_uppercase()))
        .parse_next(input)
}

fn number(input: &mut Input<'_>) -> ModalResult<Kind> {
    let body = alt(((digit1, opt(('.', digit1))).void(), ('.', digit1).void()));
    let exponent = opt((one_of(['e', 'E']), opt(one_of(['+', '-'])), digit1));
    terminated(
        (opt(one_of(['+', '-'])), body, exponent).take(),
        winnow::combinator::not(one_of(|c: char| c.is_ascii_alphanumeric() || c == '_')),
    )
    .map(|text: &str| Kind::Number(text.to_owned()))
    .parse_next(input)
}

fn symbol(input: &mut Input<'_>) -> ModalResult<Kind> {
    alt((
        "<=".value("<="),
        ">=".value(">="),
        "!=".value("!="),
        "<>".value("!="),
        any.verify_map(|c: char| match c {
            '(' => Some("("),
            ')' => Some(")"),
            ',' => Some(","),
            ':' => Some(":"),
            '=' => Some("="),
            '<' => Some("<"),
            '>' => Some(">"),
            _ => None,
        }),
    ))
    .map(Kind::Symbol)
    .parse_next(input)
}
