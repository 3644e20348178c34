//! Puts bound values into the text of a query.

use crate::query::soql::{
    literal::{SoqlLiteral, ToSoql},
    scan::{Piece, scan},
};

/// A query and the values bound to it do not fit.
///
/// The texts contain names from the program's query, and never a value.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The query has a placeholder without a bound value.
    #[error("no value is bound to `:{0}`")]
    Unbound(String),
    /// Two values were bound to one name.
    #[error("`:{0}` is bound twice")]
    Twice(String),
    /// A value was bound to a name that the query does not have. Placeholders inside quotes do not count.
    #[error("the query has no placeholder `:{0}` outside quotes. Bind a `Like` instead of writing '%:{0}%'")]
    Unused(String),
    /// A value cannot be written as a literal.
    #[error("the value of `:{name}` cannot be bound")]
    #[non_exhaustive]
    Value {
        /// The placeholder's name.
        name: String,
        /// Why the value is invalid.
        source: InvalidValue,
    },
    /// A colon starts no placeholder, or other text touches a placeholder.
    #[error(
        "invalid placeholder: it must be a colon and a name, with no other text touching it. \
         For LAST_N_DAYS:n bind a `DateLiteral`"
    )]
    Placeholder,
    /// A query with a chunked list, sent in parts, would not find the same rows.
    #[error("this query cannot be sent in parts: {0}")]
    NotInParts(&'static str),
    /// A quoted string in the query's text is not closed.
    #[error("a quoted string in the query is not closed")]
    UnclosedString,
    /// A search does not begin with `FIND {…}`.
    #[error("a search must begin with FIND {{…}}, with its terms between the braces")]
    NotSosl,
}

crate::debug::debug_as_display!(BindError);

/// A value that cannot be written as a SOQL literal.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidValue {
    /// An empty list, which SOQL does not have, and a condition must not silently vanish.
    ///
    /// Decide in the program what an empty list means. In most cases no query is needed.
    #[error("the list is empty")]
    EmptyList,
    /// A list within a list.
    #[error("a list cannot hold lists")]
    NestedList,
    /// An infinite number, or NaN.
    #[error("the number is not finite")]
    NotFinite,
    /// An amount of money whose currency is not a code of three capital letters, or whose amount is not a number.
    #[error("the amount of money needs a code of three capital letters and a decimal number")]
    Currency,
    /// A value that is not text, bound to a search's term.
    #[error("only text can be a search term")]
    NotText,
    /// A text without a word, bound to a search's term. Decide in the program what that means.
    #[error("the search term has no word")]
    EmptyTerm,
}

crate::debug::debug_as_display!(InvalidValue);

/// The values bound to a query.
#[derive(Debug, Clone, Default)]
pub(crate) struct Binds(Vec<(String, Result<SoqlLiteral, InvalidValue>)>);

impl Binds {
    pub(crate) fn push(&mut self, name: &str, value: &(impl ToSoql + ?Sized)) {
        self.0.push((name.to_owned(), value.to_soql()));
    }

    /// Binds a finished literal.
    pub(crate) fn push_literal(&mut self, name: &str, literal: SoqlLiteral) {
        self.0.push((name.to_owned(), Ok(literal)));
    }

    /// Returns the query with its values in place.
    pub(crate) fn render(&self, soql: &str) -> Result<String, BindError> {
        let mut used = vec![false; self.0.len()];
        let mut query = String::with_capacity(soql.len() + 32 * self.0.len());
        let names = self.0.iter().map(|(name, _)| name.as_str());
        fill(&mut query, &scan(soql)?, names, &mut used, |index| {
            self.0[index].1.as_ref().map(SoqlLiteral::as_str)
        })?;
        match used.iter().position(|used| !used) {
            Some(index) => Err(BindError::Unused(self.0[index].0.clone())),
            None => Ok(query),
        }
    }
}

/// Appends the pieces to `text`, each placeholder as its value, and marks the values as used.
pub(crate) fn fill<'a>(
    text: &mut String,
    pieces: &[Piece<'_>],
    names: impl Iterator<Item = &'a str> + Clone,
    used: &mut [bool],
    value: impl Fn(usize) -> Result<&'a str, &'a InvalidValue>,
) -> Result<(), BindError> {
    for (index, name) in names.clone().enumerate() {
        if names.clone().take(index).any(|other| other == name) {
            return Err(BindError::Twice(name.to_owned()));
        }
    }
    for piece in pieces {
        match *piece {
            Piece::Text(piece) => text.push_str(piece),
            Piece::Placeholder(name) => {
                let index = names.clone().position(|bound| bound == name);
                let index = index.ok_or_else(|| BindError::Unbound(name.to_owned()))?;
                used[index] = true;
                let value = value(index);
                text.push_str(
                    value.map_err(|source| BindError::Value { name: name.to_owned(), source: *source })?,
                );
            }
        }
    }
    Ok(())
}
