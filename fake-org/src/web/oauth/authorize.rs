//! `/services/oauth2/authorize`.

use std::sync::Arc;

use axum::http::Method;

use super::answer::{community, token_answer};
use super::headless;
use super::hybrid;
use super::login::COOKIE;
use super::request::{AuthorizeRequest, ResponseType};
use crate::auth::error::OauthError;
use crate::auth::grants::Asked;
use crate::auth::settings::PermittedUsers;
use crate::auth::users::User;
use crate::web::call::Call;
use crate::web::pages;
use crate::web::reply::{self, Reply};

pub(super) async fn authorize(call: Call) -> Reply {
    if call.method == Method::POST && headless::is_one(&call) {
        return headless::authorize(&call).await;
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
        return finish(&call, &request, &user, None).await;
    }
    let cookie = call.cookie(&COOKIE.name(&call));
    let now = call.org.clock.now();
    let user = call.org.auth(|auth| auth.browser_user(now, cookie).cloned());
    let user = user.filter(|_| !request.prompt_login);
    let allowed = user.as_ref().is_some_and(|user| {
        call.org.auto_approve
            || matches!(call.org.settings().permitted_users, PermittedUsers::AdminApproved(_))
            || (!request.prompt_consent
                && call.org.auth(|auth| auth.has_consented(&user.id, &request.scopes)))
    });
    match user {
        Some(user) if allowed => finish(&call, &request, &user, None).await,
        _ if request.immediate => request.deny(OauthError::new("immediate_unsuccessful", "")).reply(),
        Some(user) => pages::consent::show(&call.org, &request, &user),
        None => pages::login::show(&call.org, &request, None),
    }
}

/// Back to the app with a code, or with tokens. `visitor`: whom a guest user stands for.
pub(super) async fn finish(
    call: &Call,
    request: &AuthorizeRequest,
    user: &User,
    visitor: Option<String>,
) -> Reply {
    let settings = call.org.settings();
    let may = call.org.auth(|auth| {
        if auth.is_active(&user.id) {
            auth.may_use_app(&settings, user)
        } else {
            Err(OauthError::inactive_user())
        }
    });
    if let Err(refusal) = may {
        return request.deny(refusal).reply();
    }
    if let ResponseType::Token { id_token, hybrid } = request.response_type {
        return tokens(call, request, user, id_token, hybrid).await;
    }
    let asked = Asked {
        user_id: user.id.clone(),
        redirect_uri: request.callback.redirect_uri.clone(),
        challenge: request.challenge.clone(),
        scopes: request.scopes.clone(),
        nonce: request.nonce.clone(),
        visitor,
    };
    let now = call.org.clock.now();
    let mut params = vec![("code".to_owned(), call.org.auth(|auth| auth.issue_code(now, asked)))];
    params.extend(community(&call.org, &request.site));
    request.callback.with(&params)
}

/// The user-agent flow: the members of a token answer in the fragment.
async fn tokens(call: &Call, request: &AuthorizeRequest, user: &User, id_token: bool, hybrid: bool) -> Reply {
    let (org, request) = (Arc::clone(&call.org), request.clone());
    let (origin, user_id) = (call.origin(), user.id.clone());
    // Signing keys take a moment to make, and that must not hold up other connections.
    let work = tokio::task::spawn_blocking(move || {
        let (now, settings) = (org.clock.now(), org.settings());
        let kept = request.keeps_refresh_token(&org.origins());
        let scopes = request.scopes.clone();
        let issued = org.auth(|auth| auth.implicit(now, &settings, &user_id, scopes, kept));
        let mut issued = match issued {
            Ok(issued) => org.with_own_token(issued),
            Err(refusal) => return request.deny(refusal).reply(),
        };
        issued.nonce.clone_from(&request.nonce);
        let mut answer = token_answer(&org, &issued, &origin);
        // Only with a nonce and on demand (H: User-Agent Flow); of a hybrid app's both are unverified.
        if !id_token || (!hybrid && request.nonce.is_none()) {
            answer.shift_remove("id_token");
        }
        if hybrid {
            answer.extend(hybrid::members(&org, &issued));
        }
        let mut params: Vec<(String, String)> = answer
            .into_iter()
            .filter_map(|(name, value)| value.as_str().map(|value| (name, value.to_owned())))
            .collect();
        params.extend(community(&org, &request.site));
        request.callback.with(&params)
    });
    work.await.unwrap_or_else(|_| reply::empty(500))
}
