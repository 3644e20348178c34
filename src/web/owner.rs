//! The app's function that names the owner of a new connection.

use std::{error::Error as StdError, fmt, future::Future, sync::Arc, time::Duration};

use actix_web::HttpRequest;
use futures_util::future::LocalBoxFuture;

use crate::store::{ConnectionName, Owner};

/// Longest time that the app's function may take: a user waits meanwhile.
const TIMEOUT: Duration = Duration::from_secs(5);

type BoxError = Box<dyn StdError + Send + Sync>;
type Function =
    dyn Fn(ConnectRequest) -> LocalBoxFuture<'static, Result<ConnectDecision, BoxError>> + Send + Sync;

/// A request of a browser that connects Salesforce to a user of the app itself: what
/// [`SalesforceBuilder::connect_owner`](crate::SalesforceBuilder::connect_owner) decides on.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConnectRequest {
    /// The request. The app's own session and cookies are in it.
    pub http: HttpRequest,
    /// What the user calls the connection.
    pub name: ConnectionName,
}

/// What the app decides on a request to connect Salesforce.
#[derive(Debug, Clone)]
#[must_use]
pub struct ConnectDecision(pub(crate) Decision);

#[derive(Debug, Clone)]
pub(crate) enum Decision {
    Owner(Owner),
    NotLoggedIn,
    Refuse(String),
}

impl ConnectDecision {
    /// Connects for this owner.
    pub fn owner(owner: Owner) -> Self {
        Self(Decision::Owner(owner))
    }

    /// Refuses, because no user of the app is logged in: the browser gets a page with 401.
    pub fn not_logged_in() -> Self {
        Self(Decision::NotLoggedIn)
    }

    /// Refuses the user, who reads this reason.
    pub fn refuse(reason: impl Into<String>) -> Self {
        Self(Decision::Refuse(reason.into()))
    }
}

/// Why the app's function did not name an owner.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoDecision {
    #[error("the function of `connect_owner` did not return within {TIMEOUT:?}")]
    TimedOut,
    #[error("the function of `connect_owner` failed")]
    Failed(#[source] BoxError),
}

/// The app's function, if there is one.
#[derive(Clone, Default)]
pub(crate) struct ConnectFunction(Option<Arc<Function>>);

impl fmt::Debug for ConnectFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ConnectFunction").field(&self.0.is_some()).finish()
    }
}

impl ConnectFunction {
    pub(crate) fn new<F, E>(function: impl Fn(ConnectRequest) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<ConnectDecision, E>> + 'static,
        E: Into<BoxError>,
    {
        Self(Some(Arc::new(move |request| {
            let decision = function(request);
            Box::pin(async move { decision.await.map_err(Into::into) })
        })))
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.is_some()
    }

    /// Asks the app. Without a function no user of the app is known.
    pub(crate) async fn decide(&self, request: ConnectRequest) -> Result<Decision, NoDecision> {
        let Some(function) = &self.0 else { return Ok(Decision::NotLoggedIn) };
        match tokio::time::timeout(TIMEOUT, function(request)).await {
            Ok(Ok(ConnectDecision(decision))) => Ok(decision),
            Ok(Err(error)) => Err(NoDecision::Failed(error)),
            Err(_) => Err(NoDecision::TimedOut),
        }
    }
}
