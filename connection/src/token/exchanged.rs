//! [`ExchangedTokenSource`]: the tokens of a user who is logged in at another identity provider, and not at Salesforce.

use std::{error::Error as StdError, fmt, future::ready, sync::Arc};

use futures_util::future::BoxFuture;
use tokio::{runtime::Handle, sync::Semaphore};

use super::{
    ServiceTokenEvent, ServiceTokenSource, ServiceTokenSourceBuilder, ServiceTokenTiming, TokenError,
    TokenSource, token_request::TokenRequest,
};
use crate::oauth::{OAuthClient, SubjectToken, TokenExchange};

/// Provides the token of one user's login at another identity provider.
///
/// A portal implements it with the session of its user. A [`SubjectToken`] is a source as well: one that is never renewed.
pub trait SubjectTokenSource: fmt::Debug + Send + Sync + 'static {
    /// Returns a token that is valid now, renewed if necessary. `None` once the user's login at the provider has ended.
    ///
    /// Called for the first token and after Salesforce rejected one, never twice at a time, and at most ten seconds long.
    ///
    /// # Errors
    /// Any error: the connection reports it as [`Error::Unavailable`](crate::Error::Unavailable).
    fn subject_token(&self) -> BoxFuture<'_, Result<Option<SubjectToken>, Box<dyn StdError + Send + Sync>>>;
}

impl SubjectTokenSource for SubjectToken {
    fn subject_token(&self) -> BoxFuture<'_, Result<Option<SubjectToken>, Box<dyn StdError + Send + Sync>>> {
        Box::pin(ready(Ok(Some(self.clone()))))
    }
}

/// Provides the tokens of a user who logs in elsewhere (OAuth 2.0 token exchange): of a customers' portal, for example.
///
/// The portal's identity provider issues a token; an Apex class of the org, the token exchange handler, says which user
/// of Salesforce it belongs to. When Salesforce rejects the access token as expired, the source exchanges the provider's
/// current token again, once for all connections.
///
/// One source serves one login of one user. If an exchange returns the token of another user, it is dropped and the
/// connection reports [`Error::Unavailable`](crate::Error::Unavailable).
///
/// The app needs "Enable Token Exchange Flow" in Salesforce, the handler has to be enabled for the app, and an
/// administrator has to approve the app for its users, since this flow has no page that asks them.
///
/// ```
/// use salesforce_connection::{
///     Client, Connection,
///     http::AllowedHosts,
///     oauth::{LoginHost, OAuthApp, OAuthClient, SubjectToken, SubjectTokenType, TokenExchange},
///     token::ExchangedTokenSource,
/// };
/// # use salesforce_fake_org::FakeOrg;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let org = FakeOrg::builder().exchange_token("their-token", "ada@example.com").start().await?;
/// # let (my_domain, id, secret) = (org.instance_url(), org.client_id(), org.client_secret());
/// let host: LoginHost = my_domain.parse()?;
/// # let hosts = AllowedHosts::new([host.as_url().clone()]);
/// let client = Client::builder().allowed_hosts(hosts).build()?;
/// let oauth = OAuthClient::with_client(OAuthApp::new(id, Some(secret.into())), &client);
///
/// // What the portal's session holds.
/// let subject = SubjectToken::new("their-token", SubjectTokenType::AccessToken)?;
/// let source = ExchangedTokenSource::builder(oauth, TokenExchange::new(host), subject).build();
/// let sf = Connection::new(&client, source.connect().await?);
/// assert_eq!(sf.identity().await?.username, "ada@example.com");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ExchangedTokenSource(ServiceTokenSource);

impl ExchangedTokenSource {
    /// Returns a builder of a source for the user of `subject`. Token requests are sent with `oauth` and its app.
    pub fn builder(
        oauth: OAuthClient,
        exchange: TokenExchange,
        subject: impl SubjectTokenSource,
    ) -> ExchangedTokenSourceBuilder {
        let request = TokenRequest::Exchange { exchange, subject: Arc::new(subject) };
        ExchangedTokenSourceBuilder(ServiceTokenSourceBuilder::new(oauth, request))
    }

    /// Exchanges the first token, unless the source has one, and returns the source for
    /// [`Connection::new`](crate::Connection::new).
    ///
    /// # Errors
    /// [`TokenError::LoginRequired`] if the login at the identity provider has ended; [`TokenError::LoginRefused`] if the
    /// handler or Salesforce refuses the user, with the cause; [`TokenError::Unavailable`] for transient failures.
    pub async fn connect(&self) -> Result<Arc<dyn TokenSource>, TokenError> {
        self.0.connect().await
    }
}

/// Configures an [`ExchangedTokenSource`].
#[derive(Debug)]
#[must_use = "no token is requested before connect()"]
pub struct ExchangedTokenSourceBuilder(ServiceTokenSourceBuilder);

impl ExchangedTokenSourceBuilder {
    /// Sets the runtime of token requests. Default: the runtime of the caller that needs the token.
    pub fn runtime(self, runtime: Handle) -> Self {
        Self(self.0.runtime(runtime))
    }

    /// Sets a semaphore whose permits limit the token requests of several sources. Default: no limit.
    pub fn permits(self, permits: Arc<Semaphore>) -> Self {
        Self(self.0.permits(permits))
    }

    /// Sets a listener for [`ServiceTokenEvent`]s. It runs inside the token request's task and must not block.
    pub fn on_event(self, listener: impl Fn(&ServiceTokenEvent) + Send + Sync + 'static) -> Self {
        Self(self.0.on_event(listener))
    }

    /// Sets waits and deadlines.
    #[doc(hidden)]
    pub fn timing(self, timing: ServiceTokenTiming) -> Self {
        Self(self.0.timing(timing))
    }

    /// Creates the source, without a token: [`ExchangedTokenSource::connect`] exchanges the first one.
    pub fn build(self) -> ExchangedTokenSource {
        ExchangedTokenSource(self.0.build())
    }
}
