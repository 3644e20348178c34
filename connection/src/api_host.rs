//! [`ApiHost`]: requests to a host of Salesforce's API platform, besides the org's instance.
//!
//! Source: `docs/protocol/api-hosts.md` in the repository.

use std::{fmt, sync::Arc};

use url::Url;

use crate::{connection::Connection, error::Result, request::raw::RawRequest};

/// A host of Salesforce's API platform, made by [`Connection::api_host`].
#[derive(Clone)]
pub struct ApiHost {
    pub(crate) connection: Connection,
    pub(crate) origin: Arc<Url>,
}

impl fmt::Debug for ApiHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiHost").field("origin", &self.origin.as_str()).finish_non_exhaustive()
    }
}

impl Connection {
    /// Returns a host of Salesforce's API platform, such as `api.salesforce.com`, to send requests to. Sends nothing.
    ///
    /// The token leaves its instance only for such a host: one of Salesforce's, that
    /// [`ClientBuilder::api_host`](crate::ClientBuilder::api_host) names, that a request names here, and that is in the
    /// audience (`aud`) of the access token. That has to be a JWT with the scope `sfap_api`.
    ///
    /// ```
    /// use salesforce_connection::Client;
    /// # use salesforce_connection::{
    /// #     Connection, http::AllowedHosts, oauth::{LoginHost, OAuthApp, OAuthClient},
    /// #     token::{ServiceTokenSource, ServiceUser},
    /// # };
    /// # use salesforce_fake_org::{AccessTokens, FakeOrg};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let agent = serde_json::json!({ "agents": [{ "id": "0XxKa0000000001KAA", "replies": {} }] });
    /// # let org = FakeOrg::builder().declare_json(&agent.to_string())?.scopes("api sfap_api").execution_user("ada@example.com");
    /// # let org = org.access_tokens(AccessTokens::Jwt(std::time::Duration::from_secs(900))).start().await?;
    /// # let host: LoginHost = org.instance_url().parse()?;
    /// # let name = org.api_url();
    /// # let builder = Client::builder().allowed_hosts(AllowedHosts::new([name.parse()?, host.as_url().clone()]));
    /// // `name` is "api.salesforce.com".
    /// let client = builder.api_host(&*name).build()?;
    /// # let oauth = OAuthClient::with_client(OAuthApp::new(org.client_id(), Some(org.client_secret().into())), &client);
    /// # let source = ServiceTokenSource::builder(oauth, ServiceUser::client_credentials(host)).build();
    /// # let sf = Connection::new(&client, source.connect().await?);
    ///
    /// let start = serde_json::json!({
    ///     "externalSessionKey": "8f6b1f0e-3b0a-4c55-9f0e-6d2f6c1f7a11",
    ///     "instanceConfig": { "endpoint": sf.instance_url()?.as_str().trim_end_matches('/') },
    ///     "streamingCapabilities": { "chunkTypes": ["Text"] },
    ///     "bypassUser": true,
    /// });
    /// let path = "/einstein/ai-agent/v1/agents/0XxKa0000000001KAA/sessions";
    /// let session: serde_json::Value = sf.api_host(&name)?.request("POST", path).json(&start).send().await?.json()?;
    /// assert!(session["sessionId"].is_string());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`InvalidApiHost`](crate::http::InvalidApiHost) in [`Error::InvalidRequest`](crate::Error::InvalidRequest) if the
    /// host is none of Salesforce's or the client does not name it.
    pub fn api_host(&self, name: &str) -> Result<ApiHost> {
        let origin = self.client().api_hosts().named(name, self.http().allowed_hosts())?;
        Ok(ApiHost { connection: self.clone(), origin: Arc::new(origin) })
    }
}

impl ApiHost {
    /// Starts a request to any resource of the host, for its APIs that this crate has no method for.
    ///
    /// `path` begins with a slash. Everything else is as for [`Connection::request`].
    ///
    /// # Errors
    /// [`RawRequest::send`] returns [`Error::ApiHostDenied`](crate::Error::ApiHostDenied) if the access token is not for
    /// this host; nothing is sent then.
    pub fn request(&self, method: impl AsRef<str>, path: impl Into<String>) -> RawRequest {
        RawRequest::new(self.connection.clone(), method.as_ref(), path.into()).for_api_host(&self.origin)
    }
}
