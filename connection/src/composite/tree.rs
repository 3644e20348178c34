//! Records with their children, made in one call.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    composite::post,
    connection::Connection,
    error::{ApiError, Error, InvalidRequest, InvalidResponse, Result},
    id::SalesforceId,
    name::{FieldName, ObjectName},
};

/// How many records go into one call.
const MAX_RECORDS: usize = 200;

/// Up to 200 records of one object with their children, all made or none, made by [`Connection::tree`]. Up to five
/// levels and five kinds of objects; children that have no place in a tree are made with a [`Graph`](crate::composite::graph::Graph).
///
/// ```
/// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
/// # fake_org::connected(async |sf| {
/// use serde_json::json;
///
/// let mut tree = sf.tree("Account")?;
/// let acme = tree.add(&json!({ "Name": "Acme" }))?;
/// let ada = tree.add_child(&acme, "Contacts", "Contact", &json!({ "LastName": "Lovelace" }))?;
/// let ids = tree.send().await?;
/// println!("{} of {}", ids.get(&ada)?, ids.get(&acme)?);
/// # Ok(()) });
/// ```
#[derive(Debug)]
#[must_use = "nothing is sent before `send` is called"]
pub struct Tree {
    connection: Connection,
    object: ObjectName,
    nodes: Vec<Node>,
    /// Tells its records from those of other trees.
    own: Arc<()>,
}

struct Node {
    object: ObjectName,
    record: Map<String, Value>,
    /// The parent's place, and what it calls its children.
    parent: Option<(usize, FieldName)>,
}

/// Without the record.
impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("object", &self.object)
            .field("parent", &self.parent)
            .finish_non_exhaustive()
    }
}

/// One of the records of a [`Tree`].
#[derive(Debug, Clone)]
pub struct TreeNode {
    index: usize,
    of: Arc<()>,
}

impl PartialEq for TreeNode {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index && Arc::ptr_eq(&self.of, &other.of)
    }
}

impl Eq for TreeNode {}

/// The ids of the records that a [`Tree`] made.
#[derive(Debug)]
pub struct TreeIds {
    ids: Vec<SalesforceId>,
    of: Arc<()>,
}

/// Why no record of a [`Tree`] was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// Salesforce refused some of them.
    #[error("Salesforce refused {} records of the tree, and made none", .0.len())]
    Refused(Vec<TreeRecordError>),
    /// The whole was refused, or failed.
    #[error(transparent)]
    Call(#[from] Error),
}

/// What Salesforce said about one record of a [`Tree`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TreeRecordError {
    /// The record.
    pub node: TreeNode,
    /// Why it was refused.
    pub errors: Vec<ApiError>,
}

impl From<TreeError> for Error {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::Call(error) => error,
            TreeError::Refused(refused) => {
                let errors = refused.into_iter().flat_map(|refused| refused.errors).collect();
                Self::Api { status: 400, errors, retry_after: None }
            }
        }
    }
}

impl Connection {
    /// Records of an object with their children, made in one call.
    ///
    /// # Errors
    /// An invalid name.
    pub fn tree(&self, object: &str) -> Result<Tree> {
        let object = object.parse()?;
        Ok(Tree { connection: self.clone(), object, nodes: Vec::new(), own: Arc::new(()) })
    }
}

impl Tree {
    /// Adds a record without a parent in the tree.
    ///
    /// # Errors
    /// [`InvalidRequest::TooManyCalls`] above 200 records; a record that is no JSON object.
    pub fn add<R: Serialize + ?Sized>(&mut self, record: &R) -> Result<TreeNode> {
        self.push(self.object.clone(), None, record)
    }

    /// Adds a child of an earlier record. `relationship` is what the parent calls its children (`Contacts`,
    /// `Invoices__r`), `object` what they are (`Contact`, `Invoice__c`).
    ///
    /// # Errors
    /// As [`add`](Self::add); an invalid name, a parent of another tree.
    pub fn add_child<R: Serialize + ?Sized>(
        &mut self,
        parent: &TreeNode,
        relationship: &str,
        object: &str,
        record: &R,
    ) -> Result<TreeNode> {
        if !Arc::ptr_eq(&parent.of, &self.own) {
            return Err(InvalidRequest::Reference.into());
        }
        self.push(object.parse()?, Some((parent.index, relationship.parse()?)), record)
    }

    fn push<R: Serialize + ?Sized>(
        &mut self,
        object: ObjectName,
        parent: Option<(usize, FieldName)>,
        record: &R,
    ) -> Result<TreeNode> {
        if self.nodes.len() >= MAX_RECORDS {
            return Err(InvalidRequest::TooManyCalls { limit: MAX_RECORDS }.into());
        }
        let record = match serde_json::to_value(record).map_err(InvalidRequest::Body)? {
            Value::Object(record) => record,
            _ => return Err(InvalidRequest::Record.into()),
        };
        self.nodes.push(Node { object, record, parent });
        Ok(TreeNode { index: self.nodes.len() - 1, of: Arc::clone(&self.own) })
    }

    /// Makes all of them, or none. Nothing is sent when there is none.
    ///
    /// It is sent once: when the answer is lost, the records may exist.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use salesforce_connection::composite::TreeError;
    /// use serde_json::json;
    ///
    /// let mut tree = sf.tree("Account")?;
    /// let acme = tree.add(&json!({ "Name": "Acme" }))?;
    /// let nobody = tree.add_child(&acme, "Contacts", "Contact", &json!({ "FirstName": "Ada" }))?;
    /// match tree.send().await {
    ///     Ok(ids) => println!("made {}", ids.get(&acme)?),
    ///     Err(TreeError::Refused(refused)) => {
    ///         assert!(refused[0].node == nobody);
    ///         assert_eq!(refused[0].errors[0].code, "REQUIRED_FIELD_MISSING");
    ///     }
    ///     Err(other) => return Err(other.into()),
    /// }
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// [`TreeError::Refused`] says which records were refused, and why. `?` in a function that returns this crate's
    /// [`Result`] makes an [`Error`] of it that has the reasons of all of them.
    pub async fn send(self) -> Result<TreeIds, TreeError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Made {
            reference_id: String,
            id: SalesforceId,
        }
        #[derive(Deserialize)]
        struct Response {
            results: Vec<Made>,
        }
        let (own, count) = (Arc::clone(&self.own), self.nodes.len());
        if count == 0 {
            return Ok(TreeIds { ids: Vec::new(), of: own });
        }
        let (connection, resource) = (self.connection.clone(), format!("composite/tree/{}", self.object));
        let body = json!({ "records": self.into_records() });
        let answer: Response =
            post(&connection, &resource, &body, false).await.map_err(|error| refused(error, &own))?;
        let mut ids = vec![None; count];
        for made in answer.results {
            if let Some(place) = number(&made.reference_id).and_then(|index| ids.get_mut(index)) {
                *place = Some(made.id);
            }
        }
        let ids: Option<Vec<_>> = ids.into_iter().collect();
        let ids = ids.ok_or(InvalidResponse::Unexpected("a tree with other records than were sent"));
        Ok(TreeIds { ids: ids.map_err(Error::from)?, of: own })
    }

    /// The records without a parent, with all that is below them.
    fn into_records(self) -> Vec<Value> {
        let mut records: Vec<Map<String, Value>> = Vec::with_capacity(self.nodes.len());
        let mut parents = Vec::with_capacity(self.nodes.len());
        for (index, node) in self.nodes.into_iter().enumerate() {
            let mut record = node.record;
            let attributes = json!({ "type": node.object.as_str(), "referenceId": format!("n{index}") });
            record.insert("attributes".to_owned(), attributes);
            records.push(record);
            parents.push(node.parent);
        }
        let mut roots = Vec::new();
        // From the last one on, so that each has its children before its parent takes it.
        while let (Some(record), Some(parent)) = (records.pop(), parents.pop()) {
            let Some((parent, relationship)) = parent else {
                roots.push(Value::Object(record));
                continue;
            };
            // Parents are added before their children.
            let Some(parent) = records.get_mut(parent) else { continue };
            let children = parent.entry(relationship.as_str()).or_insert_with(|| json!({ "records": [] }));
            if let Some(children) = children["records"].as_array_mut() {
                children.insert(0, Value::Object(record));
            }
        }
        roots.reverse();
        roots
    }
}

fn number(reference: &str) -> Option<usize> {
    reference.strip_prefix('n')?.parse().ok()
}

/// Which records an error is about.
fn refused(error: Error, own: &Arc<()>) -> TreeError {
    let mut refused: Vec<TreeRecordError> = Vec::new();
    for entry in error.api_errors() {
        let Some(index) = entry.reference.as_deref().and_then(number) else { continue };
        match refused.iter_mut().find(|refused| refused.node.index == index) {
            Some(refused) => refused.errors.push(entry.clone()),
            None => refused.push(TreeRecordError {
                node: TreeNode { index, of: Arc::clone(own) },
                errors: vec![entry.clone()],
            }),
        }
    }
    if refused.is_empty() { TreeError::Call(error) } else { TreeError::Refused(refused) }
}

impl TreeIds {
    /// The id of a record.
    ///
    /// # Errors
    /// [`Error::InvalidResponse`] when the record is one of another tree.
    pub fn get(&self, node: &TreeNode) -> Result<SalesforceId> {
        let id = self.ids.get(node.index).filter(|_| Arc::ptr_eq(&self.of, &node.of));
        Ok(*id.ok_or(InvalidResponse::Unexpected("the record is one of another tree"))?)
    }
}
