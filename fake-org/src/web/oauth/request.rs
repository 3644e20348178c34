//! An authorize request, checked in Salesforce's order: what cannot be trusted ends on a page, everything else
//! goes back to the callback.

use super::token::not_let_in;
use crate::auth::error::OauthError;
use crate::auth::pkce;
use crate::auth::scopes::Scopes;
use crate::auth::settings::AppState;
use crate::web::call::Call;
use crate::web::reply::{self, Reply};

/// A request that may be answered with a code.
#[derive(Clone, Debug)]
pub(crate) struct AuthorizeRequest {
    pub(crate) redirect_uri: String,
    pub(crate) state: Option<String>,
    pub(crate) scopes: Scopes,
    pub(crate) challenge: Option<String>,
    pub(crate) nonce: Option<String>,
    pub(crate) login_hint: Option<String>,
    pub(crate) immediate: bool,
    pub(crate) prompt_login: bool,
    pub(crate) prompt_consent: bool,
    pub(crate) popup: bool,
    /// The path of the site it came in on; empty elsewhere. Forms and redirects stay below it.
    pub(crate) site: String,
    /// The query this was read from, for the forms to come back to.
    pub(crate) query: String,
}

/// Where an error is shown.
#[derive(Debug)]
pub(super) enum Problem {
    /// On a page of Salesforce: the browser never goes back.
    Page(OauthError),
    /// At the callback.
    Callback { error: OauthError, redirect_uri: String, state: Option<String> },
}

impl AuthorizeRequest {
    pub(super) fn read(call: &Call, query: &str) -> Result<Self, Problem> {
        Self::read_of(call, query, "code")
    }

    /// One whose `response_type` must be this.
    pub(super) fn read_of(call: &Call, query: &str, response_type: &str) -> Result<Self, Problem> {
        let org = &call.org;
        let pairs: Vec<(String, String)> =
            url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let get = |name: &str| {
            pairs.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.clone())
        };
        if get("client_id").as_deref() != Some(org.app.client_id.as_str()) {
            return Err(Problem::Page(OauthError::unknown_client()));
        }
        let Some(redirect_uri) = get("redirect_uri") else {
            return Err(Problem::Page(OauthError::new("redirect_uri_missing", "redirect_uri not provided")));
        };
        if !org.app.accepts_redirect(&redirect_uri) {
            return Err(Problem::Page(OauthError::redirect_mismatch()));
        }
        let state = get("state");
        let back = |error: OauthError| Problem::Callback {
            error,
            redirect_uri: redirect_uri.clone(),
            state: state.clone(),
        };
        if org.settings().app_state == AppState::Failing {
            return Err(Problem::Page(OauthError::new(
                "OAUTH_APPROVAL_ERROR_GENERIC",
                "An unexpected error has occured during authentication. Please try again.",
            )));
        }
        if let Some(refusal) = not_let_in(org.settings().app_state) {
            return Err(back(refusal));
        }
        if get("response_type").as_deref() != Some(response_type) {
            return Err(back(OauthError::new("unsupported_response_type", "response type not supported")));
        }
        let scopes = match get("scope") {
            None => Scopes::all(&org.app.scopes),
            Some(text) => Scopes::parse(&text),
        };
        if !scopes.is_subset_of(&org.app.scopes) {
            return Err(back(OauthError::invalid_scope()));
        }
        let challenge = get("code_challenge");
        match (&challenge, get("code_challenge_method").as_deref()) {
            (None, _) if org.settings().pkce_required => {
                return Err(back(OauthError::new("invalid_request", "missing required code challenge")));
            }
            // A missing method means S256. That another one is refused, and how, is unverified.
            (Some(_), Some(method)) if method != "S256" => {
                return Err(back(OauthError::new("invalid_request", "unsupported code challenge method")));
            }
            (Some(challenge), _) if !pkce::well_formed(challenge) => {
                return Err(back(OauthError::new("invalid_request", "invalid code challenge")));
            }
            _ => {}
        }
        let prompt = get("prompt").unwrap_or_default();
        let prompts = |word: &str| prompt.split_ascii_whitespace().any(|p| p == word);
        Ok(Self {
            scopes,
            challenge,
            nonce: get("nonce"),
            login_hint: get("login_hint"),
            immediate: get("immediate").as_deref() == Some("true"),
            prompt_login: prompts("login") || prompts("select_account"),
            prompt_consent: prompts("consent"),
            popup: matches!(get("display").as_deref(), Some("popup" | "touch" | "mobile")),
            query: query.to_owned(),
            site: call.site.clone(),
            redirect_uri,
            state,
        })
    }

    pub(super) fn deny(&self, error: OauthError) -> Problem {
        Problem::Callback { error, redirect_uri: self.redirect_uri.clone(), state: self.state.clone() }
    }

    /// The same request as after a login: `prompt` no longer asks for one.
    pub(super) fn after_login(&self) -> String {
        let mut out = url::form_urlencoded::Serializer::new(String::new());
        for (key, value) in url::form_urlencoded::parse(self.query.as_bytes()) {
            if key == "prompt" {
                let rest: Vec<&str> = value
                    .split_ascii_whitespace()
                    .filter(|word| !matches!(*word, "login" | "select_account"))
                    .collect();
                if !rest.is_empty() {
                    out.append_pair("prompt", &rest.join(" "));
                }
            } else {
                out.append_pair(&key, &value);
            }
        }
        out.finish()
    }
}

/// The way back to the app: parameters are added to those the redirect URI has.
pub(super) fn callback<T: AsRef<str>>(redirect_uri: &str, params: &[(T, T)], state: Option<&str>) -> Reply {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(params);
    if let Some(state) = state {
        query.append_pair("state", state);
    }
    let joint = if redirect_uri.contains('?') { '&' } else { '?' };
    reply::redirect(302, &format!("{redirect_uri}{joint}{}", query.finish()))
}

impl Problem {
    pub(super) fn reply(&self) -> Reply {
        match self {
            Self::Page(error) => crate::web::pages::stop::oauth_error(error),
            Self::Callback { error, redirect_uri, state } => callback(
                redirect_uri,
                &[("error", error.error.as_str()), ("error_description", error.description.as_str())],
                state.as_deref(),
            ),
        }
    }
}
