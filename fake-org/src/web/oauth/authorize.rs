//! `/services/oauth2/authorize`.

use std::sync::Arc;

use axum::http::Method;

use super::authorize_request::{AuthorizeRequest, ResponseType};
use super::headless;
use super::hybrid;
use super::login::COOKIE;
use super::token_response::{community, token_response};
use crate::auth::error::OauthError;
use crate::auth::grants::CodeRequest;
use crate::auth::settings::PermittedUsers;
use crate::user::User;
use crate::web::http_request::HttpRequest;
use crate::web::http_response::{self, HttpResponse};

pub(super) async fn authorize(http: HttpRequest) -> HttpResponse {
    if http.method == Method::POST && headless::is_one(&http) {
        return headless::authorize(&http).await;
    }
    let query = http.uri.query().unwrap_or_default();
    let request = match AuthorizeRequest::read(&http, query) {
        Ok(request) => request,
        Err(problem) => return problem.response(),
    };
    if http.method != Method::GET && http.method != Method::HEAD {
        return request.deny(OauthError::new("invalid_request", "must use HTTP GET")).response();
    }
    // `sign_in`: as that user, at once, whatever the prompt says.
    let forced = http.org.auth(|auth| auth.signed_in.clone().and_then(|id| auth.user(&id).cloned()));
    if let Some(user) = forced {
        return finish(&http, &request, &user, None).await;
    }
    let cookie = http.cookie(&COOKIE.name(&http));
    let now = http.org.clock.now();
    let user = http.org.auth(|auth| auth.browser_user(now, cookie).cloned());
    let user = user.filter(|_| !request.prompt_login);
    let allowed = user.as_ref().is_some_and(|user| {
        http.org.auto_approve
            || matches!(http.org.settings().permitted_users, PermittedUsers::AdminApproved(_))
            || (!request.prompt_consent
                && http.org.auth(|auth| auth.has_consented(&user.id, &request.scopes)))
    });
    match user {
        Some(user) if allowed => finish(&http, &request, &user, None).await,
        _ if request.immediate => request.deny(OauthError::new("immediate_unsuccessful", "")).response(),
        Some(user) => request.consent_form(&http.org, &user),
        None => request.login_form(&http.org, None),
    }
}

/// Back to the app with a code, or with tokens. `visitor`: the visitor that a guest user stands for.
pub(super) async fn finish(
    http: &HttpRequest,
    request: &AuthorizeRequest,
    user: &User,
    visitor: Option<String>,
) -> HttpResponse {
    let settings = http.org.settings();
    let may = http.org.auth(|auth| {
        if auth.is_active(&user.id) {
            auth.may_use_app(&settings, user)
        } else {
            Err(OauthError::inactive_user())
        }
    });
    if let Err(refusal) = may {
        return request.deny(refusal).response();
    }
    if let ResponseType::Token { id_token, hybrid } = request.response_type {
        return tokens(http, request, user, id_token, hybrid).await;
    }
    let asked = CodeRequest {
        set: request.set,
        user_id: user.id.clone(),
        redirect_uri: request.callback.redirect_uri.clone(),
        challenge: request.challenge.clone(),
        scopes: request.scopes.clone(),
        nonce: request.nonce.clone(),
        visitor,
    };
    let now = http.org.clock.now();
    let mut params = vec![("code".to_owned(), http.org.auth(|auth| auth.issue_code(now, asked)))];
    params.extend(community(&http.org, &request.site));
    request.callback.with(&params)
}

/// The user-agent flow: the members of a token response in the fragment.
async fn tokens(
    http: &HttpRequest,
    request: &AuthorizeRequest,
    user: &User,
    id_token: bool,
    hybrid: bool,
) -> HttpResponse {
    let (org, request) = (Arc::clone(&http.org), request.clone());
    let (origin, user_id) = (http.origin(), user.id.clone());
    // Signing keys take a moment to make, and that must not hold up other connections.
    let work = tokio::task::spawn_blocking(move || {
        let (now, settings) = (org.clock.now(), org.settings());
        let with_refresh_token = request.keeps_refresh_token(&org.origins());
        let scopes = request.scopes.clone();
        let issued = org.auth(|auth| auth.implicit(now, &settings, &user_id, scopes, with_refresh_token));
        let mut issued = match issued {
            Ok(issued) => org.with_own_token(issued),
            Err(refusal) => return request.deny(refusal).response(),
        };
        issued.nonce.clone_from(&request.nonce);
        issued.set = request.set;
        let mut response = token_response(&org, &issued, &origin);
        // Only with a nonce and on demand (H: User-Agent Flow); of a hybrid app's both are unverified.
        if !id_token || (!hybrid && request.nonce.is_none()) {
            response.shift_remove("id_token");
        }
        if hybrid {
            response.extend(hybrid::members(&org, &issued));
        }
        let mut params: Vec<(String, String)> = response
            .into_iter()
            .filter_map(|(name, value)| value.as_str().map(|value| (name, value.to_owned())))
            .collect();
        params.extend(community(&org, &request.site));
        request.callback.with(&params)
    });
    work.await.unwrap_or_else(|_| http_response::empty(500))
}
