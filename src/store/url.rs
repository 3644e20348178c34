//! [`StoreUrl`]: reads the setting `SALESFORCE_STORE` and opens the store that it names.

use std::sync::Arc;

#[cfg(any(feature = "sqlite", feature = "postgres"))]
use super::sql::as_is::AsIs;
use super::{AvailabilityObserver, MemoryStore, Store, StoreTiming, deadline::DeadlineStore};
use crate::base::clock::Clock;
#[cfg(any(feature = "redis", feature = "postgres"))]
use salesforce_connection::Secret;

/// Which store to use.
#[derive(Debug)]
pub(crate) enum StoreUrl {
    /// A store that the app made.
    Given(Arc<dyn Store>),
    Memory,
    #[cfg(feature = "sqlite")]
    Sqlite(String),
    #[cfg(feature = "redis")]
    Redis {
        url: Secret,
        cache_logins: bool,
    },
    #[cfg(feature = "postgres")]
    Postgres(Secret),
}

/// A store that was opened without a change to it, see [`Config::open_store`](crate::Config::open_store).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum OpenedStore {
    /// The store, as the app uses it.
    Ready(Arc<dyn Store>),
    /// The database is there, and its tables are older than this version of the crate. The next start of the app changes
    /// them, or creates them.
    Outdated {
        /// The version of the tables; 0: there are none.
        found: u64,
        /// The version that the tables get.
        needed: u64,
    },
}

/// Why the store was not opened. Never repeats the setting, which may contain a password.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error(
        "unknown store. Use memory:, sqlite:PATH, redis://…, redis+sentinel://…, redis+cluster://… (rediss for TLS) or postgres://…"
    )]
    Unknown,
    #[error(
        "works with one Redis server in SALESFORCE_STORE (redis://… or rediss://…), and with no other store. Leave it out, or call \
         `RedisStore::cache_logins` of a store that the app makes"
    )]
    NotCacheable,
    #[cfg(not(all(feature = "redis", feature = "sqlite", feature = "postgres")))]
    #[error("this build does not include the store. Enable the feature `{0}` of actix-salesforce")]
    FeatureOff(&'static str),
    #[cfg(any(feature = "sqlite", feature = "redis", feature = "postgres"))]
    #[error("opening the store failed: {}. {}", cause(.0), next_step(.0))]
    Failed(#[source] super::StoreError),
}

impl OpenError {
    /// Returns the setting that is wrong.
    pub(crate) fn setting(&self) -> &'static str {
        match self {
            Self::NotCacheable => "SALESFORCE_CACHE_LOGINS",
            _ => "SALESFORCE_STORE",
        }
    }
}

#[cfg(any(feature = "sqlite", feature = "redis", feature = "postgres"))]
fn cause(error: &super::StoreError) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

#[cfg(any(feature = "sqlite", feature = "redis", feature = "postgres"))]
fn next_step(error: &super::StoreError) -> &'static str {
    if error.is_transient() {
        "Check that it runs, that this process reaches it, and that the address has the right user and password"
    } else {
        "Check the address, and the rights of its user"
    }
}

impl StoreUrl {
    /// Parses the setting.
    pub(crate) fn parse(text: &str) -> Result<Self, OpenError> {
        let (scheme, rest) = text.trim().split_once(':').ok_or(OpenError::Unknown)?;
        match scheme {
            "memory" => Ok(Self::Memory),
            "sqlite" if !rest.trim_start_matches('/').is_empty() => {
                #[cfg(not(feature = "sqlite"))]
                return Err(OpenError::FeatureOff("sqlite"));
                #[cfg(feature = "sqlite")]
                Ok(Self::Sqlite(rest.strip_prefix("//").unwrap_or(rest).to_owned()))
            }
            "redis" | "rediss" | "redis+sentinel" | "rediss+sentinel" | "redis+cluster"
            | "rediss+cluster" => {
                #[cfg(not(feature = "redis"))]
                return Err(OpenError::FeatureOff("redis"));
                #[cfg(feature = "redis")]
                Ok(Self::Redis { url: Secret::new(text.trim()), cache_logins: false })
            }
            "postgres" | "postgresql" => {
                #[cfg(not(feature = "postgres"))]
                return Err(OpenError::FeatureOff("postgres"));
                #[cfg(feature = "postgres")]
                Ok(Self::Postgres(Secret::new(text.trim())))
            }
            _ => Err(OpenError::Unknown),
        }
    }

    /// Caches logins.
    pub(crate) fn caching_logins(self) -> Result<Self, OpenError> {
        match self {
            #[cfg(feature = "redis")]
            Self::Redis { url, .. }
                if matches!(url.expose().split_once(':'), Some(("redis" | "rediss", _))) =>
            {
                Ok(Self::Redis { url, cache_logins: true })
            }
            _ => Err(OpenError::NotCacheable),
        }
    }

    /// Returns true if the records outlive the process: the keys must then do so too.
    pub(crate) fn is_durable(&self) -> bool {
        !matches!(self, Self::Memory)
    }

    /// As [`open`](Self::open), without a change to the tables of a database, and without creating a file.
    pub(crate) async fn open_as_is(
        self,
        clock: &Clock,
        timing: StoreTiming,
        observer: impl AvailabilityObserver,
    ) -> Result<OpenedStore, OpenError> {
        #[cfg(any(feature = "sqlite", feature = "postgres"))]
        let opened = match &self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(path) => Some(super::SqlStore::sqlite_as_is(path).await),
            #[cfg(feature = "postgres")]
            Self::Postgres(url) => Some(super::SqlStore::postgres_as_is(url.expose()).await),
            _ => None,
        };
        #[cfg(any(feature = "sqlite", feature = "postgres"))]
        if let Some(opened) = opened {
            return match opened.map_err(OpenError::Failed)? {
                AsIs::Current(store) => observed(Ok(store), timing, observer).map(OpenedStore::Ready),
                AsIs::Outdated { found, needed } => Ok(OpenedStore::Outdated { found, needed }),
            };
        }
        self.open(clock, timing, observer).await.map(OpenedStore::Ready)
    }

    /// Opens the store. Reports to `observer` when it becomes unavailable or recovers.
    pub(crate) async fn open(
        self,
        clock: &Clock,
        timing: StoreTiming,
        observer: impl AvailabilityObserver,
    ) -> Result<Arc<dyn Store>, OpenError> {
        match self {
            // It responds at once and never fails.
            Self::Memory => Ok(Arc::new(MemoryStore::with_clock(clock.clone()))),
            Self::Given(store) => Ok(Arc::new(DeadlineStore::new(store, timing, observer))),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(path) => observed(super::SqlStore::sqlite(path).await, timing, observer),
            #[cfg(feature = "redis")]
            Self::Redis { url, cache_logins } => {
                let store = super::RedisStore::connect(url.expose(), "actix-salesforce:").await;
                let store =
                    if cache_logins { store.and_then(super::RedisStore::cache_logins) } else { store };
                observed(store, timing, observer)
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(url) => observed(super::SqlStore::postgres(url.expose()).await, timing, observer),
        }
    }
}

#[cfg(any(feature = "sqlite", feature = "redis", feature = "postgres"))]
fn observed(
    store: Result<impl Store, super::StoreError>,
    timing: StoreTiming,
    observer: impl AvailabilityObserver,
) -> Result<Arc<dyn Store>, OpenError> {
    let store = store.map_err(OpenError::Failed)?;
    Ok(Arc::new(DeadlineStore::observing(Arc::new(store), timing, observer)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_names_a_store() {
        for text in ["", "memory", "sqlite:", "sqlite://", "mysql://h", "/a/path"] {
            assert!(matches!(StoreUrl::parse(text), Err(OpenError::Unknown)), "{text}");
        }
        assert!(matches!(StoreUrl::parse(" memory: "), Ok(StoreUrl::Memory)));
        #[cfg(feature = "sqlite")]
        for (text, expected) in [
            ("sqlite:logins.db", "logins.db"),
            ("sqlite:/var/lib/app/logins.db", "/var/lib/app/logins.db"),
            ("sqlite:///var/lib/app/logins.db", "/var/lib/app/logins.db"),
        ] {
            assert!(
                matches!(StoreUrl::parse(text), Ok(StoreUrl::Sqlite(path)) if path == expected),
                "{text}"
            );
        }
        #[cfg(feature = "redis")]
        assert!(
            matches!(StoreUrl::parse("rediss://h"), Ok(StoreUrl::Redis { url, .. }) if url.expose() == "rediss://h")
        );
        #[cfg(feature = "redis")]
        for text in ["redis+sentinel://h,i/main", "rediss+cluster://h,i"] {
            assert!(matches!(StoreUrl::parse(text), Ok(StoreUrl::Redis { .. })), "{text}");
        }
        #[cfg(feature = "postgres")]
        assert!(matches!(StoreUrl::parse("postgresql://h/d"), Ok(StoreUrl::Postgres(_))));
    }

    #[test]
    fn only_one_redis_server_caches_logins() {
        for text in
            ["memory:", "redis+sentinel://h,i/main", "rediss+cluster://h,i", "sqlite:a", "postgres://h/d"]
        {
            let Ok(store) = StoreUrl::parse(text) else { continue };
            let error = store.caching_logins().unwrap_err();
            assert_eq!(error.setting(), "SALESFORCE_CACHE_LOGINS", "{text}");
        }
        #[cfg(feature = "redis")]
        for text in ["redis://a+b@h", "rediss://h"] {
            let store = StoreUrl::parse(text).unwrap().caching_logins();
            assert!(matches!(store, Ok(StoreUrl::Redis { cache_logins: true, .. })), "{text}");
        }
    }

    #[test]
    fn a_store_whose_feature_is_off_is_an_error_that_names_the_feature() {
        for (text, feature, on) in [
            ("rediss://h", "redis", cfg!(feature = "redis")),
            ("redis+cluster://h,i", "redis", cfg!(feature = "redis")),
            ("sqlite:logins.db", "sqlite", cfg!(feature = "sqlite")),
            ("postgres://h/d", "postgres", cfg!(feature = "postgres")),
        ] {
            match StoreUrl::parse(text) {
                Ok(_) => assert!(on, "{text}"),
                Err(error) => {
                    assert!(!on, "{text}: {error}");
                    assert!(error.to_string().contains(&format!("feature `{feature}`")), "{error}");
                }
            }
        }
    }
}
