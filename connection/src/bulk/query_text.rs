//! What the Bulk API does not run, found in a query's text.
//!
//! Source: Bulk API 2.0 and Bulk API Developer Guide, "SOQL Considerations".

use crate::query::soql::scan::comment_length;

/// Compound fields of standard objects. Source: Object Reference, "Address Compound Fields" and the objects' own pages;
/// unverified that the list is complete.
///
/// Custom addresses and geolocations (`Place__c`) look like other fields: Salesforce rejects them, and the job fails.
const COMPOUND: [&str; 15] = [
    "AdditionalAddress",
    "Address",
    "BillingAddress",
    "CompanyAddress",
    "HomeAddress",
    "LastKnownLocation",
    "MailingAddress",
    "OtherAddress",
    "PermanentAddress",
    "PersonMailingAddress",
    "PersonOtherAddress",
    "QuoteToAddress",
    "ShippingAddress",
    "TemporaryAddress",
    "WorkAddress",
];

/// Functions that make a query an aggregate one. `COUNT()` included.
const AGGREGATES: [&str; 6] = ["AVG", "COUNT", "COUNT_DISTINCT", "MIN", "MAX", "SUM"];

/// Returns the part of a query that the Bulk API does not run, if there is one.
pub(crate) fn unsupported(soql: &str) -> Option<String> {
    let tokens = tokens(soql);
    let is = |token: Option<&&str>, word: &str| token.is_some_and(|token| token.eq_ignore_ascii_case(word));
    let (mut depth, mut in_list) = (0_usize, true);
    for (index, token) in tokens.iter().enumerate() {
        let (before, after) =
            (index.checked_sub(1).and_then(|before| tokens.get(before)), tokens.get(index + 1));
        // The names of fields and aliases may be the same words.
        let is_plain = before.is_none_or(|before| *before != ".") && !is(after, ".");
        match *token {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            word if depth == 0 && in_list && word.eq_ignore_ascii_case("FROM") => in_list = false,
            word if in_list && depth == 1 && is(before, "(") && word.eq_ignore_ascii_case("SELECT") => {
                return Some("child queries".to_owned());
            }
            word if in_list && is_plain && word.eq_ignore_ascii_case("TYPEOF") => {
                return Some("`TYPEOF`".to_owned());
            }
            word if in_list
                && is(after, "(")
                && AGGREGATES.iter().any(|name| name.eq_ignore_ascii_case(word)) =>
            {
                return Some(format!("aggregates (`{}`)", word.to_ascii_uppercase()));
            }
            word if in_list
                && depth == 0
                && !is(after, ".")
                && COMPOUND.iter().any(|name| name.eq_ignore_ascii_case(word)) =>
            {
                return Some(format!("compound fields (`{word}`)"));
            }
            word if !in_list && depth == 0 && word.eq_ignore_ascii_case("GROUP") && is(after, "BY") => {
                return Some("`GROUP BY`".to_owned());
            }
            word if !in_list
                && depth == 0
                && is_plain
                && word.eq_ignore_ascii_case("OFFSET")
                && after.is_some_and(|after| after.bytes().all(|byte| byte.is_ascii_digit())) =>
            {
                return Some("`OFFSET`".to_owned());
            }
            _ => {}
        }
    }
    None
}

/// Returns the words and signs outside of quotes and comments.
fn tokens(soql: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = soql;
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '\'' => quoted_end(rest),
            '/' if comment_length(rest).is_some() => {
                rest = rest.get(comment_length(rest).unwrap_or_default()..).unwrap_or_default();
                continue;
            }
            first if is_word(first) => rest.find(|letter| !is_word(letter)).unwrap_or(rest.len()),
            first => first.len_utf8(),
        };
        let (token, after) = rest.split_at(end);
        if !first.is_whitespace() && first != '\'' {
            tokens.push(token);
        }
        rest = after;
    }
    tokens
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// Returns the end of the literal in quotes at the start of a text.
fn quoted_end(text: &str) -> usize {
    let mut letters = text.char_indices().skip(1);
    while let Some((index, letter)) = letters.next() {
        match letter {
            '\\' => drop(letters.next()),
            '\'' => return index + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_job_does_not_run_is_named() {
        for (soql, part) in [
            ("SELECT COUNT(Id) FROM Account", "aggregates (`COUNT`)"),
            ("select count() from Account", "aggregates (`COUNT`)"),
            ("SELECT Max( AnnualRevenue ) m FROM Account", "aggregates (`MAX`)"),
            ("SELECT Industry FROM Account GROUP  BY Industry", "`GROUP BY`"),
            ("SELECT Id FROM Account LIMIT 5 OFFSET 10", "`OFFSET`"),
            ("SELECT TYPEOF What WHEN Account THEN Name END FROM Event", "`TYPEOF`"),
            ("SELECT Id, ( SELECT Id FROM Contacts) FROM Account", "child queries"),
            ("SELECT Id, BillingAddress FROM Account", "compound fields (`BillingAddress`)"),
            ("SELECT Account.ShippingAddress FROM Contact", "compound fields (`ShippingAddress`)"),
            ("SELECT QuoteToAddress FROM Quote", "compound fields (`QuoteToAddress`)"),
            ("SELECT Id, AdditionalAddress FROM Quote", "compound fields (`AdditionalAddress`)"),
            ("SELECT LastKnownLocation FROM ServiceResource", "compound fields (`LastKnownLocation`)"),
            ("SELECT Id /* it's */ FROM Account /* ' */ GROUP BY Id", "`GROUP BY`"),
            ("SELECT COUNT /* all */ (Id) FROM Account", "aggregates (`COUNT`)"),
        ] {
            assert_eq!(unsupported(soql).as_deref(), Some(part), "{soql}");
        }
        for soql in [
            "SELECT Id, toLabel(Status), Address.City, Offset__c FROM Lead ORDER BY Offset__c",
            "SELECT Id FROM Account WHERE Name = 'it\\'s GROUP BY OFFSET 5' AND Id IN (SELECT AccountId FROM Contact)",
            "SELECT Id FROM Account WHERE DISTANCE(Place__c, GEOLOCATION(1, 2), 'km') < 5 LIMIT 10",
            "SELECT Count__c, Max FROM Max__c WHERE Max > 5",
            "SELECT Id /* not COUNT(Id) */, Name // MAX(Name)\n FROM Account // GROUP BY Id",
            "SELECT Name FROM Account WHERE Name = 'http://x /* OFFSET 5'",
        ] {
            assert_eq!(unsupported(soql), None, "{soql}");
        }
    }
}
