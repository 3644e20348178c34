//! What serde calls a field, and whether Salesforce could call one so.

/// `rename_all`, as serde applies it to the names of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    None,
    Lower,
    Upper,
    Pascal,
    Camel,
    ScreamingSnake,
    Kebab,
    ScreamingKebab,
}

impl Rule {
    /// The rule of that name; `None` for a name that serde refuses too.
    pub(crate) fn named(name: &str) -> Option<Self> {
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

    /// The name of a field that is called `field` in Rust.
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
    let mut begins = true;
    for character in field.chars() {
        if character == '_' {
            begins = true;
        } else if std::mem::take(&mut begins) {
            name.push(character.to_ascii_uppercase());
        } else {
            name.push(character);
        }
    }
    name
}

/// The API name of an object, a field or a relationship: up to four pieces joined by `__`, each of letters and digits
/// with single underscores inside.
pub(crate) fn is_api_name(name: &str) -> bool {
    let piece_is_fine = |piece: &str| {
        !piece.is_empty()
            && piece.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !piece.starts_with('_')
            && !piece.ends_with('_')
    };
    name.len() <= 255
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.split("__").count() <= 4
        && name.split("__").all(piece_is_fine)
}

/// Whether Salesforce itself writes the name so. Names of its own begin with a capital letter; answers have them in
/// that form whatever the query says, and serde compares every letter.
pub(crate) fn is_as_salesforce_writes(name: &str) -> bool {
    name.contains("__") || name.starts_with(|first: char| first.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_called_as_serde_calls_them() {
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
            assert_eq!(Rule::named(rule).map(|rule| rule.apply("annual_revenue")).as_deref(), Some(name));
        }
        assert_eq!(Rule::named("Pascal"), None);
        assert_eq!(Rule::None.apply("x"), "x");
    }

    #[test]
    fn names_that_salesforce_cannot_have_are_told_apart() {
        for name in ["Name", "Budget__c", "acme__Total_2__c", "Owner", "Account__r", "legacy__c"] {
            assert!(is_api_name(name) && is_as_salesforce_writes(name), "{name}");
        }
        for name in ["", "annual-revenue", "Owner.Name", "A___c", "1st", "Name ", "_x", "Name, Secret__c"] {
            assert!(!is_api_name(name), "{name}");
        }
        assert!(!is_as_salesforce_writes("name"));
    }
}
