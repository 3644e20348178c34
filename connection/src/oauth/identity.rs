//! Who a token belongs to: userinfo and identity URL.

use reqwest::header::AUTHORIZATION;
use serde::{Deserialize, de::DeserializeOwned};
use url::Url;

use crate::{
    http::request::Request,
    id::{OrgId, UserId},
    oauth::{
        client::OAuthClient,
        error::{InvalidTokenResponse, OAuthError},
        token_response::IdentityUrl,
    },
    secret::Secret,
    token::access_token::bearer,
};

/// What the userinfo endpoint says (Salesforce Help "User Info Endpoint"). Unknown members are ignored.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct UserInfo {
    /// The identity URL; its host depends on the login host.
    pub sub: String,
    /// The user.
    pub user_id: UserId,
    /// The organization.
    pub organization_id: OrgId,
    /// The user name. For people to read; it can change.
    pub preferred_username: Option<String>,
    /// The full name.
    pub name: Option<String>,
    /// The e-mail address. Neither unique nor lasting.
    pub email: Option<String>,
}

/// What an identity URL says (Salesforce Help "Identity URLs"). Unknown members are ignored.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Identity {
    /// The identity URL.
    pub id: String,
    /// The user.
    pub user_id: UserId,
    /// The organization.
    pub organization_id: OrgId,
    /// The user name. For people to read; it can change.
    pub username: String,
    /// The full name.
    pub display_name: Option<String>,
    /// The e-mail address. Neither unique nor lasting.
    pub email: Option<String>,
    /// The time zone, for example `America/Los_Angeles`.
    pub timezone: Option<String>,
    /// The language, for example `en_US`.
    pub language: Option<String>,
    /// Whether the user is active.
    pub active: Option<bool>,
    /// The kind of user, for example `STANDARD`.
    pub user_type: Option<String>,
}

/// Where to ask for an identity: the path of its URL on the instance. The URL itself carries the login host, which may
/// answer with a redirect (Mobile SDK swaps the host too).
pub(crate) fn path_on_instance(identity: &IdentityUrl) -> String {
    format!("/id/{}/{}", identity.organization, identity.user)
}

impl OAuthClient {
    /// Asks the userinfo endpoint.
    ///
    /// # Errors
    /// [`OAuthError::is_bad_token`] when the access token is not good: this endpoint answers 403 then, not 401.
    pub async fn userinfo(&self, instance_url: &Url, access_token: &Secret) -> Result<UserInfo, OAuthError> {
        self.ask(instance_url, "/services/oauth2/userinfo", access_token).await
    }

    /// Asks the identity URL, on the instance.
    ///
    /// # Errors
    /// As [`userinfo`](Self::userinfo), and an answer about someone else.
    pub async fn identity(
        &self,
        instance_url: &Url,
        identity: &IdentityUrl,
        access_token: &Secret,
    ) -> Result<Identity, OAuthError> {
        let answer: Identity = self.ask(instance_url, &path_on_instance(identity), access_token).await?;
        if (answer.organization_id, answer.user_id) != (identity.organization, identity.user) {
            return Err(InvalidTokenResponse::Identity.into());
        }
        Ok(answer)
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        instance_url: &Url,
        path: &str,
        access_token: &Secret,
    ) -> Result<T, OAuthError> {
        let mut url = instance_url.clone();
        url.set_path(path);
        let mut request = Request::get(url);
        request.headers.insert(AUTHORIZATION, bearer(access_token)?);
        let answer = self.http().send(request).await?;
        if answer.status.as_u16() != 200 {
            return Err(OAuthError::of(&answer));
        }
        serde_json::from_slice(&answer.body).map_err(|_| InvalidTokenResponse::Malformed.into())
    }
}
