//! What every data call passes first: the version, the token, the limit. Adds `Sforce-Limit-Info`.

use std::sync::Arc;

use axum::http::HeaderValue;

use super::answer::Answer;
use super::ask::Ask;
use super::bulk;
use super::dispatch::dispatch;
use super::xml;
use crate::auth::users::User;
use crate::data::Refusal;
use crate::log::Host;
use crate::shared::Org;
use crate::web::call::Call;
use crate::web::reply::Reply;

/// `/services/data/vNN.0/…`.
pub(super) async fn data(call: Call) -> Reply {
    let as_xml = xml::is_wanted(call.uri.path(), &call.headers);
    let (version, below, user) = match admitted(&call) {
        Ok(admitted) => admitted,
        Err(refusal) => return Answer::from(refusal).formatted(as_xml).into_reply(),
    };
    let org = Arc::clone(&call.org);
    counted(&org, as_xml, async {
        let org = Arc::clone(&call.org);
        let work = tokio::task::spawn_blocking(move || {
            let ask = Ask::new(&call.org, &user, version, call.method, &below, call.headers, call.body);
            org.data.with(|data| {
                bulk::settle(&org, data);
                let answer = dispatch(&ask, data).formatted(as_xml);
                if ask.header("x-prettyprint") == Some("1") { answer.pretty() } else { answer }
            })
        });
        work.await
            .unwrap_or_else(|failed| Answer::error(500, "UNKNOWN_EXCEPTION", &format!("fake org: {failed}")))
    })
    .await
}

/// The version, what is below it, and the person.
fn admitted(call: &Call) -> Result<(u32, String, User), Refusal> {
    let target = call.uri.path_and_query().map_or("", |target| target.as_str());
    let rest = target.strip_prefix("/services/data/").ok_or_else(Refusal::not_found)?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (version, below) = rest.split_at(end);
    let end = [".xml", ".json"].iter().find_map(|format| version.strip_suffix(format));
    Ok((version_number(end.unwrap_or(version))?, below.to_owned(), authenticate(call)?))
}

/// Counts an API call and answers it, unless the limit is reached.
pub(super) async fn counted(org: &Org, as_xml: bool, answer: impl Future<Output = Answer>) -> Reply {
    let used = org.count_api_call();
    let limit = org.settings().api_limit;
    let answer = if used > limit {
        Answer::error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.").formatted(as_xml)
    } else {
        answer.await
    };
    let mut reply = answer.into_reply();
    // Parts of composite requests count too.
    let used = org.api_calls().max(used).min(limit);
    if let Ok(value) = HeaderValue::from_str(&format!("api-usage={used}/{limit}")) {
        reply.headers_mut().insert("sforce-limit-info", value);
    }
    reply
}

/// 31.0 to 67.0 live; 21.0 to 30.0 were retired in Summer '25.
pub(super) fn version_number(text: &str) -> Result<u32, Refusal> {
    let number = text.strip_prefix('v').and_then(|text| text.strip_suffix(".0")).and_then(|n| n.parse().ok());
    match number {
        Some(number @ 31..=67) => Ok(number),
        // The code and the text are unverified.
        Some(21..=30) => Err(Refusal::new(410, "UNSUPPORTED_API_VERSION", "API version retired")),
        _ => Err(Refusal::not_found()),
    }
}

/// The person a data call is of.
pub(super) fn authenticate(call: &Call) -> Result<User, Refusal> {
    let refuse = |code, message| Err(Refusal::new(401, code, message));
    let Some(token) = call.bearer() else {
        return refuse("INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE");
    };
    let org = &call.org;
    let now = org.clock.now();
    let moved_away = call.host == Host::Instance && org.origins().has_moved;
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
        Some((user, _)) => Ok(user),
    }
}

/// Data calls belong on the instance. The status is unverified.
pub(super) async fn url_not_reset(call: Call) -> Reply {
    Answer::error(
        400,
        "URL_NOT_RESET",
        "Destination URL not reset. The URL returned from login must be set in the SforceService",
    )
    .formatted(xml::is_wanted(call.uri.path(), &call.headers))
    .into_reply()
}
