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
