//! `/services/oauth2/token`.

use axum::http::Method;
use axum::http::header::AUTHORIZATION;

use super::answer::token_answer;
use crate::auth::client::Credentials;
use crate::auth::error::OauthError;
use crate::auth::grants::Issued;
use crate::auth::settings::ParallelRefresh;
use crate::log::Host;
use crate::web::call::Call;
use crate::web::format::formatted;
use crate::web::reply::{self, Reply};

pub(super) async fn token(call: Call) -> Reply {
    if call.method != Method::POST {
        // The wording is unverified.
        return reply::oauth_error(&OauthError::new("invalid_request", "must use HTTP POST"));
    }
    // Signing keys take a moment to make, and that must not hold up other connections.
    let work = tokio::task::spawn_blocking(move || match issue(&call) {
        Ok(issued) => {
            let answer = token_answer(&call.org, &issued, &call.origin());
            reply::no_store(formatted(&call, "OAuth", &answer))
        }
        Err(error) => reply::oauth_error(&error),
    });
    work.await.unwrap_or_else(|_| reply::empty(500))
}

fn issue(call: &Call) -> Result<Issued, OauthError> {
    let grant_type = call.form_param("grant_type").unwrap_or_default();
    let known = ["authorization_code", "refresh_token", "client_credentials", "password"];
    if !known.contains(&grant_type) {
        return Err(OauthError::new("unsupported_grant_type", "grant type not supported"));
    }
    let basic = call.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let owned = |name: &str| call.form_param(name).map(String::from);
    Credentials::read(basic, owned("client_id"), owned("client_secret"))?.check(&call.org.app)?;
    let now = call.org.clock.now();
    let settings = call.org.settings();
    match grant_type {
        "authorization_code" => {
            let Some(code) = call.form_param("code") else {
                return Err(OauthError::new("invalid_request", "missing required parameter: code"));
            };
            let (redirect_uri, verifier) =
                (call.form_param("redirect_uri"), call.form_param("code_verifier"));
            call.org.auth(|auth| auth.exchange(now, &settings, code, redirect_uri, verifier))
        }
        "refresh_token" => {
            let Some(token) = call.form_param("refresh_token") else {
                return Err(OauthError::new("invalid_request", "missing required parameter: refresh_token"));
            };
            match settings.parallel_refresh {
                ParallelRefresh::AlreadyProcessing if call.parallel => {
                    return Err(OauthError::already_processing());
                }
                ParallelRefresh::ExpiredCode if call.parallel => return Err(OauthError::dead_code()),
                _ => {}
            }
            call.org.auth(|auth| auth.refresh(now, &settings, token))
        }
        "client_credentials" => Err(client_credentials(call)),
        // Off by default in every org made since Summer '23.
        _ => Err(OauthError::invalid_grant("authentication failure")),
    }
}

/// Not emulated beyond its errors: My Domain only, no `scope`, and no execution user is set.
fn client_credentials(call: &Call) -> OauthError {
    if call.host == Host::Login {
        OauthError::invalid_grant("request not supported on this domain")
    } else if call.form_param("scope").is_some() {
        OauthError::new("invalid_request", "scope parameter not supported")
    } else {
        OauthError::invalid_grant("no client credentials user enabled")
    }
}
