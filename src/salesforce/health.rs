//! [`Health`]: the report of a process for health checks.

use serde::Serialize;

use super::Salesforce;
#[cfg(feature = "events")]
use crate::consumer::ConsumerHealth;
use crate::grants::{GrantsHealth, KeyHealth, PendingWork, StoreHealth, StoreStatus, TokenOutage};

/// A report on the state of this process, for health checks and dashboards.
///
/// Making it takes 50 ms at most and sends no request to Salesforce. It contains no token, no key and no name of a user.
/// It serializes to an object with the fields below; times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Health {
    /// The store.
    pub store: StoreHealth,
    /// The keys that seal tokens and cookies.
    pub keys: KeyHealth,
    /// Work that failed and is being retried.
    pub pending: PendingWork,
    /// The last time that a token could not be loaded or refreshed, since this process started.
    pub last_token_outage: Option<TokenOutage>,
    /// The consumers of events of this process. A consumer that has stopped does not make the process unready: its pages
    /// work. Watch [`ConsumerHealth::is_healthy`]. Feature `events`.
    #[cfg(feature = "events")]
    pub consumers: Vec<ConsumerHealth>,
}

impl Health {
    /// Returns true if the store is reachable. Without the store protected pages respond with status 503.
    pub fn is_ready(&self) -> bool {
        self.store.status == StoreStatus::Reachable
    }
}

impl Salesforce {
    /// Reports the state of this process for a health or readiness check, within 50 ms and without a request to
    /// Salesforce: the store, the keys, writes and logouts that are being retried, and the last token outage.
    ///
    /// ```
    /// use actix_salesforce::Salesforce;
    /// use actix_web::{HttpResponse, get};
    ///
    /// #[get("/ready")]
    /// async fn ready(salesforce: Salesforce) -> HttpResponse {
    ///     let health = salesforce.health().await;
    ///     if health.is_ready() { HttpResponse::Ok().json(health) } else { HttpResponse::ServiceUnavailable().json(health) }
    /// }
    /// ```
    #[doc(alias = "readiness")]
    #[doc(alias = "liveness")]
    #[doc(alias = "healthcheck")]
    pub async fn health(&self) -> Health {
        let GrantsHealth { store, keys, pending, last_token_outage } = self.grants().health().await;
        Health {
            store,
            keys,
            pending,
            last_token_outage,
            #[cfg(feature = "events")]
            consumers: self.inner.consumers.health(),
        }
    }
}
