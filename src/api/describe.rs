//! What objects and fields there are.
//!
//! Source: REST API Developer Guide, "sObject Describe", "Describe Global".

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use reqwest::{
    StatusCode,
    header::{HeaderValue, IF_MODIFIED_SINCE, LAST_MODIFIED},
};
use serde::Deserialize;

use super::{ApiVersion, Connection, SObjectHandle, decode, path::ResourcePath, send::Call};
use crate::{OrgId, Result, UserId};

/// How long a description is used before Salesforce is asked whether it has changed.
const FRESH: Duration = Duration::from_secs(5 * 60);
/// How many descriptions are kept. One of a large object takes about a quarter of a mebibyte.
const MAX_KEPT: usize = 200;

/// One kind of object, as the list of all of them shows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ObjectSummary {
    /// The API name.
    pub name: String,
    /// The name for people.
    pub label: String,
    /// The three characters with which the ids of its records begin.
    #[serde(default)]
    pub key_prefix: Option<String>,
    /// Whether the organization made it.
    #[serde(default)]
    pub custom: bool,
    /// Whether the user may query it.
    #[serde(default)]
    pub queryable: bool,
    /// Whether the user may create records.
    #[serde(default)]
    pub createable: bool,
    /// Whether the user may change records.
    #[serde(default)]
    pub updateable: bool,
    /// Whether the user may delete records.
    #[serde(default)]
    pub deletable: bool,
}

/// One kind of object with its fields.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ObjectDescription {
    /// What the list of all objects shows of it.
    #[serde(flatten)]
    pub summary: ObjectSummary,
    /// The fields that the user may see.
    #[serde(default)]
    pub fields: Vec<FieldDescription>,
    /// The objects whose records can belong to records of this one.
    #[serde(default)]
    pub child_relationships: Vec<ChildRelationship>,
}

impl ObjectDescription {
    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&FieldDescription> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }
}

/// A field.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct FieldDescription {
    /// The API name.
    pub name: String,
    /// The name for people.
    pub label: String,
    /// The type: `string`, `picklist`, `reference`, `currency`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// The longest text, in characters; 0 where there is none.
    #[serde(default)]
    pub length: u32,
    /// Whether it can be empty.
    #[serde(default)]
    pub nillable: bool,
    /// Whether it may be given when a record is created.
    #[serde(default)]
    pub createable: bool,
    /// Whether it may be changed.
    #[serde(default)]
    pub updateable: bool,
    /// Whether upserts can use it.
    #[serde(default)]
    pub external_id: bool,
    /// Whether a record that is created without it gets a value.
    #[serde(default)]
    pub defaulted_on_create: bool,
    /// The name under which queries reach the parent's fields.
    #[serde(default)]
    pub relationship_name: Option<String>,
    /// The objects that it can point to.
    #[serde(default)]
    pub reference_to: Vec<String>,
    /// The values to choose from.
    #[serde(default)]
    pub picklist_values: Vec<PicklistValue>,
}

/// A value to choose from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PicklistValue {
    /// What is stored.
    pub value: String,
    /// What is shown.
    #[serde(default)]
    pub label: Option<String>,
    /// Whether it may still be chosen.
    #[serde(default)]
    pub active: bool,
    /// Whether it is chosen unless said otherwise.
    #[serde(default)]
    pub default_value: bool,
}

/// A kind of children.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ChildRelationship {
    /// The children's object.
    #[serde(rename = "childSObject")]
    pub object: String,
    /// Their field that points to the parent.
    pub field: String,
    /// The name under which subqueries reach them.
    #[serde(default)]
    pub relationship_name: Option<String>,
}

impl Connection {
    /// All kinds of objects that the user may see.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// let objects = sf.describe_global().await?;
    /// assert!(objects.iter().any(|object| object.name == "Account"));
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`RawRequest::send`](super::RawRequest::send).
    pub async fn describe_global(&self) -> Result<Vec<ObjectSummary>> {
        #[derive(Deserialize)]
        struct Global {
            sobjects: Vec<ObjectSummary>,
        }
        let path = ResourcePath::versioned(self.api_version(), "sobjects")?;
        let global: Global = decode::json(&self.send(Call::get(path)).await?.body)?;
        Ok(global.sobjects)
    }
}

impl SObjectHandle {
    /// The object with its fields, as the user may see them.
    ///
    /// It is kept for five minutes for all connections of the user, and then asked for only if it has changed. Errors are
    /// not kept.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// let account = sf.sobject("Account").describe().await?;
    /// let industries = account.field("Industry").map(|field| &field.picklist_values);
    /// assert!(industries.is_some_and(|values| !values.is_empty()));
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// [`Error::Api`](crate::Error::Api) with status 404 when there is no such object, or none that the user may see.
    pub async fn describe(&self) -> Result<Arc<ObjectDescription>> {
        let connection = self.connection();
        let object = self.name()?;
        let key = Key {
            org: connection.organization_id(),
            user: connection.user_id(),
            version: connection.api_version(),
            object: object.to_ascii_lowercase(),
        };
        let cache = &connection.shared().describes;
        let known = cache.get(&key);
        if let Some(known) = known.as_ref().filter(|known| known.asked_at.elapsed() < FRESH) {
            return Ok(Arc::clone(&known.description));
        }
        let resource = format!("sobjects/{object}/describe");
        let mut call = Call::get(ResourcePath::versioned(connection.api_version(), &resource)?);
        if let Some(date) = known.as_ref().and_then(|known| known.last_modified.clone()) {
            call.headers.insert(IF_MODIFIED_SINCE, date);
        }
        let asked_at = Instant::now();
        let answer = connection.send(call).await?;
        let kept = match known {
            Some(known) if answer.status == StatusCode::NOT_MODIFIED => Kept { asked_at, ..known },
            _ => Kept {
                description: Arc::new(decode::json(&answer.body)?),
                last_modified: answer.headers.get(LAST_MODIFIED).cloned(),
                asked_at,
            },
        };
        let description = Arc::clone(&kept.description);
        cache.keep(key, kept);
        Ok(description)
    }
}

/// Whose view of which object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    org: OrgId,
    user: UserId,
    version: ApiVersion,
    object: String,
}

#[derive(Debug, Clone)]
struct Kept {
    description: Arc<ObjectDescription>,
    last_modified: Option<HeaderValue>,
    asked_at: Instant,
}

/// Descriptions, at most [`MAX_KEPT`].
#[derive(Debug, Default)]
pub(super) struct DescribeCache(Mutex<HashMap<Key, Kept>>);

impl DescribeCache {
    fn get(&self, key: &Key) -> Option<Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn keep(&self, key: Key, kept: Kept) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_KEPT && !all.contains_key(&key) {
            let oldest = all.iter().min_by_key(|(_, kept)| kept.asked_at).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                all.remove(&oldest);
            }
        }
        all.insert(key, kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_bounded_and_lets_the_oldest_go() {
        let cache = DescribeCache::default();
        let description: ObjectDescription =
            serde_json::from_str(r#"{"name":"A","label":"A","fields":[],"unknown":1}"#).unwrap();
        let description = Arc::new(description);
        let key = |n: usize| Key {
            org: "00D000000000001".parse().unwrap(),
            user: "005000000000001".parse().unwrap(),
            version: ApiVersion::CURRENT,
            object: n.to_string(),
        };
        for n in 0..MAX_KEPT + 10 {
            let kept =
                Kept { description: Arc::clone(&description), last_modified: None, asked_at: Instant::now() };
            cache.keep(key(n), kept);
        }
        assert!(cache.get(&key(9)).is_none() && cache.get(&key(10)).is_some());
        assert_eq!(cache.0.lock().unwrap().len(), MAX_KEPT);
    }
}
