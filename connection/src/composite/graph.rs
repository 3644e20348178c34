//! Graphs: several composites in one request, each all or none.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    composite::{
        list::SubrequestList,
        reference::Reference,
        send::{
            Subresponse, check, check_readable, complete_children, get, post, subrequest_bodies,
            subresponses, with_parts,
        },
        subrequest::{Subrequest, subrequest_methods},
    },
    connection::Connection,
    error::{InvalidRequest, InvalidResponse, Result},
    request::{
        composite_body::{self, CompositeResponseBody, SubrequestBody},
        decode,
    },
};

/// Maximum number of graphs per request. Source: REST API Developer Guide, "Composite Graph Limits".
const MAX_GRAPHS: usize = 75;
/// Maximum number of subrequests in all graphs of a request. Source: as for [`MAX_GRAPHS`].
const MAX_NODES: usize = 500;

/// Up to 500 subrequests that succeed or fail together, for [`Connection::graphs`].
///
/// Later subrequests may use values of earlier ones, in chains of at most 15.
#[derive(Debug)]
#[must_use = "nothing is sent before it is given to `Connection::graphs`"]
pub struct Graph(SubrequestList);

/// The response to [`Connection::graphs`].
#[derive(Debug)]
#[must_use = "graphs may have failed: see `get` and `outcomes`"]
pub struct GraphResponse(Vec<GraphResult>);

#[derive(Debug)]
struct GraphResult {
    graph_id: String,
    responses: Vec<Subresponse>,
    /// `None` if the response does not say it.
    is_successful: Option<bool>,
}

/// What the response has of one graph. An odd member must not lose the other graphs.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Members<'a> {
    #[serde(borrow)]
    graph_id: Option<&'a RawValue>,
    #[serde(borrow)]
    graph_response: Option<&'a RawValue>,
    #[serde(borrow)]
    is_successful: Option<&'a RawValue>,
}

impl GraphResult {
    fn new(members: &Members<'_>, list: &SubrequestList) -> Result<Self> {
        let response = members.graph_response.map(RawValue::get);
        let response: Option<CompositeResponseBody<&RawValue>> =
            response.and_then(|response| serde_json::from_str(response).ok());
        let found = response.map(|response| response.composite_response).unwrap_or_default();
        Ok(Self {
            graph_id: list.id()?.to_owned(),
            responses: subresponses(&found, list)?,
            is_successful: members.is_successful.and_then(|flag| serde_json::from_str(flag.get()).ok()),
        })
    }
}

impl Default for Graph {
    fn default() -> Self {
        Self::new()
    }
}

subrequest_methods! { Graph returns Reference }

impl Graph {
    /// Creates an empty graph.
    pub fn new() -> Self {
        Self(SubrequestList::new())
    }

    /// Adds a subrequest and returns its reference.
    ///
    /// # Errors
    /// [`InvalidRequest::TooManyCalls`] above 500 subrequests; [`InvalidRequest::Reference`] for a reference to anything
    /// but an earlier subrequest of this graph.
    pub fn add<T>(&mut self, subrequest: Subrequest<T>) -> Result<Reference<T>> {
        self.0.add(subrequest, MAX_NODES)
    }
}

impl Connection {
    /// Sends up to 75 graphs, each of which succeeds or fails as a whole.
    ///
    /// They may have 500 subrequests together and count as one request against the API limit. Empty graphs are left
    /// out. The request is sent once unless all subrequests are idempotent. Needs API version 50.0.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use salesforce_connection::composite::Graph;
    /// use serde_json::json;
    ///
    /// let mut acme = Graph::new();
    /// let account = acme.create("Account", &json!({ "Name": "Acme" }))?;
    /// acme.create("Contact", &json!({ "LastName": "Lovelace", "AccountId": account.id() }))?;
    /// let mut other = Graph::new();
    /// other.upsert("Account", "ExternalKey__c", "A-17", &json!({ "Name": "Other" }))?;
    /// let response = sf.graphs([acme, other]).await?;
    /// for outcome in response.outcomes() {
    ///     outcome?;
    /// }
    /// println!("{}", response.get(&account)?);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// [`InvalidRequest::TooManyCalls`] above 75 graphs or 500 subrequests; otherwise as
    /// [`RawRequest::send`](crate::request::raw::RawRequest::send).
    pub async fn graphs(&self, graphs: impl IntoIterator<Item = Graph>) -> Result<GraphResponse> {
        #[derive(Serialize)]
        struct RequestBody<'a> {
            graphs: Vec<GraphBody<'a>>,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct GraphBody<'a> {
            graph_id: &'a str,
            composite_request: Vec<SubrequestBody<'a>>,
        }
        #[derive(Deserialize)]
        struct ResponseBody<'a> {
            #[serde(borrow)]
            graphs: Vec<&'a RawValue>,
        }
        let graphs: Vec<Graph> = graphs.into_iter().filter(|graph| !graph.0.subrequests.is_empty()).collect();
        if graphs.is_empty() {
            return Ok(GraphResponse(Vec::new()));
        }
        if graphs.len() > MAX_GRAPHS {
            return Err(InvalidRequest::TooManyCalls { limit: MAX_GRAPHS }.into());
        }
        if graphs.iter().map(|graph| graph.0.subrequests.len()).sum::<usize>() > MAX_NODES {
            return Err(InvalidRequest::TooManyCalls { limit: MAX_NODES }.into());
        }
        let version = self.version_for_request().await?;
        let bodies = graphs.iter().map(|graph| {
            let composite_request = subrequest_bodies(&graph.0, version)?;
            Ok(GraphBody { graph_id: graph.0.id()?, composite_request })
        });
        let body = RequestBody { graphs: bodies.collect::<Result<_>>()? };
        let idempotent = graphs.iter().flat_map(|graph| &graph.0.subrequests).all(|parts| parts.idempotent);
        let response = post(self, "composite/graph", &body, idempotent).await?;
        let response: ResponseBody<'_> = decode::json(decode::json_of(&response)?)?;
        let mut found = composite_body::by_id(&response.graphs, |members: &Members<'_>| members.graph_id);
        let results = graphs.iter().map(|graph| {
            let members = found.remove(graph.0.id()?).unwrap_or_default();
            GraphResult::new(&members, &graph.0)
        });
        let mut results = results.collect::<Result<Vec<_>>>()?;
        check_readable(results.iter().flat_map(|result| &result.responses))?;
        for (result, graph) in results.iter_mut().zip(&graphs) {
            complete_children(self, with_parts(&mut result.responses, &graph.0)).await;
        }
        Ok(GraphResponse(results))
    }
}

impl GraphResponse {
    /// Returns the result of a subrequest, as [`CompositeResponse::get`](crate::composite::CompositeResponse::get).
    ///
    /// # Errors
    /// As there.
    pub fn get<T>(&self, subrequest: &Reference<T>) -> Result<T> {
        let graph = self.0.iter().find(|graph| subrequest.id.starts_with(&graph.graph_id));
        get(graph.map_or(&[], |graph| &graph.responses), subrequest)
    }

    /// Returns the outcome of each graph that was sent, in their order.
    ///
    /// An error is the first one that Salesforce sent for a subrequest itself, rather than because another one failed.
    pub fn outcomes(&self) -> impl Iterator<Item = Result<()>> {
        self.0.iter().map(|graph| {
            check(&graph.responses)?;
            match graph.is_successful {
                Some(true) => Ok(()),
                Some(false) => Err(InvalidResponse::Unexpected("a failed graph without an error").into()),
                None => Err(InvalidResponse::Unexpected("a graph without its outcome").into()),
            }
        })
    }
}
