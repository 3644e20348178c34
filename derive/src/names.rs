//! Computes serde's name of a field, and checks that it is a valid name in Salesforce.

/// A rule of `rename_all`, applied to field names as serde does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RenameRule {
    None,
    Lower,
    Upper,
    Pascal,
    Camel,
    ScreamingSnake,
    Kebab,
    ScreamingKebab,
}

impl RenameRule {
    /// Returns the rule with this name, or `None` if serde rejects the name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "lowercase" | "snake_case" => Self::Lower,
            "UPPERCASE" => Self::Upper,
            "PascalCase" => Self::Pascal,
            "camelCase" => Self::Camel,
            "SCREAMING_SNAKE_CASE" => Self::ScreamingSnake,
            "kebab-case" => Self::Kebab,
            "SCREAMING-KEBAB-CASE" => Self::ScreamingKebab,
            _ => return None,
        })
    }

    /// Returns the serialized name of the Rust field `field`.
    pub(crate) fn apply(self, field: &str) -> String {
        match self {
            Self::None | Self::Lower => field.to_owned(),
            Self::Upper | Self::ScreamingSnake => field.to_ascii_uppercase(),
            Self::Pascal => pascal(field),
            Self::Camel => {
                let pascal = pascal(field);
                let mut characters = pascal.chars();
                let first = characters.next().map(|first| first.to_ascii_lowercase());
                first.into_iter().chain(characters).collect()
            }
            Self::Kebab => field.replace('_', "-"),
            Self::ScreamingKebab => field.to_ascii_uppercase().replace('_', "-"),
        }
    }
}

fn pascal(field: &str) -> String {
    let mut name = String::with_capacity(field.len());
    let mut starts_word = true;
    for character in field.chars() {
        if character == '_' {
            starts_word = true;
        } else if std::mem::take(&mut starts_word) {
            name.push(character.to_ascii_uppercase());
        } else {
            name.push(character);
        }
    }
    name
}

/// Returns true for a valid API name of an object, a field or a relationship.
///
/// A name has up to four parts joined by `__`, each of letters and digits with single underscores inside.
pub(crate) fn is_api_name(name: &str) -> bool {
    let is_valid_part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !part.starts_with('_')
            && !part.ends_with('_')
    };
    name.len() <= 255
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.split("__").count() <= 4
        && name.split("__").all(is_valid_part)
}

/// Returns true if Salesforce spells the name like this in responses.
///
/// Standard names begin with a capital letter. Responses have that form whatever case the query uses, and serde
/// compares names exactly.
pub(crate) fn has_salesforce_spelling(name: &str) -> bool {
    name.contains("__") || name.starts_with(|first: char| first.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rename_rules_produce_the_names_of_serde() {
        for (rule, name) in [
            ("PascalCase", "AnnualRevenue"),
            ("camelCase", "annualRevenue"),
            ("lowercase", "annual_revenue"),
            ("snake_case", "annual_revenue"),
            ("UPPERCASE", "ANNUAL_REVENUE"),
            ("SCREAMING_SNAKE_CASE", "ANNUAL_REVENUE"),
            ("kebab-case", "annual-revenue"),
            ("SCREAMING-KEBAB-CASE", "ANNUAL-REVENUE"),
        ] {
            assert_eq!(
                RenameRule::from_name(rule).map(|rule| rule.apply("annual_revenue")).as_deref(),
                Some(name)
            );
        }
        assert_eq!(RenameRule::from_name("Pascal"), None);
        assert_eq!(RenameRule::None.apply("x"), "x");
    }

    #[test]
    fn valid_and_invalid_salesforce_names_are_distinguished() {
        for name in ["Name", "Budget__c", "acme__Total_2__c", "Owner", "Account__r", "legacy__c"] {
            assert!(is_api_name(name) && has_salesforce_spelling(name), "{name}");
        }
        for name in ["", "annual-revenue", "Owner.Name", "A___c", "1st", "Name ", "_x", "Name, Secret__c"] {
            assert!(!is_api_name(name), "{name}");
        }
        assert!(!has_salesforce_spelling("name"));
    }
}
