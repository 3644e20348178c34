//! `/services/oauth2/authorize`.

use axum::http::Method;

use super::answer::community;
use super::headless;
use super::login::COOKIE;
use super::request::{AuthorizeRequest, callback};
use crate::auth::error::OauthError;
use crate::auth::settings::PermittedUsers;
use crate::auth::users::User;
use crate::shared::Org;
use crate::web::call::Call;
use crate::web::pages;
use crate::web::reply::Reply;

pub(super) async fn authorize(call: Call) -> Reply {
    if call.method == Method::POST && headless::is_one(&call) {
        return headless::authorize(&call);
    }
    let query = call.uri.query().unwrap_or_default();
    let request = match AuthorizeRequest::read(&call, query) {
        Ok(request) => request,
        Err(problem) => return problem.reply(),
    };
    if call.method != Method::GET && call.method != Method::HEAD {
        return request.deny(OauthError::new("invalid_request", "must use HTTP GET")).reply();
    }
    // `sign_in`: as that user, at once, whatever the prompt says.
    let forced = call.org.auth(|auth| auth.signed_in.clone().and_then(|id| auth.user(&id).cloned()));
    if let Some(user) = forced {
        return finish(&call.org, &request, &user);
    }
    let cookie = call.cookie(&COOKIE.name(&call));
    let user = call.org.auth(|auth| auth.browser_user(cookie).cloned());
    let user = user.filter(|_| !request.prompt_login);
    let allowed = user.as_ref().is_some_and(|user| {
        call.org.auto_approve
            || matches!(call.org.settings().permitted_users, PermittedUsers::AdminApproved(_))
            || (!request.prompt_consent
                && call.org.auth(|auth| auth.has_consented(&user.id, &request.scopes)))
    });
    match user {
        Some(user) if allowed => finish(&call.org, &request, &user),
        _ if request.immediate => request.deny(OauthError::new("immediate_unsuccessful", "")).reply(),
        Some(user) => pages::consent::show(&call.org, &request, &user),
        None => pages::login::show(&call.org, &request, None),
    }
}

/// Back to the app with a code.
pub(super) fn finish(org: &Org, request: &AuthorizeRequest, user: &User) -> Reply {
    let now = org.clock.now();
    let settings = org.settings();
    let code = org.auth(|auth| {
        if !auth.is_active(&user.id) {
            return Err(OauthError::inactive_user());
        }
        auth.may_use_app(&settings, user)?;
        Ok(auth.issue_code(
            now,
            &user.id,
            &request.redirect_uri,
            request.challenge.clone(),
            request.scopes.clone(),
            request.nonce.clone(),
        ))
    });
    match code {
        Ok(code) => {
            let mut params = vec![("code".to_owned(), code)];
            params.extend(community(org, &request.site));
            callback(&request.redirect_uri, &params, request.state.as_deref())
        }
        Err(refusal) => request.deny(refusal).reply(),
    }
}
