//! GraphQL: text → tokens → tree → selections with their values. Knows no schema.
//!
//! Source: GraphQL Specification (October 2021).

mod flatten;
mod lex;
mod parse;

pub(crate) use flatten::{Flattened, flatten};
pub(crate) use lex::{Place, SyntaxError};
pub(crate) use parse::{Document, OperationKind, Selection, VariableDefinition, parse};
