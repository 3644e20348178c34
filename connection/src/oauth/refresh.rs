//! [`OAuthClient::refresh_grant`]: a refresh whose response may lack what the grant knows already.

use oauth2::{RefreshToken, RequestTokenError, TokenUrl, basic::BasicErrorResponse};
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use crate::{
    http::{allowed_hosts::is_salesforce, client::SHORT_TIMEOUT, error::HttpError},
    oauth::{
        client::{OAuthClient, TOKEN_PATH},
        endpoint::Endpoint,
        error::{InvalidTokenResponse, OAuthError},
        login_host::LoginHost,
        scopes::Scopes,
        token_response::{IdentityUrl, TokenResponse, TokenResponseBody},
    },
    secret::Secret,
    user_ref::UserRef,
};

/// What a grant knows already. A member that the response to a refresh lacks stays as it is here.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct KnownGrant {
    /// The user that the grant belongs to.
    pub user: UserRef,
    /// The identity URL of the user.
    pub identity_url: Url,
    /// The instance of the org.
    pub instance_url: Url,
    /// The granted scopes.
    pub scopes: Scopes,
    /// The host to which an earlier refresh was redirected with success. `None`: the login host.
    pub token_host: Option<Url>,
}

impl KnownGrant {
    /// Creates the knowledge about a grant whose refreshes are sent to its login host.
    pub fn new(user: UserRef, identity_url: Url, instance_url: Url, scopes: Scopes) -> Self {
        Self { user, identity_url, instance_url, scopes, token_host: None }
    }

    pub(crate) fn identity(&self) -> IdentityUrl {
        IdentityUrl { url: self.identity_url.clone(), user: self.user }
    }
}

/// The outcome of a refresh that succeeded.
#[derive(Debug)]
#[non_exhaustive]
pub struct RefreshedGrant {
    /// The new tokens. What the response lacked is filled in from the grant.
    pub tokens: TokenResponse,
    /// The host that sent them, unless it is the login host: the next [`KnownGrant::token_host`].
    pub token_host: Option<Url>,
}

/// Why a refresh failed.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
#[non_exhaustive]
pub struct RefreshError {
    /// What failed.
    #[source]
    pub error: OAuthError,
    /// The new refresh token of a successful response that is invalid otherwise. It has to be stored: with rotation the
    /// token that was sent is used.
    pub rotated: Option<Secret>,
}

impl From<OAuthError> for RefreshError {
    fn from(error: OAuthError) -> Self {
        Self { error, rotated: None }
    }
}

impl OAuthClient {
    /// Exchanges the refresh token of a known grant for a new access token (RFC 6749 section 6).
    ///
    /// As [`refresh`](Self::refresh), with two differences. A response is partial: what it lacks is filled in from
    /// `known`. And a login host that redirects the request to the org's own domain gets its way, once: Salesforce
    /// introduces My Domain logins so (unverified). A request that was redirected with status 301, 302, 307 or 308 counts
    /// as not processed (unverified), so that the token may be sent again. The new request goes to the grant's instance,
    /// or to another of Salesforce's own hosts that `Location` names; nothing else of `Location` is used. Both together
    /// have the time of one request, so that a redirect that took more than half of it is an error.
    ///
    /// # Errors
    /// [`RefreshError`]. Its token, if it has one, has to be stored although the refresh failed.
    pub async fn refresh_grant(
        &self,
        host: &LoginHost,
        refresh_token: &Secret,
        known: &KnownGrant,
    ) -> Result<RefreshedGrant, RefreshError> {
        let login_host = host.endpoint(TOKEN_PATH);
        let remembered = known.token_host.as_ref().map(token_endpoint);
        let first = remembered.unwrap_or_else(|| login_host.clone());
        let endpoint = Endpoint::new(self.http().clone()).taking_thin_responses();
        let began = Instant::now();
        let mut response = self.send_refresh(&endpoint, first.clone(), refresh_token).await;
        let mut sent_to = first;
        if let Err(RequestTokenError::Request(OAuthError::Http(HttpError::Redirect(status)))) = &response
            && sent_to == login_host
            && was_not_processed(*status)
            && let Some(next) = redirect_target(&login_host, endpoint.location(), &known.instance_url)
            && let Some(left) =
                SHORT_TIMEOUT.checked_sub(began.elapsed()).filter(|left| *left >= SHORT_TIMEOUT / 2)
        {
            tracing::debug!(?host, status, "refresh redirected: sent once more");
            let endpoint = Endpoint::with_timeout(left, self.http().clone()).taking_thin_responses();
            response = self.send_refresh(&endpoint, next.clone(), refresh_token).await;
            sent_to = next;
        }
        let body = response
            .map_err(|error| RefreshError { rotated: rotated_in(&error), error: without_body(error) })?;
        match TokenResponse::check(&body, host, self.http().allowed_hosts(), &self.secrets(), Some(known)) {
            Ok(tokens) => {
                let token_host = (sent_to != login_host).then(|| sent_to.join("/").ok()).flatten();
                Ok(RefreshedGrant { tokens, token_host })
            }
            Err(error) => {
                Err(RefreshError { error: error.into(), rotated: TokenResponse::refresh_token_of(&body) })
            }
        }
    }

    async fn send_refresh(
        &self,
        endpoint: &Endpoint,
        url: Url,
        refresh_token: &Secret,
    ) -> Result<TokenResponseBody, RequestTokenError<OAuthError, BasicErrorResponse>> {
        let client = self.token_client_at(TokenUrl::from_url(url));
        let token = RefreshToken::new(refresh_token.expose().to_owned());
        client.exchange_refresh_token(&token).request_async(endpoint).await
    }
}

/// Returns whether a redirect with this status means that the request was not processed. A 303 says that it was (RFC 9110
/// section 15.4.4).
pub(crate) fn was_not_processed(status: u16) -> bool {
    matches!(status, 301 | 302 | 307 | 308)
}

fn token_endpoint(host: &Url) -> Url {
    let mut url = host.clone();
    url.set_path(TOKEN_PATH);
    url.set_query(None);
    url.set_fragment(None);
    url
}

/// Returns where a redirected refresh is sent: to Salesforce's host in `location`, or to the instance.
///
/// `None` if the redirect is for another path, or leads back to the same URL.
fn redirect_target(from: &Url, location: Option<&str>, instance_url: &Url) -> Option<Url> {
    let location = from.join(location?).ok()?;
    if location.path() != TOKEN_PATH {
        return None;
    }
    let has_no_user = location.username().is_empty() && location.password().is_none();
    let is_other_host = is_salesforce(&location) && has_no_user && location.origin() != from.origin();
    let target = token_endpoint(if is_other_host { &location } else { instance_url });
    (target != *from).then_some(target)
}

/// Returns the refresh token of a response that is no valid token response otherwise.
fn rotated_in(error: &RequestTokenError<OAuthError, BasicErrorResponse>) -> Option<Secret> {
    #[derive(Deserialize)]
    struct Rotated {
        refresh_token: String,
    }
    let RequestTokenError::Parse(_, body) = error else { return None };
    let rotated = serde_json::from_slice::<Rotated>(body).ok()?;
    Some(Secret::new(rotated.refresh_token)).filter(|token| !token.is_empty())
}

/// Drops the raw body, with its tokens.
pub(crate) fn without_body(error: RequestTokenError<OAuthError, BasicErrorResponse>) -> OAuthError {
    match error {
        RequestTokenError::Request(error) => error,
        // These contain the raw body with its tokens, and must not be passed on.
        RequestTokenError::Parse(..) | RequestTokenError::ServerResponse(_) | RequestTokenError::Other(_) => {
            InvalidTokenResponse::Malformed.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only Salesforce's hosts are taken from `Location`, and only for the same path.
    #[test]
    fn a_redirected_refresh_goes_to_the_instance_or_to_salesforce() {
        let from = Url::parse("https://login.salesforce.com/services/oauth2/token").unwrap();
        let instance = Url::parse("https://acme.my.salesforce.com").unwrap();
        let own = "https://acme.my.salesforce.com/services/oauth2/token";
        let new = "https://new.my.salesforce.com/services/oauth2/token";
        for (location, target) in [
            (Some(own), Some(own)),
            (Some(new), Some(new)),
            (
                Some("https://new.my.salesforce.com/services/oauth2/token?next=https://evil.example#x"),
                Some(new),
            ),
            (Some("/services/oauth2/token"), Some(own)),
            (Some("https://evil.example/services/oauth2/token"), Some(own)),
            (Some("https://new.my.salesforce.com:8443/services/oauth2/token"), Some(own)),
            (Some("https://user@new.my.salesforce.com/services/oauth2/token"), Some(own)),
            (Some("http://new.my.salesforce.com/services/oauth2/token"), Some(own)),
            (Some("https://new.my.salesforce.com/"), None),
            (Some("https://new.my.salesforce.com/services/oauth2/token/x"), None),
            (Some("https://new.my.salesforce.com/services/oauth2/revoke"), None),
            (Some("https://["), None),
            (None, None),
        ] {
            let chosen = redirect_target(&from, location, &instance);
            assert_eq!(chosen.as_ref().map(Url::as_str), target, "{location:?}");
        }
        let own = Url::parse(own).unwrap();
        assert_eq!(redirect_target(&own, Some(own.as_str()), &instance), None, "a circle");
    }
}
