//! [`OAuthClient::exchange_subject_token`]: a token of another identity provider for one of Salesforce (RFC 8693).
//!
//! Source: Salesforce Help, "Set Up the Token Exchange Flow"; listed in the repository (`docs/protocol/token-exchange.md`).

use crate::{
    http::request::Request,
    oauth::{
        client::{OAuthClient, TOKEN_PATH},
        endpoint::MAX_RESPONSE_BYTES,
        error::{InvalidTokenResponse, OAuthError},
        login_host::LoginHost,
        scopes::Scopes,
        token_response::{TokenResponse, TokenResponseBody, with_token_type},
    },
    secret::Secret,
};

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// Longest subject token in characters that Salesforce accepts.
const MAX_SUBJECT_TOKEN: usize = 10_000;
/// Longest name of a token exchange handler: that of every developer name.
const MAX_HANDLER_NAME: usize = 80;

/// What a [`SubjectToken`] is. The handler's settings in Salesforce say which kinds it accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubjectTokenType {
    /// An access token, opaque or a JWT.
    AccessToken,
    /// A refresh token.
    RefreshToken,
    /// An ID token of OpenID Connect.
    IdToken,
    /// A SAML 2.0 assertion.
    Saml2,
    /// Any other JSON Web Token.
    Jwt,
}

impl SubjectTokenType {
    /// Returns the identifier as Salesforce writes it: `JWT` in capitals, unlike RFC 8693 section 3.
    fn urn(self) -> &'static str {
        match self {
            Self::AccessToken => "urn:ietf:params:oauth:token-type:access_token",
            Self::RefreshToken => "urn:ietf:params:oauth:token-type:refresh_token",
            Self::IdToken => "urn:ietf:params:oauth:token-type:id_token",
            Self::Saml2 => "urn:ietf:params:oauth:token-type:saml2",
            Self::Jwt => "urn:ietf:params:oauth:token-type:JWT",
        }
    }
}

/// A token that another identity provider issued to a user. `Debug` does not show it.
#[derive(Debug, Clone)]
pub struct SubjectToken {
    token: Secret,
    kind: SubjectTokenType,
}

/// Why a text is no subject token, or no name of a handler. Does not repeat it.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTokenExchange {
    /// An empty subject token.
    #[error("the subject token is empty")]
    Empty,
    /// A subject token that Salesforce would not accept because of its length.
    #[error("the subject token has more than 10,000 characters")]
    TooLong,
    /// A text that cannot be the API name of a token exchange handler.
    #[error(
        "invalid name of a token exchange handler: expected its API name, letters, digits and underscores only"
    )]
    HandlerName,
}

crate::debug::debug_as_display!(InvalidTokenExchange);

impl SubjectToken {
    /// Creates a subject token from its text, as the identity provider issued it.
    ///
    /// # Errors
    /// [`InvalidTokenExchange`] if it is empty or has more than 10,000 characters.
    pub fn new(token: impl Into<Secret>, kind: SubjectTokenType) -> Result<Self, InvalidTokenExchange> {
        let token = token.into();
        match token.expose().chars().take(MAX_SUBJECT_TOKEN + 1).count() {
            0 => Err(InvalidTokenExchange::Empty),
            count if count > MAX_SUBJECT_TOKEN => Err(InvalidTokenExchange::TooLong),
            _ => Ok(Self { token, kind }),
        }
    }
}

/// Where and how subject tokens are exchanged.
#[derive(Debug, Clone)]
pub struct TokenExchange {
    host: LoginHost,
    handler: Option<String>,
    scopes: Scopes,
}

impl TokenExchange {
    /// Creates the settings for a My Domain, or for an Experience Cloud site. The shared login hosts know no handler.
    pub fn new(host: LoginHost) -> Self {
        Self { host, handler: None, scopes: Scopes::default() }
    }

    /// Sets the API name of the Apex token exchange handler. Default: the default handler of the app.
    ///
    /// # Errors
    /// [`InvalidTokenExchange::HandlerName`] if the text cannot be one.
    pub fn token_handler(mut self, name: impl Into<String>) -> Result<Self, InvalidTokenExchange> {
        let name = name.into();
        let is_name = name.len() <= MAX_HANDLER_NAME
            && name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_name {
            return Err(InvalidTokenExchange::HandlerName);
        }
        self.handler = Some(name);
        Ok(self)
    }

    /// Sets the scopes of the new token. Default: all scopes of the app.
    ///
    /// Without `refresh_token`: the subject token is exchanged again when the access token is rejected, and a refresh token
    /// in the response is dropped.
    #[must_use]
    pub fn scopes(mut self, scopes: Scopes) -> Self {
        self.scopes = scopes;
        self
    }

    /// Returns the My Domain or site that issues the tokens.
    pub fn host(&self) -> &LoginHost {
        &self.host
    }
}

impl OAuthClient {
    /// Exchanges a token of another identity provider for one of Salesforce.
    ///
    /// The handler, an Apex class of the org, validates the token and says which user it belongs to. The client secret is
    /// sent if this client's app has one.
    ///
    /// ```
    /// use salesforce_connection::oauth::{OAuthApp, OAuthClient, SubjectToken, SubjectTokenType, TokenExchange};
    /// # use salesforce_connection::{Client, http::AllowedHosts, oauth::LoginHost};
    /// # use salesforce_fake_org::FakeOrg;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let org = FakeOrg::builder().exchange_token("their-token", "ada@example.com").start().await?;
    /// # let my_domain: LoginHost = org.instance_url().parse()?;
    /// # let hosts = AllowedHosts::new([my_domain.as_url().clone()]);
    /// # let client = Client::builder().allowed_hosts(hosts).build()?;
    /// # let app = OAuthApp::new(org.client_id(), Some(org.client_secret().into()));
    /// let oauth = OAuthClient::with_client(app, &client);
    /// let subject = SubjectToken::new("their-token", SubjectTokenType::AccessToken)?;
    /// let tokens = oauth.exchange_subject_token(&TokenExchange::new(my_domain), &subject).await?;
    /// println!("for {}", tokens.instance_url);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`OAuthError`]. [`OAuthError::NeedsMyDomain`] before anything is sent. `invalid_request` with the description
    /// `token handler not found` or `token handler validation failed`, and `invalid_grant` if no administrator approved
    /// the app for the user.
    pub async fn exchange_subject_token(
        &self,
        exchange: &TokenExchange,
        subject: &SubjectToken,
    ) -> Result<TokenResponse, OAuthError> {
        if exchange.host.is_shared() {
            return Err(OAuthError::NeedsMyDomain);
        }
        let app = self.app();
        let scopes = exchange.scopes.to_string();
        let fields = [
            ("grant_type", Some(TOKEN_EXCHANGE)),
            ("subject_token", Some(subject.token.expose())),
            ("subject_token_type", Some(subject.kind.urn())),
            ("client_id", Some(app.client_id.as_str())),
            ("client_secret", app.client_secret.as_ref().map(Secret::expose)),
            ("token_handler", exchange.handler.as_deref()),
            ("scope", Some(scopes.as_str()).filter(|scopes| !scopes.is_empty())),
        ];
        let fields = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let mut request = Request::form(exchange.host.endpoint(TOKEN_PATH), fields);
        request.max_bytes = MAX_RESPONSE_BYTES;
        let response = self.http().send(request).await?;
        if !response.status.is_success() {
            return Err(OAuthError::from_response(&response));
        }
        let body: TokenResponseBody = serde_json::from_slice(&with_token_type(&response.body))
            .map_err(|_| InvalidTokenResponse::Malformed)?;
        Ok(TokenResponse::check(&body, &exchange.host, self.http().allowed_hosts(), &self.secrets(), None)?)
    }
}
