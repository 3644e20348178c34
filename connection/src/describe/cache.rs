//! Descriptions that Salesforce gave, used for some minutes, and then asked for only if they have changed.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use reqwest::{
    StatusCode,
    header::{HeaderValue, IF_MODIFIED_SINCE, LAST_MODIFIED},
};
use tokio::time::Instant;

use crate::{
    connection::Connection,
    describe::{ObjectDescription, ObjectSummary},
    error::Result,
    http::response::Response,
    id::{OrgId, UserId},
    request::{path::ResourcePath, send::ApiRequest},
    version::ApiVersion,
};

/// How long a description is used before Salesforce is asked whether it has changed.
const FRESH: Duration = Duration::from_secs(5 * 60);
/// How many descriptions of each sort are kept. One of a large object takes about a quarter of a mebibyte, as does a
/// list.
const MAX_KEPT: usize = 200;

/// What the connections of an app know of objects.
#[derive(Debug, Default)]
pub(crate) struct DescribeCache {
    pub(crate) objects: Kept<ObjectDescription>,
    pub(crate) lists: Kept<[ObjectSummary]>,
}

/// Whose view of what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    org: OrgId,
    user: UserId,
    version: ApiVersion,
    /// In lower case: the names of objects have none.
    resource: String,
}

#[derive(Debug)]
struct Entry<T: ?Sized> {
    description: Arc<T>,
    last_modified: Option<HeaderValue>,
    asked_at: Instant,
}

impl<T: ?Sized> Clone for Entry<T> {
    fn clone(&self) -> Self {
        let (description, last_modified) = (Arc::clone(&self.description), self.last_modified.clone());
        Self { description, last_modified, asked_at: self.asked_at }
    }
}

/// Descriptions of one sort, at most [`MAX_KEPT`].
pub(crate) struct Kept<T: ?Sized>(Mutex<HashMap<Key, Entry<T>>>);

impl<T: ?Sized> Default for Kept<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: ?Sized> fmt::Debug for Kept<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

impl<T: ?Sized> Kept<T> {
    /// What is kept of the resource, when it is fresh; what Salesforce says of it, otherwise.
    pub(crate) async fn get(
        &self,
        connection: &Connection,
        resource: &str,
        read: impl FnOnce(&Response) -> Result<Arc<T>>,
    ) -> Result<Arc<T>> {
        let key = Key {
            org: connection.organization_id(),
            user: connection.user_id(),
            version: connection.api_version(),
            resource: resource.to_ascii_lowercase(),
        };
        let known = self.find(&key);
        if let Some(known) = known.as_ref().filter(|known| known.asked_at.elapsed() < FRESH) {
            return Ok(Arc::clone(&known.description));
        }
        let mut call = ApiRequest::get(ResourcePath::versioned(connection.api_version(), resource)?);
        if let Some(date) = known.as_ref().and_then(|known| known.last_modified.clone()) {
            call.headers.insert(IF_MODIFIED_SINCE, date);
        }
        let asked_at = Instant::now();
        let answer = connection.send(call).await?;
        let entry = match known {
            Some(known) if answer.status == StatusCode::NOT_MODIFIED => Entry { asked_at, ..known },
            _ => Entry {
                description: read(&answer)?,
                last_modified: answer.headers.get(LAST_MODIFIED).cloned(),
                asked_at,
            },
        };
        let description = Arc::clone(&entry.description);
        self.keep(key, entry);
        Ok(description)
    }

    fn find(&self, key: &Key) -> Option<Entry<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn keep(&self, key: Key, entry: Entry<T>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_KEPT && !all.contains_key(&key) {
            let oldest = all.iter().min_by_key(|(_, entry)| entry.asked_at).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                all.remove(&oldest);
            }
        }
        all.insert(key, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_bounded_and_lets_the_oldest_go() {
        let cache = Kept::<str>::default();
        let key = |n: usize| Key {
            org: "00D000000000001".parse().unwrap(),
            user: "005000000000001".parse().unwrap(),
            version: ApiVersion::CURRENT,
            resource: n.to_string(),
        };
        for n in 0..MAX_KEPT + 10 {
            let entry = Entry { description: "A".into(), last_modified: None, asked_at: Instant::now() };
            cache.keep(key(n), entry);
        }
        assert!(cache.find(&key(9)).is_none() && cache.find(&key(10)).is_some());
        assert_eq!(cache.0.lock().unwrap().len(), MAX_KEPT);
    }
}
