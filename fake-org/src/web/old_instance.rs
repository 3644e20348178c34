//! The instance that the data moved away from.

use axum::http::Uri;
use serde_json::json;

use super::http_response::{self, HttpResponse};
use super::pages;
use crate::auth::quirks::OldInstance;
use crate::state::Org;

/// Returns the response to a data request at the old instance; `None` if the ordinary handler rejects it.
pub(crate) async fn response(org: &Org, uri: &Uri) -> Option<HttpResponse> {
    match org.settings().old_instance {
        OldInstance::InvalidSession => None,
        OldInstance::Redirect(status) => {
            let target = uri.path_and_query().map_or("/", |target| target.as_str());
            Some(http_response::redirect(status, &format!("{}{target}", org.instance_url())))
        }
        OldInstance::NotFound => Some(pages::error_page::no_longer_exists().await),
        OldInstance::UrlNotReset => Some(http_response::json(
            400,
            &json!([{ "message": URL_NOT_RESET, "errorCode": "URL_NOT_RESET" }]),
        )),
    }
}

/// The message to data requests at a host without the org's data.
pub(super) const URL_NOT_RESET: &str =
    "Destination URL not reset. The URL returned from login must be set in the SforceService";
