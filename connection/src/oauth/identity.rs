//! The user of an access token: userinfo endpoint and identity URL.

use std::collections::BTreeSet;

use reqwest::header::AUTHORIZATION;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use url::Url;

use crate::{
    http::request::Request,
    id::{OrgId, UserId},
    oauth::{
        bearer::bearer,
        client::OAuthClient,
        endpoint::MAX_RESPONSE_BYTES,
        error::{InvalidTokenResponse, OAuthError},
        token_response::IdentityUrl,
    },
    secret::Secret,
    user_ref::UserRef,
};

/// The response of the userinfo endpoint (Salesforce Help "User Info Endpoint"). Unknown members are ignored.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct UserInfo {
    /// The identity URL; its host depends on the login host.
    pub sub: String,
    /// The id of the user.
    pub user_id: UserId,
    /// The id of the org.
    pub organization_id: OrgId,
    /// The user name, for display. It can change.
    pub preferred_username: Option<String>,
    /// The full name.
    pub name: Option<String>,
    /// The e-mail address. It can change, and several users can share one.
    pub email: Option<String>,
}

/// The response of an identity URL (Salesforce Help "Identity URLs"). Unknown members are ignored.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Identity {
    /// The identity URL.
    pub id: String,
    /// The id of the user.
    pub user_id: UserId,
    /// The id of the org.
    pub organization_id: OrgId,
    /// The user name, for display. It can change.
    pub username: String,
    /// The full name.
    pub display_name: Option<String>,
    /// The e-mail address. It can change, and several users can share one.
    pub email: Option<String>,
    /// The time zone, for example `America/Los_Angeles`.
    pub timezone: Option<String>,
    /// The language, for example `en_US`.
    pub language: Option<String>,
    /// Whether the user is active.
    pub active: Option<bool>,
    /// The kind of user, for example `STANDARD`.
    pub user_type: Option<String>,
    /// The names of the custom permissions that the user has. `None` unless the scope `custom_permissions` was granted.
    #[serde(default, deserialize_with = "custom_permissions")]
    pub custom_permissions: Option<BTreeSet<String>>,
}

impl Identity {
    /// Returns whether the user has this custom permission; `false` without the scope `custom_permissions`.
    pub fn has_custom_permission(&self, name: &str) -> bool {
        self.custom_permissions.as_ref().is_some_and(|names| names.contains(name))
    }
}

/// Reads `{"Name": true}`. A permission counts only if it is `true`. Any other form is no list, and no error: the rest of
/// the identity is usable without it.
fn custom_permissions<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<BTreeSet<String>>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(value.as_object().map(|members| {
        members.iter().filter(|(_, has)| **has == true).map(|(name, _)| name.clone()).collect()
    }))
}

/// Returns the path of an identity URL, to be fetched from the instance.
///
/// The URL itself names the login host, which may respond with a redirect. (The Salesforce Mobile SDK replaces the host as
/// well.)
pub(crate) fn path_on_instance(identity: &IdentityUrl) -> String {
    format!("/id/{}/{}", identity.user.organization_id, identity.user.user_id)
}

impl OAuthClient {
    /// Fetches the user of an access token from the userinfo endpoint.
    ///
    /// # Errors
    /// [`OAuthError`]; [`is_invalid_token`](OAuthError::is_invalid_token) if the access token is invalid, which this
    /// endpoint reports with status 403 instead of 401.
    pub async fn userinfo(&self, instance_url: &Url, access_token: &Secret) -> Result<UserInfo, OAuthError> {
        self.fetch(instance_url, "/services/oauth2/userinfo", access_token).await
    }

    /// Fetches the user of an access token from the identity URL, on the instance.
    ///
    /// # Errors
    /// As [`userinfo`](Self::userinfo); [`InvalidTokenResponse::Identity`] if the response names another user.
    pub async fn identity(
        &self,
        instance_url: &Url,
        identity: &IdentityUrl,
        access_token: &Secret,
    ) -> Result<Identity, OAuthError> {
        let user: Identity = self.fetch(instance_url, &path_on_instance(identity), access_token).await?;
        if UserRef::new(user.organization_id, user.user_id) != identity.user {
            return Err(InvalidTokenResponse::Identity.into());
        }
        Ok(user)
    }

    async fn fetch<T: DeserializeOwned>(
        &self,
        instance_url: &Url,
        path: &str,
        access_token: &Secret,
    ) -> Result<T, OAuthError> {
        let mut url = instance_url.clone();
        url.set_path(path);
        let mut request = Request::get(url);
        request.headers.insert(AUTHORIZATION, bearer(access_token)?);
        request.max_bytes = MAX_RESPONSE_BYTES;
        let response = self.http().send(request).await?;
        if response.status.as_u16() != 200 {
            return Err(OAuthError::from_response(&response));
        }
        serde_json::from_slice(&response.body).map_err(|_| InvalidTokenResponse::Malformed.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(custom_permissions: &str) -> Option<Vec<String>> {
        let text = format!(
            r#"{{"id":"x","user_id":"005000000000001AAA","organization_id":"00D000000000001EAA","username":"a"{custom_permissions}}}"#
        );
        let identity: Identity = serde_json::from_str(&text).unwrap();
        identity.custom_permissions.map(|names| names.into_iter().collect())
    }

    #[test]
    fn only_a_custom_permission_that_is_true_counts() {
        assert_eq!(read(""), None);
        assert_eq!(read(r#","custom_permissions":{}"#), Some(vec![]));
        let mixed = r#","custom_permissions":{"Export":true,"Import":false,"Odd":"true","Null":null}"#;
        assert_eq!(read(mixed), Some(vec!["Export".to_owned()]));
        for odd in ["null", "true", "\"Export\"", "[\"Export\"]", "7"] {
            assert_eq!(read(&format!(r#","custom_permissions":{odd}"#)), None, "{odd}");
        }
    }
}
