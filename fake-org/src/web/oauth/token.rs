//! `/services/oauth2/token`.

use axum::http::Method;
use axum::http::header::AUTHORIZATION;

use super::admission::{at_shared_host, login_blocked};
use super::hybrid;
use super::token_response::{community, token_response};
use crate::auth::app::CredentialSet;
use crate::auth::client::Credentials;
use crate::auth::error::OauthError;
use crate::auth::grants::{CodeExchange, Issued};
use crate::auth::scopes::Scopes;
use crate::auth::settings::{ParallelRefresh, Settings};
use crate::base::clock::Millis;
use crate::request::Host;
use crate::web::format::{formatted, formatted_error};
use crate::web::http_request::HttpRequest;
use crate::web::http_response::{self, HttpResponse};

pub(super) async fn token(http: HttpRequest) -> HttpResponse {
    if http.method != Method::POST {
        // The wording is unverified.
        return http_response::oauth_error(&OauthError::new("invalid_request", "must use HTTP POST"));
    }
    if let Some(status) = redirected(&http) {
        let location = format!("{}/services/oauth2/token", http.org.origins().current_instance());
        return http_response::redirect(status, &location);
    }
    // Signing keys take a moment to make, and that must not hold up other connections.
    let work = tokio::task::spawn_blocking(move || match issue(&http) {
        Ok(issued) => {
            let issued = http.org.with_own_token(issued);
            let mut response = token_response(&http.org, &issued, &http.origin());
            for (name, value) in community(&http.org, &http.site) {
                response.insert(name, value.into());
            }
            match http.form_param("grant_type") {
                Some(JWT_BEARER) => {
                    // The documented sample has neither.
                    response.shift_remove("signature");
                    response.shift_remove("issued_at");
                }
                Some("hybrid_auth_code" | "hybrid_refresh") => {
                    response.extend(hybrid::members(&http.org, &issued));
                }
                _ => {}
            }
            if refreshes(&http) {
                for name in &http.org.settings().refresh_response_without {
                    response.shift_remove(name);
                }
            }
            http_response::no_store(formatted(&http, "OAuth", &response))
        }
        Err(error) => formatted_error(&http, &error),
    });
    work.await.unwrap_or_else(|_| http_response::empty(500))
}

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const SAML_BEARER: &str = "urn:ietf:params:oauth:grant-type:saml2-bearer";

fn refreshes(http: &HttpRequest) -> bool {
    matches!(http.form_param("grant_type"), Some("refresh_token" | "hybrid_refresh"))
}

/// The status of the redirect that a refresh gets in place of its tokens. The request is not processed.
fn redirected(http: &HttpRequest) -> Option<u16> {
    let settings = http.org.settings();
    let here = at_shared_host(http) || settings.refresh_redirect_loop;
    settings.refresh_redirect.filter(|_| here && refreshes(http))
}

fn issue(http: &HttpRequest) -> Result<Issued, OauthError> {
    let grant_type = http.form_param("grant_type").unwrap_or_default();
    if grant_type == "device" || http.form_param("response_type") == Some("device_code") {
        // Off unless an app's developer switched it on, and blocked for apps that are not installed
        // (forcedotcom/code-builder-feedback issue 263).
        return Err(OauthError::invalid_grant("device flow is not enabled for the app"));
    }
    let now = http.org.clock.now();
    let settings = http.org.settings();
    let app = &http.org.app;
    if let Some(error) = settings.token_errors.get(grant_type) {
        return Err(OauthError::new(&error.error, &error.description));
    }
    if let Some(refusal) = login_blocked(&settings) {
        return Err(refusal);
    }
    if settings.my_domain_api_login_only
        && at_shared_host(http)
        && matches!(grant_type, JWT_BEARER | TOKEN_EXCHANGE | "password" | "client_credentials")
    {
        // Which words that login gets is unverified.
        return Err(OauthError::wrong_domain());
    }
    match grant_type {
        // The assertion authenticates the app.
        JWT_BEARER => {
            let Some(assertion) = http.form_param("assertion") else { return Err(missing("assertion")) };
            let audiences = audiences(http);
            http.org.auth(|auth| auth.jwt_bearer(now, &settings, app, &audiences, assertion))
        }
        // No identity provider is set up for SAML.
        SAML_BEARER => Err(OauthError::invalid_grant("invalid assertion")),
        "assertion" => Err(OauthError::new("invalid_assertion_type", "assertion type not supported")),
        "authorization_code" | "hybrid_auth_code" | "refresh_token" | "hybrid_refresh"
        | "client_credentials" | "password" | TOKEN_EXCHANGE => {
            let basic = http.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
            let client = Credentials::read(basic, |name| http.form_param(name))?;
            let refreshes = matches!(grant_type, "refresh_token" | "hybrid_refresh");
            let required = settings.secret_required && (settings.refresh_secret_required || !refreshes);
            let set = client.check(now, &settings, app, required, &audiences(http))?;
            let issued = match grant_type {
                "authorization_code" | "hybrid_auth_code" => code(http, now, &settings, set),
                "refresh_token" | "hybrid_refresh" => refresh(http, now, &settings, set),
                "client_credentials" => client_credentials(http, now, &settings, &client),
                // Off by default in every org made since Summer '23.
                "password" => Err(OauthError::invalid_grant("authentication failure")),
                _ => exchange_token(http, now, &settings),
            }?;
            Ok(Issued { set, ..issued })
        }
        _ => Err(OauthError::flow_off()),
    }
}

fn code(
    http: &HttpRequest,
    now: Millis,
    settings: &Settings,
    set: CredentialSet,
) -> Result<Issued, OauthError> {
    let Some(code) = http.form_param("code") else { return Err(missing("code")) };
    let with = CodeExchange {
        set,
        redirect_uri: http.form_param("redirect_uri"),
        verifier: http.form_param("code_verifier"),
        visitor: http.header("uvid-hint"),
    };
    http.org.auth(|auth| auth.exchange(now, settings, code, with))
}

fn refresh(
    http: &HttpRequest,
    now: Millis,
    settings: &Settings,
    set: CredentialSet,
) -> Result<Issued, OauthError> {
    let Some(token) = http.form_param("refresh_token") else { return Err(missing("refresh_token")) };
    match settings.parallel_refresh {
        ParallelRefresh::AlreadyProcessing if http.parallel => Err(OauthError::already_processing()),
        ParallelRefresh::ExpiredCode if http.parallel => Err(OauthError::dead_code()),
        _ => http.org.auth(|auth| auth.refresh(now, settings, token, set)),
    }
}

/// My Domain only, and no `scope`.
fn client_credentials(
    http: &HttpRequest,
    now: Millis,
    settings: &Settings,
    client: &Credentials,
) -> Result<Issued, OauthError> {
    if http.host == Host::Login {
        return Err(OauthError::wrong_domain());
    }
    if http.form_param("scope").is_some() {
        return Err(OauthError::new("invalid_request", "scope parameter not supported"));
    }
    if !client.are_proven() {
        return Err(OauthError::bad_secret());
    }
    http.org.auth(|auth| auth.client_credentials(now, settings))
}

fn exchange_token(http: &HttpRequest, now: Millis, settings: &Settings) -> Result<Issued, OauthError> {
    if settings.exchange_tokens.is_none() {
        return Err(OauthError::flow_off());
    }
    // A My Domain or a site (H: Set Up the Token Exchange Flow). The text is unverified.
    if at_shared_host(http) {
        return Err(OauthError::wrong_domain());
    }
    let handler = http.form_param("token_handler");
    if handler.is_some_and(|name| settings.exchange_handler.as_deref() != Some(name)) {
        return Err(OauthError::new("invalid_request", "token handler not found"));
    }
    let Some(subject) = http.form_param("subject_token") else { return Err(missing("subject_token")) };
    let kind = http
        .form_param("subject_token_type")
        .and_then(|kind| kind.strip_prefix("urn:ietf:params:oauth:token-type:"))
        .unwrap_or_default();
    if !["access_token", "id_token", "JWT", "jwt", "refresh_token", "saml2"].contains(&kind) {
        // The text is unverified.
        return Err(OauthError::new("invalid_request", "invalid subject_token_type"));
    }
    let wanted = http.form_param("scope").map(Scopes::parse);
    if let Some(wanted) = &wanted
        && !wanted.is_subset_of(&settings.scopes)
    {
        return Err(OauthError::invalid_scope());
    }
    http.org.auth(|auth| auth.token_exchange(now, settings, subject, wanted.as_ref()))
}

/// What an assertion may be made out to: the hosts and the sites, their token endpoints, and the names that Salesforce's
/// own login hosts have, which every org accepts. That My Domain is accepted is unverified.
pub(super) fn audiences(http: &HttpRequest) -> Vec<String> {
    let origins = http.org.origins();
    let sites: Vec<_> = http.org.app.sites.iter().map(|site| format!("{}{site}", origins.login)).collect();
    let hosts = [
        origins.login,
        origins.instance,
        origins.moved_instance,
        "https://login.salesforce.com".into(),
        "https://test.salesforce.com".into(),
    ];
    hosts.into_iter().chain(sites).flat_map(|host| [format!("{host}/services/oauth2/token"), host]).collect()
}

/// The text is unverified.
fn missing(parameter: &str) -> OauthError {
    OauthError::new("invalid_request", &format!("missing required parameter: {parameter}"))
}
