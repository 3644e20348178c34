//! A tree: records and their children, created by one request.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    composite::send::post,
    connection::Connection,
    error::{ApiError, Error, InvalidRequest, InvalidResponse, Result},
    id::SalesforceId,
    name::{FieldName, ObjectName},
    request::finite,
};

/// Maximum number of records in a tree. Source: REST API Developer Guide, "sObject Tree".
const MAX_RECORDS: usize = 200;

/// Up to 200 records of one object with their children, returned by [`Connection::tree`].
///
/// Salesforce creates all of them or none. A tree has up to five levels and five objects. For other relationships use a
/// [`Graph`](crate::composite::Graph).
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
    /// The tree's identity, which its nodes share.
    identity: Arc<()>,
}

struct Node {
    object: ObjectName,
    record: Map<String, Value>,
    /// The parent's index, and the name of its relationship to the children.
    parent: Option<(usize, FieldName)>,
}

/// Leaves out the record, which may have personal data.
impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("object", &self.object)
            .field("parent", &self.parent)
            .finish_non_exhaustive()
    }
}

/// One record of a [`Tree`].
#[derive(Debug, Clone)]
pub struct TreeNode {
    index: usize,
    tree: Arc<()>,
}

impl PartialEq for TreeNode {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index && Arc::ptr_eq(&self.tree, &other.tree)
    }
}

impl Eq for TreeNode {}

/// The ids of the records that a [`Tree`] created.
#[derive(Debug)]
pub struct TreeIds {
    ids: Vec<SalesforceId>,
    tree: Arc<()>,
}

/// Why the records of a [`Tree`] were not created.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// Salesforce rejected these records and created none of the tree.
    #[error("tree not created: Salesforce rejected {} of its records", .0.len())]
    Refused(Vec<TreeRecordError>),
    /// The request as a whole failed.
    #[error(transparent)]
    Call(#[from] Error),
}

crate::error::debug::debug_as_display!(TreeError);

/// Why Salesforce rejected one record of a [`Tree`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TreeRecordError {
    /// The record.
    pub node: TreeNode,
    /// The reasons that Salesforce sent.
    pub errors: Vec<ApiError>,
}

impl From<TreeError> for Error {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::Call(error) => error,
            TreeError::Refused(rejected) => {
                let errors = rejected.into_iter().flat_map(|record| record.errors).collect();
                Self::Api { status: 400, errors, retry_after: None, response: None }
            }
        }
    }
}

impl Connection {
    /// Returns an empty tree: records of an object with their children, created by one request.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] for an invalid name.
    pub fn tree(&self, object: &str) -> Result<Tree> {
        let object = object.parse()?;
        Ok(Tree { connection: self.clone(), object, nodes: Vec::new(), identity: Arc::new(()) })
    }
}

impl Tree {
    /// Adds a record at the top of the tree.
    ///
    /// # Errors
    /// [`InvalidRequest::TooManyCalls`] above 200 records; [`InvalidRequest::Record`] for a record that serde does not
    /// write as a JSON object.
    pub fn add<R: Serialize + ?Sized>(&mut self, record: &R) -> Result<TreeNode> {
        self.push(self.object.clone(), None, record)
    }

    /// Adds a child of an earlier record.
    ///
    /// `relationship` is the parent's name for its children (`Contacts`, `Invoices__r`), `object` is the child's object
    /// (`Contact`, `Invoice__c`).
    ///
    /// # Errors
    /// As [`add`](Self::add), [`InvalidRequest::Name`] for an invalid name, and [`InvalidRequest::Reference`] for a
    /// parent of another tree.
    pub fn add_child<R: Serialize + ?Sized>(
        &mut self,
        parent: &TreeNode,
        relationship: &str,
        object: &str,
        record: &R,
    ) -> Result<TreeNode> {
        if !Arc::ptr_eq(&parent.tree, &self.identity) {
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
        finite::check(record)?;
        let record = match serde_json::to_value(record).map_err(InvalidRequest::Body)? {
            Value::Object(record) => record,
            _ => return Err(InvalidRequest::Record.into()),
        };
        self.nodes.push(Node { object, record, parent });
        Ok(TreeNode { index: self.nodes.len() - 1, tree: Arc::clone(&self.identity) })
    }

    /// Creates all records or none, and returns their ids. Without records, nothing is sent.
    ///
    /// The request is sent once. If its response is lost, the records may exist.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use salesforce_connection::composite::TreeError;
    /// use serde_json::json;
    ///
    /// let mut tree = sf.tree("Account")?;
    /// let acme = tree.add(&json!({ "Name": "Acme" }))?;
    /// let nameless = tree.add_child(&acme, "Contacts", "Contact", &json!({ "FirstName": "Ada" }))?;
    /// match tree.send().await {
    ///     Ok(ids) => println!("created {}", ids.get(&acme)?),
    ///     Err(TreeError::Refused(rejected)) => {
    ///         assert!(rejected[0].node == nameless);
    ///         assert_eq!(rejected[0].errors[0].code, "REQUIRED_FIELD_MISSING");
    ///     }
    ///     Err(other) => return Err(other.into()),
    /// }
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// [`TreeError::Refused`] with the rejected records and the reasons; [`TreeError::Call`] if the request failed. In a
    /// function that returns this crate's [`Result`], `?` converts both into an [`Error`] with all reasons.
    pub async fn send(self) -> Result<TreeIds, TreeError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct CreatedRecord {
            reference_id: String,
            id: SalesforceId,
        }
        #[derive(Deserialize)]
        struct ResponseBody {
            results: Vec<CreatedRecord>,
        }
        let (tree, count) = (Arc::clone(&self.identity), self.nodes.len());
        if count == 0 {
            return Ok(TreeIds { ids: Vec::new(), tree });
        }
        let (connection, resource) = (self.connection.clone(), format!("composite/tree/{}", self.object));
        let body = json!({ "records": self.into_records() });
        let response: ResponseBody =
            post(&connection, &resource, &body, false).await.map_err(|error| tree_error(error, &tree))?;
        let mut ids = vec![None; count];
        for created in response.results {
            if let Some(id) = node_index(&created.reference_id).and_then(|index| ids.get_mut(index)) {
                *id = Some(created.id);
            }
        }
        let ids: Option<Vec<_>> = ids.into_iter().collect();
        let ids = ids.ok_or(InvalidResponse::Unexpected("a tree without an id for each record"));
        Ok(TreeIds { ids: ids.map_err(Error::from)?, tree })
    }

    /// Returns the records at the top, with their children inside.
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
        // From last to first: a record has all its children before it is moved into its parent.
        while let (Some(record), Some(parent)) = (records.pop(), parents.pop()) {
            let Some((parent, relationship)) = parent else {
                roots.push(Value::Object(record));
                continue;
            };
            // Always found, because parents are added before their children.
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

fn node_index(reference: &str) -> Option<usize> {
    reference.strip_prefix('n')?.parse().ok()
}

/// Assigns the reasons of a failed request to the tree's records.
fn tree_error(error: Error, tree: &Arc<()>) -> TreeError {
    let mut rejected: Vec<TreeRecordError> = Vec::new();
    for entry in error.api_errors() {
        let Some(index) = entry.reference.as_deref().and_then(node_index) else { continue };
        match rejected.iter_mut().find(|record| record.node.index == index) {
            Some(record) => record.errors.push(entry.clone()),
            None => rejected.push(TreeRecordError {
                node: TreeNode { index, tree: Arc::clone(tree) },
                errors: vec![entry.clone()],
            }),
        }
    }
    if rejected.is_empty() { TreeError::Call(error) } else { TreeError::Refused(rejected) }
}

impl TreeIds {
    /// Returns the id of a record.
    ///
    /// # Errors
    /// [`Error::InvalidResponse`] if the record belongs to another tree.
    pub fn get(&self, node: &TreeNode) -> Result<SalesforceId> {
        let id = self.ids.get(node.index).filter(|_| Arc::ptr_eq(&self.tree, &node.tree));
        Ok(*id.ok_or(InvalidResponse::Unexpected("the record belongs to another tree"))?)
    }
}
