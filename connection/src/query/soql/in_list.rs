//! Splits a list that is too long for one query into lists for several queries that find the same rows.

use crate::query::soql::{
    bind::{BindError, InvalidValue},
    literal::ToSoql,
    scan::{comment_length, end_of_string},
};

/// The reason if the list's condition is not one of conditions joined by AND.
const NOT_ALONE: &str =
    "the list must stand once in the outermost WHERE as `Field IN :list`, outside of parentheses, OR and NOT";
/// The reason if a clause concerns the rows of all parts.
const ABOUT_ALL_ROWS: &str = "ORDER BY, LIMIT, OFFSET, GROUP BY and aggregates concern all rows. Do that in the program, or shorten the list";

/// The literals of a list, in the order in which the list may be split.
#[derive(Debug, Clone)]
pub(crate) struct InList(Vec<String>);

impl InList {
    /// Sorts the values and removes duplicates, whose rows would be returned twice.
    ///
    /// # Errors
    /// If there are no values, or one has no literal.
    pub(crate) fn new(values: impl IntoIterator<Item = impl ToSoql>) -> Result<Self, InvalidValue> {
        let mut literals = Vec::new();
        for value in values {
            literals.push(value.to_soql()?.into_single()?);
        }
        // Salesforce ignores case when it compares texts, so values that differ only in case must stay together.
        // Otherwise their rows would be returned twice.
        literals.sort_by_cached_key(|literal| (literal.to_lowercase(), literal.clone()));
        literals.dedup();
        if literals.is_empty() { Err(InvalidValue::EmptyList) } else { Ok(Self(literals)) }
    }

    /// Returns lists of at most `max_characters` each. A list that cannot be split further may be longer.
    pub(crate) fn chunks(&self, max_characters: usize) -> Vec<String> {
        let mut lists = Vec::new();
        let mut list = String::from("(");
        let mut length = 1;
        for group in self.0.chunk_by(|one, next| one.to_lowercase() == next.to_lowercase()) {
            let added: usize = group.iter().map(|literal| literal.chars().count() + 1).sum();
            if length > 1 && length + added > max_characters {
                lists.push(close(std::mem::replace(&mut list, String::from("("))));
                length = 1;
            }
            length += added;
            for literal in group {
                list.push_str(literal);
                list.push(',');
            }
        }
        lists.push(close(list));
        lists
    }
}

/// Replaces the last comma with the closing parenthesis.
fn close(mut list: String) -> String {
    list.pop();
    list.push(')');
    list
}

/// Checks that splitting the list `:name` cannot change the query's rows.
///
/// The condition on the list must be joined to the others by AND, and no clause may concern the rows as a whole.
///
/// # Errors
/// [`BindError::NotInParts`] with the reason.
pub(crate) fn check_splittable(soql: &str, name: &str) -> Result<(), BindError> {
    let reject = |why| Err(BindError::NotInParts(why));
    let mut depth = 0_usize;
    let mut words: Vec<String> = Vec::new();
    let mut placeholders = 0;
    let mut rest = soql;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' => end_of_string(rest.as_bytes(), 1, b'\'').unwrap_or(rest.len()),
            '/' => comment_length(rest).unwrap_or(1),
            '(' => {
                let aggregate = words.last().is_some_and(|word| is_aggregate(word));
                if depth == 0 && aggregate && !rest[1..].trim_start().starts_with(')') {
                    return reject(ABOUT_ALL_ROWS);
                }
                depth += 1;
                1
            }
            ')' => {
                depth = depth.saturating_sub(1);
                1
            }
            ':' => {
                let length = 1 + word_length(&rest[1..]);
                if &rest[1..length] == name {
                    placeholders += 1;
                    let before = |back: usize| words.len().checked_sub(back).map(|at| words[at].as_str());
                    if depth > 0 || before(1) != Some("IN") || before(2) == Some("NOT") {
                        return reject(NOT_ALONE);
                    }
                }
                length
            }
            letter if letter.is_alphanumeric() || letter == '_' => {
                let length = word_length(rest);
                if depth == 0 {
                    let word = rest[..length].to_ascii_uppercase();
                    match word.as_str() {
                        "OR" => return reject(NOT_ALONE),
                        "NOT" if !next_word(&rest[length..]).eq_ignore_ascii_case("IN") => {
                            return reject(NOT_ALONE);
                        }
                        "ORDER" | "LIMIT" | "OFFSET" | "GROUP" | "HAVING" => return reject(ABOUT_ALL_ROWS),
                        _ => {}
                    }
                    words.push(word);
                }
                length
            }
            other => other.len_utf8(),
        };
        rest = &rest[length..];
    }
    if placeholders == 1 { Ok(()) } else { reject(NOT_ALONE) }
}

fn is_aggregate(word: &str) -> bool {
    matches!(word, "COUNT" | "COUNT_DISTINCT" | "SUM" | "AVG" | "MIN" | "MAX")
}

fn word_length(text: &str) -> usize {
    // A dot belongs to the name: `Order.Limit` is a field, not a clause.
    text.find(|letter: char| !letter.is_alphanumeric() && !"_.".contains(letter)).unwrap_or(text.len())
}

fn next_word(text: &str) -> &str {
    let text = text.trim_start();
    &text[..word_length(text)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_queries_whose_rows_stay_the_same_are_split() {
        for soql in [
            "SELECT Id FROM Account WHERE Id IN :ids",
            "select id from account where id in :ids and name like 'a or b'",
            "SELECT Id, (SELECT Id FROM Contacts ORDER BY Name LIMIT 3) FROM Account WHERE Name != 'x' AND Id IN :ids",
            "SELECT Id FROM Account WHERE Id IN :ids AND (Name = 'x' OR Name = :name)",
            "SELECT COUNT() FROM Account WHERE Id IN :ids",
            "SELECT Id /* don't LIMIT this */ FROM Account WHERE Id\n\tIn :ids",
            "SELECT Id FROM Account WHERE Id IN :ids AND Type NOT IN ('x')",
        ] {
            assert_eq!(check_splittable(soql, "ids"), Ok(()), "{soql}");
        }
        for soql in [
            "SELECT Id FROM Account",
            "SELECT Id FROM Account WHERE Id NOT IN :ids",
            "SELECT Id FROM Account WHERE Id IN :ids OR Name = 'x'",
            "SELECT Id FROM Account WHERE (Id IN :ids)",
            "SELECT Id FROM Account WHERE NOT Id IN :ids",
            // The names of these fields begin with `In`, the keyword that may follow NOT.
            "SELECT Id FROM Account WHERE NOT Industry IN :ids",
            "SELECT Id FROM Account WHERE Name = 'x' AND not Inactive__c IN :ids",
            "SELECT Id FROM Account WHERE NOT In__r.Name IN :ids",
            "SELECT Id FROM Account WHERE Id IN :ids AND Id IN :ids",
            "SELECT Id FROM Account WHERE Id = :ids",
            "SELECT Id FROM Account WHERE Id IN :ids LIMIT 10",
            "SELECT Id FROM Account WHERE Id IN :ids ORDER BY Name",
            "SELECT Type, COUNT(Id) FROM Account WHERE Id IN :ids GROUP BY Type",
            "SELECT MAX(Id) FROM Account WHERE Id IN :ids",
            "SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact WHERE Id IN :ids)",
        ] {
            assert!(matches!(check_splittable(soql, "ids"), Err(BindError::NotInParts(_))), "{soql}");
        }
    }

    proptest! {
        /// Each value is in one list, lists are short, and values that differ only in case are together.
        #[test]
        fn the_chunks_together_are_the_whole_list(values in prop::collection::vec("[aAbB]{1,3}|[a-z']{0,12}", 1..80), most in 10..60_usize) {
            let lists = InList::new(&values).unwrap().chunks(most);
            let members = |list: &str| -> Vec<String> {
                list[1..list.len() - 1].split(',').map(str::to_owned).collect()
            };
            let mut all: Vec<String> = lists.iter().flat_map(|list| members(list)).collect();
            let mut expected = InList::new(&values).unwrap().0;
            all.sort();
            expected.sort();
            prop_assert_eq!(all, expected);
            for (at, list) in lists.iter().enumerate() {
                let folded: std::collections::BTreeSet<_> = members(list).iter().map(|m| m.to_lowercase()).collect();
                prop_assert!(list.chars().count() <= most + 1 || folded.len() == 1, "{}", list);
                for other in &lists[at + 1..] {
                    prop_assert!(members(other).iter().all(|member| !folded.contains(&member.to_lowercase())));
                }
            }
        }
    }
}
