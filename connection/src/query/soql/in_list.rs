//! A list that is too long for one query, as several queries whose rows together are those of the one.

use crate::query::soql::bind::{BindError, InvalidValue, ToSoql};

/// Why a query cannot be asked in parts.
const ALONE: &str =
    "the list must stand in the outermost WHERE as `Field IN :list`, and in no parentheses, OR or NOT";
const WHOLE: &str = "ORDER BY, LIMIT, OFFSET, GROUP BY and aggregates are about all rows: do that in the program, or shorten the list";

/// The values of a list in the order in which they may be cut, each with how much it takes.
#[derive(Debug, Clone)]
pub(crate) struct Members(Vec<String>);

impl Members {
    /// Without the values that are there twice: their rows would come twice.
    pub(crate) fn new(values: impl IntoIterator<Item = impl ToSoql>) -> Result<Self, InvalidValue> {
        let mut members = Vec::new();
        for value in values {
            members.push(value.to_soql()?.into_one()?);
        }
        // Salesforce compares texts without regard to case: what differs in case only must not come apart.
        members.sort_by_cached_key(|member| (member.to_lowercase(), member.clone()));
        members.dedup();
        if members.is_empty() { Err(InvalidValue::EmptyList) } else { Ok(Self(members)) }
    }

    /// Lists of at most so many characters. One that cannot be cut further may have more.
    pub(crate) fn lists(&self, most: usize) -> Vec<String> {
        let mut lists = Vec::new();
        let mut list = String::from("(");
        let mut length = 1;
        for group in self.0.chunk_by(|one, next| one.to_lowercase() == next.to_lowercase()) {
            let more: usize = group.iter().map(|member| member.chars().count() + 1).sum();
            if length > 1 && length + more > most {
                lists.push(close(std::mem::replace(&mut list, String::from("("))));
                length = 1;
            }
            length += more;
            for member in group {
                list.push_str(member);
                list.push(',');
            }
        }
        lists.push(close(list));
        lists
    }
}

/// The last comma becomes the end.
fn close(mut list: String) -> String {
    list.pop();
    list.push(')');
    list
}

/// Whether the rows for a list are those for its parts together, each once: the condition on the list and all others
/// must hold, and nothing is said about the rows as a whole.
pub(crate) fn check(soql: &str, name: &str) -> Result<(), BindError> {
    let refuse = |why| Err(BindError::NotInParts(why));
    let mut depth = 0_usize;
    let mut words: Vec<String> = Vec::new();
    let mut found = 0;
    let mut rest = soql;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' => string_length(rest),
            '(' => {
                let aggregate = words.last().is_some_and(|word| is_aggregate(word));
                if depth == 0 && aggregate && !rest[1..].trim_start().starts_with(')') {
                    return refuse(WHOLE);
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
                    found += 1;
                    let before = |back: usize| words.len().checked_sub(back).map(|at| words[at].as_str());
                    if depth > 0 || before(1) != Some("IN") || before(2) == Some("NOT") {
                        return refuse(ALONE);
                    }
                }
                length
            }
            letter if letter.is_alphanumeric() || letter == '_' => {
                let length = word_length(rest);
                if depth == 0 {
                    let word = rest[..length].to_ascii_uppercase();
                    match word.as_str() {
                        "OR" => return refuse(ALONE),
                        "NOT" if !next_word(&rest[length..]).eq_ignore_ascii_case("IN") => {
                            return refuse(ALONE);
                        }
                        "ORDER" | "LIMIT" | "OFFSET" | "GROUP" | "HAVING" => return refuse(WHOLE),
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
    if found == 1 { Ok(()) } else { refuse(ALONE) }
}

fn is_aggregate(word: &str) -> bool {
    matches!(word, "COUNT" | "COUNT_DISTINCT" | "SUM" | "AVG" | "MIN" | "MAX")
}

fn word_length(text: &str) -> usize {
    // A dot belongs to the name: `Order.Limit` is no clause.
    text.find(|letter: char| !letter.is_alphanumeric() && !"_.".contains(letter)).unwrap_or(text.len())
}

fn next_word(text: &str) -> &str {
    let text = text.trim_start();
    &text[..word_length(text)]
}

fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_comes_out_the_same_is_asked_in_parts() {
        for soql in [
            "SELECT Id FROM Account WHERE Id IN :ids",
            "select id from account where id in :ids and name like 'a or b'",
            "SELECT Id, (SELECT Id FROM Contacts ORDER BY Name LIMIT 3) FROM Account WHERE Name != 'x' AND Id IN :ids",
            "SELECT Id FROM Account WHERE Id IN :ids AND (Name = 'x' OR Name = :name)",
            "SELECT COUNT() FROM Account WHERE Id IN :ids",
            "SELECT Id FROM Account WHERE Id IN :ids AND Type NOT IN ('x')",
        ] {
            assert_eq!(check(soql, "ids"), Ok(()), "{soql}");
        }
        for soql in [
            "SELECT Id FROM Account",
            "SELECT Id FROM Account WHERE Id NOT IN :ids",
            "SELECT Id FROM Account WHERE Id IN :ids OR Name = 'x'",
            "SELECT Id FROM Account WHERE (Id IN :ids)",
            "SELECT Id FROM Account WHERE NOT Id IN :ids",
            // Fields whose names begin with the word that may follow a NOT.
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
            assert!(matches!(check(soql, "ids"), Err(BindError::NotInParts(_))), "{soql}");
        }
    }

    proptest! {
        /// Each value is in one list, lists are short, and what differs in case only is together.
        #[test]
        fn the_parts_are_the_whole(values in prop::collection::vec("[aAbB]{1,3}|[a-z']{0,12}", 1..80), most in 10..60_usize) {
            let lists = Members::new(&values).unwrap().lists(most);
            let members = |list: &str| -> Vec<String> {
                list[1..list.len() - 1].split(',').map(str::to_owned).collect()
            };
            let mut all: Vec<String> = lists.iter().flat_map(|list| members(list)).collect();
            let mut expected = Members::new(&values).unwrap().0;
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
