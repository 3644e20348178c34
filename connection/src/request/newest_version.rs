//! [`NewestVersion`]: the newest API version of an org, remembered for an hour.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::version::ApiVersion;

/// How long an org's newest version is used without asking again. A new one comes three times a year.
const MAX_AGE: Duration = Duration::from_secs(60 * 60);

/// The newest version of an org, and when it was asked for.
#[derive(Debug, Default)]
pub(crate) struct NewestVersion {
    known: Mutex<Option<(ApiVersion, Instant)>>,
    /// Requests that begin at a time ask once.
    asking: tokio::sync::Mutex<()>,
}

impl NewestVersion {
    /// Returns the version, unless an hour has passed since it was asked for.
    pub(crate) fn get(&self) -> Option<ApiVersion> {
        let newest = *self.known.lock().unwrap_or_else(PoisonError::into_inner);
        newest.filter(|(_, at)| at.elapsed() < MAX_AGE).map(|(version, _)| version)
    }

    /// Returns the version that was known last, however long ago.
    pub(crate) fn last(&self) -> Option<ApiVersion> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).map(|(version, _)| version)
    }

    pub(crate) fn set(&self, version: ApiVersion) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((version, Instant::now()));
    }

    /// Waits until no other request asks for it. Hold the guard while you do.
    pub(crate) async fn lock(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.asking.lock().await
    }
}
