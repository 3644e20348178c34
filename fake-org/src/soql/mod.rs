//! SOQL: text → tokens → tree → SQL on the record store. No evaluation of its own; SQLite does that.

mod ast;
mod bind;
pub(crate) mod cursor;
mod dates;
mod error;
mod filter;
mod lex;
mod literal;
mod parse;
mod plan;

pub(crate) use plan::{Plan, Scope};

use crate::base::clock::Millis;
use crate::data::Refusal;

/// Compiles a query. `now` is what date literals count from.
pub(crate) fn compile(text: &str, scope: Scope, now: Millis) -> Result<Plan, Refusal> {
    if text.chars().count() > 100_000 {
        return Err(Refusal::bad(
            "MALFORMED_QUERY",
            "SOQL statements cannot be longer than 100,000 characters",
        ));
    }
    let tokens = lex::tokens(text)?;
    let query = parse::query(text, &tokens)?;
    plan::compile(text, &query, scope, now)
}

#[cfg(test)]
mod tests;
