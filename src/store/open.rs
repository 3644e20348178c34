//! Opening the store that `SALESFORCE_STORE` names.

use std::sync::Arc;

use super::{MemoryStore, Store, guarded::Guarded};
use crate::{clock::Clock, events::Events};
#[cfg(any(feature = "redis", feature = "postgres"))]
use salesforce_connection::Secret;

/// Which store.
#[derive(Debug)]
pub(crate) enum Location {
    /// One that the app made.
    Given(Arc<dyn Store>),
    Memory,
    #[cfg(feature = "sqlite")]
    Sqlite(String),
    #[cfg(feature = "redis")]
    Redis(Secret),
    #[cfg(feature = "postgres")]
    Postgres(Secret),
}

/// Why the store was not opened. Never repeats the setting, which may hold a password.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error(
        "give memory:, sqlite:PATH, redis://…, redis+sentinel://…, redis+cluster://… (rediss for TLS) or postgres://…"
    )]
    Unknown,
    #[cfg(not(all(feature = "redis", feature = "sqlite", feature = "postgres")))]
    #[error("this build has no such store: switch on the feature `{0}` of actix-salesforce")]
    FeatureOff(&'static str),
    #[cfg(any(feature = "sqlite", feature = "redis", feature = "postgres"))]
    #[error("the store could not be opened: {}", cause(.0))]
    Failed(#[source] super::StoreError),
}

#[cfg(any(feature = "sqlite", feature = "redis", feature = "postgres"))]
fn cause(error: &super::StoreError) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

impl Location {
    /// Reads the setting.
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
                Ok(Self::Redis(Secret::new(text.trim())))
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

    /// Whether what is stored outlives the process, which asks for keys that do so too.
    pub(crate) fn is_durable(&self) -> bool {
        !matches!(self, Self::Memory)
    }

    pub(crate) async fn open(self, clock: &Clock, events: &Events) -> Result<Arc<dyn Store>, OpenError> {
        let store: Arc<dyn Store> = match self {
            // It neither hangs nor fails, and needs no guard.
            Self::Memory => return Ok(Arc::new(MemoryStore::with_clock(clock.clone()))),
            Self::Given(store) => store,
            #[cfg(feature = "sqlite")]
            Self::Sqlite(path) => opened(super::SqlStore::sqlite(path).await)?,
            #[cfg(feature = "redis")]
            Self::Redis(url) => opened(super::RedisStore::connect(url.expose(), "actix-salesforce:").await)?,
            #[cfg(feature = "postgres")]
            Self::Postgres(url) => opened(super::SqlStore::postgres(url.expose()).await)?,
        };
        Ok(Arc::new(Guarded::new(store, events.clone())))
    }
}

#[cfg(any(feature = "sqlite", feature = "redis", feature = "postgres"))]
fn opened(store: Result<impl Store, super::StoreError>) -> Result<Arc<dyn Store>, OpenError> {
    store.map(|store| -> Arc<dyn Store> { Arc::new(store) }).map_err(OpenError::Failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_names_one_store() {
        for text in ["", "memory", "sqlite:", "sqlite://", "mysql://h", "/a/path"] {
            assert!(matches!(Location::parse(text), Err(OpenError::Unknown)), "{text}");
        }
        assert!(matches!(Location::parse(" memory: "), Ok(Location::Memory)));
        #[cfg(feature = "sqlite")]
        for (text, expected) in [
            ("sqlite:logins.db", "logins.db"),
            ("sqlite:/var/lib/app/logins.db", "/var/lib/app/logins.db"),
            ("sqlite:///var/lib/app/logins.db", "/var/lib/app/logins.db"),
        ] {
            assert!(
                matches!(Location::parse(text), Ok(Location::Sqlite(path)) if path == expected),
                "{text}"
            );
        }
        #[cfg(feature = "redis")]
        assert!(
            matches!(Location::parse("rediss://h"), Ok(Location::Redis(url)) if url.expose() == "rediss://h")
        );
        #[cfg(feature = "redis")]
        for text in ["redis+sentinel://h,i/main", "rediss+cluster://h,i"] {
            assert!(matches!(Location::parse(text), Ok(Location::Redis(_))), "{text}");
        }
        #[cfg(feature = "postgres")]
        assert!(matches!(Location::parse("postgresql://h/d"), Ok(Location::Postgres(_))));
    }

    #[test]
    fn a_store_whose_feature_is_off_is_an_error_that_names_the_feature() {
        for (text, feature, on) in [
            ("rediss://h", "redis", cfg!(feature = "redis")),
            ("redis+cluster://h,i", "redis", cfg!(feature = "redis")),
            ("sqlite:logins.db", "sqlite", cfg!(feature = "sqlite")),
            ("postgres://h/d", "postgres", cfg!(feature = "postgres")),
        ] {
            match Location::parse(text) {
                Ok(_) => assert!(on, "{text}"),
                Err(error) => {
                    assert!(!on, "{text}: {error}");
                    assert!(error.to_string().contains(&format!("feature `{feature}`")), "{error}");
                }
            }
        }
    }
}
