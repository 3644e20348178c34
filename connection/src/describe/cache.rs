//! A cache of object descriptions: fresh for some minutes, then revalidated with `If-Modified-Since`.

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

/// How long a description is used without a request. Schemas change rarely, and administrators expect a change to be
/// visible within minutes.
const MAX_AGE: Duration = Duration::from_secs(5 * 60);
/// Maximum number of entries in each of the two caches. A large object's description takes about 256 KiB, as does a
/// list of objects, so that a full cache takes about 50 MiB.
const MAX_ENTRIES: usize = 200;

/// The descriptions that all connections of one [`Client`](crate::client::Client) share.
#[derive(Debug, Default)]
pub(crate) struct DescribeCache {
    pub(crate) objects: ResourceCache<ObjectDescription>,
    pub(crate) lists: ResourceCache<[ObjectSummary]>,
}

/// Identifies a description. It depends on the user, because permissions hide objects and fields.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    org: OrgId,
    user: UserId,
    version: ApiVersion,
    /// In lower case, because Salesforce ignores the case of object names.
    resource: String,
}

#[derive(Debug)]
struct Entry<T: ?Sized> {
    description: Arc<T>,
    last_modified: Option<HeaderValue>,
    requested_at: Instant,
}

impl<T: ?Sized> Clone for Entry<T> {
    fn clone(&self) -> Self {
        let (description, last_modified) = (Arc::clone(&self.description), self.last_modified.clone());
        Self { description, last_modified, requested_at: self.requested_at }
    }
}

/// Descriptions of one type, at most [`MAX_ENTRIES`].
pub(crate) struct ResourceCache<T: ?Sized>(Mutex<HashMap<Key, Entry<T>>>);

impl<T: ?Sized> Default for ResourceCache<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: ?Sized> fmt::Debug for ResourceCache<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceCache").finish_non_exhaustive()
    }
}

impl<T: ?Sized> ResourceCache<T> {
    /// Returns the description of `resource`: the cached one while it is fresh, otherwise from Salesforce.
    pub(crate) async fn get(
        &self,
        connection: &Connection,
        resource: &str,
        read: impl FnOnce(&Response) -> Result<Arc<T>>,
    ) -> Result<Arc<T>> {
        let key = Key {
            org: connection.organization_id(),
            user: connection.user_id(),
            version: connection.version_for_request().await?,
            resource: resource.to_ascii_lowercase(),
        };
        let cached = self.find(&key);
        if let Some(cached) = cached.as_ref().filter(|cached| cached.requested_at.elapsed() < MAX_AGE) {
            return Ok(Arc::clone(&cached.description));
        }
        let mut request = ApiRequest::get(ResourcePath::versioned(connection.api_version(), resource)?);
        if let Some(date) = cached.as_ref().and_then(|cached| cached.last_modified.clone()) {
            request.headers.insert(IF_MODIFIED_SINCE, date);
        }
        let requested_at = Instant::now();
        let response = connection.send(request).await?;
        let entry = match cached {
            Some(cached) if response.status == StatusCode::NOT_MODIFIED => Entry { requested_at, ..cached },
            _ => Entry {
                description: read(&response)?,
                last_modified: response.headers.get(LAST_MODIFIED).cloned(),
                requested_at,
            },
        };
        let description = Arc::clone(&entry.description);
        self.insert(key, entry);
        Ok(description)
    }

    fn find(&self, key: &Key) -> Option<Entry<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Inserts an entry. Removes the oldest one if the cache is full.
    fn insert(&self, key: Key, entry: Entry<T>) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MAX_ENTRIES && !entries.contains_key(&key) {
            let oldest =
                entries.iter().min_by_key(|(_, entry)| entry.requested_at).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                entries.remove(&oldest);
            }
        }
        entries.insert(key, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_bounded_and_evicts_the_oldest_entry() {
        let cache = ResourceCache::<str>::default();
        let key = |n: usize| Key {
            org: "00D000000000001".parse().unwrap(),
            user: "005000000000001".parse().unwrap(),
            version: ApiVersion::CURRENT,
            resource: n.to_string(),
        };
        for n in 0..MAX_ENTRIES + 10 {
            let entry = Entry { description: "A".into(), last_modified: None, requested_at: Instant::now() };
            cache.insert(key(n), entry);
        }
        assert!(cache.find(&key(9)).is_none() && cache.find(&key(10)).is_some());
        assert_eq!(cache.0.lock().unwrap().len(), MAX_ENTRIES);
    }
}
