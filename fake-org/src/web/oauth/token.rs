//! `/services/oauth2/token`.

use axum::http::Method;
use axum::http::header::AUTHORIZATION;

use super::answer::{community, token_answer};
use super::hybrid;
use super::refusal::{at_shared_host, not_let_in};
use crate::auth::client::Credentials;
use crate::auth::error::OauthError;
use crate::auth::grants::{Issued, Presented};
use crate::auth::settings::{ParallelRefresh, Settings};
use crate::base::clock::Millis;
use crate::log::Host;
use crate::web::call::Call;
use crate::web::format::{formatted, formatted_error};
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
            match call.form_param("grant_type") {
                Some(JWT_BEARER) => {
                    // The documented sample has neither.
                    answer.shift_remove("signature");
                    answer.shift_remove("issued_at");
                }
                Some(TOKEN_EXCHANGE) => {
                    // RFC 8693 section 2.2.1; Salesforce's own sample is not at hand (unverified).
                    let kind = "urn:ietf:params:oauth:token-type:access_token";
                    answer.insert("issued_token_type".into(), kind.into());
                }
                Some("hybrid_auth_code" | "hybrid_refresh") => {
                    answer.extend(hybrid::members(&call.org, &issued));
                }
                _ => {}
            }
            reply::no_store(formatted(&call, "OAuth", &answer))
        }
        Err(error) => formatted_error(&call, &error),
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
    let now = call.org.clock.now();
    let settings = call.org.settings();
    let app = &call.org.app;
    if let Some(refusal) = not_let_in(&settings) {
        return Err(refusal);
    }
    if settings.my_domain_api_login_only
        && at_shared_host(call)
        && matches!(grant_type, JWT_BEARER | TOKEN_EXCHANGE | "password" | "client_credentials")
    {
        // Which words that login gets is unverified.
        return Err(OauthError::wrong_domain());
    }
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
        "authorization_code" | "hybrid_auth_code" | "refresh_token" | "hybrid_refresh"
        | "client_credentials" | "password" | TOKEN_EXCHANGE => {
            let basic = call.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
            let client = Credentials::read(basic, |name| call.form_param(name))?;
            let refreshes = matches!(grant_type, "refresh_token" | "hybrid_refresh");
            let required = settings.secret_required && (settings.refresh_secret_required || !refreshes);
            client.check(now, &settings, app, required, &audiences(call))?;
            match grant_type {
                "authorization_code" | "hybrid_auth_code" => code(call, now, &settings),
                "refresh_token" | "hybrid_refresh" => refresh(call, now, &settings),
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
    let with = Presented {
        redirect_uri: call.form_param("redirect_uri"),
        verifier: call.form_param("code_verifier"),
        visitor: call.header("uvid-hint"),
    };
    call.org.auth(|auth| auth.exchange(now, settings, code, with))
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
        return Err(OauthError::wrong_domain());
    }
    if call.form_param("scope").is_some() {
        return Err(OauthError::new("invalid_request", "scope parameter not supported"));
    }
    if !client.are_proven() {
        return Err(OauthError::bad_secret());
    }
    call.org.auth(|auth| auth.client_credentials(now, settings))
}

fn exchange_token(call: &Call, now: Millis, settings: &Settings) -> Result<Issued, OauthError> {
    if settings.exchange_tokens.is_none() {
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
    call.org.auth(|auth| auth.token_exchange(now, settings, subject))
}

/// What an assertion may be made out to: the hosts and the site, their token endpoints, and the names that Salesforce's
/// own login hosts have, which every org accepts. That My Domain is accepted is unverified.
pub(super) fn audiences(call: &Call) -> Vec<String> {
    let origins = call.org.origins();
    let site = call.org.app.site.as_ref().map(|site| format!("{}{site}", origins.login));
    let hosts = [
        origins.login,
        origins.instance,
        origins.moved_instance,
        "https://login.salesforce.com".into(),
        "https://test.salesforce.com".into(),
    ];
    hosts.into_iter().chain(site).flat_map(|host| [format!("{host}/services/oauth2/token"), host]).collect()
}

/// The text is unverified.
fn missing(parameter: &str) -> OauthError {
    OauthError::new("invalid_request", &format!("missing required parameter: {parameter}"))
}
