//! What every data request passes first: the version, the token, the limit. Adds `Sforce-Limit-Info`.

use std::sync::Arc;

use axum::http::HeaderValue;

use super::bulk;
use super::dispatch::dispatch;
use super::language;
use super::response::{Body, Response};
use super::rest_request::RestRequest;
use super::xml;
use crate::base::api_version::OLDEST;
use crate::data::ApiError;
use crate::request::Host;
use crate::state::Org;
use crate::user::User;
use crate::web::http_request::HttpRequest;
use crate::web::http_response::HttpResponse;
use crate::web::old_instance::URL_NOT_RESET;

/// `/services/data/vNN.0/…`.
pub(super) async fn data(http: HttpRequest) -> HttpResponse {
    let as_xml = xml::is_wanted(http.uri.path(), &http.headers);
    let (version, below, user) = match admitted(&http) {
        Ok(admitted) => admitted,
        Err(refusal) => return translated(&http.org, refusal.into()).formatted(as_xml).into_reply(),
    };
    let org = Arc::clone(&http.org);
    let mut reply = counted(&org, as_xml, async {
        let org = Arc::clone(&http.org);
        let work = tokio::task::spawn_blocking(move || {
            let request =
                RestRequest::new(&http.org, &user, version, http.method, &below, http.headers, http.body);
            org.data.with(|data| {
                bulk::settle(&org, data);
                let dispatched = data.as_seen_by(&user, |data| dispatch(&request, data));
                let response = translated(&org, dispatched).formatted(as_xml);
                if request.header("x-prettyprint") == Some("1") { response.pretty() } else { response }
            })
        });
        work.await.unwrap_or_else(|failed| {
            Response::error(500, "UNKNOWN_EXCEPTION", &format!("fake org: {failed}"))
        })
    })
    .await;
    if version < org.settings().deprecated_below {
        reply.headers_mut().insert("warning", HeaderValue::from_static(DEPRECATED));
    }
    reply
}

/// The guide's example (REST: Warning Header), with the release that retires 31.0 to 40.0 (H 005321531).
const DEPRECATED: &str = "299 - \"This API is deprecated and will be removed by Summer '28. Please see \
                          https://help.salesforce.com/articleView?id=005321531 for details.\"";

/// The version, the path below it, and the user.
fn admitted(http: &HttpRequest) -> Result<(u32, String, User), ApiError> {
    let target = http.uri.path_and_query().map_or("", |target| target.as_str());
    let rest = target.strip_prefix("/services/data/").ok_or_else(ApiError::not_found)?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (version, below) = rest.split_at(end);
    let end = [".xml", ".json"].iter().find_map(|format| version.strip_suffix(format));
    Ok((version_number(&http.org, end.unwrap_or(version))?, below.to_owned(), authenticate(http)?))
}

/// The response in the user's language.
fn translated(org: &Org, mut response: Response) -> Response {
    if let Body::Json(body) = &mut response.body {
        language::translate(&org.settings().language, body);
    }
    response
}

/// Counts an API request and handles it, unless the limit is reached.
pub(super) async fn counted(
    org: &Org,
    as_xml: bool,
    response: impl Future<Output = Response>,
) -> HttpResponse {
    let used = org.count_api_call();
    let limit = org.settings().api_limit;
    let response = if used > limit {
        Response::error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.").formatted(as_xml)
    } else {
        response.await
    };
    let mut reply = response.into_reply();
    // Parts of composite requests count too.
    let used = org.api_calls().max(used).min(limit);
    if let Ok(value) = HeaderValue::from_str(&format!("api-usage={used}/{limit}")) {
        reply.headers_mut().insert("sforce-limit-info", value);
    }
    reply
}

/// 31.0 to the org's newest live; 21.0 to 30.0 were retired in Summer '25.
pub(super) fn version_number(org: &Org, text: &str) -> Result<u32, ApiError> {
    let number = text.strip_prefix('v').and_then(|text| text.strip_suffix(".0")).and_then(|n| n.parse().ok());
    match number {
        Some(number) if (OLDEST..=org.settings().newest_version).contains(&number) => Ok(number),
        // The code and the text are unverified.
        Some(21..=30) => Err(ApiError::new(410, "UNSUPPORTED_API_VERSION", "API version retired")),
        _ => Err(ApiError::not_found()),
    }
}

/// Returns the user of a data request.
pub(super) fn authenticate(http: &HttpRequest) -> Result<User, ApiError> {
    let refuse = |code, message| Err(ApiError::new(401, code, message));
    let Some(token) = http.bearer() else {
        return refuse("INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE");
    };
    let org = &http.org;
    let now = org.clock.now();
    let moved_away = http.host == Host::Instance && org.origins().has_moved;
    let found = if moved_away { None } else { org.auth(|auth| auth.use_session(now, token)) };
    match found {
        // Three parts and no `!`: a JWT, and none of this org.
        None if !token.contains('!') && token.split('.').count() == 3 => {
            refuse("INVALID_AUTH_HEADER", "INVALID_JWT_FORMAT")
        }
        None => refuse("INVALID_SESSION_ID", "Session expired or invalid"),
        // Refreshing does not help this one.
        Some((_, session)) if !session.scopes.api() => {
            refuse("INVALID_SESSION_ID", "This session is not valid for use with the REST API")
        }
        Some((user, _)) => match org.settings().api_access.rejection() {
            Some((status, code, message)) => Err(ApiError::new(status, code, message)),
            None => Ok(user),
        },
    }
}

/// Data requests belong on the instance. The status is unverified.
pub(super) async fn url_not_reset(http: HttpRequest) -> HttpResponse {
    Response::error(400, "URL_NOT_RESET", URL_NOT_RESET)
        .formatted(xml::is_wanted(http.uri.path(), &http.headers))
        .into_reply()
}
