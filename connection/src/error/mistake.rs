//! Which errors of Salesforce are mistakes of the program, and what a log may say about them.

use crate::error::{ApiError, Error};

/// Codes for requests that no input of a user makes right: a wrong query, object or field, a field that the app may not
/// write, a wrong method or version. Sources: REST API Developer Guide "Status Codes and Error Responses", SOAP API
/// Developer Guide "ExceptionCode", "StatusCode".
const CODES: &[&str] = &[
    "INVALID_FIELD",
    "INVALID_FIELD_FOR_INSERT_UPDATE",
    "INVALID_QUERY_FILTER_OPERATOR",
    "INVALID_SEARCH",
    "INVALID_TYPE",
    "JSON_PARSER_ERROR",
    "MALFORMED_QUERY",
    "MALFORMED_SEARCH",
    "METHOD_NOT_ALLOWED",
    "MISSING_ARGUMENT",
    "QUERY_TOO_COMPLICATED",
    "UNSUPPORTED_API_VERSION",
];

/// Salesforce's words for a wrong field or path, with the code `NOT_FOUND` that a missing record has as well. Its
/// general words, "The requested resource does not exist", may mean either, and count as a missing record.
const NOT_FOUND: &[&str] = &[
    "Provided external ID field does not exist",
    // Unverified: known from recollection only.
    "Could not find a match for URL",
];

/// Statuses of requests that the program built wrongly, with any code: method, retired version, length, media type,
/// missing condition, header size.
const STATUSES: &[u16] = &[405, 410, 414, 415, 428, 431];

/// Codes whose text an administrator or Salesforce wrote for the user who entered the data. Not those whose text has the
/// id of another record (`DUPLICATE_VALUE`) or the text of an Apex exception.
const FOR_USERS: &[&str] = &[
    "FIELD_CUSTOM_VALIDATION_EXCEPTION",
    "FIELD_FILTER_VALIDATION_EXCEPTION",
    "FIELD_INTEGRITY_EXCEPTION",
    "INVALID_EMAIL_ADDRESS",
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
    "REQUIRED_FIELD_MISSING",
    "STRING_TOO_LONG",
    "TOO_MANY_ENUM_VALUE",
];

/// Longest reason for a log, in characters.
const MAX_REASON: usize = 300;

impl Error {
    /// Returns whether Salesforce rejected the request because the program is wrong, or lacks a permission for a field.
    ///
    /// The user who sent the request can do nothing about it: a handler of an actix app responds with status 500, and
    /// the log has an error with [`ApiError::log_reason`].
    pub fn is_program_mistake(&self) -> bool {
        match self {
            Self::Api { status, errors, .. } => {
                STATUSES.contains(status) || errors.iter().any(ApiError::is_program_mistake)
            }
            Self::GraphQl(failure) => failure.is_program_mistake(),
            _ => false,
        }
    }

    /// Returns Salesforce's sentence about what the user entered, for example the text of a validation rule.
    ///
    /// It may repeat what the user sent: show it to that user, and keep it out of logs.
    pub fn validation_message(&self) -> Option<&str> {
        let Self::Api { status: 400, errors, .. } = self else { return None };
        let entry = errors.iter().find(|entry| FOR_USERS.contains(&entry.code.as_str()))?;
        let message = entry.message.trim();
        (!message.is_empty() && !self.is_program_mistake()).then_some(message)
    }
}

impl ApiError {
    /// Returns whether this reason is a mistake of the program.
    pub(crate) fn is_program_mistake(&self) -> bool {
        CODES.contains(&self.code.as_str())
            || (self.code == "NOT_FOUND" && NOT_FOUND.iter().any(|text| self.message.starts_with(text)))
    }

    /// Returns what a log may have of the message: the last line without all that stands in quotes or braces, since
    /// that can be a value. Of a query that the message repeats, only row and column remain.
    pub fn log_reason(&self) -> String {
        let text = after_query(&self.message);
        let mut reason = String::new();
        let mut closing = None;
        let mut escaped = false;
        for character in text.chars().take(MAX_REASON) {
            match closing {
                None => {
                    closing = match character {
                        '\'' | '"' | '`' => Some(character),
                        '\u{2018}' => Some('\u{2019}'),
                        '\u{201c}' => Some('\u{201d}'),
                        '{' => Some('}'),
                        _ => None,
                    };
                    match closing {
                        Some(_) => reason.push('…'),
                        None if character.is_control() => reason.push(' '),
                        None => reason.push(character),
                    }
                }
                Some(_) if escaped => escaped = false,
                Some(_) if character == '\\' => escaped = true,
                Some(end) if character == end => closing = None,
                Some(_) => {}
            }
        }
        reason.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Returns the object that the message names, if it is an API name.
    pub fn log_object(&self) -> Option<&str> {
        let text = after_query(&self.message);
        ["on entity '", "sObject type '", "entity type '"]
            .into_iter()
            .find_map(|before| name_after(text, before))
    }

    /// Returns the field with the error: of the response's fields, or as the message names it, if it is an API name.
    pub fn log_field(&self) -> Option<&str> {
        let text = after_query(&self.message);
        let of_message = || {
            ["No such column '", "field '", "Unable to create/update fields: ", "not accessible: "]
                .into_iter()
                .find_map(|before| name_after(text, before))
        };
        self.fields.first().map(String::as_str).or_else(of_message)
    }
}

/// Returns the part of a message behind the query that it repeats. That may begin in the middle of a literal, so that its
/// quotes say nothing.
fn after_query(message: &str) -> &str {
    match message.rfind("ERROR at Row:") {
        Some(start) => &message[start..],
        None => message.trim_end().lines().last().unwrap_or_default(),
    }
}

fn name_after<'a>(text: &'a str, before: &str) -> Option<&'a str> {
    let rest = &text[text.find(before)? + before.len()..];
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_.".contains(c))).unwrap_or(rest.len());
    let name = rest[..end].trim_end_matches('.');
    let end = name.len();
    // A value in this place may have a blank or another character behind what looks like a name.
    let next = rest[end..].chars().next();
    let is_whole =
        if before.ends_with('\'') { next == Some('\'') } else { next.is_none_or(|next| ".,".contains(next)) };
    (is_whole && name.parse::<crate::name::FieldName>().is_ok()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(code: &str, message: &str) -> ApiError {
        ApiError {
            code: code.into(),
            message: message.into(),
            fields: Vec::new(),
            duplicates: None,
            reference: None,
        }
    }

    fn error(status: u16, code: &str, message: &str) -> Error {
        Error::Api { status, errors: vec![entry(code, message)], retry_after: None, response: None }
    }

    #[test]
    fn the_log_gets_object_and_field_and_nothing_in_quotes() {
        let wrong = entry(
            "INVALID_FIELD",
            "\nan O'Brien' AND Nope = 1\n               ^\nERROR at Row:1:Column:30\nNo such column 'Nope' on entity \
             'Account'. If you are attempting to use a custom field, append '__c'.",
        );
        assert_eq!((wrong.log_object(), wrong.log_field()), (Some("Account"), Some("Nope")));
        let reason = wrong.log_reason();
        assert!(reason.starts_with("ERROR at Row:1:Column:30 No such column … on entity …."), "{reason}");
        assert!(!reason.contains("Brien"), "{reason}");

        for (message, reason) in [
            ("unexpected token: 'canary'", "unexpected token: …"),
            ("value \"can\\\"ary\" is wrong", "value … is wrong"),
            ("FIND {canary} is wrong", "FIND … is wrong"),
            ("it doesn't end canary", "it doesn…"),
            ("SELECT canary\nis\nwrong", "wrong"),
        ] {
            assert_eq!(entry("MALFORMED_QUERY", message).log_reason(), reason);
        }
        let kind = entry("INVALID_TYPE", "sObject type 'Acount' is not supported.");
        assert_eq!((kind.log_object(), kind.log_field()), (Some("Acount"), None));
        let value = entry("INVALID_FIELD", "No such column 'Ada Lovelace' on entity 'x@example.com'");
        assert_eq!((value.log_object(), value.log_field()), (None, None), "no API names");
    }

    #[test]
    fn mistakes_of_the_program_are_distinguished_from_those_of_the_user() {
        for (status, code, message) in [
            (400, "INVALID_FIELD", ""),
            (400, "MALFORMED_QUERY", ""),
            (400, "INVALID_TYPE", ""),
            (400, "INVALID_FIELD_FOR_INSERT_UPDATE", ""),
            (404, "NOT_FOUND", "Provided external ID field does not exist or is not accessible: Nope__c"),
            (405, "", ""),
            (410, "UNSUPPORTED_API_VERSION", ""),
        ] {
            assert!(error(status, code, message).is_program_mistake(), "{code}");
        }
        for (status, code) in [
            (404, "NOT_FOUND"),
            (400, "STRING_TOO_LONG"),
            (403, "INSUFFICIENT_ACCESS"),
            (400, "MALFORMED_ID"),
        ] {
            assert!(
                !error(status, code, "The requested resource does not exist").is_program_mistake(),
                "{code}"
            );
        }
        let rule = error(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "Close date is in the past.");
        assert_eq!(rule.validation_message(), Some("Close date is in the past."));
        assert_eq!(error(400, "DUPLICATE_VALUE", "record with id: 001").validation_message(), None);
    }
}
