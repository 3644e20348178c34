//! The objects and fields that the caller names.

use std::{fmt, str::FromStr};

use actix_salesforce::soql::{FieldName, ObjectName};

/// All fields of an object, in a list of fields.
pub(super) const ALL: &str = "*";

/// An object, and the fields to read of it: `Account`, `Account:Id,Name`, `Contact:*,Account.Name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selection {
    pub(super) object: String,
    /// Names of fields, with the relationships to them; or [`ALL`].
    pub(super) fields: Vec<String>,
}

impl FromStr for Selection {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (object, list) = text.split_once(':').unwrap_or((text, ALL));
        if let Err(error) = object.parse::<ObjectName>() {
            let hint = match object.split_once('.') {
                Some((object, field)) => format!(". A field stands after a colon: `{object}:{field}`"),
                None => String::new(),
            };
            return Err(format!("{error}{hint}"));
        }
        let mut fields: Vec<String> = Vec::new();
        for field in list.split(',').map(str::trim).filter(|field| !field.is_empty()) {
            if field != ALL {
                field.parse::<FieldName>().map_err(|error| format!("`{field}`: {error}"))?;
            }
            if !fields.iter().any(|known| known.eq_ignore_ascii_case(field)) {
                fields.push(field.to_owned());
            }
        }
        if fields.is_empty() {
            return Err(format!("no field is named after the colon. `{object}` alone stands for all fields"));
        }
        Ok(Self { object: object.to_owned(), fields })
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fields.as_slice() {
            [all] if all == ALL => f.write_str(&self.object),
            fields => write!(f, "{}:{}", self.object, fields.join(",")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_is_read_and_written() {
        for text in
            ["Account", "Account:Id,Name", "Contact:*,Account.Owner.Name", "acme__Invoice__c:Total__c"]
        {
            assert_eq!(text.parse::<Selection>().map(|selection| selection.to_string()).as_deref(), Ok(text));
        }
        assert_eq!("Account:*".parse::<Selection>(), "Account".parse());
        assert_eq!("Account:Id, name,NAME".parse::<Selection>(), "Account:Id,name".parse());
    }

    #[test]
    fn what_is_no_selection_is_refused_with_a_hint() {
        for (text, expected) in [
            ("Account.Name", "`Account:Name`"),
            ("Account:", "all fields"),
            ("Account:Name;Id", "API name of a field"),
            ("", "API name of an object"),
        ] {
            let error = text.parse::<Selection>().unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
