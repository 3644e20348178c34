//! `/services/oauth2/token`.

use axum::http::Method;
use axum::http::header::AUTHORIZATION;

use super::answer::{community, token_answer};
use crate::auth::client::Credentials;
use crate::auth::error::OauthError;
use crate::auth::grants::Issued;
use crate::auth::settings::{AppState, ParallelRefresh, Settings};
use crate::base::clock::Millis;
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
            let issued = call.org.with_own_token(issued);
            let mut answer = token_answer(&call.org, &issued, &call.origin());
            for (name, value) in community(&call.org, &call.site) {
                answer.insert(name, value.into());
            }
            if call.form_param("grant_type") == Some(JWT_BEARER) {
                // The documented sample has neither.
                answer.shift_remove("signature");
                answer.shift_remove("issued_at");
            }
            if call.form_param("grant_type") == Some(TOKEN_EXCHANGE) {
                // RFC 8693 section 2.2.1; Salesforce's own sample is not at hand (unverified).
                let kind = "urn:ietf:params:oauth:token-type:access_token";
                answer.insert("issued_token_type".into(), kind.into());
            }
            reply::no_store(formatted(&call, "OAuth", &answer))
        }
        Err(error) => reply::oauth_error(&error),
    });
    work.await.unwrap_or_else(|_| reply::empty(500))
}

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const SAML_BEARER: &str = "urn:ietf:params:oauth:grant-type:saml2-bearer";

fn issue(call: &Call) -> Result<Issued, OauthError> {
    let grant_type = call.form_param("grant_type").unwrap_or_default();
    if grant_type == "device" || call.form_param("response_type") == Some("device_code") {
        // Off unless an app's developer switched it on, and blocked for apps that are not installed
        // (forcedotcom/code-builder-feedback issue 263).
        return Err(OauthError::invalid_grant("device flow is not enabled for the app"));
    }
    if let Some(refusal) = not_let_in(call.org.settings().app_state) {
        return Err(refusal);
    }
    let now = call.org.clock.now();
    let settings = call.org.settings();
    let app = &call.org.app;
    match grant_type {
        // The assertion says who the app is.
        JWT_BEARER => {
            let Some(assertion) = call.form_param("assertion") else { return Err(missing("assertion")) };
            let audiences = audiences(call);
            call.org.auth(|auth| auth.jwt_bearer(now, &settings, app, &audiences, assertion))
        }
        // No identity provider is set up for SAML.
        SAML_BEARER => Err(OauthError::invalid_grant("invalid assertion")),
        "assertion" => Err(OauthError::new("invalid_assertion_type", "assertion type not supported")),
        "authorization_code" | "refresh_token" | "client_credentials" | "password" | TOKEN_EXCHANGE => {
            let basic = call.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
            let client = Credentials::read(basic, |name| call.form_param(name))?;
            client.check(now, app, &audiences(call))?;
            match grant_type {
                "authorization_code" => code(call, now, &settings),
                "refresh_token" => refresh(call, now, &settings),
                "client_credentials" => client_credentials(call, now, &settings, &client),
                // Off by default in every org made since Summer '23.
                "password" => Err(OauthError::invalid_grant("authentication failure")),
                _ => exchange_token(call, now, &settings),
            }
        }
        _ => Err(OauthError::flow_off()),
    }
}

fn code(call: &Call, now: Millis, settings: &Settings) -> Result<Issued, OauthError> {
    let Some(code) = call.form_param("code") else { return Err(missing("code")) };
    let (redirect_uri, verifier) = (call.form_param("redirect_uri"), call.form_param("code_verifier"));
    call.org.auth(|auth| auth.exchange(now, settings, code, redirect_uri, verifier))
}

fn refresh(call: &Call, now: Millis, settings: &Settings) -> Result<Issued, OauthError> {
    let Some(token) = call.form_param("refresh_token") else { return Err(missing("refresh_token")) };
    match settings.parallel_refresh {
        ParallelRefresh::AlreadyProcessing if call.parallel => Err(OauthError::already_processing()),
        ParallelRefresh::ExpiredCode if call.parallel => Err(OauthError::dead_code()),
        _ => call.org.auth(|auth| auth.refresh(now, settings, token)),
    }
}

/// My Domain only, and no `scope`.
fn client_credentials(
    call: &Call,
    now: Millis,
    settings: &Settings,
    client: &Credentials,
) -> Result<Issued, OauthError> {
    if call.host == Host::Login {
        return Err(OauthError::invalid_grant("request not supported on this domain"));
    }
    if call.form_param("scope").is_some() {
        return Err(OauthError::new("invalid_request", "scope parameter not supported"));
    }
    if !client.are_proven() {
        return Err(OauthError::bad_secret());
    }
    call.org.auth(|auth| auth.client_credentials(now, settings, &call.org.app))
}

fn exchange_token(call: &Call, now: Millis, settings: &Settings) -> Result<Issued, OauthError> {
    if call.org.app.exchange.is_none() {
        return Err(OauthError::flow_off());
    }
    let Some(subject) = call.form_param("subject_token") else { return Err(missing("subject_token")) };
    let kind = call
        .form_param("subject_token_type")
        .and_then(|kind| kind.strip_prefix("urn:ietf:params:oauth:token-type:"))
        .unwrap_or_default();
    if !["access_token", "id_token", "JWT", "jwt", "refresh_token", "saml2"].contains(&kind) {
        // The text is unverified.
        return Err(OauthError::new("invalid_request", "invalid subject_token_type"));
    }
    call.org.auth(|auth| auth.token_exchange(now, settings, &call.org.app, subject))
}

/// What an assertion may be made out to: the hosts, their token endpoints, and the names that Salesforce's own
/// login hosts have, which every org accepts. That My Domain is accepted is unverified.
pub(super) fn audiences(call: &Call) -> Vec<String> {
    let origins = call.org.origins();
    let hosts = [
        origins.login,
        origins.instance,
        origins.moved_instance,
        "https://login.salesforce.com".into(),
        "https://test.salesforce.com".into(),
    ];
    hosts.into_iter().flat_map(|host| [format!("{host}/services/oauth2/token"), host]).collect()
}

/// Why the org does not let the app in.
pub(super) fn not_let_in(state: AppState) -> Option<OauthError> {
    match state {
        AppState::Installed | AppState::Failing => None,
        AppState::Uninstalled => Some(OauthError::new("invalid_client", "app must be installed into org")),
        AppState::Blocked => Some(OauthError::new("OAUTH_APP_BLOCKED", "this app is blocked by admin")),
    }
}

/// The text is unverified.
fn missing(parameter: &str) -> OauthError {
    OauthError::new("invalid_request", &format!("missing required parameter: {parameter}"))
}
