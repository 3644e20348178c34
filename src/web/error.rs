//! How an [`Error`] becomes an answer.

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    http::{Method, StatusCode, Uri, header},
};
use serde_json::json;
use url::form_urlencoded;

use super::{
    answer::{self, Wants},
    context::Worker,
    pages::{Action, Page},
};
use crate::{error_chain::Chain, grant::LogInError, return_to::ReturnTo, store::SealError};
use salesforce_connection::{Error, error::InvalidRequest, oauth::OAuthError};

impl From<SealError> for Error {
    fn from(error: SealError) -> Self {
        Self::internal(error)
    }
}

impl From<LogInError> for Error {
    fn from(error: LogInError) -> Self {
        match error {
            LogInError::Store(error) => error.into(),
            error => Self::internal(error),
        }
    }
}

struct Answer {
    status: StatusCode,
    code: &'static str,
    message: &'static str,
}

impl Answer {
    fn of(error: &Error) -> Self {
        let (status, code, message) = if error.needs_login() {
            (StatusCode::UNAUTHORIZED, "login_required", "Log in with Salesforce first.")
        } else if error.retry_after().is_some() || error.is_transient() {
            (StatusCode::SERVICE_UNAVAILABLE, "unavailable", Self::not_now(error))
        } else {
            match error {
                Error::Internal(_)
                | Error::Bind(_)
                | Error::InvalidRequest(
                    InvalidRequest::Body(_)
                    | InvalidRequest::Record
                    | InvalidRequest::Condition
                    | InvalidRequest::Csv
                    | InvalidRequest::Method
                    | InvalidRequest::Header
                    | InvalidRequest::CallOption(_)
                    | InvalidRequest::Scopes(_),
                ) => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong in this app."),
                // The code or the token of the request is no longer good.
                Error::OAuth(error) if error.is_invalid_grant() => {
                    (StatusCode::BAD_REQUEST, "refused", "Salesforce did not accept this request.")
                }
                Error::MiddlewareMissing
                | Error::ServiceUser(_)
                | Error::NoServiceUser
                | Error::OAuth(OAuthError::NeedsMyDomain | OAuthError::Signing) => {
                    (StatusCode::INTERNAL_SERVER_ERROR, "not_set_up", "This app is not set up correctly.")
                }
                Error::ApiAccessDenied { .. } => {
                    (StatusCode::FORBIDDEN, "forbidden", "Your Salesforce user may not use the API.")
                }
                // No record has an invalid id: most often the path of a link was mistyped.
                Error::RowNotFound | Error::InvalidRequest(InvalidRequest::Id(_)) => {
                    (StatusCode::NOT_FOUND, "not_found", "There is no such record.")
                }
                Error::InvalidRequest(_) => {
                    (StatusCode::BAD_REQUEST, "invalid", "This request cannot be passed on to Salesforce.")
                }
                Error::MultipleChoices { .. } => {
                    (StatusCode::CONFLICT, "multiple_choices", "Several records match where only one should.")
                }
                #[cfg(feature = "bulk")]
                Error::JobFailed { .. } => {
                    (StatusCode::UNPROCESSABLE_ENTITY, "job_failed", "Salesforce could not finish this job.")
                }
                #[cfg(feature = "bulk")]
                Error::JobTimedOut { .. } => (
                    StatusCode::GATEWAY_TIMEOUT,
                    "job_unfinished",
                    "Salesforce is still working on this. Look again later.",
                ),
                Error::PreconditionFailed => (
                    StatusCode::CONFLICT,
                    "changed",
                    "Someone else has changed this in the meantime. Reload it.",
                ),
                _ => match error.status() {
                    Some(404) => (StatusCode::NOT_FOUND, "not_found", "There is no such record."),
                    Some(403) => (
                        StatusCode::FORBIDDEN,
                        "forbidden",
                        "Your Salesforce user is not allowed to do this.",
                    ),
                    Some(400..=499) => {
                        (StatusCode::BAD_REQUEST, "refused", "Salesforce did not accept this request.")
                    }
                    _ => (StatusCode::BAD_GATEWAY, "bad_gateway", "Salesforce sent an unexpected answer."),
                },
            }
        };
        Self { status, code, message }
    }

    /// The answer to a request with a method of this kind.
    fn to(error: &Error, is_safe: bool) -> Self {
        if is_safe || !may_have_taken_effect(error) {
            return Self::of(error);
        }
        Self {
            status: StatusCode::GATEWAY_TIMEOUT,
            code: UNCONFIRMED,
            message: "Salesforce did not confirm this. It may have been saved; check before you try again.",
        }
    }

    /// What to say about something that may work later.
    fn not_now(error: &Error) -> &'static str {
        match error {
            Error::LimitExceeded { .. } => {
                "Your organization has reached its limit of Salesforce API calls. Try again later."
            }
            Error::QuotaReserved { .. } => {
                "Your organization has used most of its Salesforce API calls of the day. Try again later."
            }
            Error::ConcurrencyLimit { .. } => "Too many requests are waiting for Salesforce. Try again soon.",
            Error::Api { errors, .. } if errors.iter().any(|entry| entry.code == "UNABLE_TO_LOCK_ROW") => {
                "Someone else is changing this right now. Try again soon."
            }
            Error::Http(_) | Error::Api { .. } | Error::OAuth(_) => {
                "Salesforce cannot be reached right now. Try again soon."
            }
            // The store, or a token that cannot be renewed.
            _ => "This cannot be done right now. Try again soon.",
        }
    }

    fn json(&self, error: &Error) -> HttpResponse {
        let mut response = answer::error_json(self.status, self.code, self.message);
        add_retry_after(error, &mut response);
        response
    }
}

/// The code of an answer to a write whose own answer was lost.
const UNCONFIRMED: &str = "unconfirmed";

/// Whether a call was sent and its outcome is not known: no answer came, or one of a gateway that got none itself.
fn may_have_taken_effect(error: &Error) -> bool {
    match error {
        Error::Http(error) => !error.was_not_sent(),
        Error::Api { status, .. } => matches!(status, 502 | 504),
        _ => false,
    }
}

/// The answer to this request: a page, a redirect to log in, or JSON. What the answer does not tell is logged.
pub(crate) fn answer(error: &Error, request: &HttpRequest) -> HttpResponse {
    Asked::of(request).answer(error, request.match_pattern().as_deref())
}

/// What the answer to an error depends on. It is taken from a request before that is handled: an error of a middleware
/// comes without its request, and nobody may keep a request while it is routed.
#[derive(Debug)]
pub(crate) struct Asked {
    worker: Option<Worker>,
    /// What the request can use, by its headers.
    wants: Wants,
    /// Whether its method changes nothing (RFC 9110 section 9.2.1).
    is_safe: bool,
    /// Where the browser can go back to: only what a GET asked for.
    here: Option<Uri>,
    /// The page that a form or htmx sent the request from.
    page: Option<header::HeaderValue>,
}

impl Asked {
    pub(crate) fn of(request: &HttpRequest) -> Self {
        let wants = Wants::of(request.headers());
        let is_get = *request.method() == Method::GET || *request.method() == Method::HEAD;
        Self {
            worker: request.app_data::<Worker>().cloned(),
            here: (wants == Wants::Navigation && is_get).then(|| request.uri().clone()),
            page: match wants {
                Wants::Htmx => request.headers().get("hx-current-url").cloned(),
                Wants::Navigation if !is_get => request.headers().get(header::REFERER).cloned(),
                _ => None,
            },
            is_safe: request.method().is_safe(),
            wants,
        }
    }

    /// A page, a redirect to log in, or JSON. What it does not tell is logged.
    pub(crate) fn answer(&self, error: &Error, route: Option<&str>) -> HttpResponse {
        if error.needs_login() {
            return self.login_required();
        }
        let answer = Answer::to(error, self.is_safe);
        match answer.status {
            // Neither a lost answer nor a job of the Bulk API that takes longer is a mistake of the app's.
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                tracing::warn!(route, error = %Chain(error), "a request could not be served for now");
            }
            status if status.is_server_error() => {
                tracing::error!(route, error = %Chain(error), "a request failed");
            }
            _ => tracing::debug!(route, error = %Chain(error), "a request was refused"),
        }
        if self.wants != Wants::Navigation {
            return answer.json(error);
        }
        let Answer { status, code, message } = answer;
        let (title, more) = match status {
            StatusCode::SERVICE_UNAVAILABLE => ("Not available right now", Some("You were not logged out.")),
            StatusCode::GATEWAY_TIMEOUT if code == UNCONFIRMED => ("This may not have been saved", None),
            StatusCode::NOT_FOUND => {
                ("Not found", Some("It may have been deleted, or the address is incomplete."))
            }
            StatusCode::FORBIDDEN => (
                "Salesforce does not allow this",
                Some("A Salesforce administrator can change your permissions."),
            ),
            StatusCode::BAD_REQUEST => {
                ("That did not work", Some("Go back, check what you entered, and try again."))
            }
            _ => ("That did not work", None),
        };
        let text = std::iter::once(message).chain(more).map(str::to_owned).collect();
        // What is not there, not allowed or not valid stays so.
        let again = status.is_server_error().then(|| self.return_to()).flatten();
        let again = again.map(|here| Action::Link { label: "Try again", href: here.as_str().to_owned() });
        let home = self.worker.as_ref().map(|worker| Action::Link {
            label: "Go to the start page",
            href: worker.settings().after_login.as_str().to_owned(),
        });
        let actions = again.into_iter().chain(home).collect();
        let mut response = answer::page(status, &Page { title, text, code: None, actions });
        add_retry_after(error, &mut response);
        response
    }

    /// A link is sent to log in and comes back to where it was; a form gets a page that leads there, as what was
    /// entered would be lost on the way; everything else gets 401 and JSON.
    fn login_required(&self) -> HttpResponse {
        let Some(worker) = &self.worker else { return Error::MiddlewareMissing.error_response() };
        let paths = &worker.settings().paths;
        let login = paths.login.as_deref().map(|login| paths.full(login));
        match (self.wants, login) {
            (Wants::Navigation, Some(login)) if self.here.is_some() => {
                answer::see_other(&with_return_to(&login, self.return_to().as_ref()))
            }
            (Wants::Navigation, login) => {
                let href = login.map(|login| with_return_to(&login, self.page(worker).as_ref()));
                let form = (!self.is_safe).then_some("Log in, then send the form again.");
                let text = std::iter::once("You have to be logged in for this.").chain(form);
                let page = Page {
                    title: "You are not logged in",
                    text: text.map(str::to_owned).collect(),
                    code: None,
                    actions: href.map(|href| Action::Link { label: "Log in", href }).into_iter().collect(),
                };
                answer::page(StatusCode::UNAUTHORIZED, &page)
            }
            (Wants::Htmx, Some(login)) => {
                let target = self.page(worker);
                let mut response = Error::LoginRequired.error_response();
                if let Ok(location) = header::HeaderValue::from_str(&with_return_to(&login, target.as_ref()))
                {
                    response.headers_mut().insert(header::HeaderName::from_static("hx-redirect"), location);
                }
                response
            }
            (_, login) => {
                let Answer { status, code, message } = Answer::of(&Error::LoginRequired);
                answer::builder(status).json(json!({ "error": code, "message": message, "login_url": login }))
            }
        }
    }

    fn return_to(&self) -> Option<ReturnTo> {
        ReturnTo::parse(self.here.as_ref()?.path_and_query()?.as_str())
    }

    fn page(&self, worker: &Worker) -> Option<ReturnTo> {
        own_page(self.page.as_ref()?, worker)
    }
}

pub(crate) fn add_retry_after(error: &Error, response: &mut HttpResponse) {
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        let seconds = error.retry_after().map_or(2, |after| after.as_secs().max(1));
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(seconds));
    }
}

fn with_return_to(login: &str, target: Option<&ReturnTo>) -> String {
    match target {
        None => login.to_owned(),
        Some(target) => {
            let query = form_urlencoded::Serializer::new(String::new())
                .append_pair("return_to", target.as_str())
                .finish();
            format!("{login}?{query}")
        }
    }
}

/// The path of a page's address, if it is one of ours.
fn own_page(address: &header::HeaderValue, worker: &Worker) -> Option<ReturnTo> {
    let rest =
        address.to_str().ok()?.strip_prefix(worker.settings().public_url.as_str().trim_end_matches('/'))?;
    ReturnTo::parse(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use salesforce_connection::{
        Result, SalesforceId, oauth::InvalidTokenResponse, records::RecordEtag, soql::SoqlDate,
    };

    #[test]
    fn a_text_of_a_request_needs_a_question_mark_and_no_more() {
        fn revision(text: &str) -> Result<RecordEtag> {
            Ok(text.parse()?)
        }
        fn date(text: &str) -> Result<SoqlDate> {
            Ok(text.parse()?)
        }
        fn id(text: &str) -> Result<SalesforceId> {
            Ok(text.parse()?)
        }
        assert!(revision("\"v1\"").is_ok() && date("2026-11-26").is_ok() && id("001x00000012Q9P").is_ok());
        assert_eq!(revision("yesterday").unwrap_err().status_code(), StatusCode::BAD_REQUEST);
        assert_eq!(date("yesterday").unwrap_err().status_code(), StatusCode::BAD_REQUEST);
        assert_eq!(id("yesterday").unwrap_err().status_code(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn an_error_of_an_oauth_endpoint_becomes_a_fitting_answer_too() {
        let refused = |code: &str, in_progress| OAuthError::ErrorResponse {
            code: code.to_owned(),
            status: 400,
            in_progress,
        };
        let down = |retry_after| OAuthError::Status { status: 503, retry_after };
        let minute = std::time::Duration::from_secs(60);
        for (error, status, retry_after) in [
            (refused("invalid_grant", false), 400, None),
            (refused("invalid_grant", true), 503, Some("5")),
            (refused("invalid_client", false), 502, None),
            (down(None), 503, Some("5")),
            (down(Some(minute)), 503, Some("60")),
            (OAuthError::Status { status: 401, retry_after: Some(minute) }, 502, None),
            (InvalidTokenResponse::InstanceUrl.into(), 502, None),
            (OAuthError::NeedsMyDomain, 500, None),
        ] {
            let error = Error::from(error);
            let response = error.error_response();
            assert_eq!(response.status().as_u16(), status, "{error:?}");
            let header = response.headers().get(header::RETRY_AFTER).map(|value| value.to_str().unwrap());
            assert_eq!(header, retry_after, "{error:?}");
        }
    }

    /// The client learns what became of the job, and nothing of what Salesforce said about the data; the log has the
    /// rest.
    #[cfg(feature = "bulk")]
    #[actix_web::test]
    async fn a_job_that_failed_is_not_one_that_goes_on() {
        use actix_web::{body::to_bytes, test::TestRequest};
        use salesforce_connection::{bulk::JobState, error::ApiError};

        let id: SalesforceId = "750D00000004SkGIAU".parse().unwrap();
        let entry = ApiError {
            code: "InvalidBatch".to_owned(),
            message: "InvalidBatch : Field name not found : canary".to_owned(),
            fields: Vec::new(),
            duplicates: None,
            reference: None,
        };
        let failed = || Error::JobFailed { id, state: JobState::Failed, errors: vec![entry.clone()] };
        let stopped = || Error::JobFailed { id, state: JobState::Aborted, errors: Vec::new() };
        for (error, status, code, level) in [
            (failed(), 422, "job_failed", "DEBUG"),
            (stopped(), 422, "job_failed", "DEBUG"),
            (Error::JobTimedOut { id }, 504, "job_unfinished", " WARN"),
        ] {
            assert!(!error.is_transient() && error.retry_after().is_none(), "the call again is another job");
            let request = TestRequest::default().to_http_request();
            let (response, log) = crate::logged::logged(|| answer(&error, &request));
            assert_eq!(response.status().as_u16(), status, "{error:?}");
            assert!(response.headers().get(header::RETRY_AFTER).is_none(), "{error:?}");
            let body: serde_json::Value =
                serde_json::from_slice(&to_bytes(response.into_body()).await.unwrap()).unwrap();
            assert_eq!(body["error"], code);
            assert!(!body.to_string().contains("canary") && !body.to_string().contains("750D"), "{body}");
            assert_eq!(log.lines().count(), 1, "{log}");
            assert!(log.contains(level) && log.contains(id.as_str()) && !log.contains("canary"), "{log}");

            let page = TestRequest::default().insert_header(("accept", "text/html")).to_http_request();
            let response = answer(&error, &page);
            assert_eq!(response.status().as_u16(), status, "{error:?}");
            let page = to_bytes(response.into_body()).await.unwrap();
            let page = String::from_utf8(page.to_vec()).unwrap();
            assert!(page.contains("That did not work") && !page.contains("canary"), "{page}");
        }
    }
}
