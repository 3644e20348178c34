//! What Salesforce says about a user, as far as rules need it: read once per grant, used for a while.

use std::{
    collections::BTreeSet,
    future::Future,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use serde::Deserialize;
use tokio::sync::Mutex as AsyncMutex;

use crate::{
    base::{evicting_map::EvictingMap, lock::lock},
    grants::GrantHandle,
    store::GrantKey,
    web::worker::WorkerState,
};
use salesforce_connection::{Connection, Error, UserRef, oauth::Identity};

/// Longest time that reading may take, retries included. As long as a user waits for a page.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time of one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// When to try again after reading took too long.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// How long it counts that something is missing. Short, so that an admin who adds it soon sees the effect.
const MISSING_MAX_AGE: Duration = Duration::from_secs(30);

/// Why something about a user is unknown.
#[derive(Debug)]
pub(super) enum NotRead {
    /// The user or the app may not read it. Names what is missing.
    Missing(String),
    /// The request failed: an outage, or the login has ended.
    Failed(Error),
}

impl NotRead {
    pub(super) fn missing(what: impl Into<String>) -> Self {
        Self::Missing(what.into())
    }

    /// An outage and an ended login stay errors. What Salesforce refuses otherwise is closed to the reader.
    fn of(error: Error, what: &str) -> Self {
        let is_refused =
            matches!(error, Error::Api { .. } | Error::ApiAccessDenied { .. } | Error::RowNotFound);
        if !is_refused || error.is_transient() || error.needs_login() {
            return Self::Failed(error);
        }
        tracing::warn!(%error, what, "reading what an access rule needs failed: Salesforce refused it");
        Self::missing(what)
    }
}

/// Reading took too long.
#[derive(Debug, thiserror::Error)]
#[error("what an access rule needs was not read within {READ_TIMEOUT:?}")]
struct ReadTimedOut;

/// What was read about the users of this process, by grant: while the app's credentials rotate, or beside a login by
/// Canvas, a user has several, each with separate scopes and versions.
#[derive(Default)]
pub(super) struct AccessCache(Mutex<EvictingMap<GrantKey, Arc<UserAccess>>>);

impl AccessCache {
    fn of(&self, grant: GrantKey) -> Arc<UserAccess> {
        let mut grants = lock(&self.0);
        if let Some(access) = grants.get(&grant) {
            return Arc::clone(access);
        }
        let access = Arc::new(UserAccess::default());
        // What no request holds is read again when it is needed.
        grants.insert(grant, Arc::clone(&access), |access| Arc::strong_count(access) > 1);
        access
    }

    /// Forgets what was read with these grants: the next request reads it again.
    pub(super) async fn forget(&self, grants: impl IntoIterator<Item = GrantKey>) {
        for grant in grants {
            let Some(access) = lock(&self.0).get(&grant).map(Arc::clone) else { continue };
            access.identity.forget().await;
            access.profile.forget().await;
            access.permission_sets.forget().await;
        }
    }
}

/// What was read about the user of one grant.
#[derive(Default)]
struct UserAccess {
    identity: Cached<Identity>,
    profile: Cached<String>,
    permission_sets: Cached<BTreeSet<String>>,
}

/// A value with the time and the login at which it was read. Concurrent requests share one reading.
struct Cached<T>(AsyncMutex<Option<Read<T>>>);

struct Read<T> {
    at: SystemTime,
    /// Changes with each login of the user.
    epoch: u64,
    /// The value, or what is missing.
    value: Result<Arc<T>, String>,
}

impl<T> Read<T> {
    fn max_age(&self, of_value: Duration) -> Duration {
        if self.value.is_ok() { of_value } else { of_value.min(MISSING_MAX_AGE) }
    }
}

impl<T> Default for Cached<T> {
    fn default() -> Self {
        Self(AsyncMutex::new(None))
    }
}

impl<T> Cached<T> {
    /// Returns the value, read now if there is none of this login that is young enough.
    async fn get(
        &self,
        now: impl Fn() -> SystemTime,
        max_age: Duration,
        epoch: u64,
        read: impl Future<Output = Result<T, NotRead>>,
    ) -> Result<Arc<T>, NotRead> {
        let mut cached = self.0.lock().await;
        if let Some(known) = cached.as_ref()
            && known.epoch == epoch
            // A clock that was set back makes the age an error.
            && now().duration_since(known.at).is_ok_and(|age| age < known.max_age(max_age))
        {
            return known.value.clone().map_err(NotRead::Missing);
        }
        // Before the request: what changes meanwhile counts as not read yet.
        let at = now();
        let value = match read.await {
            Ok(value) => Ok(Arc::new(value)),
            Err(NotRead::Missing(what)) => Err(what),
            Err(failed) => return Err(failed),
        };
        *cached = Some(Read { at, epoch, value: value.clone() });
        value.map_err(NotRead::Missing)
    }

    async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

/// Reads about the user of one grant.
pub(super) struct Reader<'a> {
    worker: &'a WorkerState,
    grant: &'a GrantHandle,
    access: Arc<UserAccess>,
    max_age: Duration,
}

impl<'a> Reader<'a> {
    pub(super) fn new(worker: &'a WorkerState, grant: &'a GrantHandle, max_age: Duration) -> Self {
        let access = worker.salesforce().rules().users.of(grant.key());
        Self { worker, grant, access, max_age }
    }

    fn user(&self) -> UserRef {
        self.grant.key().user()
    }

    fn connection(&self) -> Connection {
        self.worker.connection(self.grant.clone()).with_timeout(REQUEST_TIMEOUT)
    }

    fn epoch(&self) -> Result<u64, NotRead> {
        let tokens = self.grant.current().map_err(|error| NotRead::Failed(error.into()))?;
        Ok(tokens.version.epoch)
    }

    fn needs_scope(&self, scope: &str) -> Result<(), NotRead> {
        let tokens = self.grant.current().map_err(|error| NotRead::Failed(error.into()))?;
        if tokens.access.scopes().contains(scope) {
            return Ok(());
        }
        Err(NotRead::missing(format!("the scope {scope}")))
    }

    async fn read<T>(
        &self,
        cached: &Cached<T>,
        read: impl Future<Output = Result<T, NotRead>>,
    ) -> Result<Arc<T>, NotRead> {
        let now = || self.worker.salesforce().now();
        let reading = cached.get(now, self.max_age, self.epoch()?, read);
        tokio::time::timeout(READ_TIMEOUT, reading)
            .await
            .map_err(|_| NotRead::Failed(Error::unavailable(RETRY_AFTER, ReadTimedOut)))?
    }

    /// Returns the user's identity, read by the user's own connection.
    pub(super) async fn identity(&self, with_permissions: bool) -> Result<Arc<Identity>, NotRead> {
        if with_permissions {
            self.needs_scope("custom_permissions")?;
        }
        let identity = self
            .read(&self.access.identity, async {
                let identity = self.connection().identity().await;
                let identity = identity.map_err(|error| NotRead::of(error, "the identity of the user"))?;
                if UserRef::new(identity.organization_id, identity.user_id) != self.user() {
                    return Err(NotRead::missing("the identity of the user"));
                }
                Ok(identity)
            })
            .await?;
        if with_permissions && identity.custom_permissions.is_none() {
            return Err(NotRead::missing("custom_permissions in the identity"));
        }
        Ok(identity)
    }

    /// Returns the name of the user's profile, read by the user's own connection.
    pub(super) async fn profile(&self) -> Result<Arc<String>, NotRead> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct User {
            profile: Option<Profile>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Profile {
            name: Option<String>,
        }
        const WHAT: &str = "Profile.Name of the user";

        self.needs_scope("api")?;
        self.read(&self.access.profile, async {
            let found = self
                .connection()
                .query::<User>("SELECT Profile.Name FROM User WHERE Id = :user")
                .bind("user", self.user().user_id)
                .fetch_optional()
                .await
                .map_err(|error| NotRead::of(error, WHAT))?;
            let name = found.and_then(|user| user.profile).and_then(|profile| profile.name);
            name.ok_or_else(|| NotRead::missing(WHAT))
        })
        .await
    }

    /// Returns the names of the user's permission sets, read by the service user.
    ///
    /// Users without a setup permission may not read them (Object Reference, "PermissionSetAssignment", "Special Access
    /// Rules").
    pub(super) async fn permission_sets(&self) -> Result<Arc<BTreeSet<String>>, NotRead> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Assignment {
            permission_set: Option<PermissionSet>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct PermissionSet {
            name: String,
            namespace_prefix: Option<String>,
        }

        self.read(&self.access.permission_sets, async {
            let reader = match self.worker.salesforce().service_connection().await {
                Ok(reader) => reader.with_timeout(REQUEST_TIMEOUT),
                Err(Error::NoServiceUser) => return Err(NotRead::missing("a service user (SALESFORCE_SERVICE_URL)")),
                Err(error) if error.is_transient() => return Err(NotRead::Failed(error)),
                Err(error) => {
                    tracing::warn!(%error, "an access rule needs the service user, which gets no token");
                    return Err(NotRead::missing("a service user with a valid token"));
                }
            };
            if reader.organization_id() != self.user().organization_id {
                return Err(NotRead::missing("a service user of your organization"));
            }
            let soql = "SELECT PermissionSet.Name, PermissionSet.NamespacePrefix FROM PermissionSetAssignment WHERE \
                        AssigneeId = :user AND IsActive = true";
            let assignments = reader
                .query::<Assignment>(soql)
                .bind("user", self.user().user_id)
                .fetch_all()
                .await
                .map_err(|error| match error {
                    // The service user's, not the visitor's.
                    error if error.needs_login() => NotRead::missing("a service user with a valid token"),
                    error => NotRead::of(error, "PermissionSetAssignment for the service user"),
                })?;
            let full_name = |set: PermissionSet| match set.namespace_prefix {
                Some(prefix) => format!("{prefix}__{}", set.name),
                None => set.name,
            };
            Ok(assignments.into_iter().filter_map(|found| found.permission_set).map(full_name).collect())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU64, Ordering},
        time::UNIX_EPOCH,
    };

    use super::*;

    /// A clock, and how often the value was read.
    struct Source {
        seconds: AtomicU64,
        reads: AtomicU64,
    }

    impl Source {
        fn now(&self) -> SystemTime {
            UNIX_EPOCH + Duration::from_secs(self.seconds.load(Ordering::Relaxed))
        }

        async fn read(&self, cached: &Cached<u64>, epoch: u64) -> u64 {
            let read = async { Ok(self.reads.fetch_add(1, Ordering::Relaxed) + 1) };
            *cached.get(|| self.now(), Duration::from_secs(300), epoch, read).await.unwrap()
        }
    }

    #[tokio::test]
    async fn what_was_read_is_used_until_its_age_a_new_login_or_a_refresh() {
        let (cached, source) =
            (Cached::default(), Source { seconds: AtomicU64::new(1_000), reads: AtomicU64::new(0) });
        let at = |seconds| source.seconds.store(seconds, Ordering::Relaxed);
        assert_eq!(source.read(&cached, 7).await, 1);
        at(1_299);
        assert_eq!(source.read(&cached, 7).await, 1, "young enough");
        at(1_300);
        assert_eq!(source.read(&cached, 7).await, 2, "too old");
        assert_eq!(source.read(&cached, 8).await, 3, "another login of the user");
        at(1_000);
        assert_eq!(source.read(&cached, 8).await, 4, "the clock was set back");
        cached.forget().await;
        assert_eq!(source.read(&cached, 8).await, 5);
    }

    #[tokio::test]
    async fn what_is_missing_is_asked_for_again_after_30_seconds() {
        let cached = Cached::<u64>::default();
        let (seconds, reads) = (AtomicU64::new(1_000), AtomicU64::new(0));
        let now = || UNIX_EPOCH + Duration::from_secs(seconds.load(Ordering::Relaxed));
        for (at, expected) in [(1_000, 1), (1_029, 1), (1_030, 2), (1_031, 2)] {
            seconds.store(at, Ordering::Relaxed);
            let read = async {
                reads.fetch_add(1, Ordering::Relaxed);
                Err(NotRead::missing("a scope"))
            };
            let outcome = cached.get(now, Duration::from_secs(300), 7, read).await;
            assert!(matches!(outcome, Err(NotRead::Missing(what)) if what == "a scope"));
            assert_eq!(reads.load(Ordering::Relaxed), expected, "at {at}");
        }
    }
}
