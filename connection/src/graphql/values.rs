//! The shapes in which the schema has fields and lists of records.
//!
//! Source: GraphQL API Developer Guide, "Schema Structure" and "Paginate with Record Connections".

use serde::{Deserialize, Deserializer};

/// A field of a record: `Name { value displayValue }`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", bound = "T: Deserialize<'de>")]
#[non_exhaustive]
pub struct FieldValue<T> {
    /// The value; `None` if the field is empty. A document that does not select it is an error of reading.
    #[serde(deserialize_with = "crate::request::decode::present")]
    pub value: Option<T>,
    /// The value as Salesforce shows it, in the user's language. `None` if there is none or it was not selected.
    #[serde(default)]
    pub display_value: Option<String>,
}

/// One page of records: `edges { node { … } } pageInfo { … } totalCount`.
///
/// `T` is the type of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Edges<T> {
    /// The records of this page.
    pub nodes: Vec<T>,
    /// Whether there are more; `None` if `pageInfo` was not selected.
    pub page_info: Option<PageInfo>,
    /// The number of records of all pages; `None` if `totalCount` was not selected.
    pub total_count: Option<u64>,
}

/// Where a page ends.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PageInfo {
    /// Whether there is a further page.
    pub has_next_page: bool,
    /// The cursor of the last record, for the argument `after` of the next page. `None` if the page is empty or it was not
    /// selected.
    #[serde(default)]
    pub end_cursor: Option<String>,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Edges<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Edge<T> {
            node: T,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", bound = "T: Deserialize<'de>")]
        struct RawEdges<T> {
            edges: Vec<Edge<T>>,
            page_info: Option<PageInfo>,
            total_count: Option<u64>,
        }
        let raw = RawEdges::deserialize(deserializer)?;
        let nodes = raw.edges.into_iter().map(|edge| edge.node).collect();
        Ok(Self { nodes, page_info: raw.page_info, total_count: raw.total_count })
    }
}
