//! Salesforce's error codes of API requests: what happened, what to do, who can do it, and where in Setup.
//!
//! Sources: REST API Developer Guide "Status Codes and Error Responses", SOAP API Developer Guide "ExceptionCode" and
//! "StatusCode". The places are those of Salesforce Help: "Permission Sets", "Monitor Data and Storage Resources", "Set Up
//! Record Locking", "View Apex Classes". Codes of a wrong program have the page of [`RequestFailure::ProgramMistake`].

use crate::web::pages::{
    RequestFailure,
    fix::{self, Fix, Who},
};
use salesforce_connection::Error;

/// Error codes of the API with one meaning, which a page explains.
#[derive(Debug)]
pub(crate) struct ApiErrorCode {
    /// The codes in upper snake case.
    codes: &'static [&'static str],
    /// The reason, and what to do.
    pub(crate) paragraphs: &'static [&'static str],
    pub(crate) fix: Fix,
}

macro_rules! codes {
    ($($($code:literal),+: $reason:literal, $do:literal, $who:ident $(at $place:expr)?;)*) => {
        &[$(ApiErrorCode {
            codes: &[$($code),+],
            paragraphs: &[$reason, $do],
            fix: codes!(@fix $who $($place)?),
        },)*]
    };
    (@fix $who:ident) => { Fix { who: Who::$who, place: None } };
    (@fix $who:ident $place:expr) => { Fix { who: Who::$who, place: Some($place) } };
}

const SHARING: &str =
    "Users > Permission Sets (or Profiles), the object's permissions; Security > Sharing Settings";
const POLICIES: &str = "Apps > External Client Apps > External Client App Manager, the app's OAuth policies";

static KNOWN: &[ApiErrorCode] = codes! {
    "API_DISABLED_FOR_ORG", "RESTAPINOTENABLED":
        "The edition of your Salesforce organization has no API, or it is switched off.",
        "This app works in organizations that have it: the edition has to be changed, or the API enabled.",
        Administrator at "Company Settings > Company Information, \"Organization Edition\"";
    "API_CURRENTLY_DISABLED":
        "Your Salesforce user may not use the API.",
        "It needs the permission \"API Enabled\".",
        Administrator at fix::API_ENABLED;
    "CLIENT_NOT_ACCESSIBLE_FOR_USER":
        "Your Salesforce organization does not let your user work in this app.",
        "You need a profile or a permission set that the app's policies permit.",
        Administrator at POLICIES;
    "INSUFFICIENT_ACCESS", "INSUFFICIENT_ACCESS_OR_READONLY":
        "Your Salesforce user may not do this with this record, or not change one of its fields.",
        "You need access to the record, its object and its fields.",
        Administrator at SHARING;
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY":
        "Your Salesforce user may not use a record that this one refers to.",
        "You need access to that record, too.",
        Administrator at SHARING;
    "FUNCTIONALITY_NOT_ENABLED":
        "Something that this needs is switched off in your Salesforce organization.",
        "It has to be switched on. Salesforce does not say what it is; the log of this app may.",
        Administrator at "the page of the feature";
    "ENTITY_IS_DELETED":
        "This record has been deleted.",
        "It can be restored from Salesforce's Recycle Bin for 15 days.",
        You;
    "STORAGE_LIMIT_EXCEEDED":
        "Your Salesforce organization has no storage left, so nothing was saved.",
        "Records or files have to be deleted, or storage added.",
        Administrator at "Data > Storage Usage";
    "INACTIVE_OWNER_OR_USER":
        "The record belongs, or is given, to a user who is not active in Salesforce.",
        "Choose another user, or have that one activated.",
        Administrator at "Users > Users";
    "DELETE_FAILED", "DEPENDENCY_EXISTS":
        "Other records or settings in Salesforce still need this one, so it was not deleted.",
        "Change or delete those first.",
        You;
    "DUPLICATES_DETECTED":
        "Salesforce has a record like this one already, so nothing was saved.",
        "Use the existing one, or change what you entered.",
        You;
    "DUPLICATE_VALUE":
        "Another record in Salesforce has one of these values already, and it has to be unique.",
        "Enter another value.",
        You;
    "DUPLICATE_EXTERNAL_ID":
        "Several records in Salesforce have the external ID that this one should have, so nothing was saved.",
        "Leave it to one of them, then try again.",
        You;
    "NUMBER_OUTSIDE_VALID_RANGE":
        "A number is larger or smaller than Salesforce allows there, or a page is too far from the start of its list.",
        "Enter another number, or look for what you need by a search.",
        You;
    "INVALID_QUERY_LOCATOR":
        "Salesforce no longer has the rest of this list. It retains ten lists of a user, each for two days.",
        "Open the list again.",
        You;
    "INVALID_CROSS_REFERENCE_KEY":
        "A record that this one refers to does not exist, or you may not see it.",
        "Choose another one, and try again.",
        You;
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY":
        "Something that your organization added to Salesforce (an Apex trigger or a flow) stopped this.",
        "It has to be corrected, or says that this is not allowed.",
        Administrator at "Custom Code > Apex Triggers; Process Automation > Flows";
    "APEX_ERROR":
        "Something that your organization added to Salesforce (Apex code) failed.",
        "It has to be corrected.",
        Administrator at "Custom Code > Apex Classes; Environments > Logs > Debug Logs";
    "INVALID_OPERATION":
        "Salesforce does not allow this while the record is as it is: usually it is locked by an approval.",
        "Wait until it has been approved, or ask an approver to unlock it.",
        You;
    "EXCEEDED_ID_LIMIT", "OPERATION_TOO_LARGE", "QUERY_TIMEOUT":
        "There is too much data for what this app asked of Salesforce.",
        "Ask for less if you can: fewer records, or a shorter time.",
        Developer;
    "UNKNOWN_EXCEPTION":
        "Something failed within Salesforce.",
        "Try again. If it happens again, Salesforce's support can find out why.",
        Salesforce;
};

/// Returns what is known of a code.
pub(crate) fn find(code: Option<&str>) -> Option<&'static ApiErrorCode> {
    let code = code?;
    KNOWN.iter().find(|known| known.codes.contains(&code))
}

/// Returns this crate's copy of the code that explains an error better than the reason of the page does.
pub(crate) fn of(failure: RequestFailure, error: &Error) -> Option<&'static str> {
    use RequestFailure::{ApiAccessDenied, BadGateway, Forbidden, NotFound, Refused};
    if !matches!(failure, ApiAccessDenied | BadGateway | Forbidden | NotFound | Refused) {
        return None;
    }
    let known = || KNOWN.iter().flat_map(|known| known.codes).copied();
    error.api_errors().iter().find_map(|entry| known().find(|code| *code == entry.code))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::web::pages::salesforce_errors;
    use salesforce_connection::test_errors::api_entry;

    /// The codes of Salesforce's REST API, with the status that each comes with: those that are in the body of a response.
    fn codes() -> Vec<(u16, String)> {
        let places =
            ["rest", "rest.collections.item", "composite.subrequest", "composite.batch.item", "bulk2"];
        let all = salesforce_errors::at(&places).into_iter();
        let has_code = |code: &str| code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        let found: Vec<_> =
            all.filter(|error| has_code(&error.error)).map(|error| (error.status(), error.error)).collect();
        assert!(found.len() > 50, "{found:?}");
        found
    }

    /// Codes that no page explains: the general text says enough, or Salesforce's own sentence does.
    const GENERAL: &[(&str, RequestFailure)] = &[
        ("ALL_OR_NONE_OPERATION_ROLLED_BACK", RequestFailure::Refused),
        ("BATCH_PROCESSING_HALTED", RequestFailure::Refused),
        ("FIELD_CUSTOM_VALIDATION_EXCEPTION", RequestFailure::Refused),
        ("FIELD_INTEGRITY_EXCEPTION", RequestFailure::Refused),
        ("INVALIDJOBSTATE", RequestFailure::Refused),
        ("INVALID_EMAIL_ADDRESS", RequestFailure::Refused),
        ("INVALID_FIELD", RequestFailure::ProgramMistake),
        ("INVALID_FIELD_FOR_INSERT_UPDATE", RequestFailure::ProgramMistake),
        ("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", RequestFailure::Refused),
        ("INVALID_QUERY_FILTER_OPERATOR", RequestFailure::ProgramMistake),
        ("INVALID_TYPE", RequestFailure::ProgramMistake),
        ("JSON_PARSER_ERROR", RequestFailure::ProgramMistake),
        ("MALFORMED_ID", RequestFailure::Refused),
        ("MALFORMED_QUERY", RequestFailure::ProgramMistake),
        ("MALFORMED_SEARCH", RequestFailure::ProgramMistake),
        ("METHOD_NOT_ALLOWED", RequestFailure::ProgramMistake),
        ("MISSING_ARGUMENT", RequestFailure::ProgramMistake),
        ("NOT_FOUND", RequestFailure::NotFound),
        ("PROCESSING_HALTED", RequestFailure::Refused),
        ("QUERY_TOO_COMPLICATED", RequestFailure::ProgramMistake),
        ("REQUIRED_FIELD_MISSING", RequestFailure::Refused),
        ("SERVER_UNAVAILABLE", RequestFailure::SalesforceUnavailable),
        ("STRING_TOO_LONG", RequestFailure::Refused),
        ("TOO_MANY_ENUM_VALUE", RequestFailure::Refused),
        ("UNABLE_TO_LOCK_ROW", RequestFailure::RecordLocked),
        ("UNSUPPORTED_API_VERSION", RequestFailure::ProgramMistake),
        ("URL_NOT_RESET", RequestFailure::Refused),
    ];

    /// Codes that the client turns into an error of another kind, which has a page to itself.
    const OTHER_ERRORS: &[&str] = &["INVALID_AUTH_HEADER", "INVALID_SESSION_ID", "REQUEST_LIMIT_EXCEEDED"];

    #[test]
    fn each_code_of_the_api_is_explained_or_has_a_general_text_on_purpose() {
        for (status, code) in &codes() {
            let is_explained = find(Some(code)).is_some();
            let general = GENERAL.iter().find(|(general, _)| general == code);
            let places = [is_explained, general.is_some(), OTHER_ERRORS.contains(&code.as_str())];
            assert_eq!(places.iter().filter(|place| **place).count(), 1, "{code}: {places:?}");
            let error = api_entry(*status, code, "");
            let failure = RequestFailure::of(&error, true);
            match general {
                Some((_, expected)) => assert_eq!(failure, *expected, "{code}"),
                None if is_explained => assert_eq!(of(failure, &error), Some(code.as_str()), "{failure:?}"),
                None => {}
            }
        }
    }

    #[test]
    fn each_code_is_explained_once_with_its_place() {
        let codes: Vec<_> = KNOWN.iter().flat_map(|known| known.codes).collect();
        assert_eq!(codes.iter().collect::<HashSet<_>>().len(), codes.len());
        for known in KNOWN {
            let in_setup = matches!(known.fix.who, Who::Administrator);
            assert_eq!(known.fix.place.is_some(), in_setup, "{:?}", known.codes);
            assert_eq!(known.paragraphs.len(), 2, "{:?}", known.codes);
        }
    }
}
