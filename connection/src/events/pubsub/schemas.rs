//! [`SchemaCache`]: the schemas of events, each fetched once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::OnceCell;

use crate::{events::event::EventSchema, id::OrgId};

/// Number of schemas at which the cache starts again. An org has a few for each object that it subscribes to.
const MAX_SCHEMAS: usize = 1_024;

type Key = (OrgId, String);

/// Schemas by org and id. An id stands for one schema for ever: it is a hash.
#[derive(Debug, Default)]
pub(crate) struct SchemaCache {
    schemas: Mutex<HashMap<Key, Arc<OnceCell<Arc<EventSchema>>>>>,
}

impl SchemaCache {
    /// Returns a schema. Concurrent callers share one fetch; after one that failed, the next caller tries again.
    pub(crate) async fn get<E>(
        &self,
        org: OrgId,
        id: &str,
        fetch: impl Future<Output = Result<EventSchema, E>>,
    ) -> Result<Arc<EventSchema>, E> {
        let cell = {
            let mut schemas = self.schemas.lock().unwrap_or_else(PoisonError::into_inner);
            if schemas.len() >= MAX_SCHEMAS {
                schemas.clear();
            }
            Arc::clone(schemas.entry((org, id.to_owned())).or_default())
        };
        let schema = cell.get_or_try_init(|| async { fetch.await.map(Arc::new) }).await?;
        Ok(Arc::clone(schema))
    }
}
