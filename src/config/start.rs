//! What a start needs of the settings: all of them checked, and where the store is.

use std::sync::Arc;

use super::{Config, ConfigError, ConfigProblem, Settings};
use crate::store::{OpenError, Store, StoreUrl};

impl Config {
    /// Checks the settings and the address of the store, so that all their problems are reported together. `given` is a
    /// store that the program brings, `unreadable` what [`Config::with_files`] returned.
    ///
    /// # Errors
    /// All missing and invalid settings, each with its fix.
    pub(crate) fn checked(
        self,
        given: Option<Arc<dyn Store>>,
        unreadable: Vec<ConfigProblem>,
    ) -> Result<(Settings, StoreUrl), ConfigError> {
        let location = self.store_location(given);
        let checked = self.check(location.as_ref().is_ok_and(StoreUrl::is_durable));
        let checked = match checked {
            checked if unreadable.is_empty() => checked,
            Ok(_) => Err(ConfigError::new(unreadable)),
            Err(error) => Err(error.replacing(unreadable)),
        };
        match (checked, location) {
            (Ok(settings), Ok(location)) => Ok((settings, location)),
            (Ok(_), Err(error)) => Err(ConfigError::new(vec![store_problem(&error)])),
            (Err(problems), Ok(_)) => Err(problems),
            (Err(problems), Err(error)) => Err(problems.and(store_problem(&error))),
        }
    }

    /// Returns where the store is, with what the settings say about it. `given` is one that the program brings.
    pub(super) fn store_location(&self, given: Option<Arc<dyn Store>>) -> Result<StoreUrl, OpenError> {
        let location = match given {
            Some(store) => Ok(StoreUrl::Given(store)),
            None => StoreUrl::parse(self.store.expose()),
        };
        if self.cache_logins { location.and_then(StoreUrl::caching_logins) } else { location }
    }

    /// Returns the settings: none of them names a file without the feature `inbound`.
    #[cfg(not(feature = "inbound"))]
    pub(crate) fn with_files(self) -> (Self, Vec<ConfigProblem>) {
        (self, Vec::new())
    }
}

/// Returns the problem of a store that cannot be used.
pub(crate) fn store_problem(error: &OpenError) -> ConfigProblem {
    ConfigProblem { setting: error.setting(), hint: error.to_string() }
}
