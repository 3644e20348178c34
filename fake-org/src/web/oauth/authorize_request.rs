//! An authorize request, checked in Salesforce's order: what cannot be trusted ends on a page, everything else
//! goes back to the callback.

use super::admission::login_blocked;
use crate::auth::app::CredentialSet;
use crate::auth::error::OauthError;
use crate::auth::pkce;
use crate::auth::quirks::CallbackIssuer;
use crate::auth::scopes::Scopes;
use crate::auth::settings::AppState;
use crate::state::{Org, Origins};
use crate::user::User;
use crate::web::http_request::HttpRequest;
use crate::web::http_response::{self, HttpResponse};
use crate::web::pages;

/// What an authorize request responds with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResponseType {
    /// A code in the query: the web server flow.
    Code,
    /// The same, for a site's own login form.
    CodeCredentials,
    /// Tokens in the fragment: the user-agent flow.
    Token {
        /// `token id_token`.
        id_token: bool,
        /// `hybrid_token`: with sessions for other domains (MSDK).
        hybrid: bool,
    },
}

impl ResponseType {
    fn parse(text: &str) -> Option<Self> {
        let mut words: Vec<&str> = text.split_ascii_whitespace().collect();
        words.sort_unstable();
        match words.as_slice() {
            ["code"] => Some(Self::Code),
            ["code_credentials"] => Some(Self::CodeCredentials),
            ["token"] => Some(Self::Token { id_token: false, hybrid: false }),
            ["id_token", "token"] => Some(Self::Token { id_token: true, hybrid: false }),
            ["hybrid_token"] => Some(Self::Token { id_token: true, hybrid: true }),
            _ => None,
        }
    }

    fn in_fragment(self) -> bool {
        matches!(self, Self::Token { .. })
    }
}

/// Where the response goes, and with what.
#[derive(Clone, Debug)]
pub(crate) struct Callback {
    pub(crate) redirect_uri: String,
    pub(crate) state: Option<String>,
    /// In the fragment, which no server sees; otherwise in the query. That errors of the user-agent flow are there too
    /// is RFC 6749's rule (section 4.2.2.1), for Salesforce unverified.
    pub(crate) in_fragment: bool,
    /// The parameter `iss`.
    issuer: Option<String>,
    /// Whether the browser sends the callback twice.
    twice: bool,
}

/// A valid authorize request.
#[derive(Clone, Debug)]
pub(crate) struct AuthorizeRequest {
    /// The app's credentials that the client id belongs to.
    pub(crate) set: CredentialSet,
    pub(crate) response_type: ResponseType,
    pub(crate) callback: Callback,
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
    Callback(OauthError, Box<Callback>),
}

impl AuthorizeRequest {
    /// A request of a browser.
    pub(super) fn read(http: &HttpRequest, query: &str) -> Result<Self, Problem> {
        Self::read_of(http, query, |kind| kind != ResponseType::CodeCredentials)
    }

    /// One whose `response_type` is of these.
    pub(super) fn read_of(
        http: &HttpRequest,
        query: &str,
        of: impl Fn(ResponseType) -> bool,
    ) -> Result<Self, Problem> {
        let org = &http.org;
        let settings = org.settings();
        let pairs: Vec<(String, String)> =
            url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let get = |name: &str| {
            pairs.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.clone())
        };
        let client_id = get("client_id").unwrap_or_default();
        let (set, _) = org.app.find_set(&settings, &client_id).map_err(Problem::Page)?;
        let Some(redirect_uri) = get("redirect_uri") else {
            return Err(Problem::Page(OauthError::new("redirect_uri_missing", "redirect_uri not provided")));
        };
        if redirect_uri.starts_with("urn:ietf:wg:oauth:2.0:oob") {
            return Err(Problem::Page(OauthError::new("invalid_request", "out-of-band not supported")));
        }
        if !settings.accepts_redirect(&redirect_uri) {
            return Err(Problem::Page(OauthError::redirect_mismatch()));
        }
        let response_type = get("response_type").and_then(|text| ResponseType::parse(&text));
        let callback = Callback {
            redirect_uri,
            state: get("state"),
            in_fragment: response_type.is_some_and(ResponseType::in_fragment),
            issuer: match &settings.callback_issuer {
                CallbackIssuer::None => None,
                CallbackIssuer::LoginHost => Some(http.origin()),
                CallbackIssuer::MyDomain => Some(org.origins().current_instance().to_owned()),
                CallbackIssuer::Url(url) => Some(url.clone()),
            },
            twice: settings.duplicate_callback,
        };
        let back = |error: OauthError| Problem::Callback(error, Box::new(callback.clone()));
        if settings.app_state == AppState::Failing {
            return Err(Problem::Page(OauthError::new(
                "OAUTH_APPROVAL_ERROR_GENERIC",
                "An unexpected error has occured during authentication. Please try again.",
            )));
        }
        if let Some(refusal) = login_blocked(&settings) {
            return Err(back(refusal));
        }
        let Some(response_type) = response_type.filter(|kind| of(*kind)) else {
            return Err(back(OauthError::new("unsupported_response_type", "response type not supported")));
        };
        if response_type.in_fragment() && !settings.user_agent_flow {
            // The code is known to the Mobile SDK; the text is unverified.
            return Err(back(OauthError::new("oauth_flow_disabled", "oauth flow is disabled")));
        }
        let scopes = match get("scope") {
            None => Scopes::all(&settings.scopes),
            Some(text) => Scopes::parse(&text),
        };
        if !scopes.is_subset_of(&settings.scopes) {
            return Err(back(OauthError::invalid_scope()));
        }
        let challenge = get("code_challenge");
        match (&challenge, get("code_challenge_method").as_deref()) {
            // It covers the web server flow, code and credentials, and their derivatives (META: OauthOidcSettings).
            (None, _) if settings.pkce_required && !response_type.in_fragment() => {
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
            set,
            response_type,
            callback,
            scopes,
            challenge,
            nonce: get("nonce"),
            login_hint: get("login_hint"),
            immediate: get("immediate").as_deref() == Some("true"),
            prompt_login: prompts("login") || prompts("select_account"),
            prompt_consent: prompts("consent"),
            popup: matches!(get("display").as_deref(), Some("popup" | "touch" | "mobile")),
            query: query.to_owned(),
            site: http.site.clone(),
        })
    }

    /// The login form, with what was typed and why it failed.
    pub(super) fn login_form(&self, org: &Org, failed: Option<(&str, &str)>) -> HttpResponse {
        pages::login::show(org, self.form(), self.login_hint.as_deref(), failed)
    }

    pub(super) fn consent_form(&self, org: &Org, user: &User) -> HttpResponse {
        pages::consent::show(org, self.form(), &self.scopes, &self.callback.redirect_uri, user)
    }

    fn form(&self) -> pages::Form<'_> {
        pages::Form { site: &self.site, query: &self.query, popup: self.popup }
    }

    pub(super) fn deny(&self, error: OauthError) -> Problem {
        Problem::Callback(error, Box::new(self.callback.clone()))
    }

    /// Whether tokens at the redirect URI may hold a refresh token: in the user-agent flow only an app's own scheme and
    /// Salesforce's success page get one, whatever the scope says (older Help, "User-Agent Flow"; a callback on https
    /// was seen with `scope=id api web refresh_token` and without the token, one with its own scheme with it).
    pub(super) fn keeps_refresh_token(&self, hosts: &Origins) -> bool {
        let uri = &self.callback.redirect_uri;
        let success = |origin: &String| {
            ["", &self.site].into_iter().any(|site| *uri == format!("{origin}{site}{SUCCESS}"))
        };
        let scheme = uri.split(':').next().unwrap_or_default().to_ascii_lowercase();
        !matches!(scheme.as_str(), "http" | "https")
            || [&hosts.login, &hosts.instance, &hosts.moved_instance].into_iter().any(success)
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

/// The page of Salesforce that stands in for a callback.
pub(super) const SUCCESS: &str = "/services/oauth2/success";

impl Callback {
    /// The way back to the app: parameters are added to those the redirect URI has.
    pub(super) fn with<T: AsRef<str>>(&self, params: &[(T, T)]) -> HttpResponse {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(params);
        if let Some(state) = &self.state {
            query.append_pair("state", state);
        }
        if let Some(issuer) = &self.issuer {
            query.append_pair("iss", issuer);
        }
        let uri = &self.redirect_uri;
        let joint = match (self.in_fragment, uri.contains('?')) {
            (true, _) => '#',
            (false, true) => '&',
            (false, false) => '?',
        };
        let location = format!("{uri}{joint}{}", query.finish());
        if self.twice { pages::duplicate::show(&location) } else { http_response::redirect(302, &location) }
    }
}

impl Problem {
    pub(super) fn response(&self) -> HttpResponse {
        match self {
            Self::Page(error) => pages::error_page::oauth_error(error),
            Self::Callback(error, callback) => callback
                .with(&[("error", error.error.as_str()), ("error_description", error.description.as_str())]),
        }
    }
}
