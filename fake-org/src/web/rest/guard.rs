//! What every data call passes first: the version, the token, the limit. Adds `Sforce-Limit-Info`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::middleware::Next;

use super::answer::error;
use crate::auth::users::User;
use crate::log::Host;
use crate::shared::Org;
use crate::web::call::bearer;
use crate::web::reply::Reply;

/// Who calls, and in which version. In the extensions of every guarded call.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) user: User,
    pub(super) version: u32,
}

impl Caller {
    /// The path of a record, as `attributes.url` has it.
    pub(super) fn record_path(&self, object: &str, id: &str) -> String {
        format!("/services/data/v{}.0/sobjects/{object}/{id}", self.version)
    }
}

pub(super) async fn guard(State(org): State<Arc<Org>>, mut request: Request, next: Next) -> Reply {
    let version = match version(request.uri().path()) {
        Ok(version) => version,
        Err(refusal) => return *refusal,
    };
    let user = match authenticate(&org, &request) {
        Ok(user) => user,
        Err(refusal) => return *refusal,
    };
    let used = org.count_api_call();
    let limit = org.settings().api_limit;
    let mut reply = if used > limit {
        error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
    } else {
        request.extensions_mut().insert(Caller { user, version });
        next.run(request).await
    };
    if let Ok(value) = HeaderValue::from_str(&format!("api-usage={}/{limit}", used.min(limit))) {
        reply.headers_mut().insert("sforce-limit-info", value);
    }
    reply
}

/// 31.0 to 67.0 live; 21.0 to 30.0 were retired in Summer '25.
fn version(path: &str) -> Result<u32, Box<Reply>> {
    let text =
        path.strip_prefix("/services/data/").and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let number = text.strip_prefix('v').and_then(|text| text.strip_suffix(".0")).and_then(|n| n.parse().ok());
    match number {
        Some(number @ 31..=67) => Ok(number),
        // The code and the text are unverified.
        Some(21..=30) => Err(Box::new(error(410, "UNSUPPORTED_API_VERSION", "API version retired"))),
        _ => Err(Box::new(error(404, "NOT_FOUND", "The requested resource does not exist"))),
    }
}

fn authenticate(org: &Org, request: &Request) -> Result<User, Box<Reply>> {
    let refuse = |code, message| Err(Box::new(error(401, code, message)));
    let Some(token) = bearer(request.headers()) else {
        return refuse("INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE");
    };
    // Three parts and no `!`: taken for a JWT, which this org does not issue.
    if !token.contains('!') && token.split('.').count() == 3 {
        return refuse("INVALID_AUTH_HEADER", "INVALID_JWT_FORMAT");
    }
    let moved_away = request.extensions().get::<Host>() == Some(&Host::Instance) && org.origins().has_moved;
    let now = org.clock.now();
    let found = if moved_away { None } else { org.auth(|auth| auth.use_session(now, token)) };
    match found {
        None => refuse("INVALID_SESSION_ID", "Session expired or invalid"),
        // Refreshing does not help this one.
        Some((_, session)) if !session.scopes.api() => {
            refuse("INVALID_SESSION_ID", "This session is not valid for use with the REST API")
        }
        Some((user, _)) => Ok(user),
    }
}
