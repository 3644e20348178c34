//! Error answers: an array of one, with `fields` when there are any.

use serde_json::json;

use crate::data::{DataError, Refusal};
use crate::web::reply::{self, Reply};

pub(super) fn error(status: u16, code: &str, message: &str) -> Reply {
    reply::json(status, &json!([{ "message": message, "errorCode": code }]))
}

pub(super) fn refusal(refusal: &Refusal) -> Reply {
    let mut item = json!({ "message": refusal.message, "errorCode": refusal.code });
    if !refusal.fields.is_empty() {
        item["fields"] = json!(refusal.fields);
    }
    reply::json(refusal.status, &json!([item]))
}

pub(super) fn failure(failure: &DataError) -> Reply {
    match failure {
        DataError::Refused(refused) => refusal(refused),
        DataError::Sqlite(error) => self::error(500, "UNKNOWN_EXCEPTION", &format!("fake org: {error}")),
    }
}

/// The answer of work that may have been refused.
pub(super) fn or_failure(result: Result<Reply, DataError>) -> Reply {
    result.unwrap_or_else(|error| failure(&error))
}

pub(super) async fn not_found() -> Reply {
    refusal(&Refusal::not_found())
}

/// The status is unverified.
pub(super) async fn url_not_reset() -> Reply {
    error(
        400,
        "URL_NOT_RESET",
        "Destination URL not reset. The URL returned from login must be set in the SforceService",
    )
}
