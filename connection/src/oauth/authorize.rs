//! The authorization request (RFC 6749 section 4.1.1, RFC 7636; Salesforce Help "OAuth 2.0 Web Server Flow").

use std::fmt;

use oauth2::{AuthUrl, ClientId, CsrfToken, PkceCodeChallenge, RedirectUrl, Scope};
use url::Url;

use crate::{
    oauth::{client::OAuthClient, login_host::LoginHost, scopes::Scopes},
    secret::Secret,
};

/// Parameters of an authorization request. No others are sent.
#[derive(Debug, Clone)]
#[must_use]
pub struct AuthorizeOptions {
    pub(crate) scopes: Scopes,
    prompt: Vec<Prompt>,
    login_hint: Option<String>,
    display: Option<DisplayMode>,
    immediate: bool,
    state_note: Option<String>,
}

impl AuthorizeOptions {
    /// Creates options with these scopes and nothing else.
    pub fn new(scopes: Scopes) -> Self {
        Self {
            scopes,
            prompt: Vec::new(),
            login_hint: None,
            display: None,
            immediate: false,
            state_note: None,
        }
    }

    /// Makes Salesforce show these pages even if the user is logged in there. Default: none.
    pub fn prompt(mut self, prompt: impl IntoIterator<Item = Prompt>) -> Self {
        self.prompt = prompt.into_iter().collect();
        self
    }

    /// Returns whether Salesforce is asked for this page.
    pub fn has_prompt(&self, prompt: Prompt) -> bool {
        self.prompt.contains(&prompt)
    }

    /// Sets the user name that Salesforce fills in on its login page. Default: none.
    pub fn login_hint(mut self, username: impl Into<String>) -> Self {
        self.login_hint = Some(username.into());
        self
    }

    /// Makes Salesforce show no page: where the user would have to log in or to approve, it redirects to the callback with
    /// the error `immediate_unsuccessful`. Experience Cloud sites do not support it (Salesforce Help "OAuth 2.0 Web Server
    /// Flow"). Default: `false`.
    pub fn immediate(mut self, immediate: bool) -> Self {
        self.immediate = immediate;
        self
    }

    /// Appends a text to the random `state`, after a dot: it comes back with the callback, even to a browser that has lost
    /// its cookies. Letters, digits, `-` and `_`; other characters are percent-encoded in the URL. Default: none.
    ///
    /// The text is not secret, and the browser can change it: seal what has to be trusted.
    pub fn state_note(mut self, note: impl Into<String>) -> Self {
        self.state_note = Some(note.into());
        self
    }

    /// Sets the layout of Salesforce's pages. Default: chosen by Salesforce.
    pub fn display(mut self, display: DisplayMode) -> Self {
        self.display = Some(display);
        self
    }
}

/// A page that Salesforce must show again (OpenID Connect Core section 3.1.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Prompt {
    /// `login`: user name and password.
    Login,
    /// `consent`: approval of the app and its scopes.
    Consent,
    /// `select_account`: the choice of the account.
    SelectAccount,
}

/// The error for an unknown prompt.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown prompt: expected login, consent or select_account")]
pub struct UnknownPrompt;

crate::debug::debug_as_display!(UnknownPrompt);

impl Prompt {
    fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Consent => "consent",
            Self::SelectAccount => "select_account",
        }
    }

    /// Parses prompts separated by spaces.
    ///
    /// # Errors
    /// [`UnknownPrompt`] for any other text.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, UnknownPrompt> {
        text.split_whitespace()
            .map(|name| {
                [Self::Login, Self::Consent, Self::SelectAccount]
                    .into_iter()
                    .find(|prompt| prompt.as_str() == name)
                    .ok_or(UnknownPrompt)
            })
            .collect()
    }
}

/// The layout of Salesforce's pages (Salesforce Help "OAuth 2.0 Web Server Flow", parameter `display`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DisplayMode {
    /// A full page.
    Page,
    /// A small window.
    Popup,
    /// A touch device.
    Touch,
    /// A phone.
    Mobile,
}

impl DisplayMode {
    fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Popup => "popup",
            Self::Touch => "touch",
            Self::Mobile => "mobile",
        }
    }
}

/// An authorization request: the URL for the browser, and the values to store until the callback arrives.
#[non_exhaustive]
pub struct AuthorizationRequest {
    /// The URL to which to redirect the browser.
    pub url: Url,
    /// The `state` of the callback, 256 random bits. Compare it with [`matches`](Self::matches), and bind it to the browser
    /// (RFC 9700 section 4.7).
    pub state: Secret,
    /// The PKCE code verifier for [`OAuthClient::exchange`] (RFC 7636 section 4.1): 256 random bits in 43 characters.
    pub verifier: Secret,
    /// The `nonce` of the ID token, 256 random bits. Present only with the scope `openid`.
    pub nonce: Option<Secret>,
}

impl AuthorizationRequest {
    /// Returns whether a callback's `state` is that of this request. Compares in constant time.
    #[must_use]
    pub fn matches(&self, state: &Secret) -> bool {
        self.state == *state
    }
}

/// Omits the URL's query, which contains the state and the nonce.
impl fmt::Debug for AuthorizationRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut url = self.url.clone();
        url.set_query(None);
        f.debug_struct("AuthorizationRequest")
            .field("url", &url.as_str())
            .field("state", &self.state)
            .field("verifier", &self.verifier)
            .field("nonce", &self.nonce)
            .finish()
    }
}

impl OAuthClient {
    /// Creates an authorization request with new random values.
    ///
    /// Sends `response_type=code`, `state`, PKCE with S256, and a `nonce` if the scopes contain `openid`. No request is
    /// sent; `redirect_uri` must be one of the app's callback URLs.
    pub fn authorize(
        &self,
        host: &LoginHost,
        redirect_uri: &Url,
        options: &AuthorizeOptions,
    ) -> AuthorizationRequest {
        let client = oauth2::basic::BasicClient::new(ClientId::new(self.app().client_id.clone()))
            .set_auth_uri(AuthUrl::from_url(host.endpoint("/services/oauth2/authorize")))
            .set_redirect_uri(RedirectUrl::from_url(redirect_uri.clone()));
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let nonce = options.scopes.contains("openid").then(|| CsrfToken::new_random_len(32).into_secret());
        let mut request = client
            .authorize_url(|| {
                let random = CsrfToken::new_random_len(32);
                match &options.state_note {
                    Some(note) => CsrfToken::new(format!("{}.{note}", random.into_secret())),
                    None => random,
                }
            })
            .set_pkce_challenge(challenge)
            .add_scopes(options.scopes.iter().map(|scope| Scope::new(scope.to_owned())));
        if let Some(nonce) = &nonce {
            request = request.add_extra_param("nonce", nonce.clone());
        }
        if !options.prompt.is_empty() {
            let prompt: Vec<_> = options.prompt.iter().map(|prompt| prompt.as_str()).collect();
            request = request.add_extra_param("prompt", prompt.join(" "));
        }
        if let Some(hint) = &options.login_hint {
            request = request.add_extra_param("login_hint", hint.clone());
        }
        if options.immediate {
            request = request.add_extra_param("immediate", "true");
        }
        if let Some(display) = options.display {
            request = request.add_extra_param("display", display.as_str());
        }
        let (mut url, state) = request.url();
        // A space as `%20`: a hop that encodes the URL once more would turn `+` into `%2B`. A literal plus is `%2B` here.
        let query = url.query().map(|query| query.replace('+', "%20"));
        url.set_query(query.as_deref());
        AuthorizationRequest {
            url,
            state: Secret::new(state.into_secret()),
            verifier: Secret::new(verifier.into_secret()),
            nonce: nonce.map(Secret::new),
        }
    }
}
