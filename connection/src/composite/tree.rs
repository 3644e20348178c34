//! A tree: records and their children, created by one request.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use serde_json::{
    json,
    value::{RawValue, to_raw_value},
};

use crate::{
    composite::{send::post, subrequest::value},
    connection::Connection,
    error::{ApiError, Error, InvalidRequest, InvalidResponse, Result},
    id::SalesforceId,
    name::{FieldName, ObjectName},
    request::{composite_body, decode, error_body, error_response},
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
    /// The record's members as they are sent. A tree of JSON would turn `0.1_f32` into `0.10000000149011612`.
    record: BTreeMap<String, Box<RawValue>>,
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
    /// `None` for a record whose id cannot be read: it exists, and so do the others.
    ids: Vec<Option<SalesforceId>>,
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

crate::debug::debug_as_display!(TreeError);

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
    /// As [`add`](Self::add), [`InvalidRequest::Name`] for an invalid name, [`InvalidRequest::Reference`] for a parent of
    /// another tree, and [`InvalidRequest::Record`] if the parent's record has something other than records under the
    /// name of the relationship.
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
        let relationship: FieldName = relationship.parse()?;
        let own = self.nodes.get(parent.index).and_then(|node| node.record.get(relationship.as_str()));
        own.map_or(Some(VecDeque::new()), |own| records(own)).ok_or(InvalidRequest::Record)?;
        self.push(object.parse()?, Some((parent.index, relationship)), record)
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
        let record = value(record)?;
        // An array or a text is not a map.
        let record = serde_json::from_str(record.get()).map_err(|_| InvalidRequest::Record)?;
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
        /// An odd member must not lose the ids of the other records.
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        struct CreatedRecord<'a> {
            #[serde(borrow)]
            reference_id: Option<&'a RawValue>,
            #[serde(borrow)]
            id: Option<&'a RawValue>,
        }
        #[derive(Deserialize)]
        struct ResponseBody<'a> {
            #[serde(borrow)]
            results: Vec<&'a RawValue>,
        }
        let (tree, count) = (Arc::clone(&self.identity), self.nodes.len());
        if count == 0 {
            return Ok(TreeIds { ids: Vec::new(), tree });
        }
        let (connection, resource) = (self.connection.clone(), format!("composite/tree/{}", self.object));
        let body = Records { records: self.into_records().map_err(Error::from)? };
        let response =
            post(&connection, &resource, &body, false).await.map_err(|error| tree_error(error, &tree))?;
        let body = decode::json_of(&response).map_err(Error::from)?;
        let ResponseBody { results } = decode::json(body).map_err(Error::from)?;
        let mut ids = vec![None; count];
        for created in results {
            let CreatedRecord { reference_id, id } = composite_body::members(created);
            let index = reference_id.and_then(error_body::text).and_then(|reference| node_index(&reference));
            if let Some(known) = index.and_then(|index| ids.get_mut(index)) {
                *known = id.and_then(error_body::text).and_then(|id| id.parse().ok());
            }
        }
        // Without any id there is none to lose.
        if ids.iter().all(Option::is_none) {
            let error = error_response::read(response.status.as_u16(), body, None).error;
            return Err(match tree_error(error, &tree) {
                TreeError::Call(_) => Error::from(InvalidResponse::Unexpected("a tree without ids")).into(),
                refused => refused,
            });
        }
        Ok(TreeIds { ids, tree })
    }

    /// Returns the records at the top, with their children inside.
    fn into_records(self) -> Result<VecDeque<Box<RawValue>>, InvalidRequest> {
        let mut roots = VecDeque::new();
        // For each record its children, by their relationship.
        let mut children: Vec<BTreeMap<String, VecDeque<Box<RawValue>>>> =
            vec![BTreeMap::new(); self.nodes.len()];
        // From last to first: a record has all its children before it is moved into its parent.
        for (index, node) in self.nodes.into_iter().enumerate().rev() {
            let mut record = node.record;
            for (relationship, added) in children.pop().unwrap_or_default() {
                let own = record.get(&relationship).and_then(|own| records(own));
                let records = own.into_iter().flatten().chain(added).collect();
                record.insert(relationship, raw(&Records { records })?);
            }
            let attributes = json!({ "type": node.object.as_str(), "referenceId": format!("n{index}") });
            record.insert("attributes".to_owned(), raw(&attributes)?);
            let record = raw(&record)?;
            match node.parent {
                None => roots.push_front(record),
                // Always found, because parents are added before their children.
                Some((parent, relationship)) => {
                    if let Some(children) = children.get_mut(parent) {
                        children.entry(relationship.as_str().to_owned()).or_default().push_front(record);
                    }
                }
            }
        }
        Ok(roots)
    }
}

/// The form in which the records at the top and the children of a record are sent.
#[derive(Serialize, Deserialize)]
struct Records {
    records: VecDeque<Box<RawValue>>,
}

fn raw<T: Serialize>(value: &T) -> Result<Box<RawValue>, InvalidRequest> {
    to_raw_value(value).map_err(InvalidRequest::Body)
}

/// Returns the records that a record of the program has itself under the name of a relationship; none for `null`.
///
/// Returns `None` for something other than records.
fn records(own: &RawValue) -> Option<VecDeque<Box<RawValue>>> {
    let own: Option<Records> = serde_json::from_str(own.get()).ok()?;
    Some(own.map(|own| own.records).unwrap_or_default())
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
    /// [`Error::InvalidResponse`] if the response has no readable id of the record, or it belongs to another tree.
    pub fn get(&self, node: &TreeNode) -> Result<SalesforceId> {
        let id = self.ids.get(node.index).filter(|_| Arc::ptr_eq(&self.tree, &node.tree));
        let id = id.ok_or(InvalidResponse::Unexpected("the record belongs to another tree"))?;
        Ok(id.ok_or(InvalidResponse::Unexpected("a created record without a readable id"))?)
    }
}
