//! The cases in which programs write a name of Salesforce.

/// Maximum number of words of which each combination of cases is tried: 81 names.
const MAX_WORDS: usize = 4;
/// Longest name in bytes that is tried. Salesforce's own names, also those of a parent's field, are far shorter.
pub(crate) const MAX_BYTES: usize = 255;

/// Returns whether a field, or a field of a parent such as `Owner.Name`, can have this name.
pub(crate) fn is_of_field(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    name.len() <= MAX_BYTES && name.bytes().all(is_part)
}

/// Returns a name in other cases.
///
/// These are the words of the name in each case (`annualRevenue`, `ANNUALREVENUE`, `Annualrevenue`, `AccountID`, `Key__C`),
/// and names whose words begin elsewhere (`UserName` for `Username`): one letter has the other case. A name that no field
/// can have has none: the number and the length of the cases grow with it.
pub(super) fn other_cases(name: &str) -> Vec<String> {
    if !is_of_field(name) {
        return Vec::new();
    }
    let mut cases = vec![name.to_ascii_lowercase(), name.to_ascii_uppercase()];
    let words = words(name);
    if words.len() <= MAX_WORDS {
        let mut starts = vec![String::new()];
        for word in &words {
            let ends = cases_of_word(word);
            starts =
                starts.iter().flat_map(|start| ends.iter().map(move |end| format!("{start}{end}"))).collect();
        }
        cases.append(&mut starts);
    } else {
        let each = |case: fn(&str) -> String| words.iter().map(|word| case(word)).collect::<String>();
        cases.extend([each(capitalized), capitalized(name)]);
    }
    let mut starts = vec![name.to_owned()];
    if let Some(first) = name.get(..1) {
        starts.push(first.to_ascii_lowercase() + &name[1..]);
    }
    for start in starts {
        for (index, letter) in start.char_indices().filter(|(_, letter)| letter.is_ascii_alphabetic()) {
            let other = if letter.is_ascii_lowercase() {
                letter.to_ascii_uppercase()
            } else {
                letter.to_ascii_lowercase()
            };
            cases.push(format!("{}{other}{}", &start[..index], &start[index + 1..]));
        }
        cases.push(start);
    }
    cases.sort_unstable();
    cases.dedup();
    cases.retain(|case| case != name);
    cases
}

fn cases_of_word(word: &str) -> Vec<String> {
    let mut cases =
        vec![word.to_owned(), word.to_ascii_lowercase(), word.to_ascii_uppercase(), capitalized(word)];
    cases.sort_unstable();
    cases.dedup();
    cases
}

fn capitalized(word: &str) -> String {
    let lower = word.to_ascii_lowercase();
    match lower.get(..1) {
        Some(first) => first.to_ascii_uppercase() + &lower[1..],
        None => lower,
    }
}

/// Splits a name where a word begins: `SObjectType__c` into `S`, `Object`, `Type__`, `c`.
fn words(name: &str) -> Vec<&str> {
    let bytes = name.as_bytes();
    let is = |index: usize, test: fn(&u8) -> bool| bytes.get(index).is_some_and(test);
    let begins = |index: &usize| {
        let index = *index;
        let is_letter = is(index, u8::is_ascii_alphabetic);
        let is_upper = is(index, u8::is_ascii_uppercase);
        let after_sign = is_letter && !is(index - 1, u8::is_ascii_alphabetic);
        let after_lower = is_upper && is(index - 1, u8::is_ascii_lowercase);
        let before_lower = is_upper && is(index + 1, u8::is_ascii_lowercase);
        name.is_char_boundary(index) && (after_sign || after_lower || before_lower)
    };
    let mut words = Vec::new();
    let mut start = 0;
    for index in (1..name.len()).filter(begins) {
        words.extend(name.get(start..index));
        start = index;
    }
    words.extend(name.get(start..).filter(|word| !word.is_empty()));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_name_come_in_each_case() {
        assert_eq!(words("SObjectType__c"), ["S", "Object", "Type__", "c"]);
        assert_eq!(
            (words("ns__Key2Value__c"), words("é")),
            (vec!["ns__", "Key2", "Value__", "c"], vec!["é"])
        );
        for (name, case) in [
            ("AccountId", "AccountID"),
            ("AccountId", "accountId"),
            ("ExternalId__c", "ExternalID__c"),
            ("ExternalId__c", "externalid__c"),
            ("PhotoUrl", "PhotoURL"),
            ("Username", "UserName"),
            ("Username", "userName"),
            ("SobjectType", "SObjectType"),
            ("Id", "ID"),
            ("IsPersonAccount", "isPersonAccount"),
            ("PersonMailingPostalCode__c", "personMailingPostalCode__c"),
            ("PersonMailingPostalCode__c", "personmailingpostalcode__c"),
        ] {
            let cases = other_cases(name);
            assert!(cases.iter().any(|found| found == case), "{name} {case}");
            assert!(cases.len() < 150 && cases.iter().all(|found| found != name), "{name} {}", cases.len());
        }
        assert!(other_cases("").is_empty() && other_cases("é").is_empty());
    }

    #[test]
    fn a_name_that_no_field_can_have_has_no_other_cases() {
        for name in ["A".repeat(256), "A".repeat(100_000), "First Name".to_owned(), "https://x".to_owned()] {
            assert!(other_cases(&name).is_empty(), "{} bytes", name.len());
        }
        assert!(other_cases("Owner.Name").iter().any(|case| case == "owner.name"));
    }
}
