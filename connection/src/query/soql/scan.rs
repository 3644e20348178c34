//! Finds the `:name` placeholders of a query outside its string literals.

use crate::query::soql::bind::BindError;

/// A part of a query's text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Text that is copied unchanged.
    Text(&'a str),
    /// A placeholder's name, without the colon.
    Placeholder(&'a str),
}

/// Splits a query at its placeholders.
///
/// A colon followed by digits belongs to a date literal or a time (`LAST_N_DAYS:30`, `23:59:59`), and blanks may stand
/// on both sides of a date literal's colon. Any other colon outside a string or a comment begins a placeholder, which must
/// stand alone: text that touches it would become part of the value.
pub(crate) fn scan(soql: &str) -> Result<Vec<Piece<'_>>, BindError> {
    split(soql, b'\'', touches)
}

/// Returns the length of the comment that `text` begins with: `/* … */`, or `//` up to the end of the line.
///
/// That Salesforce accepts comments is unverified. A comment is sent as it is, and a placeholder in it is not one.
pub(crate) fn comment_length(text: &str) -> Option<usize> {
    let end_of = |end: &str| text[2..].find(end).map_or(text.len(), |at| at + 2 + end.len());
    match text.get(..2)? {
        "/*" => Some(end_of("*/")),
        "//" => Some(end_of("\n")),
        _ => None,
    }
}

/// Returns whether the colon at `at` belongs to a date literal with a number: `LAST_N_DAYS : 30`, `n_days_ago:2`.
fn is_date_literal(soql: &str, at: usize) -> bool {
    let number = soql[at + 1..].trim_start().starts_with(|first: char| first.is_ascii_digit());
    let before = soql[..at].trim_end();
    let start = before.trim_end_matches(|letter: char| letter.is_alphanumeric() || letter == '_').len();
    let word = before[start..].to_ascii_uppercase();
    let is_literal = ["LAST_N_", "NEXT_N_"].iter().any(|start| word.starts_with(start))
        || (word.starts_with("N_") && word.ends_with("_AGO"));
    number && is_literal
}

/// Splits the text between the braces of a search at its placeholders.
///
/// Phrases are in double quotes, and a backslash escapes the next character. A wildcard that touched a value would
/// become part of its word.
pub(crate) fn scan_terms(terms: &str) -> Result<Vec<Piece<'_>>, BindError> {
    split(terms, b'"', |neighbour| touches(neighbour) || neighbour.is_some_and(|byte| b"*?".contains(&byte)))
}

fn split(soql: &str, quote: u8, touches: impl Fn(Option<u8>) -> bool) -> Result<Vec<Piece<'_>>, BindError> {
    let mut pieces = Vec::new();
    let bytes = soql.as_bytes();
    let (mut start, mut at) = (0, 0);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            byte if byte == quote => {
                at = end_of_string(bytes, at + 1, quote).ok_or(BindError::UnclosedString)?
            }
            b'\\' if quote == b'"' => at += 2,
            b'/' if quote == b'\'' && comment_length(&soql[at..]).is_some() => {
                at += comment_length(&soql[at..]).unwrap_or(1);
            }
            // Not of the placeholder before it, whatever its name.
            b':' if quote == b'\'' && is_date_literal(&soql[start..], at - start) => at += 1,
            b':' if bytes.get(at + 1).is_some_and(u8::is_ascii_digit) && touches(before(bytes, at)) => {
                at += 1
            }
            b':' => {
                let length = bytes[at + 1..].iter().take_while(|byte| is_word(**byte)).count();
                let end = at + 1 + length;
                let name = &soql[at + 1..end];
                if !name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
                    || touches(before(bytes, at))
                    || touches(bytes.get(end).copied())
                {
                    return Err(BindError::Placeholder);
                }
                pieces.extend([Piece::Text(&soql[start..at]), Piece::Placeholder(name)]);
                (start, at) = (end, end);
            }
            _ => at += 1,
        }
    }
    pieces.push(Piece::Text(&soql[start..]));
    Ok(pieces)
}

fn before(bytes: &[u8], at: usize) -> Option<u8> {
    at.checked_sub(1).and_then(|at| bytes.get(at)).copied()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Returns true if a neighbouring byte would become part of the value. All bytes outside ASCII count as word characters.
fn touches(neighbour: Option<u8>) -> bool {
    neighbour.is_some_and(|byte| is_word(byte) || !byte.is_ascii() || b"'\"\\.:".contains(&byte))
}

/// Returns the position after the closing quote of the string whose text begins at `at`.
pub(super) fn end_of_string(bytes: &[u8], mut at: usize, quote: u8) -> Option<usize> {
    loop {
        match bytes.get(at)? {
            b'\\' => at += 2,
            byte if *byte == quote => return Some(at + 1),
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_found_only_outside_strings() {
        let soql = r"SELECT Id FROM A WHERE X=:a AND Y = ':b \' :c' AND (Z IN :_d9) AND D > LAST_N_DAYS:30
            AND T < 2026-01-31T23:59:59Z LIMIT :e";
        let names: Vec<_> = scan(soql)
            .unwrap()
            .into_iter()
            .filter_map(|piece| match piece {
                Piece::Placeholder(name) => Some(name),
                Piece::Text(_) => None,
            })
            .collect();
        assert_eq!(names, ["a", "_d9", "e"]);
    }

    #[test]
    fn what_needs_no_value_goes_out_as_it_is() {
        for soql in [
            "SELECT Id FROM A WHERE D = LAST_N_DAYS: 30",
            "SELECT Id FROM A WHERE D = last_n_days :30",
            "SELECT Id FROM A WHERE D > NEXT_N_FISCAL_QUARTERS\n:\t6 AND D < n_days_ago : 2",
            "SELECT Id FROM A WHERE T = 01:02:03.000Z",
            "SELECT Id FROM A WHERE T = 2005-10-08T01:02:03+01:00",
            "SELECT Id /* it's :not a 'placeholder */ FROM A",
            "SELECT Id // it's :not\nFROM A",
            "SELECT Id FROM A /* open",
            "SELECT Id FROM A //",
            "SELECT Id FROM A WHERE U = 'https://x/:y' AND V = '/*'",
            "SELECT Ü FROM A /* é */ WHERE B = 'ä:ö'",
        ] {
            let pieces = scan(soql).unwrap();
            let text: String = pieces
                .iter()
                .map(|piece| match piece {
                    Piece::Text(text) => *text,
                    Piece::Placeholder(name) => panic!("{name} in {soql}"),
                })
                .collect();
            assert_eq!(text, soql);
        }
        assert_eq!(scan("A /* 'x */ = :a").unwrap()[1], Piece::Placeholder("a"));
        for soql in ["XLAST_N_DAYS : 30", "D = LAST_WEEK : 30", "D = LAST_N_DAYS : n", "D = ÄLAST_N_DAYS: 3"]
        {
            assert_eq!(scan(soql), Err(BindError::Placeholder), "{soql}");
        }
    }

    /// Each construct of the SOQL and SOSL Reference, as its examples write them.
    #[test]
    fn the_examples_of_the_soql_reference_are_sent_unchanged() {
        for soql in [
            "SELECT Id, Name FROM Account WHERE Name = 'Sandy'",
            "SELECT count() FROM Contact c, c.Account a WHERE a.name = 'MyriadPubs'",
            "SELECT Account.Name, (SELECT Contact.LastName FROM Account.Contacts) FROM Account",
            "SELECT Id FROM Account WHERE Name LIKE 'Ter%\\'' OR Name LIKE '\\u0041_\\n\\\\'",
            "SELECT Id FROM A WHERE CreatedDate > 2011-04-26T10:00:00-08:00 AND T < 2005-10-08T01:02:03Z",
            "SELECT Id FROM A WHERE CreatedDate > 2005-10-08T01:02:03.000+01:00 AND BillingDate = 1999-01-01",
            "SELECT Id FROM A WHERE D > YESTERDAY AND E = LAST_N_DAYS:365 AND F < N_FISCAL_YEARS_AGO:2",
            "SELECT Id FROM A WHERE MSP1__c includes('AAA;BBB','CCC') AND Amount > USD5000 AND B = 1.5E3",
            "SELECT TYPEOF What WHEN Account THEN Phone, NumberOfEmployees ELSE Name, Email END FROM Event",
            "SELECT Name FROM A WHERE DISTANCE(Location__c, GEOLOCATION(37.775,-122.418), 'mi') < 20",
            "SELECT FORMAT(MIN(closedate)) Amt, convertCurrency(Amount) FROM Opportunity GROUP BY CUBE(A, B)",
            "SELECT LeadSource, COUNT(Name) FROM Lead GROUP BY ROLLUP(LeadSource) HAVING COUNT(Name) > 100",
            "SELECT FIELDS(ALL) FROM Account LIMIT 200 OFFSET 10",
            "SELECT Title FROM Question WITH DATA CATEGORY Geography__c AT (usa__c, uk__c) AND P__c BELOW All__c",
            "SELECT Name FROM Account ORDER BY Name DESC NULLS LAST FOR VIEW",
            "SELECT Name FROM Account USING SCOPE Mine WHERE Id NOT IN (SELECT AccountId FROM Contact) FOR UPDATE",
            "SELECT Name FROM Account WITH SECURITY_ENFORCED UPDATE TRACKING, VIEWSTAT",
            "SELECT Id FROM UserProfileFeed WITH UserId='005D0000001AamR' ALL ROWS",
            "select id\r\n\tfrom account\r\nwhere (((name!=null)))",
        ] {
            assert_eq!(scan(soql), Ok(vec![Piece::Text(soql)]), "{soql}");
        }
        for terms in
            ["MyProspect", "\"Bob Jones\" AND (MyCompany OR Other)", "MyName*", r"Customer\?Service", "a-b+c"]
        {
            assert_eq!(scan_terms(terms), Ok(vec![Piece::Text(terms)]), "{terms}");
        }
    }

    #[test]
    fn an_ambiguous_colon_is_an_error() {
        for soql in [
            "D > LAST_N_DAYS:n",
            // Found by fuzzing.
            "D > :LAST_N_DAYS : 30",
            "A = : a",
            "A = :",
            "A = :1",
            "A = :a.b",
            "A = :a:b",
            "A = :a'x'",
            "A = 'x':a",
            "A = x:a",
            "A = ::a",
            "A = ä:a",
            "A = :aä",
            r"A = \:a",
            "A = :a\"x\"",
        ] {
            assert_eq!(scan(soql), Err(BindError::Placeholder), "{soql}");
        }
        for soql in ["A = 'x", r"A = 'x\'", "A = '\\", "'"] {
            assert_eq!(scan(soql), Err(BindError::UnclosedString), "{soql}");
        }
    }
}
